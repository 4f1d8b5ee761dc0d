"""The running sandbox, byte by byte: pace, cuts, silence, and a clean log."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import AbstractContextManager

import httpx
import pytest

from tests.sandbox.requests import BODIES, PATHS

DIALECTS = ["openai", "anthropic"]
both_dialects = pytest.mark.parametrize("dialect", DIALECTS)


def ask(http: httpx.Client, dialect: str, instructions: str, *, stream: bool = False) -> httpx.Response:
    return http.post(PATHS[dialect], json={**BODIES[dialect], "stream": stream}, headers=told(instructions))


def streamed(http: httpx.Client, dialect: str, instructions: str) -> AbstractContextManager[httpx.Response]:
    return http.stream("POST", PATHS[dialect], json={**BODIES[dialect], "stream": True}, headers=told(instructions))


def told(instructions: str) -> dict[str, str]:
    return {"X-Tokonomics-Sandbox": instructions}


def read_until_cut(response: httpx.Response) -> bytes:
    """All that arrived before the connection broke; fails if it did not."""
    received = bytearray()
    with pytest.raises(httpx.RemoteProtocolError, match="peer closed connection"):
        for data in response.iter_raw():
            received += data
    return bytes(received)


def test_it_starts_without_django_or_any_app_of_ours() -> None:
    check = "import sys, tokonomics.sandbox.asgi; print(sorted({name.partition('.')[0] for name in sys.modules}))"
    run = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, timeout=30)
    loaded = run.stdout
    for name in ("django", "budgets", "proxy", "tenants", "alerts", "celery"):
        assert f"'{name}'" not in loaded


def test_health(http: httpx.Client) -> None:
    assert http.get("/healthz").status_code == 200


def test_any_credential_is_accepted(http: httpx.Client) -> None:
    for headers in ({"authorization": "Bearer x"}, {"x-api-key": "x"}):
        assert http.post(PATHS["openai"], json=BODIES["openai"], headers=headers).status_code == 200


@both_dialects
@pytest.mark.parametrize("stream", [False, True])
def test_the_same_request_gets_the_same_bytes(http: httpx.Client, dialect: str, stream: bool) -> None:
    replies = {ask(http, dialect, "output=9", stream=stream).text for _ in range(3)}
    without_time = {reply.replace(str(second), "") for reply in replies for second in _seconds_in(reply)}
    assert len(without_time) == 1


def _seconds_in(reply: str) -> list[int]:
    """The `created` of a reply: the only thing that may change with time."""
    now = int(time.time())
    return [second for second in range(now - 5, now + 1) if f'"created":{second}' in reply] or [now]


@both_dialects
def test_delay_comes_before_the_first_byte(http: httpx.Client, dialect: str) -> None:
    start = time.monotonic()
    assert ask(http, dialect, "delay=0.4").status_code == 200
    assert time.monotonic() - start >= 0.4


@both_dialects
def test_chunk_delay_spreads_a_stream_over_time(http: httpx.Client, dialect: str) -> None:
    start = time.monotonic()
    with streamed(http, dialect, "output=5; chunk_delay=0.1") as response:
        arrivals = [time.monotonic() - start for data in response.iter_raw() if data]
    assert arrivals[-1] >= 0.5
    assert arrivals[0] <= arrivals[-1] - 0.2


@both_dialects
def test_a_cut_stream_closes_the_connection_after_that_many_events(http: httpx.Client, dialect: str) -> None:
    whole = ask(http, dialect, "output=20", stream=True).content
    with streamed(http, dialect, "output=20; fault=cut:5") as response:
        received = read_until_cut(response)
    assert received.count(b"\n\n") == 5
    if dialect == "anthropic":  # no time in it
        assert whole.startswith(received)


@both_dialects
def test_a_stream_can_be_cut_before_its_first_event(http: httpx.Client, dialect: str) -> None:
    with streamed(http, dialect, "fault=cut:0") as response:
        assert response.status_code == 200
        assert read_until_cut(response) == b""


@both_dialects
def test_a_cut_plain_reply_is_shorter_than_it_announced(http: httpx.Client, dialect: str) -> None:
    body = {**BODIES[dialect], "stream": False}
    with http.stream("POST", PATHS[dialect], json=body, headers=told("fault=cut:40")) as response:
        assert int(response.headers["content-length"]) > 40
        assert len(read_until_cut(response)) == 40


@both_dialects
@pytest.mark.parametrize("stream", [False, True])
def test_a_hanging_reply_falls_silent_on_an_open_connection(http: httpx.Client, dialect: str, stream: bool) -> None:
    body = {**BODIES[dialect], "stream": stream}
    received = bytearray()
    with (
        http.stream(
            "POST", PATHS[dialect], json=body, headers=told("fault=hang:3"), timeout=httpx.Timeout(10, read=1)
        ) as response,
        pytest.raises(httpx.ReadTimeout),
    ):
        for data in response.iter_raw():
            received += data
    assert received.count(b"\n\n") == 3 if stream else len(received) == 3


@both_dialects
def test_garbage_arrives_and_the_transfer_ends_properly(http: httpx.Client, dialect: str) -> None:
    body = ask(http, dialect, "fault=garbage:3", stream=True).content
    assert body.count(b"\n\n") == 3
    assert body.endswith(b"</html>\x7f")


@both_dialects
@pytest.mark.parametrize("stream", [False, True])
def test_a_reply_comes_compressed_although_nobody_asked(http: httpx.Client, dialect: str, stream: bool) -> None:
    body = {**BODIES[dialect], "stream": stream}
    headers = {**told("fault=gzip; output=7"), "accept-encoding": "identity"}
    response = http.post(PATHS[dialect], json=body, headers=headers)
    assert response.headers["content-encoding"] == "gzip"
    assert b"usage" in response.content or dialect == "openai"
    assert response.text[0] in "{de"


@both_dialects
def test_a_status_is_complete_and_the_connection_stays_usable(http: httpx.Client, dialect: str) -> None:
    refused = ask(http, dialect, "fault=status:429")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert ask(http, dialect, "output=1").status_code == 200
