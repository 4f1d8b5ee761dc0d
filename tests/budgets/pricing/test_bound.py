"""Bounds: no reply that a request allows costs more than its quote, and a grant is used to the last token it covers."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgets.pricing.bound import Quote, quote, template_bound, text_bound
from budgets.pricing.catalogue import all_models, find
from budgets.pricing.cost import cost
from budgets.pricing.rates import Model, NotPriceable, Retention
from budgets.pricing.usage import Usage
from tests.budgets.pricing.strategies import models, requests, usages

TODAY = date(2026, 11, 24)
REAL_MODELS = [model for provider in ("openai", "anthropic", "gemini") for model in all_models(provider, TODAY)]


def gpt_4o() -> Model:
    model = find("openai", "gpt-4o", TODAY)
    assert model is not None
    return model


def plain_quote(model: Model, input_tokens: int, client_limit: int | None = None, **more: object) -> Quote:
    arguments: dict[str, object] = {"default_limit": 16_384, "floor": 256, "choices": 1, "fees": 0} | more
    return quote(model, input_tokens=input_tokens, client_limit=client_limit, **arguments)  # type: ignore[arg-type]


def billable_input(model: Model, request: dict[str, object]) -> int:
    """The most input tokens that the provider would take."""
    refuses_longer = model.window_published and model.provider in ("openai", "anthropic")
    window = model.context_window * int(str(request["model_calls"]))
    return min(int(str(request["input_tokens"])), window) if refuses_longer else int(str(request["input_tokens"]))


@given(st.data())
@settings(max_examples=250, deadline=None)
def test_no_reply_within_the_limits_costs_more_than_the_quote(data: st.DataObject) -> None:
    model = data.draw(st.one_of(models(), st.sampled_from(REAL_MODELS)))
    request = data.draw(requests())
    if model.rates.audio_input is None:
        request["audio"] = False
    if model.rates.web_search is None:
        request["web_searches"] = 0
    quoted = quote(model, **request)  # type: ignore[arg-type]
    limit = data.draw(st.integers(quoted.least_output, quoted.most_output))
    most_output = int(str(request["choices"])) * (limit + int(str(request["extra_output"])))
    usage = data.draw(usages(request, billable_input(model, request), most_output, model))
    for billed_tier in (str(request["service_tier"]), "default"):  # a full tier falls back to the standard one
        assert cost(model, usage, billed_tier) + int(str(request["fees"])) <= quoted.at(limit)
    assert quoted.least <= quoted.at(max(limit, quoted.least_output)) <= quoted.most


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_the_affordable_limit_is_covered_and_one_token_more_is_not(data: st.DataObject) -> None:
    model = data.draw(st.one_of(models(), st.sampled_from(REAL_MODELS)))
    request = data.draw(requests()) | {"audio": False, "web_searches": 0}
    quoted = quote(model, **request)  # type: ignore[arg-type]
    granted = data.draw(st.integers(quoted.least, quoted.most))
    limit = quoted.affordable(granted)
    assert quoted.least_output <= limit <= quoted.most_output
    assert quoted.at(limit) <= granted
    assert limit == quoted.most_output or quoted.at(limit + 1) > granted


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_what_would_fit_is_the_largest_limit_that_the_money_left_covers(data: st.DataObject) -> None:
    model = data.draw(models())
    request = data.draw(requests()) | {"audio": False}
    quoted = quote(model, **request)  # type: ignore[arg-type]
    available = data.draw(st.one_of(st.integers(-5, quoted.most), st.just(0), st.just(quoted.input_cost)))
    fitting = quoted.fits_output_tokens(available)
    assert fitting == 0 or quoted.at(fitting) <= available
    assert fitting == quoted.most_output or quoted.at(fitting + 1) > available


@given(models(), requests())
@settings(max_examples=120, deadline=None)
def test_the_bound_is_tight_some_reply_costs_exactly_the_quote(model: Model, request: dict[str, object]) -> None:
    request |= {"fees": 0, "web_searches": 0, "extra_output": 0, "audio": False, "retention": Retention.LONG}
    quoted = quote(model, **request)  # type: ignore[arg-type]
    most_input, tier = billable_input(model, request), str(request["service_tier"])
    output = int(str(request["choices"])) * quoted.most_output
    landings = {most_input, *(step.above_input_tokens for ladder in model.ladders_ahead(tier) for step in ladder.steps)}
    kinds = ("input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
    dearest = max(
        cost(model, Usage(**{kind: count}, output_tokens=output), billed_tier)
        for billed_tier in (tier, "default")
        for count in landings
        if count <= most_input
        for kind in kinds
    )
    assert dearest == quoted.most


def test_a_quote_computed_by_hand() -> None:
    # gpt-4o: 1,000 in at $2.50 and 2 x 300 out at $10, per million: $0.0025 + $0.006.
    quoted = plain_quote(gpt_4o(), 1_000, 300, choices=2, retention=Retention.SHORT)
    assert (quoted.least, quoted.most, quoted.input_cost) == (8_500_000, 8_500_000, 2_500_000)
    assert (quoted.least_output, quoted.most_output) == (300, 300)


def test_without_a_limit_of_the_client_the_default_is_the_most_and_the_floor_the_least() -> None:
    quoted = plain_quote(gpt_4o(), 1_000)
    assert (quoted.least_output, quoted.most_output) == (256, 16_384)
    assert (quoted.least, quoted.most) == (2_500_000 + 2_560_000, 2_500_000 + 163_840_000)


def test_no_output_beyond_the_models_own_limit_is_priced() -> None:
    model = replace(gpt_4o(), max_output_tokens=4_096)
    assert plain_quote(model, 10).most_output == 4_096
    assert plain_quote(model, 10, 1_000_000).most_output == 4_096
    assert plain_quote(model, 10, floor=10_000).least_output == 4_096


def test_a_model_without_a_limit_of_its_own_is_given_one_that_fits_beside_the_prompt() -> None:
    small = replace(gpt_4o(), context_window=8_192, max_output_tokens=8_192)
    assert plain_quote(small, 3_000).most_output == 8_192 - 1_500
    assert plain_quote(small, 100_000).most_output == 4_096
    assert plain_quote(small, 100_000, floor=5_000).most_output == 5_000
    assert plain_quote(small, 3_000, 8_000).most_output == 8_000  # the client's own limit is its own
    assert plain_quote(replace(small, context_window=16_384), 100_000).most_output == 8_192


def test_what_only_a_list_of_others_says_shortens_what_we_write_but_not_what_a_client_is_held_for() -> None:
    listed = replace(gpt_4o(), max_output_tokens=4_096, output_published=False, output_listed=True)
    assert plain_quote(listed, 10).most_output == 4_096
    assert plain_quote(listed, 10, 10_000).most_output == 10_000
    assert plain_quote(listed, 10, 1_000_000).most_output == listed.context_window


def test_a_thinking_budget_raises_both_the_least_and_a_default_below_it() -> None:
    quoted = plain_quote(gpt_4o(), 10, default_limit=1_000, least_output=5_000)
    assert (quoted.least_output, quoted.most_output) == (5_000, 5_000)
    assert plain_quote(gpt_4o(), 10, least_output=300).least_output == 300


def test_a_default_below_the_floor_stays_what_it_is() -> None:
    quoted = plain_quote(gpt_4o(), 10, default_limit=100)
    assert (quoted.least_output, quoted.most_output) == (100, 100)


def test_a_client_limit_of_zero_is_a_limit() -> None:
    assert plain_quote(gpt_4o(), 10, 0).most_output == 0


def test_input_beyond_the_window_is_not_held_for_where_the_provider_refuses_it() -> None:
    window = gpt_4o().context_window
    assert plain_quote(gpt_4o(), window * 3, 1) == plain_quote(gpt_4o(), window, 1)
    assert plain_quote(gpt_4o(), window * 3, 1, model_calls=2) == plain_quote(gpt_4o(), window * 2, 1, model_calls=2)
    unpublished = replace(gpt_4o(), window_published=False)
    assert plain_quote(unpublished, window * 3, 1).most > plain_quote(unpublished, window, 1).most
    gemini = find("gemini", "gemini-2.5-flash", TODAY)
    assert gemini is not None
    assert plain_quote(gemini, gemini.context_window * 2, 1).most > plain_quote(gemini, gemini.context_window, 1).most


def test_cache_writes_are_held_for_only_where_the_request_can_cause_them() -> None:
    sonnet = find("anthropic", "claude-sonnet-4-5", TODAY)
    assert sonnet is not None
    # $3, $3.75 and $6 per million for 1,000 tokens.
    held = [plain_quote(sonnet, 1_000, 0, retention=each).most for each in (Retention.NONE, Retention.SHORT, "1h")]
    assert held == [3_000_000, 3_750_000, 6_000_000]
    assert plain_quote(sonnet, 1_000, 0).most == 6_000_000  # not said: the dearest


def test_a_long_prompt_is_held_at_the_long_context_price() -> None:
    gemini = find("gemini", "gemini-2.5-pro", TODAY)
    assert gemini is not None
    # Up to 200,000 tokens $1.25 and $10, beyond $2.50 and $15.
    assert plain_quote(gemini, 200_000, 100, retention="none").most == 250_000_000 + 1_000_000
    assert plain_quote(gemini, 200_001, 100, retention="none").most == 500_002_500 + 1_500_000


def test_a_longer_request_that_is_cheaper_per_token_is_held_at_the_dearer_shorter_one() -> None:
    steps = find("gemini", "gemini-2.5-pro", TODAY)
    assert steps is not None
    ladder = steps.standard
    falling = replace(ladder, base=ladder.steps[0].rates, steps=(replace(ladder.steps[0], rates=ladder.base),))
    model = replace(steps, standard=falling)
    # 200,000 at $2.50 cost more than 200,001 at $1.25.
    assert plain_quote(model, 200_001, 0, retention="none").most == 500_000_000


def test_an_unknown_tier_is_held_at_the_dearest_known() -> None:
    model = gpt_4o()
    standard, priority = (plain_quote(model, 1_000, 100, service_tier=each).most for each in ("", "priority"))
    assert (standard, priority) == (3_500_000, 4_250_000 + 1_700_000)
    assert plain_quote(model, 1_000, 100, service_tier="auto").most == priority
    assert plain_quote(model, 1_000, 100, service_tier="default").most == standard


def test_a_cheaper_tier_is_held_at_the_standard_price_that_it_may_fall_back_to() -> None:
    model = find("openai", "gpt-5", TODAY)
    assert model is not None
    assert "flex" in model.tiers
    assert plain_quote(model, 1_000, 100, service_tier="flex").most == plain_quote(model, 1_000, 100).most


def test_fees_searches_and_extra_output_are_held_for() -> None:
    bare = plain_quote(gpt_4o(), 1_000, 100, choices=2)
    assert plain_quote(gpt_4o(), 1_000, 100, choices=2, fees=7).most == bare.most + 7
    assert plain_quote(gpt_4o(), 1_000, 100, choices=2, web_searches=3).most == bare.most + 30_000_000
    assert plain_quote(gpt_4o(), 1_000, 100, choices=2, extra_output=10).most == bare.most + 2 * 10 * 10_000


def test_audio_without_a_price_is_refused_before_it_is_sent() -> None:
    with pytest.raises(NotPriceable, match="audio"):
        plain_quote(gpt_4o(), 10, audio=True)
    speaking = find("openai", "gpt-audio", TODAY)
    assert speaking is not None
    # $32 a million in, $64 out.
    assert plain_quote(speaking, 1_000, 100, audio=True).most == 32_000_000 + 6_400_000


def test_a_search_without_a_price_is_refused_before_it_is_sent() -> None:
    model = find("openai", "o1", TODAY)
    assert model is not None
    with pytest.raises(NotPriceable, match="search"):
        plain_quote(model, 10, web_searches=1)


def test_a_grant_below_the_least_is_an_error() -> None:
    quoted = plain_quote(gpt_4o(), 1_000)
    assert quoted.affordable(quoted.least) == 256
    assert quoted.affordable(quoted.most * 2) == 16_384
    with pytest.raises(ValueError, match="least"):
        quoted.affordable(quoted.least - 1)


def test_nothing_fits_where_the_input_alone_is_too_dear() -> None:
    quoted = plain_quote(gpt_4o(), 1_000)
    assert quoted.fits_output_tokens(quoted.input_cost - 1) == 0
    assert quoted.fits_output_tokens(quoted.input_cost) == 0
    assert quoted.fits_output_tokens(quoted.input_cost + 50_000) == 5


@pytest.mark.parametrize(
    "wrong", [{"input_tokens": -1}, {"choices": 0}, {"client_limit": -1}, {"fees": -1}, {"model_calls": 0}]
)
def test_a_negative_bound_is_an_error(wrong: dict[str, int]) -> None:
    arguments = {"input_tokens": 1, "client_limit": 1} | wrong
    with pytest.raises(ValueError, match=r"negative|at least one"):
        plain_quote(gpt_4o(), **arguments)  # type: ignore[arg-type]


@given(st.lists(st.text(), max_size=5))
def test_text_is_bounded_by_its_bytes_and_never_less_under_an_unknown_tokenizer(texts: list[str]) -> None:
    utf8 = sum(len(text.encode()) for text in texts)
    assert text_bound(texts, "byte_bpe") == utf8
    assert text_bound(texts, "unknown") >= utf8 + len(texts)


def test_a_letter_that_normalises_into_many_is_bounded_by_the_many() -> None:
    ligature = "\ufdfa"  # one character, three bytes, eighteen letters under NFKC
    assert text_bound([ligature], "byte_bpe") == 3
    assert text_bound([ligature], "unknown") == 1 + 33


def test_a_lone_surrogate_counts_instead_of_crashing() -> None:
    assert text_bound(["\ud800"], "byte_bpe") == 3
    assert text_bound(["\ud800"], "unknown") == 4


def test_the_template_grows_with_messages_and_tools() -> None:
    bare = template_bound(messages=1)
    assert template_bound(messages=2) - bare >= 4  # OpenAI publishes 3 a message and 1 a name
    assert template_bound(messages=1, tools=1) - bare >= 804  # Anthropic's longest tool instructions
    assert template_bound(messages=1, tools=2) > template_bound(messages=1, tools=1)
