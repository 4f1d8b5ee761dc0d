"""WebM and Matroska: blocks of packets, of Opus or Vorbis; all tracks together. Those of pictures are passed over."""

from fractions import Fraction
from math import ceil

from proxy.providers.sound.errors import Unreadable
from proxy.providers.sound.packets import Opus, Vorbis

_SEGMENT, _CLUSTER, _GROUP, _TRACKS, _TRACK = 0x18538067, 0x1F43B675, 0xA0, 0x1654AE6B, 0xAE
_NUMBER, _KIND, _CODEC, _PRIVATE, _BLOCK, _SIMPLE_BLOCK = 0xD7, 0x83, 0x86, 0x63A2, 0xA1, 0xA3
_OPENED = frozenset({_SEGMENT, _CLUSTER, _GROUP, _TRACKS})
_SOUND = 2
_LACING = 0x06


def knows(data: bytes) -> bool:
    return data[:4] == b"\x1a\x45\xdf\xa3"


def milliseconds(data: bytes) -> int:
    tracks: dict[int, Opus | Vorbis | None] = {}
    heard: list[Opus | Vorbis] = []
    position = 0
    while position < len(data):
        name, position = _number(data, position, marked=True)
        size, body = _number(data, position, marked=False)
        if name in _OPENED:
            position = body
            continue
        if size < 0:
            raise Unreadable("an element without a size")
        if name == _TRACK:
            number, codec = _track(data[body : body + size])
            tracks[number] = codec
            heard += [codec] if codec is not None else []
        elif name in (_BLOCK, _SIMPLE_BLOCK):
            _add_block(data, body, size, tracks)
        position = body + size
    if not heard:
        raise Unreadable("no track of sound")
    return ceil(sum((codec.milliseconds for codec in heard), Fraction()))


def _number(data: bytes, position: int, *, marked: bool) -> tuple[int, int]:
    """A number of EBML and where it ends; -1 for a size that is not known. `marked`: an element's name."""
    first = data[position]
    width = 9 - first.bit_length()
    if width > 8:
        raise Unreadable("no number")
    value = int.from_bytes(data[position : position + width], "big")
    mask = (1 << 7 * width) - 1
    if not marked:
        value = -1 if value & mask == mask else value & mask
    return value, position + width


def _track(entry: bytes) -> tuple[int, Opus | Vorbis | None]:
    found: dict[int, bytes] = {}
    position = 0
    while position < len(entry):
        name, position = _number(entry, position, marked=True)
        size, body = _number(entry, position, marked=False)
        found[name] = entry[body : body + size]
        position = body + max(0, size)
    number = int.from_bytes(found.get(_NUMBER, b""), "big")
    if int.from_bytes(found.get(_KIND, b""), "big") != _SOUND:
        return number, None
    codec = found.get(_CODEC, b"").rstrip(b"\0")
    if codec == b"A_OPUS":
        return number, Opus()
    if codec != b"A_VORBIS":
        raise Unreadable("a codec whose packets do not tell their length")
    private = found.get(_PRIVATE, b"")
    return number, Vorbis(private[private.find(b"\x01vorbis") :])


def _add_block(data: bytes, body: int, size: int, tracks: dict[int, Opus | Vorbis | None]) -> None:
    number, position = _number(data, body, marked=False)
    codec = tracks.get(number)
    if codec is None:
        return
    if data[position + 2] & _LACING:
        raise Unreadable("several packets in a block")
    codec.add(data[position + 3 : min(position + 5, body + size)])
