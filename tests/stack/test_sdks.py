"""The official SDKs, pointed at the product, see what they see at the provider."""

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.sandbox.requests import ANTHROPIC_TOOLS, OPENAI_TOOLS
from tests.support.bills import PRICES, bill_of
from tests.support.dialects import ANTHROPIC, OPENAI, Recording
from tests.support.office import Company
from tests.support.stack import ProductStack

TIMEOUT = 45.0
CHAT = OPENAI.body()
MESSAGE = ANTHROPIC.body()


def openai_options(base_url: str, key: str) -> dict[str, Any]:
    return {"base_url": f"{base_url}/v1", "api_key": key, "timeout": TIMEOUT}


def anthropic_options(base_url: str, key: str) -> dict[str, Any]:
    return {"base_url": base_url, "api_key": key, "timeout": TIMEOUT}


@pytest.fixture
def gpt(stack: ProductStack, company: Company) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(**openai_options(stack.base_url, company.key)) as client:
        yield client


@pytest.fixture
def gpt_direct(stack: ProductStack) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(**openai_options(stack.provider.base_url_anthropic, "sk-mine")) as client:
        yield client


@pytest.fixture
def claude(stack: ProductStack, company: Company) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(**anthropic_options(stack.base_url, company.key)) as client:
        yield client


@pytest.fixture
def claude_direct(stack: ProductStack) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(**anthropic_options(stack.provider.base_url_anthropic, "sk-mine")) as client:
        yield client


def play(stack: ProductStack, recording: Recording) -> Recording:
    stack.provider.script(lambda _request: recording.behaviour())
    return recording


def charged(stack: ProductStack, company: Company) -> None:
    """One row a request that came through us, at exactly what the provider bills for it."""
    ours = [request for request in stack.provider.requests if "sk-mine" not in str(request.headers)]
    rows = company.rows(len(ours))
    assert {(row.status, *row.flags) for row in rows} == {("settled",)}
    assert [row.cost for row in rows] == [bill_of([request]) for request in ours]


# --- OpenAI ----------------------------------------------------------------------------------------------------------


def test_openai_plain(stack: ProductStack, company: Company, gpt: openai.OpenAI, gpt_direct: openai.OpenAI) -> None:
    play(stack, OPENAI.record("output=30; cached=5; reasoning=10"))
    assert gpt.chat.completions.create(**CHAT) == gpt_direct.chat.completions.create(**CHAT)
    charged(stack, company)


@pytest.mark.parametrize("asked", [True, False], ids=["usage asked for", "usage not asked for"])
def test_openai_stream_shows_usage_only_to_who_asked(
    stack: ProductStack, company: Company, gpt: openai.OpenAI, gpt_direct: openai.OpenAI, asked: bool
) -> None:
    play(stack, OPENAI.record("output=30; chunk_tokens=3", stream=True))
    options: dict[str, Any] = {"stream_options": {"include_usage": True}} if asked else {}
    through = list(gpt.chat.completions.create(**CHAT, stream=True, **options))
    direct = list(gpt_direct.chat.completions.create(**CHAT, stream=True))
    assert direct[-1].usage is not None and not direct[-1].choices
    assert through == (direct if asked else direct[:-1])
    charged(stack, company)


def test_openai_tool_calls(
    stack: ProductStack, company: Company, gpt: openai.OpenAI, gpt_direct: openai.OpenAI
) -> None:
    request = {**CHAT, "tools": OPENAI_TOOLS}
    play(stack, OPENAI.record("tool=1; output=12", tools=OPENAI_TOOLS))
    completion = gpt.chat.completions.create(**request)
    assert completion == gpt_direct.chat.completions.create(**request)
    assert completion.choices[0].finish_reason == "tool_calls"
    play(stack, OPENAI.record("tool=1; output=12", stream=True, tools=OPENAI_TOOLS))
    with gpt.chat.completions.stream(**request) as stream:
        streamed = stream.get_final_completion()
    (call,) = streamed.choices[0].message.tool_calls or ()
    assert (call.function.name, '"unit":"celsius"' in call.function.arguments) == ("weather", True)
    charged(stack, company)


