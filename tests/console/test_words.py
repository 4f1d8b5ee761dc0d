"""The exact sentences and figures; a changed word is a changed promise."""

from datetime import UTC, datetime, timedelta

import pytest

from budgets.forecast import forecast
from tests.support.readings import DAY, MONTH, NOW, SENT, STATES, at, reading, usd
from tokonomics.console import presentation as show
from tokonomics.console import words
from tokonomics.console.figures import figures
from tokonomics.console.frame import Frame, Link
from tokonomics.console.reading import State

RESET = datetime(2026, 12, 1, tzinfo=UTC)

HEADLINES = {
    "Quiet": "On course for $30 of $49. The cap is not in reach this month.",
    "Ahead of the cap": (
        "At this pace the cap is reached on Friday 27 November. Requests are then blocked until 1 December."
    ),
    "Nearly there": (
        "94% is spent. At this pace the cap is reached on Friday 20 November. "
        "Requests are then blocked until 1 December."
    ),
    "Blocked": "The cap is reached. Requests are blocked until 1 December 00:00 UTC.",
    "Held": "$2.10 is left, and 31 requests in flight hold $9.40 until they finish. New ones wait for it.",
    "Soft, ahead": "At this pace November ends at about $1,370, $170 over budget. Nothing will be blocked.",
    "Over, soft": "The budget is passed by $6.20 and spending goes on. Nothing is blocked.",
    "Ledger out of reach": ("Requests are refused: the spending ledger cannot be reached since 10:41:12 UTC."),
    "No budget yet": "No budget is set yet. Live keys work once there is one.",
    "A cap of 0": "The cap is $0.00. Everything is refused.",
    "Too early to say": "$3.10 of $49.00 is spent. A forecast appears on 3 November.",
}


@pytest.mark.parametrize(("name", "sentence"), HEADLINES.items())
def test_the_headline_of_each_state(name: str, sentence: str) -> None:
    assert words.headline(dict(STATES)[name]) == sentence


def test_the_cap_that_is_reached_today_says_about_when() -> None:
    nearly = reading("46.06", "0.90", "49", now=at(28, 6))
    assert words.headline(nearly).startswith("94% is spent. At this pace the cap is reached on Sunday 29 November.")
    today = reading("48.50", "0", "49", now=at(28, 10))
    assert "the cap is reached today at about 16:47 UTC." in words.headline(today)


def test_without_twenty_requests_the_headline_says_what_a_forecast_waits_for() -> None:
    early = reading("3.10", cap="49", settled_requests=19)
    assert words.headline(early) == "$3.10 of $49.00 is spent. A forecast appears after 20 settled requests."


def test_a_tenant_that_began_late_is_told_its_own_date() -> None:
    late = reading("3.10", cap="49", since=at(18, 12))
    assert words.headline(late) == "$3.10 of $49.00 is spent. A forecast appears on 20 November."
    last = reading("3.10", cap="49", now=at(30, 1), since=at(29, 12))
    assert words.headline(last) == "$3.10 of $49.00 is spent. It resets on 1 December."


def test_a_day_never_has_a_forecast() -> None:
    day = reading("14.20", cap="49", window=DAY)
    assert words.headline(day) == "$14.20 of $49.00 is spent. It resets at 00:00 UTC."


def test_the_subline_of_a_reached_cap() -> None:
    blocked = dict(STATES)["Blocked"]
    assert words.subline(blocked) == (
        "$0.03 is left and the smallest request since needed $0.012. 2,914 refused so far."
    )
    assert words.subline(dict(STATES)["Quiet"]) == ""


def test_both_sentences_of_the_toggle() -> None:
    assert words.toggle_on(usd("1200"), RESET) == (
        "No request is forwarded unless its full possible cost fits under $1,200.00. Your apps get a 429 and the "
        "provider is never called, until 1 December 00:00 UTC or until you raise the budget. "
        "Replies under way stay inside what was held for them."
    )
    assert words.toggle_off(usd("1200")) == (
        "Nothing is blocked. At $1,200.00 we send the alerts below and your apps keep spending, with no upper limit. "
        "Key caps that are hard still block."
    )


def test_questions_name_what_they_do_and_the_way_back() -> None:
    assert words.confirm_off(usd("1200")) == words.Question(
        "Stop blocking at $1,200.00? From the next request, spending has no upper limit.",
        "Turn blocking off",
        "Keep blocking",
    )
    assert words.confirm_below_spend(usd("842.17"), usd("800"), RESET) == words.Question(
        "$842.17 is already spent. With a cap of $800.00 all requests are blocked until 1 December.",
        "Save and block now",
        "Change the amount",
    )


def test_answers_to_a_save() -> None:
    assert words.saved(usd("1500")) == "Saved. $1,500.00 holds from the next request."
    assert words.save_failed(usd("1200")) == (
        "Not saved: the spending ledger cannot be reached, so the old cap of $1,200.00 still holds. Try again."
    )


