"""Files of sound of a given length, as few bytes as a walker of their frames needs. Nothing in them can be heard."""

import struct


def wav(seconds: float, rate: int = 8_000, *, size: int | None = None, kind: int = 1) -> bytes:
    """16 bits, one channel. `size`: what the chunk of samples says of itself."""
    samples = bytes(int(seconds * rate) * 2)
    form = struct.pack("<HHIIHH", kind, 1, rate, rate * 2, 2, 16)
    data = b"data" + struct.pack("<I", len(samples) if size is None else size) + samples
    body = b"WAVE" + b"fmt " + struct.pack("<I", len(form)) + form + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def mp3(frames: int, *, tagged: bool = False) -> bytes:
    """MPEG 1, layer III, 32 kbit/s at 32 kHz: 36 ms and 144 bytes a frame."""
    frame = b"\xff\xfb\x18\xc4" + bytes(140)
    tag = b"ID3\x04\x00\x00" + bytes([0, 0, 1, 72]) + bytes(200) if tagged else b""
    return tag + frame * frames + (b"TAG" + bytes(125) if tagged else b"")


def flac(frames: int, rate: int = 44_100) -> bytes:
    """4,096 samples a frame."""
    properties = bytes(10) + (rate << 44 | 15 << 36).to_bytes(8, "big") + bytes(16)
    head = b"fLaC" + b"\x80" + len(properties).to_bytes(3, "big") + properties
    return head + b"".join(_flac_frame(number) for number in range(frames))


def _flac_frame(number: int) -> bytes:
    head = bytes([0xFF, 0xF8, 0xC9, 0x08]) + chr(number).encode()
    checksum = 0
    for byte in head:
        checksum ^= byte
        for _ in range(8):
            checksum = (checksum << 1 ^ 0x07) & 0xFF if checksum & 0x80 else checksum << 1
    return head + bytes([checksum]) + bytes(20)


def ogg(packets: int, *, toc: int = 0x08) -> bytes:
    """Opus; 20 ms a packet at first."""
    head = _page(2, [b"OpusHead" + bytes([1, 1]) + bytes(9)]) + _page(0, [b"OpusTags" + bytes(16)])
    bodies = [bytes([toc]) + b"\x03" + bytes(30)] * packets
    return head + b"".join(_page(0, bodies[at : at + 100]) for at in range(0, packets, 100))


def _page(flags: int, packets: list[bytes]) -> bytes:
    assert all(len(packet) < 255 for packet in packets)
    table = bytes(len(packet) for packet in packets)
    return b"OggS\0" + bytes([flags]) + bytes(8) + b"one!" + bytes(8) + bytes([len(table)]) + table + b"".join(packets)


def webm(packets: int, *, codec: bytes = b"A_OPUS") -> bytes:
    """As a browser records it: clusters without a size, Opus of 20 ms."""
    track = _element(0xD7, b"\x01") + _element(0x83, b"\x02") + _element(0x86, codec)
    blocks = _element(0xA3, b"\x81\0\0\x80\x08" + bytes(30)) * packets
    return (
        _element(0x1A45DFA3, _element(0x4282, b"webm"))
        + b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"
        + _element(0x1654AE6B, _element(0xAE, track))
        + b"\x1f\x43\xb6\x75\x01\xff\xff\xff\xff\xff\xff\xff"
        + _element(0xE7, b"\0")
        + blocks
    )


def _element(name: int, body: bytes) -> bytes:
    return name.to_bytes((name.bit_length() + 7) // 8, "big") + (1 << 28 | len(body)).to_bytes(4, "big") + body


def m4a(samples: int, *, fragmented: bool = False, rate_index: int = 4) -> bytes:
    """AAC LC; 44,100 Hz at first. `fragmented`: listed in a fragment, as recorders write it."""
    configuration = (2 << 11 | rate_index << 7 | 1 << 3).to_bytes(2, "big")
    decoder = b"\x04\x13" + b"\x40\x15" + bytes(3) + b"\x05\x05\x05\x05" * 2 + b"\x05\x02" + configuration
    esds = _box(b"esds", bytes(4) + b"\x03\x20" + bytes(3) + decoder)
    entry = _box(b"mp4a", bytes(24) + (44_100 << 16).to_bytes(4, "big") + esds)
    listed = 0 if fragmented else samples
    table = _box(b"stsd", bytes(4) + b"\0\0\0\1" + entry)
    table += _box(b"stts", bytes(4) + struct.pack(">III", 1, listed, 1_024))
    table += _box(b"stsz", bytes(4) + struct.pack(">II", 0, listed))
    header = _box(b"mdhd", bytes(12) + struct.pack(">II", 44_100, listed * 1_024) + bytes(4))
    media = _box(b"mdia", header + _box(b"minf", _box(b"stbl", table)))
    file = _box(b"ftyp", b"M4A \0\0\0\0") + _box(b"moov", _box(b"trak", media))
    if fragmented:
        run = _box(b"trun", bytes(4) + struct.pack(">I", samples))
        file += _box(b"moof", _box(b"traf", run))
    return file + _box(b"mdat", bytes(64))


def _box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + name + body
