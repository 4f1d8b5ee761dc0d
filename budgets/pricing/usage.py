"""What a reply used, by kind of token, as the provider reported it."""

from dataclasses import fields
from operator import attrgetter

from budgets.values import value


@value
class Usage:
    """Tokens of one reply, disjoint by price: no token is counted in two fields.

    `input_tokens` are the plain ones (neither audio, nor read from or written to a cache); `output_tokens` include
    reasoning, which `reasoning_tokens` only names, and leave out audio. `web_searches` counts provider-side tool calls
    that carry a fee. `region`: where the model ran, as the reply or else the request names it.
    `cache_write_5m_tokens` hold every write whose retention the request did not lengthen, `cache_write_1h_tokens` the
    ones kept for longer (Anthropic's `ttl: 1h`, OpenAI's extended retention). `image_*` are the tokens of an image
    model's pictures; `characters` of text to be spoken and `milliseconds` of sound to be written down are what models
    that know no tokens are billed by.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0
    audio_cache_read_tokens: int = 0
    image_input_tokens: int = 0
    image_output_tokens: int = 0
    characters: int = 0
    milliseconds: int = 0
    reasoning_tokens: int = 0
    web_searches: int = 0
    charged: int = 0
    """Nanodollars that a provider says it charged for all of this, where its word is the price; 0: it said nothing."""
    service_tier: str = ""
    region: str = ""

    @property
    def total_input_tokens(self) -> int:
        return (
            self.input_tokens
            + self.cache_read_tokens
            + self.cache_write_5m_tokens
            + self.cache_write_1h_tokens
            + self.audio_input_tokens
            + self.audio_cache_read_tokens
            + self.image_input_tokens
        )

    @property
    def total_output_tokens(self) -> int:
        return self.output_tokens + self.audio_output_tokens + self.image_output_tokens

    def counts(self) -> dict[str, int]:
        """The fields that are not zero, for storage and display."""
        return {name: count for name, count in zip(_COUNTED, _counts(self), strict=True) if count}


_COUNTED = tuple(each.name for each in fields(Usage) if each.type is int)
_counts = attrgetter(*_COUNTED)


class UsageUnknown(ValueError):
    """The reply named no usage, or one that cannot be true (negative, no integer): the hold is what is charged."""