def test_keys_and_refusals() -> None:
    assert words.key_once("support-bot") == "Copy the key “support-bot” now. It is shown this once."
    assert words.revoked(NOW, "owner@fernhill.example") == (
        "Revoked 19 Nov 10:42 by owner@fernhill.example. Requests with it get 403 api_key_revoked. "
        "Spend stays in the reports."
    )
    assert words.rotated(NOW + timedelta(days=7)) == "The new key works now. The old one stops on 26 Nov 10:42 UTC."
    assert words.too_large(usd("14.20"), usd("9.10"), 3100) == (
        "Refused: this request could cost up to $14.20 and $9.10 is left. With at most 3,100 output tokens it fits."
    )
    assert words.charged_at_hold(usd("0.16384")) == (
        "The provider gave no usage, so the most it could cost was charged: $0.16384."
    )
    blocked = reading("14.99", "0", "15", window=DAY, refused=2914)
    assert words.key_blocked("nightly-batch", blocked, show.at(at(19, 6, 12))) == words.Notice(
        "nightly-batch is blocked for today.",
        "It reached its daily cap of $15.00 at 06:12 UTC; 2,914 requests refused since. It starts again at 00:00 UTC.",
    )


def test_who_may_is_named() -> None:
    assert words.no_right("change the budget", ["admin@fernhill.example", "owner@fernhill.example"]) == (
        "Only admins and owners can change the budget. Ask admin@fernhill.example or owner@fernhill.example."
    )


def test_a_new_month_says_how_the_last_one_ended() -> None:
    assert words.month_reset(RESET, usd("1200"), NOW, usd("1187.40")) == (
        "December has begun: $0.00 of $1,200.00. November ended at $1,187.40."
    )


# --- Numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nanodollars", "up", "down"),
    [
        (0, "$0.00", "$0.00"),
        (1, "<$0.01", "<$0.01"),
        (9_999_999, "<$0.01", "<$0.01"),
        (10_000_000, "$0.01", "$0.01"),
        (10_000_001, "$0.02", "$0.01"),
        (842_161_000_000, "$842.17", "$842.16"),
        (1_234_567_890_000_000, "$1,234,567.89", "$1,234,567.89"),
        (-6_600_000_000, "−$6.60", "−$6.60"),
        (-10_000_001, "−$0.01", "−$0.02"),
    ],
)
def test_spent_rounds_up_and_what_is_left_rounds_down(nanodollars: int, up: str, down: str) -> None:
    assert (show.spent(nanodollars), show.left(nanodollars)) == (up, down)


def test_the_figures_never_promise_more_than_the_cap() -> None:
    month = reading(cap="10")
    for spent, held in ((3_333_333_333, 1_111_111_111), (1, 1), (9_999_999_999, 0)):
        now = type(month)(window=MONTH, now=month.now, spent=spent, held=held, cap=month.cap)
        shown = [show.spent(now.spent), show.spent(now.held), show.left(now.remaining)]
        cents = [1 if text == "<$0.01" else int(text.replace("$", "").replace(".", "")) for text in shown]
        assert cents[2] <= 1000 - now.spent // 10_000_000 - now.held // 10_000_000
        assert cents[2] * 10_000_000 <= max(now.remaining, 10_000_000)


def test_each_way_to_write_an_amount() -> None:
    assert show.exact(usd("0.012")) == "$0.012"
    assert show.exact(usd("1200")) == "$1,200.00"
    assert show.exact(-usd("0.5")) == "−$0.50"
    assert [show.five(n) for n in (0, 1, 84_365_001, 2_100_000_000)] == [
        "$0.00000",
        "<$0.00001",
        "$0.08437",
        "$2.10000",
    ]
    assert [show.rough(usd(n)) for n in ("1369.50", "1369.49", "31.2", "0.42")] == ["$1,370", "$1,369", "$31", "$0.42"]
    assert [show.cap_short(usd(n)) for n in ("1200", "49.5", "0")] == ["$1,200", "$49.50", "$0"]
    assert show.cap(usd("49.005")) == "$49.005"
    assert show.field(usd("1200.5")) == "1,200.50" and show.field(None) == ""


def test_percent_is_rounded_down_and_full_only_when_full() -> None:
    assert show.percent(usd("842.17"), usd("1200")) == "70.1%"
    assert show.percent(999_999, 1_000_000) == "99.9%"
    assert show.percent(5, 5) == "100%" and show.percent(0, 5) == "0%"
    assert show.percent(usd("55.20"), usd("49")) == "112.6%"
    assert show.percent(1, 0) == "100%" and show.percent(0, 0) == "0%"


