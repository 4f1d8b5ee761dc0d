"""/metrics: what all web processes have done, for those who may see it, and nothing that a client or tenant named."""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from proxy import metrics
from proxy.metrics import Histogram, Numbers
from tests.support.stack import ProductStack

Sample = tuple[str, frozenset[tuple[str, str]]]
SECRET_MODEL = "a-model-that-only-this-client-knows"


def samples(text: str) -> dict[Sample, float]:
    families = text_string_to_metric_families(text)
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def value(text: str, name: str, **labels: str) -> float:
    return samples(text).get((name, frozenset(labels.items())), 0.0)


# --- Counting --------------------------------------------------------------------------------------------------------


def test_a_duration_falls_into_the_bucket_that_it_does_not_exceed() -> None:
    histogram = Histogram((0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 3.0):
        histogram.observe(seconds)
    assert histogram.cumulative() == [("0.1", 2.0), ("1.0", 3.0), ("+Inf", 4.0)]
    assert histogram.total == pytest.approx(3.65)


def test_what_one_process_leaves_is_what_another_adds() -> None:
    one, all_of_them = Numbers(), Numbers()
    one.requests["openai", "/chat/completions", 2] = 3
    one.refusals["budget_cap_exceeded"] = 2
    one.reserve.observe(0.0004)
    one.settle.observe(0.3)
    one.first_byte_of("anthropic").observe(1.2)
    one.gauges["open_holds"] = 5
    one.lane_opened, one.journal_lag = 1, 0.75
    for _ in range(2):
        all_of_them.add(metrics.orjson.loads(one.as_json()))
    assert all_of_them.requests == {("openai", "/chat/completions", 2): 6}
    assert all_of_them.refusals == {"budget_cap_exceeded": 4}
    assert (sum(all_of_them.reserve.counts), sum(all_of_them.settle.counts)) == (2, 2)
    assert all_of_them.first_byte["anthropic"].total == pytest.approx(2.4)
    assert (all_of_them.gauges["open_holds"], all_of_them.lane_opened) == (10, 2)
    assert (all_of_them.journal_lag, all_of_them.processes) == (0.75, 2)


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.DATA_DIR = tmp_path
    return metrics.folder()


def test_a_process_that_has_gone_silent_counts_no_more(folder: Path) -> None:
    metrics.publish()
    mine = folder / f"{os.getpid()}.json"
    other = folder / "1.json"
    other.write_bytes(mine.read_bytes())
    assert metrics.total().processes == 2
    long_ago = time.time() - metrics.GONE_SECONDS - 1
    os.utime(other, (long_ago, long_ago))
    assert metrics.total().processes == 1
    metrics.withdraw()
    assert metrics.total().processes == 0


def test_counting_one_request_takes_next_to_no_time() -> None:
    """The promise is 5 us of CPU; the bound leaves room for a slow and busy machine."""
    numbers, rounds = Numbers(), 20_000

    def count() -> None:
        numbers.requests["openai", "/chat/completions", 2] += 1
        numbers.reserve.observe(0.0007)
        numbers.settle.observe(0.0008)
        numbers.first_byte_of("openai").observe(0.4)

    def spent() -> float:
        started = time.process_time()
        for _ in range(rounds):
            count()
        return (time.process_time() - started) / rounds

    assert min(spent() for _ in range(3)) < 15e-6


# --- Who may see it --------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("token", "address", "headers", "status"),
    [
        ("", "127.0.0.1", {}, 200),
        ("", "::1", {}, 200),
        ("", "203.0.113.9", {}, 404),
        ("", "", {}, 404),
        ("", "127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 404),
        ("", "127.0.0.1", {"Forwarded": "for=127.0.0.1"}, 404),
        ("", "203.0.113.9", {"Authorization": "Bearer "}, 404),
        ("s3cret", "203.0.113.9", {"Authorization": "Bearer s3cret"}, 200),
        ("s3cret", "203.0.113.9", {"Authorization": "Bearer s3cre"}, 404),
        ("s3cret", "203.0.113.9", {"Authorization": "Bearer \xe9"}, 404),
        ("s3cret", "127.0.0.1", {}, 404),
    ],
)
def test_only_this_machine_or_who_has_the_token_is_answered(
    folder: Path, settings: Any, token: str, address: str, headers: dict[str, str], status: int
) -> None:
    settings.METRICS_TOKEN = token
    answer = Client().get("/metrics", headers=headers, REMOTE_ADDR=address)
    assert answer.status_code == status
    assert (b"tokonomics_build_info" in answer.content) is (status == 200)


@pytest.mark.django_db
def test_every_metric_is_documented_and_every_documented_one_exists(folder: Path) -> None:
    text = Client().get("/metrics", REMOTE_ADDR="127.0.0.1").content.decode()
    told = set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    assert set(re.findall(r"^\| `(tokonomics_\w+)` \|", page, re.MULTILINE)) == told


# --- On the running product ------------------------------------------------------------------------------------------


def eventually(stack: ProductStack, condition: Callable[[str], bool]) -> str:
    deadline = time.monotonic() + 30
    while True:
        text = httpx.get(f"{stack.base_url}/metrics", timeout=10).text
        if condition(text):
            return text
        assert time.monotonic() < deadline, text
        time.sleep(0.2)


def at_rest(text: str) -> bool:
    """Also of requests that earlier tests' clients have left."""
    waiting = ("open_holds", "unconfirmed_settles", "undrained_settles")
    return not any(value(text, f"tokonomics_{name}") for name in waiting)


def test_any_web_process_tells_what_all_have_done(stack: ProductStack) -> None:
    made = stack.create_tenant()
    place = {"provider": "openai", "endpoint": "/chat/completions"}
    before = eventually(stack, lambda text: value(text, "tokonomics_web_processes") == stack.workers and at_rest(text))
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 20}
    for number in range(6):
        # A connection each, so that both web processes get some.
        answer = httpx.post(
            f"{stack.base_url}/v1/chat/completions",
            json=body if number else {**body, "model": SECRET_MODEL},
            headers={"authorization": f"Bearer {made['api_key']}"},
            timeout=30,
        )
        assert answer.status_code == (200 if number else 400), answer.text

    def grown(text: str, name: str, **labels: str) -> float:
        return value(text, name, **labels) - value(before, name, **labels)

    after = eventually(
        stack,
        lambda text: (
            grown(text, "tokonomics_requests_total", **place, status="2xx") == 5
            and grown(text, "tokonomics_settle_seconds_count") == 5
            and at_rest(text)
        ),
    )
    assert grown(after, "tokonomics_requests_total", **place, status="4xx") == 1
    assert grown(after, "tokonomics_refusals_total", code="model_not_priced") == 1
    assert grown(after, "tokonomics_reserve_seconds_count") == 5
    assert grown(after, "tokonomics_upstream_first_byte_seconds_count", provider="openai") == 5
    assert value(after, "tokonomics_open_holds") == value(after, "tokonomics_unconfirmed_settles") == 0
    assert value(after, "tokonomics_lane_connected") == stack.workers
    for named_by_others in (SECRET_MODEL, "gpt-4o", made["tenant"], made["tenant_id"], made["api_key_id"]):
        assert named_by_others not in after
