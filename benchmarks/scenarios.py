"""What is asked of whom: each scenario is a few rows, measured one after the other in every round."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.measuring import Series, request_body
from benchmarks.targets.base import Target

Load = Callable[[Any, bool], dict[str, Any]]
"""Target and whether it is a quick run -> the fields of a load's Plan."""
Column = tuple[str, Callable[[Series, dict[str, Series]], str]]
"""Heading, and the cell for a row, given all rows by their titles."""

OURS = "Tokonomics"
NGINX = "nginx, plain reverse proxy"
DIRECT = "direct, no proxy"


@dataclass(frozen=True)
class Row:
    target: str
    load: Load
    title: str = ""
    """The target's own title if empty."""


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    about: str
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    rounds: int = 5
    quick_rounds: int = 2
    targets: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "targets", tuple(dict.fromkeys(row.target for row in self.rows)))


def _rate(series: Series, rows: dict[str, Series]) -> str:
    return f"{series.rate:,.0f}"


def _cpu(series: Series, rows: dict[str, Series]) -> str:
    return f"{series.cpu_us:,.0f} us" if series.cpu_us else ""


def _times_ours(series: Series, rows: dict[str, Series]) -> str:
    ours = rows.get(OURS)
    return f"{ours.rate / series.rate:,.2f}" if ours is not None and ours.rounds else ""


def _spread(series: Series, rows: dict[str, Series]) -> str:
    rates = [one.rate for one in series.rounds]
    return f"{min(rates):,.0f}-{max(rates):,.0f}"


def _latency(mark: str) -> Column:
    return f"{mark} ms", lambda series, rows: f"{series.median(lambda one: one.result.latencies_ms[mark]):.2f}"


def _over(base: str, mark: str, heading: str) -> Column:
    def cell(series: Series, rows: dict[str, Series]) -> str:
        if base not in rows or not rows[base].rounds:
            return ""
        theirs = rows[base].median(lambda one: one.result.latencies_ms[mark])
        return f"{series.median(lambda one: one.result.latencies_ms[mark]) - theirs:+.2f}"

    return heading, cell


THROUGHPUT: tuple[Column, ...] = (
    ("per second", _rate), ("rounds", _spread), ("CPU each", _cpu), ("Tokonomics / this", _times_ours), _latency("p50"),
    _latency("p99"),
)  # fmt: skip


def _in_time(series: Series, rows: dict[str, Series]) -> str:
    shares = [one.in_time for one in series.rounds if one.in_time is not None]
    return f"{min(shares):.2%}" if shares else ""


LATENCY: tuple[Column, ...] = (
    _latency("p50"), _latency("p99"), _over(NGINX, "p50", "p50 over nginx"), _over(NGINX, "p99", "p99 over nginx"),
    ("CPU each", _cpu), ("budget checks within 1 ms", _in_time),
)  # fmt: skip


def _share_of_direct(series: Series, rows: dict[str, Series]) -> str:
    return f"{series.rate / rows[DIRECT].rate:.3f}" if DIRECT in rows and rows[DIRECT].rounds else ""


PACED: tuple[Column, ...] = (
    ("chunks per second", _rate),
    ("of direct", _share_of_direct),
    ("CPU per chunk", _cpu),
    ("KB a stream", lambda series, rows: f"{series.median(lambda one: one.kb):.1f}" if series.cpu_us else ""),
    ("chunk later by p50 ms", lambda series, rows: f"{series.median(lambda one: one.result.added_ms['p50']):.2f}"),
    ("by p99 ms", lambda series, rows: f"{series.median(lambda one: one.result.added_ms['p99']):.2f}"),
    ("pause longer by p99 ms", lambda series, rows: f"{series.median(lambda one: one.result.gap_ms['p99']):.2f}"),
)


def _seconds(quick: bool) -> dict[str, float]:
    return {"seconds": 2.0, "warm_up": 1.0} if quick else {"seconds": 6.0, "warm_up": 2.0}


def plain(target: Target, quick: bool) -> dict[str, Any]:
    return {"body": request_body(), **_seconds(quick)}


def stream(target: Target, quick: bool) -> dict[str, Any]:
    return {"body": request_body(stream=True), **_seconds(quick)}


def large(target: Target, quick: bool) -> dict[str, Any]:
    return {"body": request_body(prompt="lorem ipsum dolor sit amet " * 3800), **_seconds(quick)}


