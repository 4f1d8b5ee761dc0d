"""docs/clients.md: the part of it that a run writes. What people wrote around it stays."""

import re
from collections.abc import Iterable
from typing import Any

from benchmarks.clients.catalogue import CLIENTS, FEATURES, Client
from benchmarks.processes import ROOT

PAGE = ROOT / "docs" / "clients.md"
BEGIN, END = "<!-- written by `make clients` -->\n", "<!-- end of what was written -->\n"
OUR_WORDS = "spending limit reached. Contact your administrator."
_OURS = re.compile(rf"\w+ {re.escape(OUR_WORDS)}")
LONGEST, _BEGINNING = 130, 50

FEATURE_HEADS = ("client", *FEATURES, "calls, rows", "least hold / cost", "largest hold")
CAP_HEADS = ("client", "requests sent", "seconds", "raises", "what its user reads", "our words")
SETTING_HEADS = ("client", "set")

Results = dict[str, dict[str, Any]]
"""By the client's name, as `running.Result.asdict` has them."""


def render(results: Results, conditions: str) -> str:
    """All three tables; clients that were not run are left out."""
    run = [client for client in CLIENTS if client.name in results]
    parts = [
        f"{conditions}\n",
        "### What works\n",
        _table(FEATURE_HEADS, (_features(client, results[client.name]) for client in run)),
        *_refusals(run, results),
        "### At the cap\n",
        _table(CAP_HEADS, (row for client in run if (row := _cap(client, results[client.name])))),
        "### What to set\n",
        "`BASE` is `http://HOST:PORT`, `KEY` a key that Tokonomics made (`tk_live_...` or `tk_test_...`).\n",
        _table(SETTING_HEADS, ([client.title, client.setting] for client in CLIENTS)),
    ]
    return "\n".join(parts)


def save(results: Results, conditions: str) -> None:
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{render(results, conditions)}\n{END}{after}")


def named(client: Client, versions: dict[str, str]) -> str:
    """The client with the version of each of its packages."""
    return f"{client.title} ({', '.join(f'{package} {version}' for package, version in versions.items())})"


def _features(client: Client, result: dict[str, Any]) -> list[str]:
    if result["missing"]:
        return [named(client, result["versions"]), *["not run"] * len(FEATURES), "", "", ""]
    cells = [_cell(result["features"].get(feature)) for feature in FEATURES]
    money = f"{result['calls']}, {result['rows']}" + (" **differ**" if result["wrong"] else "")
    return [named(client, result["versions"]), *cells, money, result["least_ratio"], f"${result['most_held_usd']}"]


def _cell(outcome: dict[str, Any] | None) -> str:
    if outcome is None:
        return "–"
    if outcome["refused"]:
        return "ok, after refusals" if outcome["ok"] else "refused"
    return "ok" if outcome["ok"] else "fails"


def _refusals(run: Iterable[Client], results: Results) -> list[str]:
    """A line for everything that is not plainly ok."""
    lines = []
    for client in run:
        result = results[client.name]
        lines += [f"- {client.title}: not installed: {result['missing']}"] if result["missing"] else []
        for feature, outcome in result["features"].items():
            why = outcome["refused"] or ([] if outcome["ok"] else [f"{outcome['error']}: {outcome['message']}"])
            lines += [f"- {client.title}, {feature}: {_short(line, 300)}" for line in why]
        lines += [f"- {client.title}, ledger: {line}" for line in result["wrong"]]
    return ["\n".join(lines) + "\n"] if lines else []


def _cap(client: Client, result: dict[str, Any]) -> list[str] | None:
    """The plain request, else the streamed one; where they differ, both numbers."""
    outcomes = list(result["cap"].values())
    if not outcomes:
        return None
    first = outcomes[0]
    numbers = dict.fromkeys(str(outcome["requests"]) for outcome in outcomes)
    slowest = max(outcome["seconds"] for outcome in outcomes)
    kinds = dict.fromkeys(_kind(outcome) for outcome in outcomes)
    ours = "yes" if OUR_WORDS in first["message"] else "no"
    return [
        client.title,
        " plain, ".join(numbers) + (" streamed" if len(numbers) > 1 else ""),
        f"{slowest:.1f}",
        ", ".join(kinds),
        _short(first["message"], LONGEST),
        ours,
    ]


def _kind(outcome: dict[str, Any]) -> str:
    """The exception's own name; a program has an exit code instead."""
    if outcome["error"] == "command.Failed":
        return str(outcome["message"]).partition(":")[0]
    return f"`{str(outcome['error']).rpartition('.')[2]}`"


def _short(text: str, most: int) -> str:
    """In one line, and in Markdown: of what a program printed, the line with our words, else the last."""
    if text.startswith("exit "):
        lines = text.partition(": ")[2].strip().splitlines()
        text = next((line for line in lines if OUR_WORDS in line), lines[-1])
    text = re.sub(r"\s+", " ", text).replace("|", "\\|")
    if len(text) <= most:
        return text
    where = _OURS.search(text)
    if where is None or where.end() <= most:
        return text[:most].rstrip() + "…"
    return f"{text[:_BEGINNING].rstrip()}… {where[0]}…"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
