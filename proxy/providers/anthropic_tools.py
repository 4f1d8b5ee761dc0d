"""The tools of a Messages request: the client's own cost their definition, the provider's their calls too."""

from typing import Any, NamedTuple

from proxy.providers import fields
from proxy.providers.content import Content

# Types end in a date (`bash_20250124`). The most tokens that the provider's own description of each adds, generously.
_CLIENT_TOOLS = {
    "bash": 1_024,
    "text_editor": 2_048,
    "memory": 2_048,
    "computer": 2_048,
    "computer_toolset": 8_192,
    "browser_toolset": 8_192,
}
_SEARCH, _FETCH = "web_search", "web_fetch"
_MOST_USES = 1_000
# In all later versions the model may call them out of code that it has the provider run, which no `max_uses` counts,
# unless it is told not to (platform.claude.com/docs/en/agents-and-tools/tool-use/server-tools, as of 2026-11-24).
_RUN_NO_CODE = frozenset({"web_search_20250305", "web_fetch_20250910"})
_DIRECTLY = ["direct"]


_CHANGES = frozenset({"tool_addition", "tool_removal"})


class ServerTools(NamedTuple):
    """The most calls of tools that the provider runs: of all, and of those that carry a fee each."""

    calls: int
    searches: int


def called_directly(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload with that told to the tools that would run code, and whose callers the client has left open."""
    tools = payload.get("tools")
    if type(tools) is not list or not any(map(_may_run_code, tools)):
        return payload
    told = [{**tool, "allowed_callers": _DIRECTLY} if _may_run_code(tool) else tool for tool in tools]
    return {**payload, "tools": told}


def read(payload: dict[str, Any], content: Content) -> ServerTools:
    """Adds the definitions to `content`; refuses tools that the provider may run without a limit."""
    calls = searches = 0
    if payload.get("tools") is None:
        return ServerTools(0, 0)
    for index, tool in enumerate(fields.object_list(payload["tools"], "tools")):
        content.tools += 1
        content.add_json(tool)
        name = _family(tool, index)
        if name in _CLIENT_TOOLS:
            content.described += _CLIENT_TOOLS[name]
        elif name:
            if tool.get("allowed_callers") not in (None, _DIRECTLY):
                fields.unbounded(
                    f"tools[{index}].allowed_callers",
                    f"Code that calls `{name}` may be run as often as the model likes; only {_DIRECTLY} has a bound.",
                )
            uses = _most_uses(tool, name, index)
            calls += uses
            searches += uses if name == _SEARCH else 0
    if calls:
        content.fills_window = True
    return ServerTools(calls, searches)


def without_changes(blocks: list[Any], tools: Any, content: Content, where: str) -> list[Any]:
    """Adds the blocks that offer a tool from here on, or withdraw one; answers the others. A tool that is offered in
    the middle may be described to the model there once more.
    """
    rest = []
    for block in blocks:
        if type(block) is not dict or block.get("type") not in _CHANGES:
            rest.append(block)
            continue
        named = fields.optional_object(block.get("tool"), f"{where}.tool")
        if named.get("type") != "tool_reference":
            fields.unbounded(where, "A tool that is offered in the middle has to be one of `tools`, by its name.")
        content.add_json(block)
        offered = _tool_named(named.get("name"), tools) if block["type"] == "tool_addition" else None
        if offered is not None:
            content.tools += 1
            content.add_json(offered)
    return rest


def _tool_named(name: Any, tools: Any) -> dict[str, Any] | None:
    """None: the provider knows no such tool either."""
    listed = tools if type(tools) is list else []
    return next((tool for tool in listed if type(tool) is dict and tool.get("name") == name), None)


def _family(tool: dict[str, Any], index: int) -> str:
    """The tool's type without its date; empty for one that the client defines."""
    kind = tool.get("type")
    if kind is None or kind == "custom":
        return ""
    name, _, date = str(kind).rpartition("_")
    if not date.isdigit() or (name not in _CLIENT_TOOLS and name not in (_SEARCH, _FETCH)):
        fields.unbounded(
            f"tools[{index}]",
            f"A tool of type {str(kind)[:50]!r} may be run by the provider as often as the model likes, so it has no "
            "upper price.",
        )
    return name


def _may_run_code(tool: Any) -> bool:
    if type(tool) is not dict or tool.get("allowed_callers") is not None:
        return False
    kind = str(tool.get("type"))
    return kind.startswith((f"{_SEARCH}_", f"{_FETCH}_")) and kind not in _RUN_NO_CODE


def _most_uses(tool: dict[str, Any], name: str, index: int) -> int:
    where = f"tools[{index}].max_uses"
    uses = fields.whole_number(tool.get("max_uses"), where, 1, _MOST_USES)
    if uses is None:
        fields.unbounded(where, f"`{name}` needs `max_uses`: without it the provider may run it without limit.")
    return uses
