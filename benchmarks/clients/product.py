"""The product as an operator runs it, its provider a mock that can call tools, and two companies: one with money, one
that has spent its month.
"""

import json
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from tests.support.provider import Behaviour, ProviderMock, RecordedRequest
from tests.support.stack import ProductStack
from tokonomics.sandbox.instructions import HEADER
from tokonomics.sandbox.router import answer

PROVIDERS = ["openai=sk-mock-openai", "anthropic=sk-mock-anthropic", "gemini=mock-gemini"]
REST_SECONDS = 30.0
# Of the tools of coding agents, ones that do no harm whatever they are called with.
HARMLESS = ("get_goal", "Read", "read_file")
MODEL_TURN = "output=40; chunk_tokens=4"
TOOL_TURN = f"{MODEL_TURN}; reasoning=8; tool=1"  # what was thought comes back with the tool's result


class Company:
    """One tenant; its management token is used as any program would."""

    def __init__(self, base_url: str, facts: dict[str, Any]) -> None:
        self._base_url, self._token = base_url, facts["management_token"]
        self.key: str = facts["api_key"]

    def ask(self, method: str, route: str, **body: Any) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self._base_url}/api/v1/{route}",
            method=method,
            data=json.dumps(body).encode() if body else None,
            headers={"authorization": f"Bearer {self._token}", "content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as reply:
            found: dict[str, Any] = json.load(reply)
        return found

    def new_key(self, name: str) -> tuple[str, str]:
        """Its id and its secret."""
        made = self.ask("POST", "keys/", name=name)
        return made["id"], made["key"]

    def rows(self, key_id: str, least: int) -> list[dict[str, Any]]:
        """The ledger's rows of one key, once there are `least` of them; what there is where they do not come."""
        deadline = time.monotonic() + REST_SECONDS
        while True:
            rows: list[dict[str, Any]] = self.ask("GET", f"usage/?api_key={key_id}&limit=200")["results"]
            if len(rows) >= least or time.monotonic() > deadline:
                return rows
            time.sleep(0.2)


class Product:
    """For the length of a `with`."""

    def __init__(self, folder: Path) -> None:
        self.mock = ProviderMock()
        self._folder = folder

    def __enter__(self) -> Self:
        self.mock.__enter__()
        self.mock.script(self._answer)
        self.stack = ProductStack(self._folder, provider=self.mock, workers=1).start()
        self.company = self._company("Fernhill", "1000.00")
        self.spent = self._company("At its cap", "1.00")
        self._spend(self.spent)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.stack.running():
            self.stack.stop()
        self.mock.__exit__(kind, error, trace)

    @property
    def base_url(self) -> str:
        return self.stack.base_url

    def audit(self) -> bool:
        return self.stack.audit()[0] == 0

    def _company(self, name: str, cap: str) -> Company:
        email = name.lower().replace(" ", ".") + "@example.com"
        facts = self.stack.create_tenant(name=name, owner_email=email, monthly_cap=cap, provider=PROVIDERS)
        return Company(self.base_url, facts)

    def _spend(self, company: Company) -> None:
        """One request, and then a budget of exactly what it cost."""
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 64}
        request = urllib.request.Request(
            f"{self.base_url}/v1/chat/completions",
            data=json.dumps(body).encode(),
            headers={"authorization": f"Bearer {company.key}", "content-type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=30).close()
        spent = company.ask("GET", "tenant/")["spent_usd"]
        company.ask("PATCH", "tenant/", monthly_budget_usd=spent)

    # --- What the provider says ------------------------------------------------------------------------------------
    def _answer(self, request: RecordedRequest) -> Behaviour | None:
        """A tool where the client offers some and has not run one yet, else words."""
        if request.method != "POST":
            return None
        body = request.json()
        told = TOOL_TURN if body.get("tools") and not _has_run_a_tool(body) else MODEL_TURN
        reply = answer(
            request.method,
            request.path,
            {**request.headers, HEADER: told},
            orjson.dumps(_harmless_first(body)),
            now=int(time.time()),
            query=request.query,
        )
        request.model = str(body.get("model", ""))
        return Behaviour.of(reply)


def _has_run_a_tool(body: dict[str, Any]) -> bool:
    """Whether the last turn holds what a tool said, in whichever of the four formats."""
    turns = body.get("messages") or body.get("input") or body.get("contents") or []
    text = json.dumps(turns[-1:] if isinstance(turns, list) else "")
    return any(sign in text for sign in ('"tool"', '"tool_result"', '_call_output"', '"functionResponse"'))


def _harmless_first(body: dict[str, Any]) -> dict[str, Any]:
    tools = body.get("tools")
    if not isinstance(tools, list):
        return body
    return {**body, "tools": [_functions_sorted(tool) for tool in sorted(tools, key=_is_harmful)]}


def _functions_sorted(tool: Any) -> Any:
    """Gemini's tools are one object with all functions in it."""
    declared = tool.get("functionDeclarations") if isinstance(tool, dict) else None
    return {**tool, "functionDeclarations": sorted(declared, key=_is_harmful)} if declared else tool


def _is_harmful(tool: Any) -> bool:
    tool = tool if isinstance(tool, dict) else {}
    inner = tool.get("function")
    return (tool.get("name") or (inner.get("name") if isinstance(inner, dict) else "")) not in HARMLESS
