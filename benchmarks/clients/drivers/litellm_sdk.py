"""PyPI `litellm`, its SDK; its `openai/`, `anthropic/` or `gemini/` models, as the driver's name says."""

import json
from typing import Any

import litellm
from desk import QUESTION, WEATHER_SCHEMA, weather
from pydantic import BaseModel

TOOL = {"type": "function", "function": {"name": "weather", "description": "Tells it", "parameters": WEATHER_SCHEMA}}


class City(BaseModel):
    city: str
    inhabitants: int


def asked(there: dict[str, Any], text: str = QUESTION, **rest: Any) -> Any:
    return litellm.completion(messages=[{"role": "user", "content": text}], **{**there, **rest})


def plain(there: dict[str, Any]) -> str:
    return asked(there).choices[0].message.content


def stream(there: dict[str, Any]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in asked(there, stream=True) if chunk.choices)


def tools(there: dict[str, Any]) -> str:
    message = asked(there, tools=[TOOL]).choices[0].message
    (call,) = message.tool_calls
    said = weather(**json.loads(call.function.arguments))
    turns = [
        {"role": "user", "content": QUESTION},
        message,
        {"role": "tool", "tool_call_id": call.id, "name": "weather", "content": said},
    ]
    return litellm.completion(messages=turns, tools=[TOOL], **there).choices[0].message.content


def structured(there: dict[str, Any]) -> City:
    return City.model_validate_json(asked(there, "Name a city.", response_format=City).choices[0].message.content)


def of(model: str, path: str) -> Any:
    return lambda base_url, key: {"model": model, "api_base": f"{base_url}{path}", "api_key": key}
