"""How long a file sounds is told by its frames: never less than a decoder makes of it, whatever its headers say."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.providers import sound
from tests.proxy.providers.sounds import flac, m4a, mp3, ogg, wav, webm

LENGTHS = [
    ("wav", wav(2.5), 2_500),
    ("wav at a higher rate", wav(1.5, 44_100), 1_500),
    ("wav whose size was left open", wav(2.5, size=0xFFFFFFFF), 2_500),
    ("wav that says that it is shorter", wav(2.5, size=100), 2_500),
    ("mp3", mp3(100), 3_600),
    ("mp3 between tags", mp3(100, tagged=True), 3_600),
    ("flac", flac(100), 9_288),
    ("ogg opus", ogg(250), 5_000),
    ("ogg opus of 60 ms, three in a packet", ogg(10, toc=0x18 | 3), 1_800),
    ("webm without sizes", webm(250), 5_000),
    ("m4a", m4a(431), 10_008),
    ("m4a in fragments", m4a(431, fragmented=True), 10_008),
    ("m4a at half the rate", m4a(431, rate_index=7), 20_016),
]


@pytest.mark.parametrize(("data", "length"), [each[1:] for each in LENGTHS], ids=[each[0] for each in LENGTHS])
def test_the_length_is_that_of_the_frames(data: bytes, length: int) -> None:
    assert sound.milliseconds(data) == length


def test_bytes_between_frames_count_as_the_slowest_sound() -> None:
    assert sound.milliseconds(mp3(10) + bytes(1_000) + mp3(10)) == 360 + 1_000 + 10 * 144


def test_a_second_file_behind_the_first_counts_too() -> None:
    assert sound.milliseconds(ogg(50) + ogg(100)) == 3_000
    assert sound.milliseconds(webm(50) + webm(100)) == 3_000


@pytest.mark.parametrize(
    "data",
    [
        b"", b"hello", bytes(1_000), b"RIFF\0\0\0\0WAVE", wav(1, kind=0x11), b"OggS" + bytes(60), b"\xff\xf1\x50\x80",
        ogg(3).replace(b"OpusHead", b"Speex   "), webm(3, codec=b"A_AC3"), m4a(9).replace(b"esds", b"alac"), b"fLaC",
        m4a(9, rate_index=13), ogg(3)[:-40] + b"junk" + ogg(3)[-40:], b"\x1a\x45\xdf\xa3\x80", b"ID3\4\0\0\0\0\0\0",
    ],
)  # fmt: skip
def test_a_file_whose_length_cannot_be_told_is_unknown(data: bytes) -> None:
    assert sound.milliseconds(data) is None


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from([each[1] for each in LENGTHS]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    st.floats(0, 1),
)
def test_no_change_of_any_byte_breaks_a_reader(data: bytes, changes: list[tuple[float, int]], kept: float) -> None:
    changed = bytearray(data)
    for where, value in changes:
        changed[int(where * (len(changed) - 1))] = value
    length = sound.milliseconds(bytes(changed[: int(kept * len(changed))]))
    assert length is None or length >= 0
