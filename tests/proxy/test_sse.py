"""The SSE decoder accounts for every byte and reads the same events however a stream is cut."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.sse import Decoder, EventTooLarge

STREAM = (
    b"\xef\xbb\xbf: a comment\n\n"
    b"data: one\n\n"
    b"event: two\r\ndata: first\r\ndata: second\r\n\r\n"
    b"data:three\r\rid: 7\rdata: \r\r"
    b"\n\n\ndata: mixed\r\n\ndata: mixed too\n\r\n"
    b"data\n\n"
)
EVENTS = [
    ("message", b""),
    ("message", b"one"),
    ("two", b"first\nsecond"),
    ("message", b"three"),
    ("message", b""),
    ("message", b""),
    ("message", b"mixed"),
    ("message", b"mixed too"),
    ("message", b""),
]


def decode(pieces):
    decoder = Decoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events, decoder.flush()


def test_events_are_split_at_every_kind_of_blank_line():
    events, tail = decode([STREAM])
    assert [(event.name, event.data) for event in events] == EVENTS
    assert tail == b""


@pytest.mark.parametrize("cut", range(len(STREAM) + 1))
def test_every_cut_gives_the_same_events_and_loses_no_byte(cut):
    events, tail = decode([STREAM[:cut], STREAM[cut:]])
    assert [(event.name, event.data) for event in events] == EVENTS
    assert b"".join(event.raw for event in events) + tail == STREAM


def test_one_byte_at_a_time_gives_the_same_events():
    events, tail = decode([bytes([byte]) for byte in STREAM])
    assert [(event.name, event.data) for event in events] == EVENTS
    assert b"".join(event.raw for event in events) + tail == STREAM


@settings(deadline=None)
@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"data: x", b":", b"event: e"]), max_size=30), st.data())
def test_any_stream_cut_anywhere_gives_the_same_raw_events(parts, data):
    stream = b"".join(parts)
    whole, whole_tail = decode([stream])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    pieces = [stream[start:end] for start, end in itertools.pairwise([0, *cuts, len(stream)])]
    events, tail = decode(pieces)
    assert [event.raw for event in events] == [event.raw for event in whole]
    assert tail == whole_tail
    assert b"".join(event.raw for event in events) + tail == stream


def test_the_tail_is_what_no_blank_line_has_ended():
    decoder = Decoder()
    assert [event.data for event in decoder.feed(b"data: a\n\ndata: b\n")] == [b"a"]
    assert bytes(decoder.pending) == b"data: b\n"
    assert decoder.flush() == b"data: b\n"
    assert decoder.flush() == b""
    assert [event.data for event in decoder.feed(b"data: c\n\n")] == [b"c"]


def test_the_last_event_name_counts():
    [event] = Decoder().feed(b"event: a\nevent: b\nretry: 5\ndata: x\n\n")
    assert event.name == "b"


@pytest.mark.parametrize("pieces", [[b"data: " + b"x" * 100], [b"data: ok\n\n", b"data: ", b"x" * 60, b"\n\n"]])
def test_an_event_above_the_limit_is_refused_and_nothing_is_lost(pieces):
    decoder = Decoder(limit=64)
    out = b""
    with pytest.raises(EventTooLarge):
        for piece in pieces:
            out += b"".join(event.raw for event in decoder.feed(piece))
    fed = b"".join(itertools.islice(pieces, len(pieces)))
    assert fed.startswith(out + decoder.flush())


def test_many_small_events_in_one_piece_are_within_the_limit():
    assert len(Decoder(limit=64).feed(b"data: x\n\n" * 1000)) == 1000


def test_a_long_event_in_small_pieces_is_read_in_linear_time():
    decoder = Decoder()
    piece = b"data: " + b"x" * 1018
    for _ in range(8 * 1024):  # 8 MiB; quadratic scanning would take minutes
        assert decoder.feed(piece) == []
    [event] = decoder.feed(b"\n\n")
    assert len(event.raw) == 8 * 1024 * 1024 + 2
