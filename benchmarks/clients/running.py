"""Runs one client: every feature with money, then a plain and a streamed request at the cap."""

import json
import os
import queue
import subprocess
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.clients.catalogue import Client
from benchmarks.clients.environments import CACHE, Environment
from benchmarks.clients.product import Product
from benchmarks.clients.tap import Exchange, Tap
from tokonomics.console.lifeline import tie_to_me

FEATURE_SECONDS = 120.0
# Where a client would otherwise call home, look for updates or fetch data: it is not to, on this machine.
QUIET = {
    "ANONYMIZED_TELEMETRY": "false",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DO_NOT_TRACK": "1",
    "LANGCHAIN_TRACING_V2": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "NO_COLOR": "1",
}
FREE = ("/count_tokens", "/input_tokens", ":countTokens", "/moderations")


@dataclass
class Outcome:
    """What came of one feature; `refused` names every request of it that was answered with an error."""

    ok: bool
    seconds: float
    requests: int
    said: str = ""
    error: str = ""
    message: str = ""
    refused: list[str] = field(default_factory=list)


@dataclass
class Result:
    """One client's row. `versions` by package; `wrong`: where the ledger disagrees; `least_ratio`: of hold to cost."""

    name: str
    versions: dict[str, str]
    missing: str = ""
    features: dict[str, Outcome] = field(default_factory=dict)
    cap: dict[str, Outcome] = field(default_factory=dict)
    calls: int = 0
    rows: int = 0
    cost_usd: str = "0"
    least_ratio: str = ""
    most_held_usd: str = ""
    wrong: list[str] = field(default_factory=list)

    def asdict(self) -> dict[str, Any]:
        return asdict(self)


class Driver:
    """The client's process, given one order at a time."""

    def __init__(self, client: Client, environment: Environment, home: Path) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        path = f"{environment.programs}{os.pathsep}{kept.get('PATH', '')}"
        self._log = (home / "driver.log").open("wb")
        self._process = subprocess.Popen(
            environment.command(client.driver),
            cwd=home,
            env={**kept, **QUIET, "HOME": str(home), "TMPDIR": str(home), "PATH": path, **_vocabulary()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            preexec_fn=tie_to_me(),
        )
        self._lines: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(b"")

    def do(self, feature: str, base_url: str, key: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        order = {"feature": feature, "base_url": base_url, "key": key}
        started = time.monotonic()
        try:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
            line = self._lines.get(timeout=FEATURE_SECONDS)
        except (queue.Empty, BrokenPipeError) as error:
            line, why = b"", f"no answer after {FEATURE_SECONDS:.0f} s" if isinstance(error, queue.Empty) else "gone"
        else:
            why = "its process ended"
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        return {"ok": False, "seconds": time.monotonic() - started, "error": "NoAnswer", "message": why}

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(10)
        self._log.close()


def _vocabulary() -> dict[str, str]:
    """Where `tiktoken` finds a vocabulary that it would fetch from the internet: LlamaIndex brings it along."""
    found = list(CACHE.glob("python-llamaindex/lib/python3*/site-packages/llama_index/core/_static/tiktoken_cache"))
    return {"TIKTOKEN_CACHE_DIR": str(found[0])} if found else {}


def run(client: Client, environment: Environment, product: Product, tap: Tap) -> Result:
    versions = {name: environment.packages[name] for name in client.packages}
    result = Result(client.name, versions)
    key_id, key = product.company.new_key(client.name)
    with tempfile.TemporaryDirectory(prefix="tk-client-", ignore_cleanup_errors=True) as folder:
        driver = Driver(client, environment, Path(folder))
        try:
            before = len(tap.exchanges)
            for feature in client.features:
                result.features[feature] = _ask(driver, feature, key, tap)
            _check_ledger(result, tap.exchanges[before:], product, key_id)
            before = product.mock.count
            for feature in ("plain", "stream"):
                if feature in client.features:
                    result.cap[feature] = _ask(driver, feature, product.spent.key, tap)
            if product.mock.count != before:
                result.wrong.append(f"{product.mock.count - before} refused requests reached the provider")
        finally:
            driver.stop()
            (environment.folder / f"{client.name}.log").write_bytes((Path(folder) / "driver.log").read_bytes())
    return result


def _ask(driver: Driver, feature: str, key: str, tap: Tap) -> Outcome:
    before = len(tap.exchanges)
    answer = driver.do(feature, tap.base_url, key)
    seen = tap.exchanges[before:]
    refused = [_refusal(exchange) for exchange in seen if exchange.status >= 400]
    return Outcome(
        ok=answer["ok"],
        seconds=round(answer["seconds"], 2),
        requests=len(seen),
        said=answer.get("said", ""),
        error=answer.get("error", ""),
        message=answer.get("message", ""),
        refused=list(dict.fromkeys(refused)),
    )


def _refusal(exchange: Exchange) -> str:
    problem = exchange.problem
    about = f" {problem['param']}" if problem.get("param") else ""
    path = exchange.path.partition("?")[0]
    return f"{exchange.status} {problem.get('code')}{about} at {exchange.method} {path}: {problem.get('message')}"


def _check_ledger(result: Result, seen: list[Exchange], product: Product, key_id: str) -> None:
    """One row a call that was let through; every one costs something, and none more than was held for it."""
    calls = [
        exchange
        for exchange in seen
        if exchange.method == "POST" and exchange.status == 200 and not exchange.path.partition("?")[0].endswith(FREE)
    ]
    rows = product.company.rows(key_id, len(calls))
    result.calls, result.rows = len(calls), len(rows)
    if len(rows) != len(calls):
        result.wrong.append(f"{len(calls)} calls, {len(rows)} rows")
    costs = [(Decimal(row["cost_usd"]), Decimal(row["held_usd"])) for row in rows]
    for row, (cost, held) in zip(rows, costs, strict=True):
        if row["status"] != "settled" or row["flags"] or not 0 < cost <= held:
            result.wrong.append(
                f"row {row['model']}: {row['status']} {row['flags']} cost {cost} of {held} at {row['endpoint']}"
            )
    result.cost_usd = str(sum((cost for cost, _ in costs), Decimal(0)))
    ratios = [held / cost for cost, held in costs if cost]
    result.least_ratio = f"{min(ratios):.1f}" if ratios else ""
    result.most_held_usd = f"{max(held for _, held in costs):.4f}" if costs else ""
