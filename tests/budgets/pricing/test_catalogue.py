"""The catalogue: a name means one model whose price is known, or nothing."""

import time
from datetime import date, timedelta

import pytest
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given
from hypothesis import strategies as st

from budgets.pricing import catalogue
from budgets.pricing.catalogue import all_models, find
from budgets.pricing.limits import TABLE, limits_of, read_table
from budgets.pricing.rates import PriceLadder, Purpose
from budgets.pricing.source import FREE, PROVIDERS, model_infos

TODAY = date(2026, 11, 24)
DAYS = [date(2024, 1, 1), date(2025, 6, 10), date(2026, 3, 13), TODAY, date(2027, 6, 1)]
PRICED = [
    (provider, info.id, model)
    for provider in PROVIDERS
    for info in model_infos(provider)
    for purpose in Purpose
    if (model := find(provider, info.id, TODAY, purpose=purpose)) is not None
]


@pytest.mark.parametrize(
    ("provider", "name", "canonical"),
    [
        ("openai", "gpt-4o", "gpt-4o"),
        ("openai", "gpt-4o-2024-08-06", "gpt-4o"),
        ("openai", "gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),
        ("openai", "gpt-5-nano-2025-08-07", "gpt-5-nano"),
        ("openai", "gpt-4.5-preview-2025-02-27", "gpt-4.5-preview"),
        ("openai", "gpt-6-luna-2026-10-01", "gpt-6-luna"),
        ("openai", "computer-use-preview-2025-03-11", "computer-use"),
        ("openai", "codex-mini-latest", "codex-mini"),
        ("openai", "ft:gpt-4o-2024-08-06:acme::abc123", "ft:gpt-4o"),
        ("openai", "ft:gpt-4o-mini-2024-07-18:acme:my-suffix:abc123", "ft:gpt-4o-mini"),
        ("openai", "ft:gpt-3.5-turbo-0125:acme::abc123", "ft:gpt-3.5-turbo-"),
        ("anthropic", "claude-3-haiku-20240307", "claude-3-haiku"),
        ("anthropic", "claude-3-5-haiku-latest", "claude-3-5-haiku-latest"),
        ("anthropic", "claude-sonnet-4-20250514", "claude-sonnet-4-0"),
        ("anthropic", "claude-opus-4-1-20250805", "claude-opus-4-1"),
        ("anthropic", "claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("anthropic", "claude-opus-5-5", "claude-opus-5-5"),
        ("gemini", "gemini-2.5-pro-preview-05-06", "gemini-2.5-pro"),
        ("gemini", "gemini-2.5-flash-lite-preview-09-2025", "gemini-2.5-flash-lite"),
        ("gemini", "gemini-2.0-flash-001", "gemini-2.0-flash"),
        ("gemini", "gemini-flash-latest", "gemini-3.8-flash"),
    ],
)  # fmt: skip
def test_a_name_and_its_dated_aliases_lead_to_the_model(provider: str, name: str, canonical: str) -> None:
    model = find(provider, name, TODAY)
    assert model is not None
    assert model.id == canonical


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("openai", "gpt-4o-nonsense"),
        ("openai", "gpt-4o-2024-09-09"),  # a snapshot that nobody has published may cost what it likes
        ("openai", "gpt-4o-latest"),
        ("openai", "gpt-5-nano-ultra"),
        ("openai", "gpt-4.5-preview-xl"),
        ("openai", "gpt-4o-realtime-preview-deluxe"),
        ("openai", "gpt-99"),
        ("openai", ""),
        ("openai", " gpt-4o"),
        ("openai", "ft:gpt-4o"),
        ("openai", "ft:gpt-4o-2024-08-06"),
        ("openai", "ft:gpt-4.1-2025-04-14:acme::abc123"),
        ("openai", "ft:gpt-4-0613:acme::abc123"),  # the data gives it gpt-4's own price, which is not its price
        ("openai", "claude-3-haiku"),
        ("anthropic", "claude-3-haiku-anything"),
        ("anthropic", "claude-haiku-4-5-20251001-max"),
        ("anthropic", "claude-opus-4-12"),
        ("anthropic", "claude-opus-5-6"),
        ("anthropic", "claude-sonnet-5-5-pro"),
        ("anthropic", "gpt-4o"),
        ("gemini", "gemini-2.5-pro-exp"),
        ("gemini", "gemini-2.5-pro-computer-use"),
        ("gemini", "x-gemini-2.0-flash"),
        ("gemini", "claude-3-haiku"),  # Vertex sells it, the Gemini API does not
        ("google", "gemini-2.5-pro"),
        ("groq", "llama-3.1-8b-instant-max"),
        ("", "gpt-4o"),
    ],
)
def test_a_name_that_might_mean_something_dearer_means_nothing(provider: str, name: str) -> None:
    assert find(provider, name, TODAY) is None


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("openai", "omni-moderation-latest"),  # free
        ("openai", "whisper-1"),  # by the hour
        ("openai", "tts-1"),  # by the character
        ("openai", "gpt-image-1"),  # by the image
        ("openai", "gpt-5-image"),
        ("openai", "gpt-live-1"),
        ("openai", "gpt-4o-search-preview"),  # searches unasked, for fees that no usage names
        ("openai", "gpt-4o-mini-search-preview"),
        ("openai", "gpt-5-search-api"),
        ("openai", "text-embedding-3-small"),  # no chat model
        ("gemini", "gemma-3-27b-it"),  # free
        ("gemini", "gemini-3-pro-image-preview"),
        ("gemini", "gemini-embedding-2"),
    ],
)
def test_a_model_that_is_not_priced_by_text_tokens_is_not_found(provider: str, name: str) -> None:
    assert find(provider, name, TODAY) is None


