"""The routes of the API as the URLconf itself has them, so that no test can forget a new one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

PREFIX = "api/v1/"
NO_ROUTES = {"^.*$", "docs/"}  # what answers 404, and the way to the reference page


@dataclass(frozen=True)
class Route:
    """`pattern` as the URLconf writes it, below /api/v1/: `keys/<id:pk>/revoke/`."""

    pattern: str
    view: Any

    @property
    def methods(self) -> list[str]:
        return [name.upper() for name in ("get", "post", "patch", "put", "delete") if hasattr(self.view, name)]

    @property
    def named(self) -> str:
        """As documents write it: `keys/{id}/revoke/`."""
        return self.pattern.replace("<id:pk>", "{id}")

    def at(self, pk: str) -> str:
        return self.pattern.replace("<id:pk>", pk)

    def __str__(self) -> str:
        return self.named


def routes() -> list[Route]:
    found = [
        Route(pattern.removeprefix(PREFIX), callback.view_class)
        for pattern, callback in _walk(get_resolver().url_patterns, "")
        if pattern.startswith(PREFIX) and pattern.removeprefix(PREFIX) not in NO_ROUTES
    ]
    assert len(found) > 15
    return found


def _walk(patterns: list[URLPattern | URLResolver], before: str) -> Iterator[tuple[str, Any]]:
    for each in patterns:
        whole = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _walk(each.url_patterns, whole)
        else:
            yield whole, each.callback
