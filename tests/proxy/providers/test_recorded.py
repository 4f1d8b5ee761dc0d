"""No reply on record costs more than was held for its request; how tight the holds are is in docs/bounds.md."""

import pytest

from benchmarks.bounds import PAGE, section, table
from tests.proxy.providers.recorded import RECORDED, Recorded


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda each: f"{each.format}: {each.content}")
def test_no_recorded_reply_settles_above_its_hold(recorded: Recorded) -> None:
    assert 0 < recorded.cost() <= recorded.quote().most
    assert recorded.usage().total_input_tokens <= recorded.input_bound()


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda each: f"{each.format}: {each.content}")
def test_what_goes_out_can_be_read_again_and_is_bounded_the_same(recorded: Recorded) -> None:
    parsed = recorded.parsed()
    sent = recorded.adapter.render(parsed, 1_024 if parsed.output_limit is None else parsed.output_limit)
    kind = dict(recorded.adapter.request_headers({}, "sk"))[b"content-type"].decode()
    again = recorded.adapter.parse(sent, {"content-type": kind}, frozenset())
    assert (again.input_tokens, again.at_most) == (parsed.input_tokens, parsed.at_most)


def test_the_page_shows_the_bounds_as_they_are() -> None:
    """`python -m benchmarks.bounds --save` writes it."""
    assert section(PAGE.read_text()) == table()
