"""Discord: a channel's webhook, one embed."""

import re

from alerts.channels.base import Letter, Order
from alerts.channels.http import HttpChannel, letter
from alerts.channels.webhook import iso
from alerts.models import ChannelKind

_RED, _GREEN = 0xC5301C, 0x0A5F57
_MARKS = re.compile(r"([\\*_~`|>#\[\]()@<])")


class DiscordChannel(HttpChannel):
    kind = ChannelKind.DISCORD
    asks_for = "Webhook URL"
    gone = {
        401: "the URL is not right. Copy it again from the channel's settings.",
        404: "the webhook was removed. Make a new one in the channel's settings and paste its URL.",
    }

    def compose(self, order: Order) -> Letter:
        message = order.message
        lines = [message.sentences, *([message.bar] if message.bar else []), *message.spender_lines]
        embed = {
            "title": escaped(message.title)[:256],
            "url": message.links.overview,
            "description": "\n".join(escaped(line) for line in lines)[:4000],
            "fields": [{"name": label, "value": escaped(value), "inline": True} for label, value in message.figures],
            "color": _RED if message.urgent else _GREEN,
            "footer": {"text": message.company[:2000]},
            "timestamp": iso(order.happened_at),
        }
        allowed = {"parse": ["everyone"] if order.mention else []}  # whatever names say, they call nobody
        content = "@here" if order.mention else ""
        return letter({"content": content, "embeds": [embed], "allowed_mentions": allowed})


def escaped(text: str) -> str:
    return _MARKS.sub(r"\\\1", text)
