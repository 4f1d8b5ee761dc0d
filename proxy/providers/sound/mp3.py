"""MP3: every frame says how long it is, in bytes and in samples.

Where something else stands between frames, the rest counts as 8 kbit/s, the slowest there is: a byte a millisecond.
"""

from fractions import Fraction
from math import ceil

from proxy.providers.sound.errors import Unreadable

_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_KBIT_1 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBIT_2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_TAG, _OLD_TAG = 10, 128


def _frames() -> dict[int, tuple[int, int, int]]:
    """By the three bytes of a frame header that follow the first: its bytes, its samples, the samples a second."""
    known = {}
    for version, rates in _RATES.items():
        for index, rate in enumerate(rates):
            for step, kbit in enumerate(_KBIT_1 if version == 3 else _KBIT_2, 1):
                samples = 1_152 if version == 3 else 576
                for padding in (0, 1):
                    length = samples // 8 * kbit * 1_000 // rate + padding
                    for free in range(4):  # the private bit, and whether a checksum follows
                        second = 0xE0 | version << 3 | 1 << 1 | free & 1
                        third = step << 4 | index << 2 | padding << 1 | free >> 1
                        known[second << 8 | third] = (length, samples, rate)
    return known


_FRAMES = _frames()


def knows(data: bytes) -> bool:
    return data[:3] == b"ID3" or (data[:1] == b"\xff" and _frame(data, 0) is not None)


def milliseconds(data: bytes) -> int:
    position, end = _after_tags(data), len(data)
    if data[-_OLD_TAG:][:3] == b"TAG":
        end -= _OLD_TAG
    if _frame(data, position) is None:
        raise Unreadable("no frame where the first should be")
    samples: dict[int, int] = {}
    while position < end:
        frame = _frame(data, position)
        if frame is None:
            return ceil(_total(samples)) + end - position
        samples[frame[2]] = samples.get(frame[2], 0) + frame[1]
        position += frame[0]
    return ceil(_total(samples))


def _total(samples: dict[int, int]) -> Fraction:
    return sum((Fraction(count * 1_000, rate) for rate, count in samples.items()), Fraction())


def _frame(data: bytes, position: int) -> tuple[int, int, int] | None:
    if data[position : position + 1] != b"\xff" or position + 3 > len(data):
        return None
    return _FRAMES.get(data[position + 1] << 8 | data[position + 2])


def _after_tags(data: bytes) -> int:
    position = 0
    while data[position : position + 3] == b"ID3":
        size = 0
        for byte in data[position + 6 : position + _TAG]:
            size = size << 7 | byte & 0x7F
        position += _TAG + size + (_TAG if data[position + 5] & 0x10 else 0)
    return position
