"""What races in `benchmarks.overshoot`: each with several web processes, one key and one budget a company."""

import json
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.processes import Process, answers
from benchmarks.targets.base import CACHE
from benchmarks.targets.ours import Tokonomics
from tokonomics.console.embedded import EmbeddedValkey

DAY = 86_400
INPUT, OUTPUT = 150, 600
"""gpt-4o-mini, nanodollars a token."""


@dataclass(frozen=True)
class Setting:
    companies: int = 8
    streams: int = 128
    """At once, of each company."""
    workers: int = 3
    budget_tokens: int = 20_000
    max_tokens: int = 1024
    pace_ms: float = 50.0
    most_seconds: float = 420.0


class System:
    """`start`, race on `ports` with `keys`, `come_to_rest`, `booked`, `stop`. Amounts are in the system's own money."""

    title = ""
    budget = 0
    ports: list[int]
    keys: list[str]

    @classmethod
    def missing(cls) -> str:
        """What has to be installed first; "" where nothing has."""
        return ""

    def value(self, input_tokens: int, output_tokens: int) -> int:
        """What so many tokens take from a budget."""
        raise NotImplementedError

    def kind_of(self, status: int, reply: bytes) -> str:
        """`passed`, `busy` (try again), `over` (the budget is spent), or what else came."""
        raise NotImplementedError

    def booked(self) -> dict[str, int]:
        """What it has counted itself, by company as the provider knows them."""
        raise NotImplementedError


class Ours(System):
    title = "Tokonomics"
    environment: dict[str, str] = {}

    def __init__(self, folder: Path, provider: Any, setting: Setting) -> None:
        self._setting = setting
        self._target = Tokonomics(folder, provider)
        self._target._environment |= self.environment
        self._target.workers = setting.workers
        self.budget = setting.budget_tokens * OUTPUT
        self.ports, self.keys, self._ids = [], [], {}

    def start(self) -> None:
        self._target.start()
        self.ports = [self._target.port]
        for number in range(self._setting.companies):
            words = ["--name", f"Race {number}", "--owner-email", f"race{number}@example.com", "--json"]
            words += ["--monthly-cap", f"0.{self.budget:09d}", "--provider", f"openai=sk-up-{number}"]
            made = json.loads(self._target._python("manage.py", "create_tenant", *words))
            self.keys.append(made["api_key"])
            self._ids[made["tenant_id"]] = str(number)

    def value(self, input_tokens: int, output_tokens: int) -> int:
        return input_tokens * INPUT + output_tokens * OUTPUT

    def kind_of(self, status: int, reply: bytes) -> str:
        if status == 200:
            return "passed"
        if b'"budget_cap_exceeded"' in reply:
            return "over"
        return "busy" if b'"budget_held"' in reply else f"status {status}"

    def come_to_rest(self) -> None:
        self._target.come_to_rest()

    def booked(self) -> dict[str, int]:
        environment = self._target._environment
        command = [sys.executable, "manage.py", "audit_ledger", "--json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        assert found["ok"] and not found["open_holds"], found
        return {
            self._ids[scope["tenant_id"]]: round(float(scope["ledger_spent_usd"]) * 1e9)
            for scope in found["scopes"]
            if scope["scope"] == "tenant" and scope["tenant_id"] in self._ids
        }

    def stop(self) -> None:
        self._target.stop()


class WholeHolds(Ours):
    title = "Tokonomics, partial holds off"
    environment = {"TOKONOMICS_PARTIAL_HOLDS": "no"}


class Hardcap(System):
    """PyPI `hardcap` 0.1.0 as its documentation runs it: several `hardcap serve` on one Redis, clients spread."""

    title = "hardcap 0.1.0, its default"
    mode: dict[str, str] = {}
    program = CACHE / "hardcap" / "bin" / "hardcap"

    def __init__(self, folder: Path, provider: Any, setting: Setting) -> None:
        self._folder, self._provider, self._setting = folder, provider, setting
        self.budget = setting.budget_tokens
        self.ports, self.keys = [], [f"sk-race-{number}" for number in range(setting.companies)]
        self._running: list[Process] = []

    @classmethod
    def missing(cls) -> str:
        return "" if cls.program.exists() else "pip install hardcap==0.1.0"

    def start(self) -> None:
        valkey = EmbeddedValkey(self._folder / "valkey", append_only=True)
        (self._folder / "valkey").mkdir(parents=True, exist_ok=True)
        self._run("valkey", valkey.command()).until(valkey.answers)
        config = self._folder / "hardcap.yaml"
        config.write_text(json.dumps(self._config(valkey.url)))  # JSON is YAML
        _wait_for_a_fresh_day()
        for number in range(self._setting.workers):
            port = machine.free_port()
            command = [str(self.program), "serve", "-c", str(config), "--host", "127.0.0.1", "--port", str(port)]
            self._run(f"serve-{number}", command).until(lambda port=port: answers(port, "/healthz"))
            self.ports.append(port)

    def _run(self, name: str, command: list[str]) -> Process:
        process = Process(command, cores=set(machine.CORES), log=self._folder / f"{name}.log")
        self._running.append(process)
        return process

    def _config(self, redis_url: str) -> dict[str, Any]:
        return {
            "redis_url": redis_url,
            "budget": self.mode,
            "upstreams": {"mock": {"kind": "openai", "base_url": self._provider.url}},
            "routes": {"gpt-4o-mini": {"targets": [{"upstream": "mock", "model": "gpt-4o-mini"}]}},
            "tenants": {
                str(number): {"api_keys": [key], "budget": {"window_s": DAY, "total": self.budget}}
                for number, key in enumerate(self.keys)
            },
        }

    def value(self, input_tokens: int, output_tokens: int) -> int:
        return input_tokens + output_tokens

    def kind_of(self, status: int, reply: bytes) -> str:
        if status == 200:
            return "passed"
        if b"budget_exceeded" in reply:
            return "over"
        return "busy" if b"budget_busy" in reply else f"status {status}"

    def come_to_rest(self) -> None:
        time.sleep(1.0)

    def booked(self) -> dict[str, int]:
        found = {}
        for number, key in enumerate(self.keys):
            address = f"http://127.0.0.1:{self.ports[0]}/v1/hardcap/usage"
            asked = urllib.request.Request(address, headers={"authorization": f"Bearer {key}"})
            with urllib.request.urlopen(asked, timeout=10) as reply:
                found[str(number)] = sum(json.load(reply)["used"].values())
        return found

    def stop(self) -> None:
        for process in reversed(self._running):
            process.stop()


class HardcapPosthoc(Hardcap):
    title = "hardcap 0.1.0, post-hoc"
    mode = {"accounting": "posthoc"}


def _wait_for_a_fresh_day() -> None:
    """Its windows are days of the clock: a race that one ends in would meet two budgets."""
    left = DAY - time.time() % DAY
    if left < 600:
        time.sleep(left + 1)


SYSTEMS: dict[str, type[System]] = {
    "tokonomics": Ours,
    "whole": WholeHolds,
    "hardcap": Hardcap,
    "posthoc": HardcapPosthoc,
}
