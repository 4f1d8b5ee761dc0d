"""Inline images of a given size: as many bytes as a header needs."""

import base64
import struct


def png(width: int, height: int, padding: int = 0) -> str:
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII5B", 13, b"IHDR", width, height, 8, 6, 0, 0, 0)
    return base64.b64encode(head + bytes(padding)).decode()


def jpeg(width: int, height: int, metadata: int = 0) -> str:
    app1 = b"".join(b"\xff\xe1" + struct.pack(">H", 60_000) + bytes(59_998) for _ in range(metadata))
    sof = b"\xff\xc2" + struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes(9)
    return base64.b64encode(b"\xff\xd8" + app1 + b"\xff\xff" + sof[1:] + bytes(20)).decode()


def webp(kind: bytes, width: int, height: int) -> str:
    if kind == b"VP8X":
        chunk = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    elif kind == b"VP8L":
        chunk = b"\x2f" + ((width - 1) | (height - 1) << 14).to_bytes(4, "little") + bytes(5)
    else:
        chunk = bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", width, height)
    head = b"RIFF" + struct.pack("<I", 4 + 8 + len(chunk)) + b"WEBP" + kind + struct.pack("<I", len(chunk)) + chunk
    return base64.b64encode(head + bytes(40)).decode()
