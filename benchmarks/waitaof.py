"""What it costs to have a hold on disk before its request goes out: `python -m benchmarks.waitaof [SECONDS]`.

A master and a replica of the embedded binary, one event loop of 32 callers, each of which reserves and settles in turn
on a tenant of its own: how long a reserve takes, and how many there are in a second.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

import django

CALLERS = 32
ROWS = (  # title, TOKONOMICS_REDIS_WAITAOF, appendfsync of the master, of the replica
    ("nowhere (as shipped)", "", "everysec", "everysec"),
    ("nowhere, appendfsync always", "", "always", "everysec"),
    ("1,0 with appendfsync always", "1,0", "always", "everysec"),
    ("0,1 with appendfsync always at the replica", "0,1", "everysec", "always"),
    ("1,1 with appendfsync always at both", "1,1", "always", "always"),
)


async def measure(url: str, waitaof: str, seconds: float) -> tuple[list[float], float]:
    """Each reserve's seconds, and how many there were in a second."""
    from budgets import keyspace
    from budgets.claims import Counter, Request, hold_id
    from budgets.ledger import Ledger
    from budgets.reach import open_lane

    lane = open_lane(url, 5.0, waitaof)
    ledger = Ledger(lane, "bench", lease_seconds=60)
    taken: list[float] = []
    until = time.perf_counter() + seconds

    async def caller(number: int) -> None:
        tenant = f"ten_bench_{number}"
        policy = keyspace.policy(tenant)
        await lane.command("EXISTS", policy)
        await lane.command("HSET", policy, "run_id", lane.run_id_at(policy), "version", 1)
        request = Request(tenant, "key", "live", "openai", "gpt-4o", "/chat/completions", "", False, (("input", 1),))
        while time.perf_counter() < until:
            windows = ledger.windows()
            month = windows.month
            counter = Counter("tenant", month, keyspace.tenant_counter(tenant, "live", month.suffix), 10**15, True)
            began = time.perf_counter()
            hold = {"day": windows.day, "version": 1, "least": 10**6, "most": 10**6, "hold": hold_id()}
            reservation = await ledger.reserve(request, [counter], **hold)  # type: ignore[arg-type]
            taken.append(time.perf_counter() - began)
            await ledger.settle(reservation, 10**5, b"{}")

    began = time.perf_counter()
    await asyncio.gather(*(caller(number) for number in range(CALLERS)))
    rate = len(taken) / (time.perf_counter() - began)
    await lane.aclose()
    return taken, rate


def main(seconds: float) -> None:
    from tests.support.fleet import Node, free_ports
    from tests.support.processes import wait_until

    folder = Path(tempfile.mkdtemp(prefix="tokonomics-waitaof-"))
    first, second = free_ports(2)
    master = Node(folder / "master", first).start()
    replica = Node(folder / "replica", second, replicaof=f"127.0.0.1 {first}").start()
    try:
        wait_until(lambda: replica.cli("INFO", "replication")["master_link_status"] == "up")
        print(f"| on disk before it counts | reserves/s ({CALLERS} callers) | median ms | p99 ms |\n|---|---|---|---|")
        for title, waitaof, here, there in ROWS:
            master.cli("FLUSHALL")
            master.cli("CONFIG", "SET", "appendfsync", here)
            replica.cli("CONFIG", "SET", "appendfsync", there)
            taken, rate = asyncio.run(measure(f"redis://{master.address}/0", waitaof, seconds))
            p99 = statistics.quantiles(taken, n=100)[98]
            print(f"| {title} | {rate:,.0f} | {statistics.median(taken) * 1e3:.1f} | {p99 * 1e3:.1f} |", flush=True)
    finally:
        master.kill()
        replica.kill()


if __name__ == "__main__":
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 4.0)
