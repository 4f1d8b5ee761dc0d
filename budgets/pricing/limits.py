"""How long a model's context window is and how much it can answer: numbers that the price data lacks or rounds.

As of 2026-11-24, after the providers' model pages: developers.openai.com/api/docs/models (and, for retired models, the
earlier platform.openai.com/docs/models and /docs/deprecations), platform.claude.com/docs/en/about-claude/models and
/docs/en/models/*/overview, ai.google.dev/gemini-api/docs/models. A number may be too large, which only makes a hold
larger; one that is too small would let a request cost more than its hold. Keys are canonical ids of the price data.
"""

from dataclasses import dataclass

_Table = dict[str, tuple[int, int]]  # id -> (context window, most output tokens)


def _each(window: int, output: int, *ids: str) -> _Table:
    return dict.fromkeys(ids, (window, output))


# Models that one can chat with today: what `GET /v1/models` offers.
_CURRENT: dict[str, _Table] = {
    "openai": {
        **_each(16_385, 4_096, "gpt-3.5-turbo", "gpt-3.5-turbo-1106"),
        **_each(8_192, 8_192, "gpt-4"),
        **_each(128_000, 4_096, "gpt-4-turbo", "gpt-4o-2024-05-13"),
        **_each(128_000, 16_384, "gpt-4o", "gpt-4o-mini", "gpt-audio", "gpt-audio-mini"),
        **_each(1_047_576, 32_768, "gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano"),
        **_each(200_000, 100_000, "o1", "o1-pro", "o3", "o3-mini", "o3-pro", "o4-mini"),
        **_each(200_000, 100_000, "o3-deep-research", "o4-mini-deep-research"),
        **_each(400_000, 272_000, "gpt-5-pro"),
        **_each(400_000, 128_000, "gpt-5", "gpt-5-mini", "gpt-5-nano", "gpt-5.1", "gpt-5.1-codex-mini", "gpt-5.2"),
        **_each(400_000, 128_000, "gpt-5.2-pro", "gpt-5.3", "gpt-5.3-codex", "gpt-5.4-mini", "gpt-5.4-nano"),
        **_each(1_050_000, 128_000, "gpt-5.4", "gpt-5.4-pro", "gpt-5.5", "gpt-5.5-pro"),
        **_each(1_050_000, 128_000, "gpt-5.6-luna", "gpt-5.6-sol", "gpt-5.6-terra"),
        **_each(1_050_000, 128_000, "gpt-6-astra", "gpt-6-luna", "gpt-6-sol", "gpt-6.1-sol", "gpt-6.1-terra"),
    },
    "anthropic": {
        **_each(200_000, 32_000, "claude-opus-4-0", "claude-opus-4-1"),
        **_each(200_000, 64_000, "claude-sonnet-4-0", "claude-sonnet-4-5", "claude-opus-4-5", "claude-haiku-4-5"),
        **_each(1_000_000, 128_000, "claude-opus-4-6", "claude-opus-4-7", "claude-opus-4-8", "claude-sonnet-4-6"),
        **_each(1_000_000, 128_000, "claude-opus-5", "claude-opus-5-5", "claude-sonnet-5", "claude-sonnet-5-5"),
        **_each(1_000_000, 128_000, "claude-haiku-5-5", "claude-fable-5", "claude-fable-5-1", "claude-fable-5-2"),
        **_each(1_000_000, 128_000, "claude-mythos-5-2"),
    },
    "gemini": {
        **_each(1_048_576, 65_536, "gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-2.5-pro"),
        **_each(1_048_576, 65_536, "gemini-3-flash-preview", "gemini-3.1-flash-lite", "gemini-3.1-pro-preview"),
        **_each(1_048_576, 65_536, "gemini-3.5-flash", "gemini-3.5-flash-lite", "gemini-3.6-flash"),
        **_each(1_048_576, 65_536, "gemini-3.7-flash", "gemini-3.8-flash", "gemini-4-argon"),
    },
}

# Retired, fine-tuned, for another endpoint, or named otherwise on the wire: priced, but not offered.
_OTHER: dict[str, _Table] = {
    "openai": {
        **_each(4_096, 4_096, "gpt-3.5-0301", "gpt-3.5-turbo-instruct"),
        **_each(16_385, 16_385, "gpt-3.5-turbo-16k", "babbage-002", "davinci-002"),
        **_each(16_385, 4_096, "gpt-3.5-turbo-0613", "ft:gpt-3.5-turbo-"),
        **_each(32_768, 32_768, "gpt-4-32k"),
        **_each(128_000, 4_096, "gpt-4-vision-preview"),
        **_each(128_000, 16_384, "chatgpt-4o-latest", "gpt-4.5-preview", "gpt-4o-audio-preview"),
        **_each(128_000, 16_384, "gpt-4o-mini-audio-preview", "ft:gpt-4o", "ft:gpt-4o-mini"),
        **_each(128_000, 16_384, "gpt-4o-mini-2024-07-18.ft-"),
        **_each(128_000, 32_768, "o1-preview"),
        **_each(128_000, 65_536, "o1-mini"),
        **_each(200_000, 100_000, "codex-mini"),
        **_each(8_192, 1_024, "computer-use"),
    },
    "anthropic": {
        **_each(200_000, 4_096, "claude-2", "claude-3-haiku", "claude-3-opus-latest", "claude-3-sonnet"),
        **_each(200_000, 8_192, "claude-3-5-haiku-latest", "claude-3-5-sonnet"),
        # 64,000, and 128,000 with the beta header output-128k-2025-02-19.
        **_each(200_000, 128_000, "claude-3-7-sonnet-latest"),
    },
    "gemini": {
        **_each(1_048_576, 8_192, "gemini-1.5-flash", "gemini-flash-1.5", "gemini-flash-1.5-8b"),
        **_each(1_048_576, 8_192, "gemini-2.0-flash-lite"),
        **_each(2_097_152, 8_192, "gemini-1.5-pro", "gemini-pro-1.5"),
        # 8,192; its thinking variants answered with up to 65,536.
        **_each(1_048_576, 65_536, "gemini-2.0-flash"),
        **_each(1_048_576, 65_536, "gemini-2.5-flash-preview", "gemini-3-pro-preview"),
    },
}

# The longest window that a provider has published: what a model without any number can hold at most.
_WIDEST = {"openai": 1_050_000, "anthropic": 1_000_000, "gemini": 2_097_152}


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds in tokens; `published` where they are the provider's own; `current` where one can chat with it."""

    window: int
    output: int
    published: bool
    current: bool


def limits_of(provider: str, model_id: str, known_window: int | None) -> Limits:
    """`known_window`: the price data's; often rounded down (1,000,000 for 1,048,576), so it is taken 5 % higher.

    A model whose output limit is not known can answer at most a whole window.
    """
    if found := _CURRENT.get(provider, {}).get(model_id):
        return Limits(*found, published=True, current=True)
    if found := _OTHER.get(provider, {}).get(model_id):
        return Limits(*found, published=True, current=False)
    window = known_window * 21 // 20 if known_window else _WIDEST[provider]
    return Limits(window, window, published=False, current=False)
