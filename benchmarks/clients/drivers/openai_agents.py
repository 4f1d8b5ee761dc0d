"""PyPI `openai-agents`: its agents speak /v1/responses unless told otherwise."""

import asyncio
from typing import Any

from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool, set_tracing_disabled
from desk import QUESTION, serve, weather
from openai import AsyncOpenAI
from pydantic import BaseModel

set_tracing_disabled(True)  # traces would go to OpenAI


class City(BaseModel):
    city: str
    inhabitants: int


class Agents:
    """Clients are bound to an event loop, and each feature has one of its own."""

    def __init__(self, base_url: str, key: str) -> None:
        self._there = {"base_url": f"{base_url}/v1", "api_key": key}

    def chat(self, **rest: Any) -> Agent:
        model = OpenAIChatCompletionsModel(model="gpt-4o-mini", openai_client=AsyncOpenAI(**self._there))
        return Agent(name="Answers", model=model, **rest)

    def newer(self, **rest: Any) -> Agent:
        model = OpenAIResponsesModel(model="gpt-5-mini", openai_client=AsyncOpenAI(**self._there))
        return Agent(name="Answers", model=model, **rest)


def plain(agents: Agents) -> str:
    return asyncio.run(_run(agents.chat()))


def stream(agents: Agents) -> str:
    return asyncio.run(_streamed(agents.chat()))


def tools(agents: Agents) -> str:
    return asyncio.run(_run(agents.chat(tools=[function_tool(weather)])))


def structured(agents: Agents) -> Any:
    return asyncio.run(_run(agents.chat(output_type=City)))


def responses(agents: Agents) -> str:
    said = [asyncio.run(_run(agents.newer())), asyncio.run(_streamed(agents.newer()))]
    said.append(asyncio.run(_run(agents.newer(tools=[function_tool(weather)]))))
    said.append(asyncio.run(_run(agents.newer(output_type=City))))
    return " ".join(map(str, said))


async def _run(agent: Agent) -> Any:
    return (await Runner.run(agent, QUESTION)).final_output


async def _streamed(agent: Agent) -> Any:
    reply = Runner.run_streamed(agent, QUESTION)
    events = [event async for event in reply.stream_events()]
    assert len(events) > 5, events
    return reply.final_output


if __name__ == "__main__":
    serve(Agents, plain, stream, tools, structured, responses)
