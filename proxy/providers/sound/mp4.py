"""MP4 and M4A: how many samples of AAC the tables and fragments list, each 1,024 at the rate that its decoder takes."""

from collections.abc import Iterator

from budgets.money import ceil_div
from proxy.providers.sound.errors import Unreadable

_OPENED = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf"})
_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)
_AAC = frozenset({2, 5, 29})  # LC, and the two kinds of HE, whose frames are 1,024 samples at the core's rate
_FRAME = 1_024


def knows(data: bytes) -> bool:
    return data[4:8] == b"ftyp"


def milliseconds(data: bytes) -> int:
    rates: list[int] = []
    samples, longest = 0, 0
    scale = 1
    for name, start, end in _boxes(data, 0, len(data)):
        body = data[start:end] if name in (b"mdhd", b"stsd", b"stts", b"stsz", b"stz2", b"trun") else b""
        if name == b"mdhd":
            scale = int.from_bytes(body[20:24] if body[0] else body[12:16], "big") or 1
        elif name == b"stsd" and body[12:16] == b"mp4a":
            rates.append(_core_rate(body))
        elif name == b"stts":
            longest = max(longest, ceil_div(_table_length(body) * 1_000, scale))
        elif name in (b"stsz", b"stz2"):
            samples += int.from_bytes(body[8:12], "big")
        elif name == b"trun":
            samples += int.from_bytes(body[4:8], "big")
    if not rates:
        raise Unreadable("no track of AAC")
    return max(longest, ceil_div(samples * _FRAME * 1_000, min(rates)))


def _boxes(data: bytes, position: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    while position + 8 <= end:
        size, name = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        start = position + 8
        if size == 1:
            size, start = int.from_bytes(data[position + 8 : position + 16], "big"), position + 16
        stop = end if size == 0 else position + size
        if stop < start:
            raise Unreadable("a box smaller than its head")
        if name in _OPENED:
            yield from _boxes(data, start, min(stop, end))
        else:
            yield name, start, min(stop, end)
        position = stop


def _table_length(table: bytes) -> int:
    count = int.from_bytes(table[4:8], "big")
    entries = table[8 : 8 + 8 * count]
    return sum(
        int.from_bytes(entries[at : at + 4], "big") * int.from_bytes(entries[at + 4 : at + 8], "big")
        for at in range(0, len(entries), 8)
    )


def _core_rate(description: bytes) -> int:
    """Out of the decoder's configuration, in which five bits tell the kind of AAC and four the rate."""
    at = description.find(b"esds") + 8
    if at < 8:
        raise Unreadable("no configuration of the decoder")
    for tag, skipped in ((3, 3), (4, 13), (5, 0)):  # each within the one before it
        if description[at] != tag:
            raise Unreadable("a configuration in another order")
        at += 1
        while description[at] & 0x80:  # its length takes up to four bytes
            at += 1
        at += 1 + skipped
    bits = int.from_bytes(description[at : at + 2], "big")
    kind, index = bits >> 11, bits >> 7 & 0x0F
    if kind not in _AAC or index >= len(_RATES):
        raise Unreadable("sound whose frames have another length")
    return _RATES[index]
