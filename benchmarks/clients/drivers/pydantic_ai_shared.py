"""What pydantic-ai's agents are asked, whichever model they have."""

import asyncio
from typing import Any

from desk import QUESTION, weather
from pydantic import BaseModel
from pydantic_ai import Agent


class City(BaseModel):
    city: str
    inhabitants: int


def plain(model: Any) -> str:
    return Agent(model).run_sync(QUESTION).output


def stream(model: Any) -> str:
    async def streamed() -> str:
        async with Agent(model).run_stream(QUESTION) as reply:
            return "".join([piece async for piece in reply.stream_text(delta=True)])

    return asyncio.run(streamed())


def tools(model: Any) -> str:
    reply = Agent(model, tools=[weather]).run_sync(QUESTION)
    assert len(reply.all_messages()) == 4, "the function was not called"
    return reply.output


def structured(model: Any) -> Any:
    return Agent(model, output_type=City).run_sync("Name a city.").output