def test_tokens_durations_and_times() -> None:
    assert [show.tokens(n) for n in (388, 16_384, 999_999, 1_250_000)] == ["388", "16,384", "999,999", "1.2 M"]
    assert [show.took(n) for n in (212, 21_430, 200_000)] == ["212 ms", "21.4 s", "3 min 20 s"]
    assert show.moment(NOW - timedelta(minutes=2), NOW) == "10:40:07"
    assert show.moment(NOW - timedelta(days=1), NOW) == "18 Nov 10:42"
    assert show.moment(NOW - timedelta(days=365), NOW) == "19 Nov 2025 10:42"
    assert show.ago(NOW - timedelta(seconds=4), NOW) == "4 s ago"
    assert show.ago(NOW - timedelta(minutes=59), NOW) == "59 min ago"
    assert show.ago(NOW - timedelta(hours=1), NOW) == "09:42:07"


# --- Forecast --------------------------------------------------------------------------------------------------------


def test_the_forecast_is_spent_by_elapsed_times_length() -> None:
    found = forecast(
        spent=usd("300"), cap=usd("600"), start=at(1), end=at(1) + 30 * 86_400, now=at(11), settled_requests=20
    )
    assert found is not None
    assert found.amount == usd("900")
    assert found.reached_at == at(21)
    assert found.a_day() == usd("30")
    assert found.seconds_for(usd("60")) == 2 * 86_400


def test_the_forecast_waits_for_48_hours_and_20_requests() -> None:
    known = {"spent": usd("3"), "cap": None, "start": at(1), "end": MONTH.end}
    assert forecast(now=at(3) - 1, settled_requests=500, **known) is None
    assert forecast(now=at(3), settled_requests=19, **known) is None
    assert forecast(now=at(3), settled_requests=20, **known) is not None
    assert forecast(now=MONTH.end, settled_requests=20, **known) is None


def test_the_pace_of_a_tenant_that_began_late_is_counted_from_then() -> None:
    found = forecast(
        spent=usd("40"), cap=usd("1000"), start=at(1), end=MONTH.end, now=at(24), settled_requests=50, since=at(20)
    )
    assert found is not None and found.amount == usd("110") and found.reached_at is None


def test_the_cap_is_not_forecast_to_be_reached_before_it_is() -> None:
    """Rounded up to the whole second: at `reached_at` the pace has really used the cap."""
    found = forecast(spent=usd("7"), cap=usd("11"), start=at(1), end=MONTH.end, now=at(15), settled_requests=50)
    assert found is not None and found.reached_at is not None
    assert usd("7") * (found.reached_at - at(1)) >= usd("11") * (at(15) - at(1))
    assert usd("7") * (found.reached_at - 1 - at(1)) < usd("11") * (at(15) - at(1))


# --- Figures and frame -----------------------------------------------------------------------------------------------


def test_the_four_figures() -> None:
    month = reading("842.17", "6.38", in_flight=4, thresholds=SENT)
    assert [(figure.name, figure.amount, figure.note) for figure in figures(month)] == [
        ("Spent", "$842.17", "70.1% · even pace is $738"),
        ("Held", "$6.38", "by 4 requests in flight"),
        ("Remaining", "$351.45", "lasts about 7 days at this pace"),
        ("Cap, hard", "$1,200.00", "resets 1 Dec 00:00 UTC"),
    ]


def test_past_a_soft_budget_the_third_figure_is_what_is_over() -> None:
    third = figures(reading("55.20", "0.40", "49", hard=False))[2]
    assert (third.name, third.amount, third.swatch) == ("Over budget", "$6.20", "over")


def test_the_state_of_a_hard_cap_goes_by_refusals_as_well_as_by_spend() -> None:
    assert reading("48.97", "0", "49").state == State.NEARLY
    assert reading("48.97", "0", "49", refusing=True).state == State.BLOCKED
    assert reading("49", "0", "49").state == State.BLOCKED
    assert reading("49", "0", "49", hard=False).state == State.NEARLY
    assert reading("10", "0", "49", waiting=True).state == State.HELD


def test_the_frame_says_where_one_is_and_what_is_left() -> None:
    frame = Frame(
        tenant_name="Fernhill Labs",
        tenant_slug="fernhill-labs",
        role="viewer",
        person="viewer@fernhill.example",
        active="providers",
        month=reading("842.17", "6.38"),
        counts={"keys": 7},
        hidden=frozenset({"team"}),
        others=(Link("Other", "/t/other/"),),
    )
    first, second = frame.places
    assert [place.label for place in first] == ["Overview", "Usage", "Keys", "Alerts"]
    assert [place.label for place in second] == ["Audit log", "Settings", "Providers", "Prices"]
    assert [place.href for place in (*first, *second) if place.current] == ["/t/fernhill-labs/settings/providers/"]
    assert first[2].count == "7"
    assert (frame.left, frame.left_of, frame.resets, frame.title) == (
        "$351.45",
        "of $1,200",
        "resets 1 Dec",
        "Providers",
    )
    assert frame.left_in_words == "left of $1,200"
