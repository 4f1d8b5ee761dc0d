"""Every channel by its kind. A new one is a file here and a line in ChannelKind."""

from alerts.channels.base import Channel
from alerts.channels.discord import DiscordChannel
from alerts.channels.email import EmailChannel
from alerts.channels.pagerduty import PagerDutyChannel
from alerts.channels.slack import SlackChannel
from alerts.channels.teams import TeamsChannel
from alerts.channels.webhook import WebhookChannel

ALL: tuple[Channel, ...] = (
    EmailChannel(),
    SlackChannel(),
    WebhookChannel(),
    DiscordChannel(),
    TeamsChannel(),
    PagerDutyChannel(),
)
_BY_KIND = {str(channel.kind): channel for channel in ALL}


def of(kind: str) -> Channel:
    return _BY_KIND[kind]
