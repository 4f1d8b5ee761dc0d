"""The tools of a Gemini request: the client's functions cost their definition; all others are run by the provider."""

from collections.abc import Set
from typing import Any

from proxy.providers import fields
from proxy.providers.content import Content
from proxy.providers.gemini_spelling import listed, spelled

_KNOWN = frozenset({"functionDeclarations"})
_SEARCH = "the provider may search as often as the model likes, for a fee each"
_NEVER = {
    "codeExecution": "the provider may run code, and the model again, as often as the model likes",
    "computerUse": "what the provider tells the model of it is not published",
    "enterpriseWebSearch": _SEARCH,
    "fileSearch": "what it finds adds input of any length",
    "googleMaps": _SEARCH,
    "googleSearch": _SEARCH,
    "googleSearchRetrieval": _SEARCH,
    "mcpServers": "the provider may call the servers as often as the model likes",
    "retrieval": "what it finds adds input of any length",
    "urlContext": "the pages that it reads add input of any length",
}


def read(tools: Any, content: Content, allowed: Set[str]) -> list[dict[str, Any]]:
    """Adds the definitions to `content`; the tools in one spelling. Raises RequestRefused."""
    read = []
    for index, value in enumerate(fields.object_list(listed(tools), "tools")):
        tool = dict(spelled(value, _KNOWN, f"tools[{index}]", allowed, _NEVER))
        declared = listed(tool.get("functionDeclarations"))
        if declared is not None:
            tool["functionDeclarations"] = fields.object_list(declared, f"tools[{index}].functionDeclarations")
            content.tools += len(declared)
        content.add_json(tool)
        read.append(tool)
    return read
