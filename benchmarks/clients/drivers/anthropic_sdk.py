"""PyPI `anthropic`."""

from anthropic import Anthropic
from desk import QUESTION, WEATHER_SCHEMA, serve, weather
from pydantic import BaseModel

MODEL = "claude-haiku-4-5"
TOOL = {"name": "weather", "description": "Tells the weather", "input_schema": WEATHER_SCHEMA}


class City(BaseModel):
    city: str
    inhabitants: int


def connect(base_url: str, key: str) -> Anthropic:
    return Anthropic(base_url=base_url, api_key=key)


def asked(text: str = QUESTION) -> dict:
    return {"model": MODEL, "max_tokens": 300, "messages": [{"role": "user", "content": text}]}


def plain(client: Anthropic) -> str:
    return client.messages.create(**asked()).content[0].text


def stream(client: Anthropic) -> str:
    with client.messages.stream(**asked()) as events:
        return "".join(events.text_stream)


def tools(client: Anthropic) -> str:
    request = {**asked(), "tools": [TOOL]}
    reply = client.messages.create(**request)
    (use,) = [block for block in reply.content if block.type == "tool_use"]
    result = {"type": "tool_result", "tool_use_id": use.id, "content": weather(**use.input)}
    turns = [{"role": "assistant", "content": reply.content}, {"role": "user", "content": [result]}]
    with client.messages.stream(**{**request, "messages": [*request["messages"], *turns]}) as events:
        return events.get_final_text()


def structured(client: Anthropic) -> object:
    return client.messages.parse(**asked("Name a city."), output_format=City).parsed_output


def models(client: Anthropic) -> int:
    return len([model for model in client.models.list() if model.id == MODEL])


def counting(client: Anthropic) -> int:
    return client.messages.count_tokens(model=MODEL, messages=asked()["messages"]).input_tokens


if __name__ == "__main__":
    serve(connect, plain, stream, tools, structured, models, counting)
