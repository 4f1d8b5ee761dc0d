"""docs/clients.md is what `make clients` writes, about exactly the clients and versions that it installs."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.clients import page
from benchmarks.clients.catalogue import CLIENTS, FEATURES
from benchmarks.clients.environments import DRIVERS, environments
from benchmarks.clients.tap import Exchange

WRITTEN = page.PAGE.read_text().partition(page.BEGIN)[2].partition(page.END)[0]
ENVIRONMENTS = environments()


def rows(heads: tuple[str, ...]) -> list[list[str]]:
    """The cells of the table that has these heads."""
    table = WRITTEN.split("| " + " | ".join(heads) + " |\n", 1)[1].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[1:]]


def test_every_client_is_in_the_table_of_what_works_with_the_versions_that_are_installed() -> None:
    pinned = [
        page.named(client, {name: ENVIRONMENTS[client.environment].packages[name] for name in client.packages})
        for client in CLIENTS
    ]
    assert [row[0] for row in rows(page.FEATURE_HEADS)] == pinned


def test_every_client_is_said_how_to_set_up_and_how_it_takes_the_cap() -> None:
    titles = [client.title for client in CLIENTS]
    assert [row[0] for row in rows(page.SETTING_HEADS)] == titles
    assert [row[0] for row in rows(page.CAP_HEADS)] == titles


def test_every_feature_of_a_client_was_run_and_no_other() -> None:
    for client, row in zip(CLIENTS, rows(page.FEATURE_HEADS), strict=True):
        cells = dict(zip(FEATURES, row[1:], strict=False))
        assert {feature for feature, cell in cells.items() if cell != "–"} == set(client.features), client.name


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_its_driver_and_its_environment_are_there(client: Any) -> None:
    assert (DRIVERS / client.driver).exists()
    assert set(client.packages) <= ENVIRONMENTS[client.environment].packages.keys()
    assert set(client.features) <= set(FEATURES)


def test_what_is_not_plainly_ok_is_said_in_a_line_below_the_table() -> None:
    refused = {"ok": True, "seconds": 1.0, "requests": 2, "said": "", "error": "", "message": "", "refused": ["400 x"]}
    failed = {**refused, "ok": False, "error": "m.TypeError", "message": "a | b\nc", "refused": []}
    result = {
        "missing": "",
        "versions": {"openai": "1"},
        "calls": 2,
        "rows": 1,
        "wrong": ["2 calls, 1 rows"],
        "features": {"plain": refused, "tools": failed},
        "cap": {"plain": failed},
        "least_ratio": "9.1",
        "most_held_usd": "0.0102",
    }
    text = page.render({"openai-python": result}, "Run now.")
    assert "| ok, after refusals | – | fails | – |" in text
    assert "| 2, 1 **differ** | 9.1 | $0.0102 |" in text
    assert "- openai, Python, plain: 400 x\n- openai, Python, tools: m.TypeError: a \\| b c\n" in text
    assert "| openai, Python | 2 | 1.0 | `TypeError` | a \\| b c | no |" in text


def test_the_problem_of_an_answer_is_found_in_every_format() -> None:
    info = {"reason": "budget_cap_exceeded"}
    for body in (
        {"error": {"code": "budget_cap_exceeded"}},
        {"type": "error", "error": {"type": "rate_limit_error", "code": "budget_cap_exceeded"}},
        {"error": {"code": 429, "details": [info]}},
        [{"error": {"code": 429, "details": [info]}}],
    ):
        exchange = Exchange(status=429, answered=bytearray(json.dumps(body).encode()))
        assert exchange.problem["code"] == "budget_cap_exceeded"
    assert Exchange(status=200, answered=bytearray(b"{}")).problem == {}


def test_no_version_is_left_open_and_no_registry_is_named() -> None:
    pinned = [version for each in ENVIRONMENTS.values() for version in each.packages.values()]
    assert all(version[:1].isdigit() and set(version) <= set("0123456789.") for version in pinned)
    assert "://" not in Path(DRIVERS.parent / "versions.toml").read_text()
