"""Every write of "who hears of it" by people and tokens. Keyword-only, typed; each records an AuditEvent."""

from alerts.services.channels import (
    NewChannel,
    change_channel,
    create_channel,
    reencrypt_channels,
    remove_channel,
    rotate_secret,
    subscribe,
    unsubscribe,
)
from alerts.services.deliveries import send_again, send_test
from alerts.services.rules import RuleChange, change_rule, create_rule, remove_rule, set_starting_ladder

__all__ = [
    "NewChannel",
    "RuleChange",
    "change_channel",
    "change_rule",
    "create_channel",
    "create_rule",
    "reencrypt_channels",
    "remove_channel",
    "remove_rule",
    "rotate_secret",
    "send_again",
    "send_test",
    "set_starting_ladder",
    "subscribe",
    "unsubscribe",
]
