from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokonomics.sandbox.instructions import Fault, FaultKind, InstructionError, Instructions, parse


def test_no_header_leaves_every_choice_to_the_sandbox() -> None:
    assert parse("") == Instructions()


def test_every_instruction_is_read() -> None:
    header = (
        "output=200; delay=1.5;chunk_delay=.02 ;  chunk_tokens=4; cached=3; cache_write=5; cache_write_1h=6; "
        "reasoning=10; tool=1; fault=cut:10;"
    )
    assert parse(header) == Instructions(
        output=200,
        delay=1.5,
        chunk_delay=0.02,
        chunk_tokens=4,
        cached=3,
        cache_write=5,
        cache_write_1h=6,
        reasoning=10,
        tool=True,
        fault=Fault(FaultKind.CUT, 10),
    )


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        ("fault=status:429", Fault(FaultKind.STATUS, 429)),
        ("fault=cut:0", Fault(FaultKind.CUT, 0)),
        ("fault=hang:3", Fault(FaultKind.HANG, 3)),
        ("fault=garbage:3", Fault(FaultKind.GARBAGE, 3)),
        ("fault=error_event:3", Fault(FaultKind.ERROR_EVENT, 3)),
        ("fault=no_usage", Fault(FaultKind.NO_USAGE)),
        ("fault=zero_usage", Fault(FaultKind.ZERO_USAGE)),
        ("fault=absurd_usage", Fault(FaultKind.ABSURD_USAGE)),
        ("fault=gzip", Fault(FaultKind.GZIP)),
    ],
)
def test_every_fault_is_read(header: str, fault: Fault) -> None:
    assert parse(header).fault == fault


@pytest.mark.parametrize(
    ("header", "named", "problem"),
    [
        ("output=32769", "output=32769", "from 0 to 32768"),
        ("output=-1", "output=-1", "from 0 to 32768"),
        ("output=1.5", "output=1.5", "whole number"),
        ("output=١٢", "output=١٢", "whole number"),
        ("output=", "output=", "whole number"),
        ("output", "output", "needs a value"),
        ("delay=60.1", "delay=60.1", "seconds from 0 to 60"),
        ("delay=nan", "delay=nan", "seconds"),
        ("delay=1e1", "delay=1e1", "seconds"),
        ("chunk_delay=-1", "chunk_delay=-1", "seconds"),
        ("chunk_tokens=0", "chunk_tokens=0", "from 1"),
        ("tool=yes", "tool=yes", "0 or 1"),
        ("outptu=5", "outptu=5", "known are output, delay"),
        ("output=5; output=5", "output=5", "twice"),
        ("fault=cut", "fault=cut", "like cut:10"),
        ("fault=cut:x", "fault=cut:x", "whole number"),
        ("fault=status:200", "fault=status:200", "from 400 to 599"),
        ("fault=gzip:1", "fault=gzip:1", "takes no number"),
        ("fault=explode", "fault=explode", "known are status, cut"),
        ("output=5; reasoning=6", "reasoning=6", "exceeds output=5"),
    ],
)
def test_a_bad_instruction_is_named_with_what_would_do(header: str, named: str, problem: str) -> None:
    with pytest.raises(InstructionError) as caught:
        parse(header)
    assert f"'{named}'" in str(caught.value)
    assert problem in str(caught.value)


@settings(deadline=None)
@given(st.text())
def test_any_header_is_parsed_or_refused(header: str) -> None:
    try:
        parsed = parse(header)
    except InstructionError:
        return
    assert parsed.output is None or 0 <= parsed.output <= 32_768
    assert 0 <= parsed.delay <= 60
