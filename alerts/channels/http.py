"""What channels that POST JSON to a URL of the tenant have in common: the guard, the headers, what an answer means."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

import orjson

from alerts.channels.base import Channel, Letter, Order, Passing, Permanent, Target
from tenants import netguard
from tenants.errors import InvalidValue

LONGEST_WAIT = 3600  # seconds: no Retry-After puts an alert off for longer
LONGEST_ANSWER = 500


class HttpChannel(Channel):
    asks_for = "URL"
    gone: ClassVar[dict[int, str]] = {}
    """Status -> what it means for the channel and what to do; no try after it would do better."""

    def target(self, text: str) -> Target:
        url = parsed(text)
        try:
            netguard.vet(url)
        except netguard.AddressRefused as error:
            raise InvalidValue("target", str(error)) from error
        return Target(text.strip(), self.shown(url))

    def shown(self, url: netguard.Url) -> str:
        """The path is the secret of most such URLs."""
        return f"{url.origin}/…{url.target[-4:]}" if len(url.target) > 12 else f"{url.origin}/…"

    def send(self, order: Order, letter: Letter) -> str:
        return self.post(order.target, letter.text.encode(), letter)

    def post(self, target: str, body: bytes, letter: Letter) -> str:
        try:
            answer = netguard.post(netguard.parse(target), body, letter.headers)
        except netguard.AddressRefused as error:
            raise Permanent(str(error), problem=f"{error} Paste another URL.") from error
        except netguard.NoAnswer as error:
            raise Passing(str(error)) from error
        said = f"{answer.status} {answer.body.strip()[:LONGEST_ANSWER]}".strip()
        if answer.status in self.gone:
            raise Permanent(said, problem=f"{self.kind.label} answered {answer.status}: {self.gone[answer.status]}")
        if not 200 <= answer.status < 300:
            moved = " Redirects are not followed: paste the final URL." if 300 <= answer.status < 400 else ""
            raise Passing(f"{said}{moved}", wait=seconds_asked(answer.retry_after))
        return said


def parsed(text: str) -> netguard.Url:
    try:
        return netguard.parse(text)
    except netguard.InvalidUrl as error:
        raise InvalidValue("target", str(error)) from error


def letter(body: dict[str, Any], **headers: str) -> Letter:
    """`headers` with underscores for dashes."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {"content-type": "application/json", "user-agent": "Tokonomics", **names}
    return Letter(orjson.dumps(body).decode(), sent)


def seconds_asked(retry_after: str) -> int:
    """`120`, or a date; 0 for anything else."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:9]), LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return 0
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0, min(int((until - datetime.now(UTC)).total_seconds()), LONGEST_WAIT))
