"""Microsoft Teams: the webhook of a workflow, one adaptive card. RichTextBlock: its text is never read as markdown."""

from typing import Any

from alerts.channels.base import Letter, Order
from alerts.channels.http import HttpChannel, letter
from alerts.models import ChannelKind

_REMOVED = "the workflow was removed or switched off. Make a new one in Teams and paste its URL."


class TeamsChannel(HttpChannel):
    kind = ChannelKind.TEAMS
    asks_for = "Workflow webhook URL"
    gone = {404: _REMOVED, 410: _REMOVED}

    def compose(self, order: Order) -> Letter:
        message = order.message
        lines = [message.sentences, *([message.bar] if message.bar else []), *message.spender_lines]
        body = [_line(message.title, weight="Bolder", size="Medium"), _line(message.company, isSubtle=True)]
        body += [_line(line) for line in lines]
        if message.figures:
            columns = [
                {"type": "Column", "width": "auto", "items": [_line(label, isSubtle=True), _line(value)]}
                for label, value in message.figures
            ]
            body.append({"type": "ColumnSet", "columns": columns})
        links = (("Open overview", message.links.overview), (message.change, message.links.change))
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": body,
            "actions": [{"type": "Action.OpenUrl", "title": label, "url": url} for label, url in links],
        }
        attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
        return letter({"type": "message", "attachments": [attachment]})


def _line(text: str, **style: Any) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **style}]}
