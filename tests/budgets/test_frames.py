"""A packed call is, byte for byte, what redis-py's own packer makes of the same command."""

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgets import scripts
from budgets.frames import DEADLINE, HOLE, RUN_ID, Frame, packed

VALUE = st.binary(max_size=40) | st.sampled_from([b"%", b"%b%%d", b"\r\n", b"$3\r\n", b""])


def written(frame: Frame, *values: bytes, as_source: bool = False) -> bytes:
    out: list[bytes] = []
    frame.filled(*values).write(out, packed("the-run-id"), 1_764_000_000_000, as_source=as_source)
    return b"".join(out)


@given(fixed=st.lists(VALUE | st.text(max_size=9) | st.integers(), max_size=6), holes=st.lists(VALUE, max_size=6))
@pytest.mark.parametrize("as_source", [False, True])
def test_a_filled_frame_is_the_command_that_it_stands_for(
    as_source: bool, fixed: list[bytes | str | int], holes: list[bytes]
) -> None:
    key, *others = [b"hold:{ten_x}:req_1", *holes]
    frame = Frame(scripts.RESERVE, ["policy:{ten_x}", HOLE], [*fixed, DEADLINE, *[HOLE for _ in others], "%end"])
    name, script = ("EVAL", scripts.RESERVE.source) if as_source else ("EVALSHA", scripts.RESERVE.sha)
    command = (name, script, 2, "policy:{ten_x}", key, "the-run-id", *fixed, 1_764_000_000_000, *others, "%end")
    assert written(frame, key, *others, as_source=as_source) == hiredis.pack_command(command)


def test_what_looks_like_a_placeholder_and_is_a_value_stays_one() -> None:
    frame = Frame(scripts.SETTLE, ["k"], [HOLE, DEADLINE])
    sent = written(frame, bytes(bytearray(RUN_ID)))
    assert sent.count(packed("the-run-id")) == 1
    assert packed(RUN_ID) in sent
