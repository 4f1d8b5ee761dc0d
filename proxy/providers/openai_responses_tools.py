"""The tools of a Responses request: who runs them decides whether their calls have a bound."""

from collections.abc import Set
from typing import Any, NamedTuple

from proxy.providers import fields
from proxy.providers.content import Content

_FUNCTION = frozenset(
    {
        "type", "name", "description", "parameters", "strict", "output_schema", "allowed_callers", "defer_loading",
    }
)  # fmt: skip
_CUSTOM = frozenset({"type", "name", "description", "format", "allowed_callers", "defer_loading"})
_NAMESPACE = frozenset({"type", "name", "description", "tools"})
_LEAVES = {"function": _FUNCTION, "custom": _CUSTOM}
# Tools that the client runs, described to the model by the provider: the most tokens of that, generously.
_DESCRIBED = {
    "apply_patch": 2_048,
    "computer": 4_096,
    "computer_use_preview": 4_096,
    "local_shell": 2_048,
    "shell": 2_048,
    "tool_search": 2_048,
}
_SEARCHES = frozenset({"web_search", "web_search_2025_08_26"})
_REFUSED = {
    "code_interpreter": "its containers are billed by time, which is not in the price list",
    "file_search": "its fee per call and what it keeps stored are not in the price list",
    "image_generation": "its images are billed by another model, without a limit in the request",
    "mcp": "the provider may call the server as often as the model likes",
    "programmatic_tool_calling": "a program run by the provider may go on as long as it likes",
    "web_search_preview": "its fee differs by model and is not in the price list; use `web_search`",
    "web_search_preview_2025_03_11": "its fee differs by model and is not in the price list; use `web_search`",
}
_MOST_CALLS = 1_000
# Written into requests that may search and name no limit, as the limit of output is: each call may fill the window.
_USUAL_CALLS = 1


class HostedTools(NamedTuple):
    """The most calls of tools that the provider runs: of all, and of those that carry a fee each."""

    calls: int
    searches: int


def with_call_limit(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload with a limit of calls where the provider may run a tool and the client has named none."""
    tools = payload.get("tools")
    if payload.get("max_tool_calls") is not None or type(tools) is not list or not any(map(_is_search, tools)):
        return payload
    return {**payload, "max_tool_calls": _USUAL_CALLS}


def read(payload: dict[str, Any], content: Content, allowed: Set[str]) -> HostedTools:
    """Adds the definitions to `content`; refuses tools that the provider may run without a limit."""
    searching = False
    if payload.get("tools") is not None:
        for index, tool in enumerate(fields.object_list(payload["tools"], "tools")):
            if _is_search(tool):
                searching = True
            else:
                read_client_tool(tool, content, f"tools[{index}]", allowed)
    if not searching:
        return HostedTools(0, 0)
    calls = fields.whole_number(payload.get("max_tool_calls"), "max_tool_calls", 1, _MOST_CALLS)
    if calls is None:
        fields.unbounded(
            "max_tool_calls", "`web_search` needs `max_tool_calls`: without it the provider may run it without limit."
        )
    content.fills_window = True  # with what it finds, whose length nobody limits
    return HostedTools(calls, calls)


def read_client_tool(tool: dict[str, Any], content: Content, where: str, allowed: Set[str]) -> None:
    """One tool whose calls end the reply, for the client to run."""
    kind = tool.get("type")
    if kind == "namespace":
        fields.check_keys(tool, _NAMESPACE, where, allowed)
        for inner in fields.object_list(tool.get("tools") or [], f"{where}.tools"):
            _check_leaf(inner, f"{where}.tools", allowed)
            content.tools += 1
    elif type(kind) is str and kind in _DESCRIBED:
        content.described += _DESCRIBED[kind]
        _check_runs_at_client(tool, where)
    else:
        _check_leaf(tool, where, allowed)
    content.tools += 1
    content.add_json(tool)


def _is_search(tool: Any) -> bool:
    return type(tool) is dict and str(tool.get("type")) in _SEARCHES


def _check_leaf(tool: dict[str, Any], where: str, allowed: Set[str]) -> None:
    kind = tool.get("type")
    known = _LEAVES.get(kind) if type(kind) is str else None
    if known is None:
        reason = _REFUSED.get(str(kind), "the provider may run it as often as the model likes")
        fields.unbounded(where, f"A tool of type {str(kind)[:50]!r} cannot be used under a spending cap: {reason}.")
    fields.check_keys(tool, known, where, allowed)


def _check_runs_at_client(tool: dict[str, Any], where: str) -> None:
    if tool["type"] == "shell":
        environment = fields.optional_object(tool.get("environment"), f"{where}.environment")
        if environment.get("type") != "local":
            fields.unbounded(
                f"{where}.environment", "A shell in the provider's containers is billed by time; only `local` is free."
            )
    if tool["type"] == "tool_search" and tool.get("execution") != "client":
        fields.unbounded(
            f"{where}.execution", "A search of tools at the provider adds turns without a limit; `client` is bounded."
        )
