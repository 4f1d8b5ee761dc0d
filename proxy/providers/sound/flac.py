"""FLAC: every frame header says how many samples follow, and carries a checksum of itself.

Headers are looked for everywhere: one that chance has written into the sound only makes the length longer.
"""

import re
from fractions import Fraction
from math import ceil

from proxy.providers.sound.errors import Unreadable

_SYNC = re.compile(rb"\xff[\xf8\xf9]")
_SIZES = {1: 192, **{code: 576 << code - 2 for code in range(2, 6)}, **{code: 256 << code - 8 for code in range(8, 16)}}
_RATES = {
    1: 88_200, 2: 176_400, 3: 192_000, 4: 8_000, 5: 16_000, 6: 22_050, 7: 24_000, 8: 32_000, 9: 44_100, 10: 48_000,
    11: 96_000,
}  # fmt: skip


def _checksums() -> bytes:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value << 1 ^ 0x07) & 0xFF if value & 0x80 else value << 1
        table.append(value)
    return bytes(table)


_CRC = _checksums()


def knows(data: bytes) -> bool:
    return data[:4] == b"fLaC"


def milliseconds(data: bytes) -> int:
    rate = int.from_bytes(data[18:21], "big") >> 4
    if data[4] & 0x7F or not rate:
        raise Unreadable("the stream does not begin with its properties")
    samples: dict[int, int] = {}
    for match in _SYNC.finditer(data, _after_metadata(data)):
        found = _frame(data, match.start(), rate)
        if found is not None:
            samples[found[1]] = samples.get(found[1], 0) + found[0]
    if not samples:
        raise Unreadable("no frames")
    return ceil(sum((Fraction(count * 1_000, each) for each, count in samples.items()), Fraction()))


def _after_metadata(data: bytes) -> int:
    position = 4
    while True:
        last, size = data[position] & 0x80, int.from_bytes(data[position + 1 : position + 4], "big")
        position += 4 + size
        if last:
            return position


def _frame(data: bytes, start: int, usual_rate: int) -> tuple[int, int] | None:
    """Samples and samples a second of the frame that begins here; None where none does."""
    head = data[start : start + 16]
    if len(head) < 6:
        return None
    size_code, rate_code = head[2] >> 4, head[2] & 0x0F
    position = 4 + _number_length(head[4])
    size = _SIZES.get(size_code, 0)
    if size_code in (6, 7):
        width = size_code - 5
        size = int.from_bytes(head[position : position + width], "big") + 1
        position += width
    rate = _RATES.get(rate_code, usual_rate)
    if rate_code in (12, 13, 14):
        width = 1 if rate_code == 12 else 2
        rate = int.from_bytes(head[position : position + width], "big") * (1, 1_000, 1, 10)[rate_code - 11]
        position += width
    if position >= len(head) or not size or rate_code == 15 or not rate:
        return None
    checksum = 0
    for byte in head[:position]:
        checksum = _CRC[checksum ^ byte]
    return (size, rate) if checksum == head[position] else None


def _number_length(first: int) -> int:
    """Bytes of a number in the way of UTF-8."""
    leading = 8 - (first ^ 0xFF).bit_length()
    return max(1, leading)
