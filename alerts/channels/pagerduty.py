"""PagerDuty: Events API v2. Repeats of one event are one incident there: the event's id is its `dedup_key`."""

import re

import orjson

from alerts.channels.base import Letter, Order, Target
from alerts.channels.http import HttpChannel, letter
from alerts.channels.webhook import data_of, iso
from alerts.models import ChannelKind
from tenants.errors import InvalidValue

_KEY = re.compile(r"[A-Za-z0-9]{32}")


class PagerDutyChannel(HttpChannel):
    kind = ChannelKind.PAGERDUTY
    asks_for = "Integration key"
    url = "https://events.pagerduty.com/v2/enqueue"
    gone = {400: "it does not know this integration key. Paste the key of an Events API v2 integration."}

    def target(self, text: str) -> Target:
        if not _KEY.fullmatch(key := text.strip()):
            raise InvalidValue("target", "Paste the integration key of Events API v2: 32 letters and digits.")
        return Target(key, f"…{key[-4:]}")

    def compose(self, order: Order) -> Letter:
        """Without the routing key, which is the secret of this channel: `send` adds it."""
        message = order.message
        details = {**data_of(order.kind, order.facts), "says": message.sentences}
        return letter(
            {
                "event_action": "trigger",
                "dedup_key": order.event_id,
                "payload": {
                    "summary": f"{message.title} ({message.company})"[:1024],
                    "source": f"tokonomics/{order.facts.tenant_slug}",
                    "severity": "critical" if message.urgent else "warning",
                    "timestamp": iso(order.happened_at),
                    "custom_details": details,
                },
                "links": [
                    {"href": message.links.overview, "text": "Open overview"},
                    {"href": message.links.change, "text": message.change},
                ],
            }
        )

    def send(self, order: Order, letter: Letter) -> str:
        body = {**orjson.loads(letter.text), "routing_key": order.target}
        return self.post(self.url, orjson.dumps(body), letter)
