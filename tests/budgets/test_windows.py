"""Windows: the day and the calendar month in UTC, gapless, whatever the moment."""

import os
import time
from calendar import isleap, monthrange
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgets.windows import GRACE_SECONDS, WindowKind, windows_at, windows_of

MOMENTS = st.integers(0, 4_102_444_800)  # 1970 to 2100


def epoch(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("moment", "day", "month", "day_reset", "month_reset"),
    [
        ("2026-11-24T12:00:00", "2026-11-24", "2026-11", "2026-11-25T00:00:00Z", "2026-12-01T00:00:00Z"),
        ("2026-12-31T23:59:59", "2026-12-31", "2026-12", "2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("2028-02-29T00:00:00", "2028-02-29", "2028-02", "2028-03-01T00:00:00Z", "2028-03-01T00:00:00Z"),
        ("2027-02-28T23:59:59", "2027-02-28", "2027-02", "2027-03-01T00:00:00Z", "2027-03-01T00:00:00Z"),
        ("2026-01-31T00:00:00", "2026-01-31", "2026-01", "2026-02-01T00:00:00Z", "2026-02-01T00:00:00Z"),
    ],
)
def test_a_moment_lies_in_its_utc_day_and_calendar_month(
    moment: str, day: str, month: str, day_reset: str, month_reset: str
) -> None:
    windows = windows_at(epoch(moment))
    assert (windows.day.suffix, windows.month.suffix) == (day, month)
    assert (windows.day.reset_at, windows.month.reset_at) == (day_reset, month_reset)


def test_the_first_second_of_a_month_belongs_to_it_and_the_last_before_does_not() -> None:
    start = epoch("2026-12-01T00:00:00")
    assert windows_at(start).month.suffix == "2026-12"
    assert windows_at(start - 1).month.suffix == "2026-11"
    assert windows_at(start - 0.001).month.suffix == "2026-11"


@given(MOMENTS)
def test_every_moment_lies_inside_its_windows_and_the_day_inside_the_month(moment: int) -> None:
    windows = windows_at(moment)
    assert windows.day.start <= moment < windows.day.end
    assert windows.month.start <= windows.day.start < windows.day.end <= windows.month.end
    assert windows.day.end - windows.day.start == 86_400


@given(MOMENTS)
def test_windows_follow_each_other_without_a_gap(moment: int) -> None:
    windows = windows_at(moment)
    for kind in WindowKind:
        window = windows.of(kind)
        following = windows_at(window.end).of(kind)
        assert following.start == window.end
        assert following.suffix != window.suffix


@given(st.dates(date(1970, 1, 1), date(2099, 12, 31)))
def test_the_days_of_a_month_are_those_of_the_calendar_and_fill_it(day: date) -> None:
    month = windows_of(day).month
    days = [windows_of(day.replace(day=number)).day for number in range(1, monthrange(day.year, day.month)[1] + 1)]
    assert (month.start, month.end) == (days[0].start, days[-1].end)
    assert all(one.end == following.start for one, following in pairwise(days))
    assert month.last_day.day == len(days)
    assert (day.month == 2 and len(days) == 29) == (day.month == 2 and isleap(day.year))


@given(st.dates(date(1970, 1, 1), date(2099, 12, 31)), st.sampled_from(["Pacific/Kiritimati", "America/New_York"]))
def test_windows_are_utc_wherever_the_process_runs(day: date, zone: str) -> None:
    before = os.environ.get("TZ")
    try:
        os.environ["TZ"] = zone
        time.tzset()
        windows = windows_of(day)
        assert windows.day.start % 86_400 == 0
        assert windows_at(windows.day.start) == windows_at(windows.day.end - 1) == windows
        assert windows.day.reset_at.endswith("T00:00:00Z")
    finally:
        os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
        time.tzset()


@given(st.lists(MOMENTS, min_size=2, max_size=6))
def test_the_kept_answer_never_stands_in_for_another_day(moments: list[int]) -> None:
    for moment in moments:
        assert windows_at(moment) == windows_of(datetime.fromtimestamp(moment, UTC).date())


def test_a_window_names_its_first_and_last_day() -> None:
    month = windows_of(date(2028, 2, 11)).month
    assert (month.first_day, month.last_day) == (date(2028, 2, 1), date(2028, 2, 29))
    day = windows_of(date(2028, 2, 11)).day
    assert day.first_day == day.last_day == date(2028, 2, 11)


def test_counters_outlive_their_window_by_the_grace() -> None:
    window = windows_of(date(2026, 11, 24)).day
    assert window.expires_at == window.end + GRACE_SECONDS
    assert timedelta(seconds=GRACE_SECONDS) >= timedelta(days=1)
