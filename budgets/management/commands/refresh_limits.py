"""Compare the table of context windows and output limits with what is published, and write it anew if asked to."""

import difflib
import json
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from django.core.management.base import BaseCommand, CommandError

from budgets.pricing import refresh
from budgets.pricing.limits import TABLE, read_table
from budgets.pricing.refresh import Published, Way

MODELS_DEV = "https://models.dev/api.json"
MOST_BYTES = 20_000_000


class Command(BaseCommand):
    help = (
        "Compare the table of context windows and output limits with what is published, and show the difference. "
        "Nothing is written without --write, and no number is lowered without --lower. "
        "Exits with 1 where a difference is left, with 2 where a source cannot be read."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--from",
            dest="sources",
            action="append",
            default=[],
            metavar="URL-OR-FILE",
            help=f"a list in the shape of {MODELS_DEV} or of LiteLLM's model_prices_and_context_window.json; "
            "may be given several times, and the larger number of a model counts. "
            "Without any, only the price data in the wheel is looked at, and nothing is fetched",
        )
        parser.add_argument("--write", action="store_true", help="write the table; look at the difference first")
        parser.add_argument("--lower", action="store_true", help="take numbers that are smaller than ours, too")
        parser.add_argument("--table", default=str(TABLE), help="another table than the product's own")

    def handle(self, *args: Any, **options: Any) -> None:
        today = datetime.now(UTC).date()
        path = Path(options["table"])
        before = path.read_text(encoding="utf-8")
        rows = read_table(before.splitlines())
        published = refresh.published_in_wheel()
        for source in options["sources"]:
            published += self._read(source, today)
        changes = refresh.compare(rows, published, today)
        after = refresh.written(refresh.refreshed(rows, changes, lower=options["lower"]))
        self._tell(changes, before, after)
        if options["write"] and after != before:
            path.write_text(after, encoding="utf-8")
            self.stdout.write(f"Written to {path.name}. Restart the workers to have it hold.")
        left = [change for change in changes if self._is_left(change.way, options)]
        if left:
            raise CommandError(f"{len(left)} differences are left.", returncode=1)

    def _is_left(self, way: Way, options: dict[str, Any]) -> bool:
        if way in (Way.CONFIRMED, Way.DECIDED):
            return False
        return not options["write"] or (way is Way.LOWERED and not options["lower"])

    def _read(self, source: str, today: Any) -> list[Published]:
        try:
            text = _fetched(source) if source.startswith("https://") else Path(source).read_text(encoding="utf-8")
            return refresh.published_in(json.loads(text), source.rpartition("//")[2], today)
        except (OSError, httpx.HTTPError, ValueError) as error:
            raise CommandError(f"{source} cannot be read as a list of limits: {error}", returncode=2) from error

    def _tell(self, changes: list[refresh.Change], before: str, after: str) -> None:
        for change in changes:
            if change.way is not Way.CONFIRMED:
                self.stdout.write(str(change))
        counts = {way: sum(change.way is way for change in changes) for way in Way}
        self.stdout.write(", ".join(f"{count} {way}" for way, count in counts.items()))
        lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "limits.csv", "limits.csv", lineterm="")
        for line in lines:
            self.stdout.write(line)


def _fetched(url: str) -> str:
    with httpx.Client(timeout=30, follow_redirects=True) as client, client.stream("GET", url) as reply:
        reply.raise_for_status()
        body = b""
        for piece in reply.iter_bytes():
            body += piece
            if len(body) > MOST_BYTES:
                raise ValueError(f"it is over {MOST_BYTES:,} bytes")
    return body.decode()
