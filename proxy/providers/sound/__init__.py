"""How long a sound file is at most, from its own frames: what a decoder can make of its bytes, not what a header says.

A header may name any length; a provider bills what it decodes. So frames are walked, never decoded, and a length is
only told where every byte of sound has been accounted for.
"""

from proxy.providers.sound import flac, mp3, mp4, ogg, wav, webm
from proxy.providers.sound.errors import Unreadable

_READERS = (wav, flac, ogg, mp4, webm, mp3)  # mp3 last: it has no mark of its own at its start


def milliseconds(data: bytes) -> int | None:
    """Rounded up; None where the format is none of WAV, MP3, FLAC, Ogg, MP4 and WebM, or its length cannot be told."""
    reader = next((each for each in _READERS if each.knows(data)), None)
    if reader is None:
        return None
    try:
        length: int = reader.milliseconds(data)
    except (Unreadable, IndexError):
        return None
    return length
