"""The whole product, its own worker and beat: fifty requests at once, a receiver that fails twice, the real waits."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from standardwebhooks.webhooks import Webhook

from tests.alerts.receivers import Receiver
from tests.support.processes import wait_until
from tests.support.stack import ProductStack

REQUEST = {"model": "gpt-4o", "max_tokens": 200, "messages": [{"role": "user", "content": "How are you?"}]}


class Tenant:
    def __init__(self, stack: ProductStack, number: str) -> None:
        made = stack.create_tenant(name=f"Alerts {number}", owner_email=f"{number}@alerts.example", test_key=True)
        self._base, self._token = stack.base_url, {"authorization": f"Bearer {made['management_token']}"}

    def post(self, address: str, body: dict[str, Any]) -> Any:
        reply = httpx.post(f"{self._base}/api/v1/{address}", json=body, headers=self._token, timeout=30)
        assert reply.status_code in (200, 201), reply.text
        return reply.json()

    def get(self, address: str) -> Any:
        return httpx.get(f"{self._base}/api/v1/{address}", headers=self._token, timeout=30).json()

    def spend(self, secret: str) -> int:
        headers = {"authorization": f"Bearer {secret}", "x-tokonomics-sandbox": "output=200"}
        return httpx.post(f"{self._base}/v1/chat/completions", json=REQUEST, headers=headers, timeout=60).status_code


def test_fifty_requests_at_once_alert_once_a_threshold(stack: ProductStack, receiver: Receiver) -> None:
    tenant = Tenant(stack, "fifty")
    channel = tenant.post("alert-channels/", {"kind": "webhook", "target": receiver.url})["id"]
    key = tenant.post("keys/", {"name": "bot", "mode": "test", "cap_usd": "0.05"})
    for percent in (50, 80, 95, 100):
        tenant.post("alert-rules/", {"threshold_percent": percent, "api_key": key["id"], "channels": [channel]})
    with ThreadPoolExecutor(25) as threads:
        statuses = list(threads.map(lambda _: tenant.spend(key["key"]), range(50)))
    assert set(statuses) == {200, 429}

    def told() -> list[int]:
        return [heard.json()["data"]["threshold_percent"] for heard in receiver.received]

    wait_until(lambda: 100 in told(), seconds=30, what=f"the wall is told of: {told()}")
    assert sorted(told()) == sorted(set(told()))
    last = receiver.received[-1].json()["data"]
    assert (last["scope"], last["api_key_id"], last["limit_usd"], last["hard_cap"]) == (
        *("api_key", key["id"], "0.05", True),
    )


def test_a_receiver_that_fails_twice_gets_it_at_the_third_try_in_time(stack: ProductStack, receiver: Receiver) -> None:
    tenant = Tenant(stack, "twice")
    receiver.failing(2)
    channel = tenant.post("alert-channels/", {"kind": "webhook", "target": receiver.url})
    key = tenant.post("keys/", {"name": "bot", "mode": "test", "cap_usd": "0.01", "hard_cap": False})
    tenant.post("alert-rules/", {"threshold_percent": 1, "api_key": key["id"], "channels": [channel["id"]]})
    assert tenant.spend(key["key"]) == 200
    wait_until(lambda: len(receiver.received) == 3, seconds=45, what="three tries")
    first, second, third = receiver.received
    assert second.at - first.at < 5 and third.at - second.at < 30
    assert len({heard.body for heard in receiver.received}) == 1
    assert Webhook(channel["secret"]).verify(third.body, third.headers)["type"] == "budget.threshold_crossed"
    wait_until(lambda: tenant.get("deliveries/?state=delivered")["results"], seconds=10)
    (delivery,) = tenant.get("deliveries/")["results"]
    assert (delivery["attempts"], delivery["event"]) == (3, third.json()["id"])
