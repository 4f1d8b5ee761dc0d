"""How long one packet of a codec sounds."""

from fractions import Fraction

from proxy.providers.sound.errors import Unreadable

# Opus: tenths of a millisecond a frame, by the five bits that name the configuration.
_OPUS = (*(100, 200, 400, 600) * 3, *(100, 200) * 2, *(25, 50, 100, 200) * 4)
_COUNTS = {0: 1, 1: 2, 2: 2}


class Opus:
    """Every packet says how many frames of which length it holds."""

    def __init__(self) -> None:
        self._tenths = 0

    def add(self, first: bytes) -> None:
        """`first`: two bytes of a packet, or fewer where it has no more."""
        if not first:
            return
        count = _COUNTS.get(first[0] & 3)
        if count is None:
            count = first[1] & 0x3F if len(first) > 1 else 0
        self._tenths += _OPUS[first[0] >> 3] * count

    @property
    def milliseconds(self) -> Fraction:
        return Fraction(self._tenths, 10)


class Vorbis:
    """A packet sounds for at most half of a long block."""

    def __init__(self, identification: bytes) -> None:
        self._rate = int.from_bytes(identification[12:16], "little")
        self._block = 1 << (identification[28] >> 4)
        self._packets = 0
        if identification[:7] != b"\x01vorbis" or not self._rate:
            raise Unreadable("not Vorbis")

    def add(self, first: bytes) -> None:
        if first and not first[0] & 1:  # the others are headers
            self._packets += 1

    @property
    def milliseconds(self) -> Fraction:
        return Fraction(self._packets * self._block * 500, self._rate)
