"""The words of an alert, exactly, and that nothing is lost between the facts and the wire."""

import json

import pytest

from alerts.facts import Facts
from tests.alerts.samples import BURN_RATE, BURNING, FACTS, FORECAST, at, said, usd

CAP_AHEAD = (
    "At this pace the cap is reached on Friday 27 November. Requests are then blocked until 1 December 00:00 UTC."
)


def test_a_threshold_ahead_of_the_cap() -> None:
    message = said()
    assert message.subject == "80% of November's budget is spent (Fernhill Labs)"
    assert message.lead == "$960.41 of $1,200.00 is spent (80.0%)."
    assert message.outlook == CAP_AHEAD
    assert message.standing == "spent $960.41, held $4.10, left $235.49"
    assert message.spender_lines == [
        "Most of it: support-bot $371.20 · nightly-batch $231.88 · search-rerank $218.03",
        "By model: gpt-4o $512.77",
    ]
    assert message.bar == "████████░░ 80.0%"
    assert dict(message.figures) == {
        "Spent": "$960.41 of $1,200.00",
        "Left": "$235.49",
        "Reset": "1 Dec 00:00 UTC",
        "Pace": "about $1,370 by 30 Nov, without the cap",
    }
    assert message.why == "You get this because you are on the 80% alert of Fernhill Labs."
    assert not message.urgent


def test_ahead_of_a_soft_budget_nothing_will_be_blocked() -> None:
    message = said(hard=False)
    assert message.outlook == "At this pace the budget is reached on Friday 27 November. Nothing will be blocked."
    assert dict(message.figures)["Pace"] == "about $1,370 by 30 Nov"


def test_reached_today_it_says_at_what_time() -> None:
    assert said(now=at(27, 2)).outlook.startswith("At this pace the cap is reached today at about 05:00 UTC.")


def test_not_in_reach_and_too_early_to_say() -> None:
    assert said(ahead=usd("1100"), cap_reached_at=None).outlook == (
        "On course for about $1,100 of $1,200. The cap is not in reach this month."
    )
    assert said(ahead=None, cap_reached_at=None).outlook == "At 100% requests are blocked until 1 December 00:00 UTC."
    assert said(ahead=None, cap_reached_at=None, hard=False).outlook == "At 100% nothing is blocked."


def test_the_wall() -> None:
    message = said(percent=100, spent=usd("1199.97"), by_refusal=True)
    assert message.subject == "Requests are being blocked: November's cap of $1,200.00 is reached"
    assert message.outlook == "Requests are blocked until 1 December 00:00 UTC, or until the cap is raised."
    assert message.lead == "$1,199.97 of $1,200.00 is spent (99.9%)."
    assert message.urgent


def test_one_request_that_was_too_large_is_not_called_a_wall() -> None:
    message = said(percent=100, spent=usd("400"), by_refusal=True)
    assert message.subject == "A request was refused: $795.90 is left of November's cap of $1,200.00"
    assert not message.urgent


def test_a_cap_of_zero_that_refused_is_a_wall() -> None:
    message = said(percent=100, limit=0, spent=0, by_refusal=True, held=0, ahead=None, cap_reached_at=None)
    assert message.subject == "Requests are being blocked: November's cap of $0.00 is reached"
    assert message.urgent and message.used == 1000


def test_a_soft_budget_that_is_reached() -> None:
    message = said(percent=100, spent=usd("1201"), hard=False)
    assert message.subject == "November's budget of $1,200.00 is reached; nothing is blocked"
    assert message.outlook == "Spending goes on, with no upper limit. It resets on 1 December 00:00 UTC."
    assert message.standing == "spent $1,201.00, held $4.10, $1.00 over" and message.is_over
    assert said(percent=120, spent=usd("1441"), hard=False).subject == (
        "120% of November's budget is spent; nothing is blocked"
    )


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({}, "80% of nightly-batch's cap for November is spent (Fernhill Labs)"),
        (
            {"window": "day", "window_start": at(22)},
            "80% of nightly-batch's cap for 22 November is spent (Fernhill Labs)",
        ),
        ({"hard": False}, "80% of nightly-batch's budget for November is spent (Fernhill Labs)"),
        (
            {"percent": 100, "spent": usd("1200")},
            "Requests are being blocked: nightly-batch's cap of $1,200.00 for November is reached",
        ),
    ],
)
def test_a_key_is_called_by_its_name(changes: dict[str, object], subject: str) -> None:
    message = said(api_key_id="key_1", api_key_name="nightly-batch", scope="api_key", **changes)
    assert message.subject == subject
    assert message.links.change == "https://caps.example/t/fernhill-labs/keys/key_1/"
    assert message.change == "Change its cap"


def test_a_forecast() -> None:
    message = said(FORECAST, percent=0)
    assert message.subject == ("At this pace November's cap of $1,200.00 is reached on 27 November (Fernhill Labs)")
    assert message.outlook == CAP_AHEAD


def test_a_burn_rate_with_and_without_the_pause() -> None:
    message = said(BURN_RATE, **BURNING, paused=True)
    assert message.subject == "Paused: nightly-batch spent $61 in an hour, 40 times its usual"
    assert message.sentences == (
        "$61.40 in the last hour; the usual hour is $1.50. "
        "Its requests get 403 api_key_paused until somebody resumes it."
    )
    assert message.urgent and message.bar == ""
    assert said(BURN_RATE, **BURNING).subject == (
        "nightly-batch spent $61 in an hour, 40 times its usual (Fernhill Labs)"
    )


def test_a_name_with_a_line_break_makes_no_header() -> None:
    message = said(api_key_id="key_1", api_key_name="x\r\nBcc: all@example.com", scope="api_key")
    assert "\n" not in message.subject and "\r" not in message.subject


def test_facts_come_back_from_json_as_they_were() -> None:
    assert Facts.from_json(json.loads(json.dumps(FACTS.to_json()))) == FACTS
    assert "." not in json.dumps({name: value for name, value in FACTS.to_json().items() if isinstance(value, int)})
