"""From the settle that crosses a threshold to the receiver of its webhook, on the embedded default.

    python -m benchmarks.alert_latency [--rounds 30]

Starts the whole product as `make run` does (embedded Valkey, SQLite, one worker), a webhook receiver on loopback, and
sends one request to the sandbox a round, each with a key of its own whose cap that request crosses. Both moments are
of this machine's clock: the settle's by Redis, the arrival's by the receiver.
"""

import argparse
import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from tests.alerts.receivers import Receiver
from tests.support.stack import ProductStack

PATIENCE = 30.0  # seconds
TARGET = 2.0
REQUEST = {"model": "gpt-4o", "max_tokens": 300, "messages": [{"role": "user", "content": "How are you?"}]}


class Company:
    """A tenant of the running product, by its management token and its test budget."""

    def __init__(self, stack: ProductStack, receiver: Receiver) -> None:
        made = stack.create_tenant(name="Bench", test_key=True)
        self._base = stack.base_url
        self._token = {"authorization": f"Bearer {made['management_token']}"}
        self.client = httpx.Client(timeout=PATIENCE)
        body = {"kind": "webhook", "target": f"{receiver.url}/hook"}
        self._channel = self._post("alert-channels/", body)["id"]

    def _post(self, address: str, body: dict[str, Any]) -> Any:
        reply = self.client.post(f"{self._base}/api/v1/{address}", json=body, headers=self._token)
        reply.raise_for_status()
        return reply.json()

    def key(self, number: int) -> Any:
        """One whose cap alerts at 1 %, and which a single request passes."""
        key = self._post("keys/", {"name": f"round {number}", "mode": "test", "cap_usd": "0.01", "hard_cap": False})
        self._post("alert-rules/", {"threshold_percent": 1, "api_key": key["id"], "channels": [self._channel]})
        return key

    def spend(self, secret: str) -> float:
        """One request; when its answer was here, epoch seconds."""
        headers = {"authorization": f"Bearer {secret}", "x-tokonomics-sandbox": "output=200"}
        self.client.post(f"{self._base}/v1/chat/completions", json=REQUEST, headers=headers).raise_for_status()
        return time.time()

    def settled_at(self, key_id: str) -> float:
        rows = self.client.get(f"{self._base}/api/v1/usage/?api_key={key_id}", headers=self._token).json()["results"]
        return datetime.fromisoformat(rows[0]["settled_at"]).timestamp()


def one_round(company: Company, receiver: Receiver, number: int) -> tuple[float, float]:
    """Seconds to the receiver from the settle, and from the client's answer."""
    key = company.key(number)
    before = len(receiver.received)
    answered = company.spend(key["key"])
    deadline = time.monotonic() + PATIENCE
    while len(receiver.received) == before:
        if time.monotonic() > deadline:
            raise SystemExit(f"no alert within {PATIENCE:g} s")
        time.sleep(0.002)
    arrived = receiver.received[before].at - time.monotonic() + time.time()
    return arrived - company.settled_at(key["id"]), arrived - answered


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder, Receiver() as receiver:
        stack = ProductStack(Path(folder), workers=1).start()
        try:
            company = Company(stack, receiver)
            one_round(company, receiver, 0)  # the first opens connections
            measured = [one_round(company, receiver, number) for number in range(1, rounds + 1)]
        finally:
            stack.stop()
    from_settle, from_answer = (sorted(each) for each in zip(*measured, strict=True))
    median = statistics.median(from_settle)
    print(f"{rounds} alerts, settle to receiver: median {median * 1000:.0f} ms, ", end="")
    print(f"95% {from_settle[int(rounds * 0.95) - 1] * 1000:.0f} ms, slowest {from_settle[-1] * 1000:.0f} ms")
    print(f"from the client's answer: median {statistics.median(from_answer) * 1000:.0f} ms")
    if median > TARGET:
        raise SystemExit(f"slower than the target of {TARGET:g} s")


if __name__ == "__main__":
    main()
