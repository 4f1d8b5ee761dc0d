"""Slack: an incoming webhook and Block Kit. Whatever else speaks this (Mattermost, Rocket.Chat) works too."""

from typing import Any

from alerts.channels.base import Letter, Order
from alerts.channels.http import HttpChannel, letter
from alerts.messages import BLOCKING, Message
from alerts.models import ChannelKind
from budgets import presentation as show

_REMOVED = "the webhook was removed. Paste a new URL."


class SlackChannel(HttpChannel):
    kind = ChannelKind.SLACK
    asks_for = "Incoming webhook URL"
    gone = {
        403: "the workspace does not allow this webhook. Ask a Slack admin, or paste a new URL.",
        404: _REMOVED,
        410: "the channel is archived. Choose another one in Slack and paste its URL.",
    }

    def compose(self, order: Order) -> Letter:
        message = order.message
        here = "<!here> " if order.mention else ""
        first = f"{here}*{escaped(_title(order))}* · {escaped(message.company)}"
        blocks = [_section(first), *_bar(message), _section(escaped(message.sentences))]
        if message.figures:
            fields = [_text(f"*{label}*\n{escaped(value)}") for label, value in message.figures]
            blocks.append({"type": "section", "fields": fields})
        blocks += [_context(escaped(line)) for line in message.spender_lines]
        blocks.append({"type": "actions", "elements": _buttons(message)})
        return letter({"text": f"{here}{escaped(message.title)} · {escaped(message.company)}", "blocks": blocks})


def _title(order: Order) -> str:
    """At a wall the first word is the one that matters, and since when."""
    title = order.message.title
    since = f"Blocked since {show.clock(order.happened_at)} UTC"
    return title.replace(BLOCKING, since, 1) if order.facts.is_wall else title


def _bar(message: Message) -> list[dict[str, Any]]:
    return [_context(f"`{message.bar}`")] if message.bar else []


def _buttons(message: Message) -> list[dict[str, Any]]:
    links = (("Open overview", message.links.overview), (message.change, message.links.change))
    return [
        {"type": "button", "text": {"type": "plain_text", "text": label}, "url": url, "action_id": f"open-{number}"}
        for number, (label, url) in enumerate(links)
    ]


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _text(text)}


def _context(text: str) -> dict[str, Any]:
    return {"type": "context", "elements": [_text(text)]}


def _text(text: str) -> dict[str, str]:
    return {"type": "mrkdwn", "text": text[:2900]}


def escaped(text: str) -> str:
    """So that a key called `<!channel>` calls nobody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
