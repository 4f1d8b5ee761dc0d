"""What LlamaIndex's models are asked, whichever provider they speak to."""

from typing import Any

from desk import QUESTION, weather
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel


class City(BaseModel):
    """A city."""

    city: str
    inhabitants: int


def plain(llm: Any) -> str:
    return llm.complete(QUESTION).text


def stream(llm: Any) -> str:
    return "".join(chunk.delta or "" for chunk in llm.stream_chat([ChatMessage(role="user", content=QUESTION)]))


def tools(llm: Any) -> str:
    tool = FunctionTool.from_defaults(fn=weather)
    turns = [ChatMessage(role="user", content=QUESTION)]
    reply = llm.chat_with_tools([tool], chat_history=turns)
    (call,) = llm.get_tool_calls_from_response(reply)
    said = str(tool.call(**call.tool_kwargs))
    turns += [reply.message, ChatMessage(role="tool", content=said, additional_kwargs={"tool_call_id": call.tool_id})]
    return llm.chat_with_tools([tool], chat_history=turns).message.content


def structured(llm: Any) -> Any:
    return llm.structured_predict(City, PromptTemplate("Name a city."))
