"""What LangChain's chat models are asked, whichever provider they speak to."""

from typing import Any

from desk import QUESTION, weather
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel


class City(BaseModel):
    """A city."""

    city: str
    inhabitants: int


def plain(model: Any) -> str:
    return model.invoke(QUESTION).text


def stream(model: Any) -> str:
    return "".join(chunk.text for chunk in model.stream(QUESTION))


def tools(model: Any) -> str:
    bound = model.bind_tools([tool(weather)])
    turns: list[Any] = [HumanMessage(QUESTION)]
    reply = bound.invoke(turns)
    (call,) = reply.tool_calls
    turns += [reply, ToolMessage(weather(**call["args"]), tool_call_id=call["id"])]
    return "".join(chunk.text for chunk in bound.stream(turns))


def structured(model: Any) -> Any:
    return model.with_structured_output(City).invoke("Name a city.")
