"""Rates of models that draw, speak or write down what they hear: by tokens of pictures, by character, by time of sound.

The tokens of pictures are priced in the data like others. A model that draws and has one output rate bills its pictures
at it. Hours of sound become nanodollars per 1,000,000 milliseconds.
"""

from collections.abc import Mapping
from decimal import Decimal

from budgets.money import NANO
from budgets.pricing.rates import PriceLadder, Purpose, Rates

_MILLISECONDS_AN_HOUR = 3_600_000
_PER_RATE = 1_000_000
_PURPOSES = (
    ("gpt-image", Purpose.IMAGE),
    ("chatgpt-image", Purpose.IMAGE),
    ("tts-1", Purpose.SPEECH),
    ("gpt-4o-mini-tts", Purpose.SPEECH),
    ("whisper", Purpose.TRANSCRIPTION),
    ("gpt-transcribe", Purpose.TRANSCRIPTION),
    ("gpt-4o-transcribe", Purpose.TRANSCRIPTION),
    ("gpt-4o-mini-transcribe", Purpose.TRANSCRIPTION),
)
_UNDERSTOOD = frozenset({
    "input_mtok", "output_mtok", "cache_read_mtok", "input_image_mtok", "output_image_mtok", "cache_image_read_mtok",
    "input_audio_mtok", "output_audio_mtok", "input_mchars", "audio_hours", "input_audio_hours",
})  # fmt: skip


# Shut down (developers.openai.com/api/docs/deprecations), or not to be bounded (docs/bounds.md).
_NOT_SERVED = ("gpt-image-1", "gpt-image-1.5", "chatgpt-image-latest", "gpt-4o-mini-tts")


def is_served(model_id: str) -> bool:
    """Whether requests to it can pass."""
    return model_id not in _NOT_SERVED


def purpose_of(model_id: str) -> Purpose | None:
    """By the name; None for a model of text, and for one that works live."""
    return next((purpose for prefix, purpose in _PURPOSES if model_id.startswith(prefix)), None)


def ladder(purpose: Purpose, usd: Mapping[str, object]) -> PriceLadder | None:
    """`usd`: the data's prices, zero ones left out. None where there is one that we do not understand, or none."""
    if usd.keys() - _UNDERSTOOD or not all(isinstance(price, Decimal) for price in usd.values()):
        return None
    rates = _rates(purpose, {key: price for key, price in usd.items() if isinstance(price, Decimal)})
    return PriceLadder(rates) if rates is not None else None


def _rates(purpose: Purpose, usd: Mapping[str, Decimal]) -> Rates | None:
    by_time, by_character = usd.get("input_audio_hours", usd.get("audio_hours")), usd.get("input_mchars")
    if "input_mtok" in usd and "output_mtok" in usd:
        plain, output = _whole(usd["input_mtok"] * NANO), _whole(usd["output_mtok"] * NANO)
    elif by_time is not None or by_character is not None:
        plain = output = 0  # such a model has no tokens
    else:
        return None
    return Rates(
        input=plain,
        output=output,
        cache_read=plain,
        cache_write_5m=plain,
        cache_write_1h=plain,
        audio_input=_of(usd, "input_audio_mtok"),
        audio_output=(_of(usd, "output_audio_mtok") or output or None) if purpose is Purpose.SPEECH else None,
        image_input=_of(usd, "input_image_mtok"),
        image_output=(_of(usd, "output_image_mtok") or output) if purpose is Purpose.IMAGE else None,
        character=_whole(by_character * NANO) if by_character is not None else None,
        millisecond=_whole(by_time * NANO * _PER_RATE / _MILLISECONDS_AN_HOUR) if by_time is not None else None,
    )


def _of(usd: Mapping[str, Decimal], key: str) -> int | None:
    return _whole(usd[key] * NANO) if key in usd else None


def _whole(amount: Decimal) -> int:
    if amount != (whole := int(amount)):
        raise ValueError(f"{amount} is not a whole number of nanodollars")
    return whole
