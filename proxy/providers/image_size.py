"""Width and height out of the first bytes of an inline image, without decoding it.

Only what every decoder must agree on is read: PNG's IHDR, JPEG's frame header, WebP's first chunk. A GIF's frames may
outgrow its screen, so its size is not known; nor is that of anything malformed. Unknown means the largest, elsewhere.
"""

import binascii
from typing import NamedTuple


class Size(NamedTuple):
    """In pixels."""

    width: int
    height: int


# Before a JPEG's frame header there may be metadata of any length; this much base64 of it is searched.
_SEARCHED = 256 * 1024
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length


def base64_image_size(data: str) -> Size | None:
    """None where the size cannot be told for certain."""
    head = _decode(data[:64])
    if head.startswith(b"\x89PNG\r\n\x1a\n") and head[12:16] == b"IHDR":
        return _known(int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big"))
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _webp(head)
    if head.startswith(b"\xff\xd8\xff"):
        return _jpeg(_decode(data[:_SEARCHED]))
    return None


def data_url_size(url: str) -> Size | None:
    """Of a `data:` URL; None for a remote one."""
    if not url.startswith("data:"):
        return None
    head, comma, data = url.partition(",")
    return base64_image_size(data) if comma and head.endswith(";base64") else None


def _decode(base64: str) -> bytes:
    try:
        return binascii.a2b_base64(base64[: len(base64) // 4 * 4], strict_mode=True)
    except ValueError:
        return b""


def _known(width: int, height: int) -> Size | None:
    return Size(width, height) if width > 0 and height > 0 else None


def _webp(head: bytes) -> Size | None:
    kind = head[12:16]
    if kind == b"VP8X" and len(head) >= 30:
        return _known(1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little"))
    if kind == b"VP8L" and len(head) >= 25 and head[20] == 0x2F:
        bits = int.from_bytes(head[21:25], "little")
        return _known(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if kind == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
        width, height = int.from_bytes(head[26:28], "little"), int.from_bytes(head[28:30], "little")
        return _known(width & 0x3FFF, height & 0x3FFF)
    return None


def _jpeg(data: bytes) -> Size | None:
    position = 2
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF or marker in _JPEG_BARE:
            position += 1 if marker == 0xFF else 2
            continue
        if marker in _JPEG_FRAMES:
            height, width = data[position + 5 : position + 7], data[position + 7 : position + 9]
            return _known(int.from_bytes(width, "big"), int.from_bytes(height, "big"))
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return None