@pytest.mark.parametrize("day", DAYS)
def test_no_price_is_ever_zero(day: date) -> None:
    assert not FREE
    found = [
        model
        for provider in PROVIDERS
        for info in model_infos(provider)
        for purpose in Purpose
        if (model := find(provider, info.id, day, purpose=purpose)) is not None
    ]
    assert len(found) > 120

    def rates(ladder: PriceLadder) -> list[int | None]:
        lists = [ladder.base, *(step.rates for step in ladder.steps)]
        return [
            rate
            for each in lists
            if not (each.character or each.millisecond)  # such a model has no tokens
            for rate in (each.input, each.output, each.cache_read, each.cache_write_5m, each.cache_write_1h,
                         each.audio_input, each.audio_output, each.audio_cache_read, each.web_search)
        ]  # fmt: skip

    for model in found:
        for ladder in (model.standard, *model.tiers.values()):
            assert all(rate is None or rate > 0 for rate in rates(ladder)), model.id


@pytest.mark.parametrize(("provider", "name", "model"), PRICED)
def test_every_model_has_limits_that_a_request_can_be_bounded_by(provider: str, name: str, model: object) -> None:
    assert isinstance(model, catalogue.Model)
    assert model.context_window >= 1_000
    if model.purpose is Purpose.TEXT:
        assert 1_000 <= model.max_output_tokens <= model.context_window
    else:
        assert model.max_output_tokens == 0


def test_most_models_that_are_sold_today_have_published_limits() -> None:
    unpublished = {name for _, name, model in PRICED if not model.output_published}
    chat = {name for provider in PROVIDERS for name in (each.id for each in all_models(provider, TODAY))}
    assert not unpublished & chat
    assert {"gpt-4o", "o3", "gpt-5", "gpt-6-sol", "claude-opus-5-5", "claude-haiku-4-5", "gemini-2.5-pro"} <= chat


def test_every_limit_in_our_table_belongs_to_a_model_of_the_price_data() -> None:
    rows = read_table(TABLE.read_text().splitlines())
    for row in rows:
        known = find(row.provider, row.model, TODAY)
        assert row.model in {info.id for info in model_infos(row.provider)} or (known and known.id == row.model), row
    assert len({(row.provider, row.model) for row in rows}) == len(rows)


def test_a_limit_from_a_list_of_others_is_known_as_such_and_its_window_taken_longer() -> None:
    grok, llama = (find("xai", "grok-4.7", TODAY), find("groq", "llama-3.3-70b-versatile", TODAY))
    assert grok is not None and llama is not None
    assert (grok.output_listed, grok.output_published, grok.window_published) == (True, False, True)
    assert grok.context_window == 525_000 and grok.max_output_tokens == 500_000
    assert (llama.output_listed, llama.output_published, llama.context_window) == (False, True, 131_072)
    cyber = find("openai", "gpt-6-cyber", TODAY)
    assert cyber is not None and cyber.output_listed and not cyber.window_published  # nothing is clipped by it


@pytest.mark.parametrize(
    "name",
    ["groq/openai/gpt-oss-120b", "mistral/mistral-small-latest", "deepseek/deepseek-chat", "xai/grok-4.7",
     "together/moonshotai/Kimi-K3", "fireworks/accounts/fireworks/models/glm-5p2", "openrouter/openai/gpt-4o",
     "cerebras/gpt-oss-120b"],
)  # fmt: skip
def test_what_people_use_at_the_other_providers_has_a_limit_from_somewhere(name: str) -> None:
    model = find(name.partition("/")[0], name, TODAY)
    assert model is not None and (model.output_published or model.output_listed)


