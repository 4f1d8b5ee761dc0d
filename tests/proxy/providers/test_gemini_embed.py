"""Gemini's embeddings, one and many."""

from datetime import date

import orjson
import pytest

from budgets.pricing.catalogue import find
from budgets.pricing.rates import Purpose
from budgets.pricing.usage import UsageUnknown
from proxy.providers.bounds import quote_of
from tests.proxy.providers.support import BATCH_EMBED, CONTENTS, EMBED, encode, meter_for, refusal

MODEL = find("gemini", "gemini-embedding-001", date(2026, 11, 24), purpose=Purpose.EMBEDDING)
LIMITS = {"default_limit": 1000, "floor": 100}
CONTENT = CONTENTS[0]


def embed(**fields):
    return EMBED.parse(encode({"content": CONTENT, **fields}), {}, frozenset())


def batch(*requests):
    return BATCH_EMBED.parse(encode({"requests": list(requests)}), {}, frozenset())


def test_one_content_is_bounded_by_its_bytes_and_has_no_output_to_bill():
    parsed = embed(content={"parts": [{"text": "x" * 1000}]}, taskType="RETRIEVAL_QUERY", outputDimensionality=8)
    assert 1000 < parsed.input_tokens < 1200
    quote = quote_of(parsed, MODEL, **LIMITS)
    assert quote.least == quote.most == parsed.input_tokens * 150  # $0.15 a million tokens
    assert EMBED.purpose is Purpose.EMBEDDING


def test_every_content_of_a_batch_counts_and_names_no_other_model():
    one = {"content": {"parts": [{"text": "x" * 1000}]}, "model": "models/gemini-embedding-001"}
    parsed = batch(one, one, one)
    assert 3000 < parsed.input_tokens < 3500
    assert parsed.model_calls == 3
    refused = refusal(batch, one, {**one, "model": "models/gemini-2.5-pro"})
    assert (refused.code, refused.param) == ("invalid_request", "model")


def test_both_spellings_mean_one_and_one_goes_out():
    parsed = embed(task_type="X", output_dimensionality=8, embed_content_config={"task_type": "Y"})
    assert orjson.loads(EMBED.render(parsed, 0)) == {
        "content": CONTENT, "taskType": "X", "outputDimensionality": 8, "embedContentConfig": {"taskType": "Y"},
    }  # fmt: skip
    parsed = batch({"content": CONTENT, "output_dimensionality": 8})
    sent = orjson.loads(BATCH_EMBED.render(parsed, 0))
    assert sent == {"requests": [{"content": CONTENT, "outputDimensionality": 8}]}
    assert BATCH_EMBED.target(parsed) == "/v1/models/gemini-embedding-001:batchEmbedContents"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"content": None}, "content"), ({"content": "hi"}, "content"), ({"content": [CONTENT]}, "content"),
        ({"model": "models/other"}, "model"),
    ],
)  # fmt: skip
def test_what_is_embedded_must_be_a_content(fields, param):
    refused = refusal(embed, **fields)
    assert (refused.code, refused.param) == ("invalid_request", param)


@pytest.mark.parametrize("fields", [{"shiny": 1}, {"embedContentConfig": {"shiny": 1}}, {"content": {"shiny": 1}}])
def test_unknown_names_are_refused(fields):
    assert refusal(embed, **fields).code == "unbounded_request"


def test_pictures_cannot_be_bounded_where_no_window_is_published():
    parsed = embed(content={"parts": [{"inlineData": {"mimeType": "image/png", "data": ""}}]})
    assert refusal(quote_of, parsed, MODEL, **LIMITS).code == "unbounded_request"


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"embedding":{}}', b'{"usageMetadata":{"promptTokenCount":-1}}'])
def test_a_reply_without_a_true_usage_is_charged_at_the_hold(body):
    meter = meter_for("gemini_embed")
    meter.feed_body(body)
    with pytest.raises(UsageUnknown):
        meter.usage()


def test_a_batch_must_be_a_list():
    assert refusal(BATCH_EMBED.parse, encode({"requests": "x"}), {}, frozenset()).param == "requests"
    assert refusal(BATCH_EMBED.parse, encode({}), {}, frozenset()).param == "requests"
