"""Ogg: pages of packets, of Opus or Vorbis. Files played one after the other count one after the other."""

from fractions import Fraction
from math import ceil

from proxy.providers.sound.errors import Unreadable
from proxy.providers.sound.packets import Opus, Vorbis

_HEAD = 27
_FIRST_PAGE, _CONTINUED = 0x02, 0x01
_HEADERS = (b"Op", b"\x03v", b"\x05v")  # as a packet of sound, the first would be longer than Opus allows


def knows(data: bytes) -> bool:
    return data[:4] == b"OggS"


def milliseconds(data: bytes) -> int:
    position = 0
    codecs: list[Opus | Vorbis] = []
    by_stream: dict[bytes, Opus | Vorbis] = {}
    while position < len(data):
        if data[position : position + 4] != b"OggS":
            raise Unreadable("something else between pages")
        flags, stream, count = data[position + 5], data[position + 14 : position + 18], data[position + 26]
        table = data[position + _HEAD : position + _HEAD + count]
        body = position + _HEAD + count
        if flags & _FIRST_PAGE:
            by_stream[stream] = _codec(data[body : body + 64])
            codecs.append(by_stream[stream])
        elif stream not in by_stream:
            raise Unreadable("a page of no stream")
        else:
            _add_packets(by_stream[stream], data, body, table, continued=bool(flags & _CONTINUED))
        position = body + sum(table)
    return ceil(sum((codec.milliseconds for codec in codecs), Fraction()))


def _codec(identification: bytes) -> Opus | Vorbis:
    if identification.startswith(b"OpusHead"):
        return Opus()
    return Vorbis(identification)


def _add_packets(codec: Opus | Vorbis, data: bytes, start: int, table: bytes, *, continued: bool) -> None:
    """Packets are cut into segments of 255 bytes; a shorter one ends them."""
    begins = not continued
    for size in table:
        if begins:
            first = data[start : start + min(2, size)]
            if first not in _HEADERS:
                codec.add(first)
        begins = size < 255
        start += size
