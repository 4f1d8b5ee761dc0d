"""What this process has counted since it started, and what all web processes together have.

Counting is a dictionary's increment; Prometheus's own objects are made when somebody scrapes. Web processes share one
port, so a scrape reaches any of them: each leaves its numbers in a file of the data directory every second, and whoever
is asked adds up the files. Labels are bounded: names that clients or tenants chose are never among them.
"""

import os
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

PUBLISH_SECONDS = 1.0
GONE_SECONDS = 30.0  # a process that has written nothing for so long is not there any more

REDIS_BOUNDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
PROVIDER_BOUNDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0)

GAUGES = {
    "held_waiting": "Requests that wait for money that others of their company hold.",
    "open_holds": "Requests in flight that hold money.",
    "unconfirmed_settles": "Ends of requests that Redis has not confirmed yet; they are sent again every second.",
    "undrained_settles": "Ends of requests that are in Redis and not in the database yet; 100,000 stop admission.",
    "lane_connected": "Web processes with a connection to the ledger's Redis.",
    "tasks": "Tasks of the event loops: what grows without more requests in flight is a leak.",
}


class Histogram:
    """Durations in seconds: how many up to each bound (and past the last), and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds, self.counts, self.total = bounds, [0] * (len(bounds) + 1), 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds

    def add(self, counts: list[int], total: float) -> None:
        self.counts = [mine + more for mine, more in zip(self.counts, counts, strict=True)]
        self.total += total

    def cumulative(self) -> list[tuple[str, float]]:
        """As Prometheus has it: (upper bound, how many are no longer)."""
        so_far, buckets = 0, []
        for bound, count in zip([*map(str, self.bounds), "+Inf"], self.counts, strict=True):
            so_far += count
            buckets.append((bound, float(so_far)))
        return buckets


@dataclass(slots=True)
class Numbers:
    """The counts of one process, or the sum of several."""

    requests: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    """By provider, endpoint and the first digit of the status; "" and "" for a path that is not metered."""
    refusals: Counter[str] = field(default_factory=Counter)
    """By the error code that the client got."""
    reserve: Histogram = field(default_factory=lambda: Histogram(REDIS_BOUNDS))
    settle: Histogram = field(default_factory=lambda: Histogram(REDIS_BOUNDS))
    first_byte: dict[str, Histogram] = field(default_factory=dict)
    """By provider, `sandbox` for test keys: from our writing the request to the head of the reply."""
    lane_opened: int = 0
    gauges: Counter[str] = field(default_factory=Counter)
    journal_lag: float = 0.0
    processes: int = 0

    def first_byte_of(self, provider: str) -> Histogram:
        found = self.first_byte.get(provider)
        if found is None:
            found = self.first_byte[provider] = Histogram(PROVIDER_BOUNDS)
        return found

    def as_json(self) -> bytes:
        return orjson.dumps(
            {
                "requests": [[*key, count] for key, count in dict(self.requests).items()],
                "refusals": dict(self.refusals),
                "reserve": [self.reserve.counts, self.reserve.total],
                "settle": [self.settle.counts, self.settle.total],
                "first_byte": {name: [one.counts, one.total] for name, one in dict(self.first_byte).items()},
                "lane_opened": self.lane_opened,
                "gauges": dict(self.gauges),
                "journal_lag": self.journal_lag,
            }
        )

    def add(self, told: dict[str, Any]) -> None:
        """What another process left with `as_json`."""
        for provider, endpoint, digit, count in told["requests"]:
            self.requests[provider, endpoint, digit] += count
        self.refusals.update(told["refusals"])
        self.reserve.add(*told["reserve"])
        self.settle.add(*told["settle"])
        for provider, one in told["first_byte"].items():
            self.first_byte_of(provider).add(*one)
        self.lane_opened += told["lane_opened"]
        self.gauges.update(told["gauges"])
        self.journal_lag = max(self.journal_lag, told["journal_lag"])
        self.processes += 1


numbers = Numbers()
"""Of this process."""


def folder() -> Path:
    return Path(settings.DATA_DIR) / "metrics"


def publish() -> None:
    """Leave this process's numbers where the others find them. Blocks for as long as a small file takes."""
    place = folder()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = place / f"{os.getpid()}.new"
    fresh.write_bytes(numbers.as_json())
    fresh.replace(place / f"{os.getpid()}.json")


def withdraw() -> None:
    """This process ends."""
    (folder() / f"{os.getpid()}.json").unlink(missing_ok=True)


def total() -> Numbers:
    """All processes that still write; at most a second old."""
    found = Numbers()
    for path in folder().glob("*.json"):
        try:
            if time.time() - path.stat().st_mtime < GONE_SECONDS:
                found.add(orjson.loads(path.read_bytes()))
        except FileNotFoundError:
            continue  # it ended between the two looks
    return found


class ProxyCollector(Collector):
    """`total` in Prometheus's words."""

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily]:
        found = total()
        requests = CounterMetricFamily(
            "tokonomics_requests", "Requests to metered routes.", labels=["provider", "endpoint", "status"]
        )
        for (provider, endpoint, digit), count in sorted(found.requests.items()):
            requests.add_metric([provider or "none", endpoint or "none", f"{digit}xx"], count)
        yield requests
        refusals = CounterMetricFamily(
            "tokonomics_refusals", "Requests that we answered, by error code.", labels=["code"]
        )
        for code, count in sorted(found.refusals.items()):
            refusals.add_metric([code], count)
        yield refusals
        yield _histogram("tokonomics_reserve_seconds", "One reserve, as the proxy sees it.", {"": found.reserve})
        yield _histogram("tokonomics_settle_seconds", "From a settle's sending to Redis's word.", {"": found.settle})
        about = "From a request's sending to the head of the provider's reply."
        yield _histogram("tokonomics_upstream_first_byte_seconds", about, found.first_byte, "provider")
        opened = "Connections to the ledger's Redis that were opened; more than one for each process means reconnects."
        yield CounterMetricFamily("tokonomics_lane_connections", opened, value=found.lane_opened)
        for name, about in GAUGES.items():
            yield GaugeMetricFamily(f"tokonomics_{name}", about, value=found.gauges[name])
        lag = "Age of the oldest end of a request that the database does not have yet."
        yield GaugeMetricFamily("tokonomics_journal_lag_seconds", lag, value=found.journal_lag)
        yield GaugeMetricFamily("tokonomics_web_processes", "Web processes that answer.", value=found.processes)


def _histogram(
    name: str, about: str, histograms: dict[str, Histogram], label: str | None = None
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, about, labels=[label] if label else [])
    for value, one in sorted(histograms.items()):
        family.add_metric([value] if label else [], one.cumulative(), one.total)
    return family
