"""docs/alerts.md says what the code does."""

import json
import re
from pathlib import Path

from django.conf import settings

from alerts import channels, delivering, outbox
from alerts.ladder import FIRST_LADDER
from alerts.models import EventType, RuleKind
from tests.alerts.samples import order

TEXT = (Path(settings.BASE_DIR) / "docs" / "alerts.md").read_text()


def test_the_documented_body_is_the_one_that_is_sent() -> None:
    (sample,) = re.findall(r"^    (\{\"id\".*?\}\})$", TEXT, re.MULTILINE | re.DOTALL)
    assert json.loads(sample) == json.loads(channels.of("webhook").compose(order()).text)


def test_every_type_and_every_rule_is_documented() -> None:
    assert set(re.findall(r"^\| `([a-z_.]+)` \|", TEXT, re.MULTILINE)) == {*EventType.values, *RuleKind.values}


def test_the_documented_waits_are_the_ones_that_apply() -> None:
    minutes = [f"{seconds // 60}" for seconds in delivering.RETRIES[2:6]]
    hours = [f"{seconds // 3600}" for seconds in delivering.RETRIES[6:]]
    said = f"then after {', '.join(minutes)} minutes, {', '.join(hours[:-1])} and {hours[-1]} hours"
    assert said in " ".join(TEXT.split())
    assert f"a lease of {outbox.LEASE.seconds} s" in TEXT


def test_the_documented_statuses_end_a_channel() -> None:
    for kind, label in (("slack", "Slack"), ("webhook", "webhook"), ("discord", "Discord"), ("teams", "Teams")):
        gone = sorted(channels.of(kind).gone)  # type: ignore[attr-defined]
        assert f"{label} {', '.join(map(str, gone))}" in TEXT


def test_the_documented_ladder_is_the_first_one() -> None:
    assert [percent for percent, _ in FIRST_LADDER] == [50, 80, 95, 100]
    assert "50 % e-mail to its owner, 80 % Slack, 95 % Slack and webhook, 100 % every channel" in TEXT
