"""A tenant's own prices: which entry counts, what it makes of the list, and that bound and bill read the same rates."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgets.pricing import catalogue
from budgets.pricing.bound import quote
from budgets.pricing.cost import cost, explain
from budgets.pricing.limits import LONGEST_WINDOW
from budgets.pricing.own import ANY, OwnPrice, PriceBook, discounted, percent
from budgets.pricing.rates import Model, NotPriceable, Purpose
from budgets.pricing.usage import Usage
from tests.budgets.pricing.strategies import models, requests, usages
from tests.budgets.pricing.test_bound import billable_input

TODAY = date(2026, 11, 24)
SINCE = date(2026, 10, 1)


def own(provider: str, model: str, **terms: object) -> OwnPrice:
    return OwnPrice("prc_1", provider, model, SINCE, **terms)  # type: ignore[arg-type]


def listed(provider: str, name: str) -> Model:
    model = catalogue.find(provider, name, TODAY)
    assert model is not None
    return model


def find(provider: str, name: str, *prices: OwnPrice, purpose: Purpose = Purpose.TEXT) -> Model | None:
    return PriceBook(prices).find(provider, name, TODAY, purpose=purpose)


def test_a_discount_of_a_provider_is_taken_off_every_rate_of_its_models_and_of_no_others() -> None:
    off = own("openai", ANY, discount=2_000)
    model = find("openai", "gpt-4o-2024-08-06", off)
    assert model is not None
    plain = listed("openai", "gpt-4o")
    assert (plain.rates.input, model.rates.input) == (2_500_000_000, 2_000_000_000)
    assert (plain.rates.web_search, model.rates.web_search) == (10_000_000, 8_000_000)
    assert model.tiers["priority"].base.output * 10 == plain.tiers["priority"].base.output * 8
    assert (model.source, model.since, model.own) == (f"{plain.source}, 20% off", SINCE, "prc_1")
    assert find("anthropic", "claude-haiku-4-5", off) == listed("anthropic", "claude-haiku-4-5")


def test_long_context_steps_are_discounted_too() -> None:
    model, plain = (
        find("gemini", "gemini-2.5-pro", own("gemini", ANY, discount=5_000)),
        listed("gemini", "gemini-2.5-pro"),
    )
    assert model is not None
    assert model.standard.steps[0].rates.input * 2 == plain.standard.steps[0].rates.input


def test_the_most_exact_entry_counts_alone() -> None:
    dated = own("openai", "gpt-4o-2024-08-06", rates={"input": 1, "output": 1})
    family = own("openai", "GPT-4o", discount=1_000)
    whole = own("openai", ANY, discount=2_000)
    of = {name: find("openai", name, whole, family, dated) for name in ("gpt-4o-2024-08-06", "gpt-4o", "gpt-4o-mini")}
    rates = {name: model.rates.input for name, model in of.items() if model is not None}
    assert rates == {"gpt-4o-2024-08-06": 1, "gpt-4o": 2_250_000_000, "gpt-4o-mini": 120_000_000}


def test_rates_are_rounded_up_one_by_one() -> None:
    plain = listed("openai", "gpt-4o")
    third = discounted(replace(plain, standard=plain.standard.scaled(1, 2_500_000_000)), own("openai", ANY, discount=1))
    assert third.rates.input == 1  # 0.9999 nanodollars


@pytest.mark.parametrize(
    ("discount", "said"), [(2_000, "20% off"), (750, "7.5% off"), (-1_000, "10% more"), (5, "0.05% off")]
)
def test_a_discount_in_words(discount: int, said: str) -> None:
    assert percent(discount) == said


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_no_discount_makes_a_bound_lower_than_what_settles(data: st.DataObject) -> None:
    discount = data.draw(st.integers(-10_000, 9_999))
    model = discounted(data.draw(models()), own("openai", ANY, discount=discount))
    request = data.draw(requests())
    quoted = quote(model, **request)  # type: ignore[arg-type]
    limit = data.draw(st.integers(quoted.least_output, quoted.most_output))
    most_output = int(str(request["choices"])) * (limit + int(str(request["extra_output"])))
    usage = data.draw(usages(request, billable_input(model, request), most_output, model))
    assert cost(model, usage) + int(str(request["fees"])) <= quoted.at(limit)


# --- Rates of one's own ----------------------------------------------------------------------------------------------


def test_a_price_of_ones_own_takes_the_lists_place_whatever_the_length() -> None:
    model = find(
        "gemini", "gemini-2.5-pro", own("gemini", "gemini-2.5-pro", rates={"input": 10**9, "output": 4 * 10**9})
    )
    assert model is not None
    assert cost(model, Usage(input_tokens=500_000, output_tokens=1_000)) == 500_000_000 + 4_000_000
    plain = listed("gemini", "gemini-2.5-pro")
    assert (model.context_window, model.max_output_tokens) == (plain.context_window, plain.max_output_tokens)
    assert not model.offers("flex") and model.source == "own price"


def test_what_is_left_out_takes_the_documented_fallback_or_is_not_priced() -> None:
    model = find(
        "anthropic", "claude-sonnet-4-5", own("anthropic", "claude-sonnet-4-5", rates={"input": 400, "output": 900})
    )
    assert model is not None
    rates = model.rates
    assert (rates.cache_read, rates.cache_write_5m, rates.cache_write_1h) == (400, 500, 800)
    with pytest.raises(NotPriceable):
        cost(model, Usage(audio_input_tokens=1))
    with pytest.raises(NotPriceable):
        quote(model, input_tokens=1, client_limit=1, default_limit=1, floor=1, web_searches=1)


def test_a_price_of_ones_own_makes_an_unknown_model_usable() -> None:
    name = "my-endpoint/Meta-Llama-9"
    price = own(
        "my-endpoint",
        "meta-llama-9",
        rates={"input": 10**9, "output": 2 * 10**9},
        context_window=32_000,
        max_output_tokens=4_000,
    )
    model = find("my-endpoint", name, price)
    assert model is not None and find("my-endpoint", "another", price) is None
    assert (model.id, model.context_window, model.max_output_tokens) == ("Meta-Llama-9", 32_000, 4_000)
    assert (
        quote(model, input_tokens=1_000, client_limit=None, default_limit=16_384, floor=256).most == 10**6 + 8 * 10**6
    )


def test_limits_that_only_a_tenant_gave_never_make_a_bound_smaller() -> None:
    price = own("openai", "gpt-99", rates={"input": 10**9, "output": 10**9}, context_window=10, max_output_tokens=10)
    model = find("openai", "gpt-99", price)
    assert model is not None
    asked = quote(model, input_tokens=1_000, client_limit=5_000, default_limit=100, floor=1)
    assert asked.most == 6_000_000  # what was asked for, not what the tenant thinks that the model can do
    published = find("openai", "gpt-4o", own("openai", "gpt-4o", discount=100, context_window=10, max_output_tokens=10))
    assert published is not None and published.max_output_tokens == listed("openai", "gpt-4o").max_output_tokens


def test_an_unknown_model_without_limits_may_fill_the_longest_window() -> None:
    model = find("my-endpoint", "x", own("my-endpoint", "x", rates={"input": 1, "output": 1}))
    assert model is not None
    assert (model.context_window, model.max_output_tokens, model.window_published) == (
        LONGEST_WINDOW,
        LONGEST_WINDOW,
        False,
    )


def test_rates_without_output_are_an_embeddings() -> None:
    price = own("my-endpoint", "embed", rates={"input": 20})
    assert find("my-endpoint", "embed", price) is None
    model = find("my-endpoint", "embed", price, purpose=Purpose.EMBEDDING)
    assert model is not None and (model.purpose, model.max_output_tokens) == (Purpose.EMBEDDING, 0)
    assert find("openai", "gpt-4o", own("openai", "gpt-4o", rates={"input": 20})) is None


def test_a_model_that_knows_no_tokens_has_a_price_by_its_own_unit() -> None:
    model = find("openai", "tts-1", own("openai", "tts-1", rates={"character": 10**10}), purpose=Purpose.SPEECH)
    assert model is not None
    assert cost(model, Usage(characters=1_000)) == 10_000_000
    assert find("openai", "tts-2", own("openai", "tts-2", rates={"character": 1}), purpose=Purpose.SPEECH) is None


def test_a_discount_prices_nothing_that_the_list_does_not() -> None:
    assert find("openai", "gpt-99", own("openai", ANY, discount=1_000)) is None
    assert find("openai", "x" * 201, own("openai", ANY, discount=1_000)) is None


# --- Free on purpose -------------------------------------------------------------------------------------------------


def test_what_is_free_costs_nothing_and_still_holds_a_nanodollar_so_that_a_cap_of_0_refuses_it() -> None:
    model = find("my-endpoint", "llama", own("my-endpoint", ANY, free=True))
    assert model is not None and model.free
    quoted = quote(model, input_tokens=10_000, client_limit=None, default_limit=16_384, floor=256)
    assert (quoted.least, quoted.most, quoted.affordable(1)) == (1, 1, 16_384)
    usage = Usage(input_tokens=5, output_tokens=9, cache_read_tokens=1)
    assert cost(model, usage) == 0 and len(explain(model, usage)) == 3


def test_a_book_remembers_answers_and_forgets_them_before_they_are_too_many() -> None:
    book = PriceBook([own("openai", ANY, discount=1_000)])
    first = book.find("openai", "gpt-4o", TODAY)
    assert book.find("openai", "gpt-4o", TODAY) is first
    for number in range(300):
        assert book.find("openai", f"made-up-{number}", TODAY) is None
    assert len(book._answers) == 1
    for number in range(300):
        alias = f"claude-sonnet-4-5-2025{number // 28 + 1:02}{number % 28 + 1:02}"
        assert book.find("anthropic", alias, TODAY) == listed("anthropic", "claude-sonnet-4-5")
    assert len(book._answers) <= 64 and book.find("openai", "gpt-4o", TODAY) == first


def test_the_models_that_can_be_used_are_the_lists_and_ones_own() -> None:
    book = PriceBook([own("openai", "gpt-99", rates={"input": 1, "output": 1}), own("openai", "gpt-4o", discount=100)])
    names = [model.id for model in book.all_models("openai", TODAY)]
    assert {"gpt-99", "gpt-4o", "o3"} <= set(names) and names == sorted(names)
    assert len(names) == len(catalogue.all_models("openai", TODAY)) + 1


# --- Regions ---------------------------------------------------------------------------------------------------------


def test_inference_kept_to_a_region_costs_more_and_an_unnamed_one_is_held_at_the_dearest() -> None:
    # Opus 4.6: $5 and $25; in the US 1.1 times, $5.50 and $27.50.
    model = listed("anthropic", "claude-opus-4-6")
    plain = Usage(input_tokens=1_000, output_tokens=1_000)
    assert [cost(model, replace(plain, region=each)) for each in ("global", "us", "mars")] == [
        30_000_000,
        33_000_000,
        33_000_000,
    ]
    held = {
        region: quote(
            model,
            input_tokens=1_000,
            client_limit=1_000,
            default_limit=1,
            floor=1,
            retention="none",
            region=region,  # type: ignore[arg-type]
        ).most
        for region in ("", "global", "us")
    }
    assert held == {"": 33_000_000, "global": 30_000_000, "us": 33_000_000}
    searched = replace(plain, region="us", web_searches=1)
    assert cost(model, searched) == 33_000_000 + 10_000_000  # the fee of a search is the same everywhere


def test_models_from_before_regions_know_none() -> None:
    model = listed("anthropic", "claude-sonnet-4-5")
    assert not model.regions
    assert cost(model, Usage(input_tokens=1_000, region="us")) == cost(model, Usage(input_tokens=1_000))


def test_a_tenants_own_limit_comes_before_that_of_a_list_of_others_and_after_a_providers() -> None:
    rates = {"input": 10**9, "output": 10**9}
    kimi = find("together", "moonshotai/Kimi-K3", own("together", "moonshotai/kimi-k3", rates=rates))
    assert kimi is not None and kimi.output_listed and kimi.max_output_tokens == 1_048_576
    short = own("together", "moonshotai/kimi-k3", rates=rates, max_output_tokens=4_096)
    kimi = find("together", "moonshotai/Kimi-K3", short)
    assert kimi is not None and kimi.limits_own and kimi.max_output_tokens == 4_096
    assert kimi.context_window == listed("together", "moonshotai/Kimi-K3").context_window and kimi.window_published
    gpt = find("openai", "gpt-4o", own("openai", "gpt-4o", rates=rates, max_output_tokens=10))
    assert gpt is not None and gpt.max_output_tokens == 16_384