def paced(target: Target, quick: bool) -> dict[str, Any]:
    """Each stream writes 20 chunks a second."""
    seconds = {"seconds": 6.0, "warm_up": 3.0} if quick else {"seconds": 60.0, "warm_up": 5.0}
    body = request_body(stream=True, chunks=100, pace_ms=50)
    return {"kind": "paced", "connections": 100 if quick else 1000, "body": body, **seconds}


def at_rate(rate: float) -> Load:
    def load(target: Target, quick: bool) -> dict[str, Any]:
        seconds = {"seconds": 4.0 if quick else 20.0, "warm_up": 1.0}
        return {"kind": "open", "rate": rate, "connections": 64, "body": request_body(), **seconds}

    return load


def storm(target: Any, quick: bool) -> dict[str, Any]:
    return {"body": request_body(), "headers": target.capped(), "expect": 429, **_seconds(quick)}


def many(companies: int, keys: int, share: float = 0.0) -> Load:
    def load(target: Any, quick: bool) -> dict[str, Any]:
        made = target.many(companies // 20 if quick else companies, keys)
        keyed = {"headers": {}, "keys_file": str(made), "every_key_first": True, "shares": share}
        return {"body": request_body(), **keyed, **_seconds(quick)}

    return load


def _everybody(load: Load, *names: str) -> tuple[Row, ...]:
    return tuple(Row(name, load) for name in names)


EVERYBODY = ("direct", "nginx", "tokonomics", "hardcap", "portkey", "litellm", "django")

SCENARIOS = {
    one.name: one
    for one in (
        Scenario(
            "plain",
            "Plain requests, 64 connections",
            "Replies of some 600 bytes. Each connection sends its next request when it has its reply.",
            _everybody(plain, *EVERYBODY),
            THROUGHPUT,
        ),
        Scenario(
            "stream",
            "Streams of 50 chunks, 64 connections",
            "The provider writes each chunk by itself, as fast as it can.",
            _everybody(stream, *EVERYBODY),
            THROUGHPUT,
        ),
        Scenario(
            "paced",
            "1,000 paced streams for a minute",
            "20 chunks a second on each stream. A chunk carries the moment that it was written, so that its delay, "
            "and how far the pause before it was stretched, are seen for each.",
            _everybody(paced, "direct", "nginx", "tokonomics"),
            PACED,
            rounds=1,
            quick_rounds=1,
        ),
        Scenario(
            "rate-50",
            "50 requests a second, open loop",
            "A request's time counts from when it was due, whatever became of those before it.",
            _everybody(at_rate(50), "direct", "nginx", "tokonomics", "hardcap", "portkey", "litellm"),
            LATENCY,
            rounds=3,
        ),
        Scenario(
            "rate-500",
            "500 requests a second, open loop",
            "The same at 500. LiteLLM and the obvious Django way cannot do as many.",
            _everybody(at_rate(500), "direct", "nginx", "tokonomics", "hardcap", "portkey"),
            LATENCY,
            rounds=3,
        ),
        Scenario(
            "large",
            "Prompts of 100 KB",
            "64 connections; what is measured is mostly how often a body is copied, parsed and written.",
            _everybody(large, *EVERYBODY),
            THROUGHPUT,
            rounds=3,
        ),
        Scenario(
            "tls",
            "A provider over TLS",
            "Tokonomics in front of the same provider in the clear and over TLS, verified, connections kept alive.",
            (Row("tokonomics", plain, "in the clear"), Row("tokonomics-tls", plain, "over TLS"),
             Row("tokonomics", stream, "streams, in the clear"), Row("tokonomics-tls", stream, "streams, over TLS")),
            THROUGHPUT,
            rounds=3,
        ),
        Scenario(
            "workers",
            "Two web processes",
            "On both cores, which load, provider and Redis need too: it shows that the two share, not how they scale.",
            (Row("tokonomics-2", plain, "plain"), Row("tokonomics-2", stream, "streams")),
            THROUGHPUT,
            rounds=3,
        ),
        Scenario(
            "storm",
            "A storm of refusals at the cap",
            "64 connections of a company that has spent all: every request is a 429, decided in Redis.",
            (Row("tokonomics", plain, "admitted"), Row("tokonomics", storm, "refused")),
            THROUGHPUT,
            rounds=3,
        ),
        Scenario(
            "many",
            "10,000 companies of 10 keys, and one that takes all",
            "Each request uses the next of 100,000 keys; then nine in ten use one and the same.",
            (Row("tokonomics", plain, "one company"), Row("tokonomics", many(10_000, 10), "10,000 companies"),
             Row("tokonomics", many(10_000, 10, 0.9), "one of them takes 90 %")),
            THROUGHPUT,
            rounds=3,
        ),
    )
}  # fmt: skip
