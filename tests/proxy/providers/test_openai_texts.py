"""Embeddings, legacy completions and moderations: what is refused, what is bounded, what goes out."""

from datetime import date

import orjson
import pytest

from budgets.pricing.catalogue import find
from budgets.pricing.rates import Purpose
from budgets.pricing.usage import UsageUnknown
from proxy.providers import openai_completions, openai_embeddings
from proxy.providers.bounds import quote_of
from proxy.providers.openai_completions import OPENAI_COMPLETIONS
from proxy.providers.openai_embeddings import OPENAI_EMBEDDINGS
from proxy.providers.openai_free import OPENAI_MODERATIONS
from tests.proxy.providers.support import completions, embeddings, encode, meter_for, refusal

TODAY = date(2026, 11, 24)
EMBEDDER = find("openai", "text-embedding-3-small", TODAY, purpose=Purpose.EMBEDDING)
INSTRUCT = find("openai", "gpt-3.5-turbo-instruct", TODAY)
LIMITS = {"default_limit": 1000, "floor": 100}


# --- prompts


@pytest.mark.parametrize(("parse", "name"), [(embeddings, "input"), (completions, "prompt")])
@pytest.mark.parametrize(
    ("value", "tokens", "count"),
    [
        ("abc", 4, 1), ("é", 3, 1), (["abc", "de"], 7, 2), ([1, 2, 3], 4, 1), ([[1, 2], [3]], 5, 2),
        (["abc", [7]], 6, 2), ("", 1, 1),
    ],
)  # fmt: skip
def test_each_prompt_is_bounded_by_its_bytes_or_its_tokens(parse, name, value, tokens, count):
    parsed = parse(**{name: value})
    assert (parsed.input_tokens, parsed.model_calls) == (tokens, count)


@pytest.mark.parametrize(("parse", "name"), [(embeddings, "input"), (completions, "prompt")])
@pytest.mark.parametrize(
    "value", [5, {}, [], [[]], [None], ["a", 5], [1, "a"], [[1, "a"]], [-1], [True], [1.5], [[[1]]], ["a"] * 2049]
)
def test_anything_else_is_no_prompt(parse, name, value):
    refused = refusal(parse, **{name: value})
    assert refused.code == "invalid_request"
    assert refused.param.startswith(name)


# --- embeddings


def test_embeddings_have_no_output_to_bill():
    parsed = embeddings(input=["x" * 999, "y" * 999], dimensions=8, encoding_format="base64", user="u")
    quote = quote_of(parsed, EMBEDDER, **LIMITS)
    assert quote.least == quote.most == 2000 * 20  # $0.02 a million tokens is 20 nanodollars a token
    assert (quote.most_output, parsed.end_user) == (0, "u")
    sent = orjson.loads(OPENAI_EMBEDDINGS.render(parsed, 0))
    assert sent == {**parsed.payload, "dimensions": 8}


def test_embeddings_ask_for_models_that_embed():
    assert OPENAI_EMBEDDINGS.purpose is Purpose.EMBEDDING
    assert find("openai", "text-embedding-3-small", TODAY) is None
    assert find("openai", "gpt-4o", TODAY, purpose=OPENAI_EMBEDDINGS.purpose) is None


@pytest.mark.parametrize("usage", [None, [], {}, {"prompt_tokens": -1}, {"prompt_tokens": 1, "total_tokens": "x"}])
def test_embeddings_without_a_true_usage_are_unknown(usage):
    meter = meter_for("embedding")
    meter.feed_body(orjson.dumps({"data": [], "usage": usage}))
    with pytest.raises(UsageUnknown):
        meter.usage()


def test_an_embeddings_reply_that_is_no_json_is_unknown():
    meter = meter_for("embedding")
    meter.feed_body(b"[1,2")
    assert not meter.complete
    with pytest.raises(UsageUnknown):
        meter.usage()


@pytest.mark.parametrize("name", ["stream", "store", "best_of", "Input"])
def test_embeddings_take_only_what_is_known(name):
    assert refusal(embeddings, **{name: 1}).code == "unbounded_request"


# --- completions


def test_every_completion_that_is_made_is_bounded_whatever_is_shown():
    assert completions().choices == 1
    assert completions(n=3).choices == 3
    assert completions(n=2, best_of=5).choices == 5
    assert completions(prompt=["a", "b"], n=2, best_of=5).choices == 10


def test_the_providers_own_limit_is_written_where_the_client_names_none():
    parsed = completions()
    assert parsed.output_limit == 16
    assert orjson.loads(OPENAI_COMPLETIONS.render(parsed, 16))["max_tokens"] == 16
    quote = quote_of(parsed, INSTRUCT, **LIMITS)
    # 3 tokens in at $1.50 a million, 16 out at $2.00.
    assert quote.least == quote.most == 3 * 1500 + 16 * 2000
    assert completions(max_tokens=0).output_limit == 0


def test_a_batch_is_not_clamped_to_one_window():
    parsed = completions(prompt=["x" * 4000] * 3)
    assert quote_of(parsed, INSTRUCT, **LIMITS).input_cost == 3 * 4001 * 1500


def test_an_echo_may_be_billed_as_output():
    assert completions(prompt=["a", "bcd"], echo=True).extra_output == 4
    assert completions(echo=False).extra_output == 0


def test_a_suffix_counts_for_each_prompt():
    assert completions(prompt=["a", "b"], suffix="xyz").input_tokens == completions(prompt=["a", "b"]).input_tokens + 6


def test_usage_is_asked_for_in_every_stream_of_completions():
    parsed = completions(stream=True)
    assert not parsed.usage_wanted
    assert orjson.loads(OPENAI_COMPLETIONS.render(parsed, 5))["stream_options"] == {"include_usage": True}
    assert completions(stream=True, stream_options={"include_usage": True}).usage_wanted
    assert completions().usage_wanted


def test_no_prompt_continues_nothing():
    assert completions(prompt=None).input_tokens == 1


# --- moderations


def test_moderations_are_free_and_need_no_model():
    parsed = OPENAI_MODERATIONS.parse(encode({"input": ["a", "b"]}), {}, frozenset())
    assert (OPENAI_MODERATIONS.free, parsed.model) == (True, "omni-moderation-latest")
    assert orjson.loads(OPENAI_MODERATIONS.render(parsed, 0)) == {"input": ["a", "b"]}
    assert refusal(OPENAI_MODERATIONS.parse, encode({"input": "a", "model": 5}), {}, frozenset()).param == "model"
    assert refusal(OPENAI_MODERATIONS.parse, encode({"input": "a", "tools": []}), {}, frozenset()).param == "tools"


def test_the_official_sdk_names_no_field_that_is_forgotten():
    from openai.types import completion_create_params, embedding_create_params, moderation_create_params

    assert set(embedding_create_params.EmbeddingCreateParams.__annotations__) == openai_embeddings.KNOWN
    assert set(moderation_create_params.ModerationCreateParams.__annotations__) == OPENAI_MODERATIONS.known
    names = set(completion_create_params.CompletionCreateParamsStreaming.__annotations__)
    names |= set(completion_create_params.CompletionCreateParamsBase.__annotations__)
    assert names == openai_completions.KNOWN
