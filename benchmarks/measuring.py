"""One measurement: a load on a target, with what the target's processes cost between its begin and its end."""

import json
import os
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks import machine
from benchmarks.load import Plan, Result
from benchmarks.processes import ROOT
from benchmarks.targets.base import MODEL, Target

QUESTION = "How do I keep an agent from spending more than we planned this month? " * 3


@dataclass(frozen=True)
class Measurement:
    """`cpu_us`: of the target's processes for each reply (0 for direct). `kb`: what an open stream takes. `in_time`:
    the share of budget checks that took the proxy up to a millisecond; None where there are none."""

    rate: float
    cpu_us: float
    kb: float
    result: Result
    in_time: float | None = None


def request_body(*, stream: bool = False, chunks: int = 50, pace_ms: int = 0, prompt: str = QUESTION) -> str:
    body: dict[str, Any] = {
        "model": MODEL,
        "messages": [{"role": "system", "content": "Answer briefly."}, {"role": "user", "content": prompt}],
        "max_tokens": chunks,
        "temperature": 0.2,
    }
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    if pace_ms:
        body["seed"] = pace_ms
    return json.dumps(body)


def measure(target: Target, load: dict[str, Any]) -> Measurement:
    """Raises RuntimeError where replies are not what the load expects."""
    headers = load.pop("headers", target.headers)
    plan = Plan(port=target.port, path="/v1/chat/completions", headers=headers, **load)
    pids, reserves = target.measured, target.reserves()
    idle_kb = machine.resident_kb(pids)
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load", json.dumps(asdict(plan))],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, machine.OTHERS),
    )
    assert process.stdout is not None and process.stderr is not None
    marks = []
    told = []
    for line in process.stderr:
        told.append(line)
        if line.strip() in ("begin", "end"):
            marks.append((machine.cpu_seconds(pids), machine.resident_kb(pids)))
    result = Result(**json.loads(process.stdout.read() or "{}"))
    if process.wait() or len(marks) != 2 or not result.replies:
        raise RuntimeError(f"{target.name}: the load ended badly: {''.join(told[-20:])} {result.sample}")
    if result.wrong > result.replies / 1000:
        raise RuntimeError(f"{target.name}: {result.wrong} wrong replies ({result.statuses}): {result.sample}")
    cpu = marks[1][0] - marks[0][0]
    kb = max(0, marks[1][1] - idle_kb) / plan.connections
    in_time = _share_in_time(reserves, target.reserves())
    return Measurement(result.replies / result.seconds, cpu / result.replies * 1e6, kb, result, in_time)


def _share_in_time(before: dict[str, float], after: dict[str, float], within: str = "0.001") -> float | None:
    made = after.get("+Inf", 0.0) - before.get("+Inf", 0.0)
    return (after[within] - before.get(within, 0.0)) / made if made else None


@dataclass
class Series:
    """The rounds of one target in one scenario."""

    target: str
    title: str
    rounds: list[Measurement] = field(default_factory=list)
    failure: str = ""

    def median(self, read: Any) -> float:
        return statistics.median(read(one) for one in self.rounds)

    @property
    def rate(self) -> float:
        return self.median(lambda one: one.rate)

    @property
    def cpu_us(self) -> float:
        return self.median(lambda one: one.cpu_us)
