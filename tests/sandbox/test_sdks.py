"""The official SDKs, pointed straight at the running sandbox, understand what it says."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors, types

from tests.sandbox.conftest import Sandbox
from tests.sandbox.requests import (
    ANTHROPIC_MESSAGE,
    ANTHROPIC_PROMPT_TOKENS,
    ANTHROPIC_TOOLS,
    OPENAI_CHAT,
    OPENAI_PROMPT_TOKENS,
    OPENAI_TOOLS,
)


@pytest.fixture
def openai_client(sandbox: Sandbox) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{sandbox.url}/v1", api_key="anything", max_retries=0, timeout=10) as client:
        yield client


@pytest.fixture
def anthropic_client(sandbox: Sandbox) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=sandbox.url, api_key="anything", max_retries=0, timeout=10) as client:
        yield client


def told(instructions: str) -> dict[str, str]:
    return {"X-Tokonomics-Sandbox": instructions}


def test_openai_plain(openai_client: openai.OpenAI) -> None:
    orders = told("output=30; cached=8; reasoning=10")
    completion = openai_client.chat.completions.create(**OPENAI_CHAT, extra_headers=orders)
    assert completion.choices[0].finish_reason == "stop"
    assert len((completion.choices[0].message.content or "").split()) == 20
    usage = completion.usage
    assert usage is not None and usage.prompt_tokens_details and usage.completion_tokens_details
    assert (usage.prompt_tokens, usage.completion_tokens) == (OPENAI_PROMPT_TOKENS, 30)
    assert (usage.prompt_tokens_details.cached_tokens, usage.completion_tokens_details.reasoning_tokens) == (8, 10)


def test_openai_stream(openai_client: openai.OpenAI) -> None:
    stream = openai_client.chat.completions.create(
        **OPENAI_CHAT, stream=True, stream_options={"include_usage": True}, extra_headers=told("output=30")
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert len(text.split()) == 30
    assert chunks[-1].usage is not None and chunks[-1].usage.completion_tokens == 30
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)


def test_openai_streaming_helper_assembles_the_plain_reply_s_shape(openai_client: openai.OpenAI) -> None:
    with openai_client.chat.completions.stream(**OPENAI_CHAT, n=2, extra_headers=told("output=12")) as stream:
        completion = stream.get_final_completion()
    assert [len((choice.message.content or "").split()) for choice in completion.choices] == [12, 12]


def test_openai_tool_call(openai_client: openai.OpenAI) -> None:
    completion = openai_client.chat.completions.create(
        **OPENAI_CHAT,
        tools=OPENAI_TOOLS,  # type: ignore[arg-type]
        extra_headers=told("tool=1"),
    )
    (call,) = completion.choices[0].message.tool_calls or ()
    assert call.type == "function" and call.function.name == "weather"
    assert completion.choices[0].finish_reason == "tool_calls"


def test_openai_streamed_tool_call(openai_client: openai.OpenAI) -> None:
    with openai_client.chat.completions.stream(
        **OPENAI_CHAT,
        tools=OPENAI_TOOLS,  # type: ignore[arg-type]
        extra_headers=told("tool=1; output=8"),
    ) as stream:
        completion = stream.get_final_completion()
    (call,) = completion.choices[0].message.tool_calls or ()
    assert call.function.name == "weather"
    assert '"unit":"celsius"' in call.function.arguments


def test_openai_errors_become_the_sdk_s_exceptions(openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.RateLimitError) as caught:
        openai_client.chat.completions.create(**OPENAI_CHAT, extra_headers=told("fault=status:429"))
    assert caught.value.code == "rate_limit_exceeded"
    with pytest.raises(openai.BadRequestError, match="outptu=1"):
        openai_client.chat.completions.create(**OPENAI_CHAT, extra_headers=told("outptu=1"))


def test_openai_error_event_breaks_the_stream(openai_client: openai.OpenAI) -> None:
    stream = openai_client.chat.completions.create(
        **OPENAI_CHAT, stream=True, extra_headers=told("fault=error_event:3")
    )
    with pytest.raises(openai.APIError, match="The server had an error"):
        list(stream)


def test_openai_models(openai_client: openai.OpenAI) -> None:
    assert "gpt-4o-mini" in [model.id for model in openai_client.models.list()]


async def test_openai_async_client(sandbox: Sandbox) -> None:
    async with openai.AsyncOpenAI(base_url=f"{sandbox.url}/v1", api_key="any", max_retries=0, timeout=10) as client:
        stream = await client.chat.completions.create(**OPENAI_CHAT, stream=True, extra_headers=told("output=5"))
        assert len([chunk async for chunk in stream]) == 1 + 5 + 1


def test_anthropic_plain(anthropic_client: anthropic.Anthropic) -> None:
    orders = told("output=30; reasoning=10; cached=4; cache_write=2")
    message = anthropic_client.messages.create(**ANTHROPIC_MESSAGE, extra_headers=orders)
    thinking, text = message.content
    assert thinking.type == "thinking" and text.type == "text"
    assert len(text.text.split()) == 20
    usage = message.usage
    assert (usage.input_tokens, usage.output_tokens) == (ANTHROPIC_PROMPT_TOKENS - 6, 30)
    assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (4, 2)
    assert usage.cache_creation is not None and usage.cache_creation.ephemeral_5m_input_tokens == 2
    assert usage.service_tier == "standard"


def test_anthropic_streaming_helper(anthropic_client: anthropic.Anthropic) -> None:
    with anthropic_client.messages.stream(**ANTHROPIC_MESSAGE, extra_headers=told("output=30; reasoning=5")) as stream:
        assert len("".join(stream.text_stream).split()) == 25
        message = stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", 30)


def test_anthropic_streamed_tool_use(anthropic_client: anthropic.Anthropic) -> None:
    with anthropic_client.messages.stream(
        **ANTHROPIC_MESSAGE,
        tools=ANTHROPIC_TOOLS,  # type: ignore[arg-type]
        extra_headers=told("tool=1; output=8"),
    ) as stream:
        message = stream.get_final_message()
    (block,) = message.content
    assert block.type == "tool_use" and block.name == "weather"
    assert block.input["unit"] == "celsius"
    assert message.stop_reason == "tool_use"


def test_anthropic_limit_ends_with_max_tokens(anthropic_client: anthropic.Anthropic) -> None:
    message = anthropic_client.messages.create(
        **{**ANTHROPIC_MESSAGE, "max_tokens": 5}, extra_headers=told("output=500")
    )
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 5)


def test_anthropic_count_of_tokens(anthropic_client: anthropic.Anthropic) -> None:
    request = {name: value for name, value in ANTHROPIC_MESSAGE.items() if name != "max_tokens"}
    assert anthropic_client.messages.count_tokens(**request).input_tokens == ANTHROPIC_PROMPT_TOKENS


def test_anthropic_errors_become_the_sdk_s_exceptions(anthropic_client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.RateLimitError):
        anthropic_client.messages.create(**ANTHROPIC_MESSAGE, extra_headers=told("fault=status:429"))
    with pytest.raises(anthropic.InternalServerError):
        anthropic_client.messages.create(**ANTHROPIC_MESSAGE, extra_headers=told("fault=status:529"))
    stream = anthropic_client.messages.create(
        **ANTHROPIC_MESSAGE, stream=True, extra_headers=told("fault=error_event:4")
    )
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        list(stream)


def test_anthropic_models(anthropic_client: anthropic.Anthropic) -> None:
    assert "claude-haiku-4-5" in [model.id for model in anthropic_client.models.list()]


def test_openai_response(openai_client: openai.OpenAI) -> None:
    orders = told("output=30; reasoning=10; cached=2")
    response = openai_client.responses.create(model="gpt-5-mini", input="Name some plants.", extra_headers=orders)
    assert (response.status, len(response.output_text.split())) == ("completed", 20)
    assert response.usage is not None
    assert response.usage.output_tokens_details.reasoning_tokens == 10
    assert response.usage.input_tokens_details.cached_tokens == 2


def test_openai_response_streaming_helper_assembles_the_plain_reply_s_shape(openai_client: openai.OpenAI) -> None:
    with openai_client.responses.stream(
        model="gpt-5-mini", input="Name some plants.", extra_headers=told("output=30")
    ) as stream:
        said = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        response = stream.get_final_response()
    assert said == response.output_text and len(said.split()) == 30


def test_openai_response_error_event(openai_client: openai.OpenAI) -> None:
    events = openai_client.responses.create(
        model="gpt-5-mini", input="x", stream=True, extra_headers=told("fault=error_event:3")
    )
    last = list(events)[-1]
    assert last.type == "error" and last.code == "server_error"


def test_openai_embeddings_completions_and_moderations(openai_client: openai.OpenAI) -> None:
    embedded = openai_client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    assert [len(each.embedding) for each in embedded.data] == [1536, 1536]
    chunks = openai_client.completions.create(model="gpt-3.5-turbo-instruct", prompt="x", stream=True, max_tokens=5)
    assert len([chunk for chunk in chunks if chunk.choices[0].text]) == 5
    assert openai_client.moderations.create(input="violence").results[0].categories.violence


@pytest.fixture
def google_client(sandbox: Sandbox) -> Iterator[genai.Client]:
    with genai.Client(
        api_key="anything", http_options=types.HttpOptions(base_url=sandbox.url, timeout=10_000)
    ) as client:
        yield client


def with_orders(instructions: str) -> types.GenerateContentConfig:
    return types.GenerateContentConfig(http_options=types.HttpOptions(headers=told(instructions)))


def test_google_plain_and_stream(google_client: genai.Client) -> None:
    asked = {"model": "gemini-2.5-flash", "contents": "Name some plants."}
    reply = google_client.models.generate_content(**asked, config=with_orders("output=30; reasoning=10"))
    assert reply.text is not None and len(reply.text.split()) == 20
    assert reply.usage_metadata is not None
    assert (reply.usage_metadata.candidates_token_count, reply.usage_metadata.thoughts_token_count) == (20, 10)
    chunks = list(google_client.models.generate_content_stream(**asked, config=with_orders("output=5")))
    assert len("".join(chunk.text or "" for chunk in chunks).split()) == 5
    assert [chunk.candidates[0].finish_reason for chunk in chunks if chunk.candidates] == [None] * 4 + ["STOP"]


def test_google_errors_become_the_sdk_s_exceptions(google_client: genai.Client) -> None:
    asked = {"model": "gemini-2.5-flash", "contents": "x"}
    with pytest.raises(errors.ClientError) as caught:
        google_client.models.generate_content(**asked, config=with_orders("fault=status:429"))
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
    with pytest.raises(errors.APIError):
        list(google_client.models.generate_content_stream(**asked, config=with_orders("fault=error_event:2")))


def test_google_embeddings_counts_and_models(google_client: genai.Client) -> None:
    config = types.EmbedContentConfig(output_dimensionality=8)
    embedded = google_client.models.embed_content(model="gemini-embedding-001", contents=["a", "b"], config=config)
    assert [len(each.values or []) for each in embedded.embeddings or []] == [8, 8]
    assert google_client.models.count_tokens(model="gemini-2.5-flash", contents="Name some plants.").total_tokens == 9
    assert "models/gemini-2.5-flash" in [model.name for model in google_client.models.list()]
