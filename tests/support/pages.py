"""Pages as a browser shows them, one after the other: signed in, in each size and scheme, looked at and drawn."""

from django.conf import settings
from django.test import Client

from tenants.models import User
from tests.support import screens
from tests.support.fernhill import Fernhill

# All four for pictures; the diagonal shows every width and every colour to the checks in half the time.
VARIANTS = [(width, scheme) for width in screens.WIDTHS for scheme in ("light", "dark")]
VARIANTS = VARIANTS if screens.DRAW else [("wide", "light"), ("narrow", "dark")]


def signed_in(visited: screens.Visit, user: User) -> None:
    client = Client()
    client.force_login(user)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    visited.page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": visited.base}])


def sound(visited: screens.Visit, name: str, *, but: str = "") -> None:
    """Drawn as `name`, with nothing to complain of: in the console, to either side, or by axe; `but` of what has this
    word in it."""
    visited.draw(name)
    overflow, violations = visited.overflow(), visited.axe()
    complaints = [each for each in visited.complaints if not but or but not in each]
    assert (name, complaints, overflow, violations) == (name, [], 0, [])


def look_at(visited: screens.Visit, fernhill: Fernhill, pages: dict[str, str], variant: str) -> None:
    """Each page of Fernhill is sound. `pages`: name to path below its home, where `{support-bot}` is that key's id."""
    for name, path in pages.items():
        for key, made in fernhill.keys.items():
            path = path.replace("{" + key + "}", made.pk)
        visited.page.goto(visited.base + fernhill.home + path, wait_until="load")
        sound(visited, f"{name}-{variant}")
