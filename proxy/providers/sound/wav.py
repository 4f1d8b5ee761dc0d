"""WAV: bytes of samples by the bytes of a second. Only formats in which a sample has a fixed size."""

from budgets.money import ceil_div
from proxy.providers.sound.errors import Unreadable

_FIXED = frozenset({0x0001, 0x0003, 0x0006, 0x0007, 0xFFFE})  # PCM, float, A-law, mu-law, extensible


def knows(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WAVE"


def milliseconds(data: bytes) -> int:
    position, second = 12, 0
    while position + 8 <= len(data):
        name, size = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "little")
        if name == b"fmt ":
            if second or size < 16:
                raise Unreadable("not one format")
            second = _bytes_a_second(data[position + 8 : position + 24])
        elif name == b"data":
            # To the end of the file, whatever size the chunk says: recorders leave it 0 or all ones.
            if not second:
                raise Unreadable("samples before their format")
            return ceil_div((len(data) - position - 8) * 1_000, second)
        position += 8 + size + size % 2
    raise Unreadable("no samples")


def _bytes_a_second(form: bytes) -> int:
    kind, channels = int.from_bytes(form[:2], "little"), int.from_bytes(form[2:4], "little")
    rate, align = int.from_bytes(form[4:8], "little"), int.from_bytes(form[12:14], "little")
    bits = int.from_bytes(form[14:16], "little")
    frame = min(align, channels * bits // 8)
    if kind not in _FIXED or frame < 1 or rate < 1:
        raise Unreadable("samples of no fixed size")
    return rate * frame