def test_our_windows_are_never_smaller_than_the_price_datas() -> None:
    # gpt-4o-mini-tts and the like aside: those windows are the data's own.
    for provider in PROVIDERS:
        for info in model_infos(provider):
            limits = limits_of(provider, info.id, info.context_window)
            if info.context_window is not None and info.id != "gpt-3.5-turbo-instruct":
                assert limits.window >= info.context_window, info.id


def test_a_model_without_a_known_limit_may_answer_a_whole_window() -> None:
    limits = limits_of("openai", "gpt-unheard-of", 100_000)
    assert limits.output == limits.window == 105_000
    assert not limits.published
    assert limits_of("openai", "gpt-unheard-of", None).output == 1_050_000


def test_the_listed_models_are_sorted_known_by_their_own_name_and_not_retired() -> None:
    for provider in PROVIDERS:
        models = all_models(provider, TODAY)
        names = [model.id for model in models]
        assert names == sorted(set(names))
        assert all(find(provider, model.id, TODAY) is model for model in models)
    assert "gemini-2.0-flash" not in {model.id for model in all_models("gemini", TODAY)}
    assert all_models("nobody", TODAY) == []


def test_an_embedding_model_is_found_for_embedding_only() -> None:
    model = find("openai", "text-embedding-3-small", TODAY, purpose=Purpose.EMBEDDING)
    assert model is not None
    assert model.max_output_tokens == 0
    assert find("openai", "gpt-4o", TODAY, purpose=Purpose.EMBEDDING) is None


def test_a_model_says_where_its_price_comes_from() -> None:
    model = find("openai", "gpt-4o", TODAY)
    assert model is not None
    assert model.source.startswith("genai-prices ")
    assert model.priced_on == TODAY


def test_openai_text_is_byte_level_and_the_others_are_not_assumed_to_be() -> None:
    tokenizers = {(provider, model.tokenizer) for provider, _, model in PRICED}
    assert tokenizers == {("openai", "byte_bpe"), ("anthropic", "unknown"), ("gemini", "unknown")}


def test_no_prefix_rule_of_the_data_lets_in_an_invented_variant() -> None:
    for provider in PROVIDERS:
        for info in model_infos(provider):
            for text in catalogue._literals(info.match):
                assert find(provider, f"{text}-nonsense", TODAY) is None
                assert find(provider, f"{text}x", TODAY) is None


@given(st.sampled_from(sorted(PROVIDERS)), st.text(max_size=300))
def test_any_text_is_a_name_that_is_merely_unknown(provider: str, name: str) -> None:
    model = find(provider, name, TODAY)
    assert model is None or name.lower() in catalogue._names(
        next(info for info in model_infos(provider) if info.id == model.id)
    )


def test_names_match_as_the_price_data_matches_them() -> None:
    """Whatever we find, the data finds too, and the same."""
    snapshot = get_snapshot()
    for provider, name, model in PRICED:
        theirs = next(each for each in snapshot.providers if each.id == PROVIDERS[provider]).find_model(name)
        assert theirs is not None
        assert theirs.id == model.id


def test_a_known_name_is_answered_from_memory() -> None:
    find("openai", "gpt-4o-2024-11-20", TODAY)
    begun = time.perf_counter()
    for _ in range(10_000):
        find("openai", "gpt-4o-2024-11-20", TODAY)
    assert (time.perf_counter() - begun) / 10_000 < 20e-6  # 0.15 us measured; reading the data takes 200


def test_the_memory_is_bounded_however_many_names_are_asked_for() -> None:
    for number in range(5_000):
        find("openai", f"gpt-invented-{number}", TODAY)
    info = catalogue._find.cache_info()
    assert info.maxsize is not None
    assert info.currsize <= info.maxsize
    before = info.misses
    assert find("openai", "gpt-4o-" + "x" * 10_000, TODAY) is None
    assert catalogue._find.cache_info().misses == before  # not worth remembering


def test_each_day_has_its_own_price() -> None:
    days = [TODAY + timedelta(days=number) for number in range(10)]
    prices = [model.rates.input for day in days if (model := find("gemini", "gemini-4-argon", day))]
    assert prices == [2_000_000_000] * 7 + [4_000_000_000] * 3
