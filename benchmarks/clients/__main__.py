"""Runs unmodified clients through the product: `make clients`, or `python -m benchmarks.clients --help`.

Each is installed into an environment of its own below .cache/clients, pointed at Tokonomics by its own setting and
asked for every feature that it has; then for one more request once the budget is spent. Everything is on this machine.
"""

import argparse
import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.clients import environments, page, running
from benchmarks.clients.catalogue import BY_NAME, CLIENTS, Client
from benchmarks.clients.environments import CannotInstall
from benchmarks.clients.product import Product
from benchmarks.clients.running import Result
from benchmarks.clients.tap import Tap

RESULTS = environments.CACHE / "results.json"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clients", description=__doc__.splitlines()[0])
    parser.add_argument("clients", nargs="*", choices=[*BY_NAME, []], help=f"any of {', '.join(BY_NAME)}; all if none")
    parser.add_argument("--install", action="store_true", help="install, and run nothing")
    parser.add_argument("--save", action="store_true", help="write docs/clients.md after a run of some clients, too")
    parser.add_argument("--wire", type=Path, help="write every request and reply into this folder, to be looked at")
    options = parser.parse_args()
    wanted = [BY_NAME[name] for name in options.clients] or list(CLIENTS)
    missing = _install(wanted)
    if options.install:
        return bool(missing)
    with tempfile.TemporaryDirectory(prefix="tk-clients-") as folder, Product(Path(folder)) as product:
        with Tap(product.base_url) as tap:
            results = [_run(client, missing, product, tap) for client in wanted]
        if options.wire:
            tap.write(options.wire)
        whole = product.audit()
    print(f"the ledger and its counters {'agree' if whole else 'DIFFER'}")
    if options.save or not options.clients:
        conditions = f"Run on {datetime.now(UTC):%Y-%m-%d}, commit {machine.commit()}."
        page.save(json.loads(RESULTS.read_text()), conditions)
    bad = [result for result in results if result.wrong or not all(each.ok for each in result.features.values())]
    return 0 if whole and not bad else 1


def _install(wanted: list[Client]) -> dict[str, str]:
    """What could not be installed, by environment, with the reason."""
    every, missing = environments.environments(), {}
    for name in dict.fromkeys(client.environment for client in wanted):
        started = time.monotonic()
        try:
            every[name].install()
        except CannotInstall as error:
            missing[name] = str(error)
            print(f"{name}: {error}", flush=True)
        else:
            print(f"{name}: installed ({time.monotonic() - started:.0f} s)", flush=True)
    return missing


def _run(client: Client, missing: dict[str, str], product: Product, tap: Tap) -> Result:
    environment = environments.environments()[client.environment]
    if client.environment in missing:
        versions = {name: environment.packages[name] for name in client.packages}
        result = Result(client.name, versions, missing=missing[client.environment])
    else:
        result = running.run(client, environment, product, tap)
    _show(result)
    kept: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps({**kept, client.name: result.asdict()}, indent=1))
    return result


def _show(result: Result) -> None:
    print(f"{result.name}: {result.calls} calls, {result.rows} rows, ${result.cost_usd}", flush=True)
    for kind, outcomes in (("", result.features), ("at the cap, ", result.cap)):
        for feature, outcome in outcomes.items():
            said = outcome.said[:60] if outcome.ok else f"{outcome.error}: {outcome.message[:300]}"
            sign = "ok " if outcome.ok else "NO "
            print(f"  {sign} {kind}{feature} ({outcome.requests} requests, {outcome.seconds} s) {said}", flush=True)
            for line in outcome.refused:
                print(f"        {line}", flush=True)
    for line in result.wrong:
        print(f"  WRONG {line}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