async def test_openai_async_client(stack: ProductStack, company: Company) -> None:
    async with openai.AsyncOpenAI(**openai_options(stack.base_url, company.key)) as client:
        completion = await client.chat.completions.create(**CHAT, n=2)
        assert len(completion.choices) == 2
        stream = await client.chat.completions.create(**CHAT, stream=True)
        chunks = [chunk async for chunk in stream]
    assert chunks[-1].choices[0].finish_reason is not None
    charged(stack, company)


# --- Anthropic -------------------------------------------------------------------------------------------------------


def test_anthropic_plain(
    stack: ProductStack, company: Company, claude: anthropic.Anthropic, claude_direct: anthropic.Anthropic
) -> None:
    play(stack, ANTHROPIC.record("output=30; cached=3; cache_write=2; reasoning=10"))
    through, direct = claude.messages.create(**MESSAGE), claude_direct.messages.create(**MESSAGE)
    assert through == direct
    assert [block.type for block in through.content] == ["thinking", "text"]
    charged(stack, company)


def test_anthropic_stream(
    stack: ProductStack, company: Company, claude: anthropic.Anthropic, claude_direct: anthropic.Anthropic
) -> None:
    play(stack, ANTHROPIC.record("output=30; reasoning=4; chunk_tokens=3", stream=True))
    through = list(claude.messages.create(**MESSAGE, stream=True))
    assert through == list(claude_direct.messages.create(**MESSAGE, stream=True))
    with claude.messages.stream(**MESSAGE) as stream:
        assert stream.get_final_message().usage.output_tokens == 30
    charged(stack, company)


def test_anthropic_tool_calls(
    stack: ProductStack, company: Company, claude: anthropic.Anthropic, claude_direct: anthropic.Anthropic
) -> None:
    request = {**MESSAGE, "tools": ANTHROPIC_TOOLS}
    play(stack, ANTHROPIC.record("tool=1; output=12", tools=ANTHROPIC_TOOLS))
    message = claude.messages.create(**request)
    assert message == claude_direct.messages.create(**request)
    assert message.stop_reason == "tool_use"
    play(stack, ANTHROPIC.record("tool=1; output=12", stream=True, tools=ANTHROPIC_TOOLS))
    with claude.messages.stream(**request) as stream:
        (block,) = stream.get_final_message().content
    assert block.type == "tool_use" and block.input["unit"] == "celsius"  # type: ignore[index]
    charged(stack, company)


async def test_anthropic_async_client(stack: ProductStack, company: Company) -> None:
    async with anthropic.AsyncAnthropic(**anthropic_options(stack.base_url, company.key)) as client:
        message = await client.messages.create(**MESSAGE)
        assert message.stop_reason in ("end_turn", "max_tokens")
        async with client.messages.stream(**MESSAGE) as stream:
            final = await stream.get_final_message()
    assert final.usage.output_tokens > 0
    charged(stack, company)


def test_counting_tokens_is_free(stack: ProductStack, company: Company, claude: anthropic.Anthropic) -> None:
    counted = claude.messages.count_tokens(model=ANTHROPIC.model, messages=MESSAGE["messages"])
    assert counted.input_tokens > 0
    assert [request.path for request in stack.provider.requests] == ["/v1/messages/count_tokens"]
    assert stack.provider.requests[0].headers["x-api-key"] == "sk-mock-anthropic"
    company.untouched()


# --- Models ----------------------------------------------------------------------------------------------------------


def test_models_are_listed_to_both_sdks_and_every_one_has_a_price(
    stack: ProductStack, gpt: openai.OpenAI, claude: anthropic.Anthropic
) -> None:
    named = {model.id for model in gpt.models.list()}
    assert named >= PRICES.keys()
    assert {model.id for model in claude.models.list()} == named
    assert stack.provider.count == 0


def test_models_are_the_ones_that_the_key_may_use(stack: ProductStack, company: Company) -> None:
    narrow = company.do("create_key", allowed_models=["gpt-4o-mini"])
    with openai.OpenAI(**openai_options(stack.base_url, narrow["secret"])) as client:
        assert [model.id for model in client.models.list()] == ["gpt-4o-mini"]
