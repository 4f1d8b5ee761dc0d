"""Holds learned from replies: the bound until enough is known, then what such replies cost, whole nanodollars."""

from hypothesis import given
from hypothesis import strategies as st

from proxy import estimates
from proxy.estimates import ENOUGH, KEPT, MOST_PLACES, Estimates

PLACE = ("key_1", "gpt-4o", "/chat/completions")
BOUND = 100_000_000


def learned(*costs: int) -> Estimates:
    known = Estimates()
    for cost in costs:
        known.note(PLACE, cost, BOUND)
    return known


def test_the_bound_is_held_until_enough_replies_are_known() -> None:
    known = learned(*[BOUND // 100] * (ENOUGH - 1))
    assert known.hold(PLACE, BOUND) == BOUND
    known.note(PLACE, BOUND // 100, BOUND)
    assert known.hold(PLACE, BOUND) == BOUND // 100 * 125 // 100
    assert known.hold(("key_2", *PLACE[1:]), BOUND) == BOUND


def test_the_few_dearest_do_not_decide_but_more_of_them_do() -> None:
    usual, dear = BOUND // 100, BOUND // 2
    assert learned(*[usual] * 99, dear).hold(PLACE, BOUND) < BOUND // 50
    assert learned(*[usual] * 90, *[dear] * 10).hold(PLACE, BOUND) == dear * 125 // 100


def test_what_was_long_ago_is_forgotten() -> None:
    known = learned(*[BOUND // 2] * KEPT, *[BOUND // 100] * KEPT)
    assert known.hold(PLACE, BOUND) == BOUND // 100 * 125 // 100


def test_memory_is_bounded() -> None:
    known = Estimates()
    for number in range(MOST_PLACES + 5):
        known.note((f"key_{number}", "gpt-4o", "/chat/completions"), 1, BOUND)
    assert len(known._learned) == MOST_PLACES


@given(st.lists(st.integers(0, 3 * BOUND), min_size=ENOUGH, max_size=2 * KEPT), st.integers(1, 10 * BOUND))
def test_an_estimate_is_never_above_the_bound_and_never_nothing(costs: list[int], bound: int) -> None:
    hold = learned(*costs).hold(PLACE, bound)
    assert 0 < hold <= bound
    assert type(hold) is int


def test_a_dearer_reply_than_was_thought_is_learned_from_at_once() -> None:
    known = learned(*[BOUND // 100] * ENOUGH)
    for _ in range(estimates.REFRESHED_EVERY):
        known.note(PLACE, BOUND, BOUND)
    assert known.hold(PLACE, BOUND) == BOUND
