"""PyPI `openai`."""

import json

from desk import CITY_SCHEMA, QUESTION, WEATHER_SCHEMA, serve, weather
from openai import OpenAI
from pydantic import BaseModel

CHAT, EMBEDDING = "gpt-4o-mini", "text-embedding-3-small"
TOOL = {"name": "weather", "description": "Tells the weather", "parameters": WEATHER_SCHEMA}


class City(BaseModel):
    city: str
    inhabitants: int


def connect(base_url: str, key: str) -> OpenAI:
    return OpenAI(base_url=f"{base_url}/v1", api_key=key)


def plain(client: OpenAI) -> str | None:
    reply = client.chat.completions.create(model=CHAT, messages=[{"role": "user", "content": QUESTION}])
    return reply.choices[0].message.content


def stream(client: OpenAI) -> str:
    chunks = client.chat.completions.create(model=CHAT, messages=[{"role": "user", "content": QUESTION}], stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def tools(client: OpenAI) -> str | None:
    messages: list = [{"role": "user", "content": QUESTION}]
    offered = [{"type": "function", "function": TOOL}]
    message = client.chat.completions.create(model=CHAT, messages=messages, tools=offered).choices[0].message
    (call,) = message.tool_calls or ()
    said = weather(**json.loads(call.function.arguments))
    messages += [message, {"role": "tool", "tool_call_id": call.id, "content": said}]
    with client.chat.completions.stream(model=CHAT, messages=messages, tools=offered) as streamed:
        return streamed.get_final_completion().choices[0].message.content


def structured(client: OpenAI) -> object:
    reply = client.chat.completions.parse(
        model=CHAT, messages=[{"role": "user", "content": "Name a city."}], response_format=City
    )
    return reply.choices[0].message.parsed


def embeddings(client: OpenAI) -> int:
    reply = client.embeddings.create(model=EMBEDDING, input=["One text", "and another"])
    return len(reply.data[1].embedding)


def responses(client: OpenAI) -> str:
    tool = {"type": "function", **TOOL, "strict": True}
    first = client.responses.create(model=CHAT, input=QUESTION, tools=[tool])
    (call,) = [item for item in first.output if item.type == "function_call"]
    output = {"type": "function_call_output", "call_id": call.call_id, "output": weather(**json.loads(call.arguments))}
    asked = [{"role": "user", "content": QUESTION}, *first.output, output]
    with client.responses.stream(model=CHAT, input=asked, tools=[tool]) as events:
        said = events.get_final_response().output_text
    form = {"format": {"type": "json_schema", "name": "city", "schema": CITY_SCHEMA, "strict": True}}
    city = client.responses.create(model=CHAT, input="Name a city.", text=form)
    return said + " " + json.loads(city.output_text)["city"]


def models(client: OpenAI) -> int:
    return len([model for model in client.models.list() if model.id == CHAT])


if __name__ == "__main__":
    serve(connect, plain, stream, tools, structured, embeddings, responses, models)
