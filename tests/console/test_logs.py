"""Lines of the log: structured, one event a line, with the request they are about; and never a secret or a prompt."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openai import OpenAI, OpenAIError

from proxy import request_id
from tests.support.provider import Behaviour
from tests.support.stack import ProductStack
from tokonomics import logs

PROMPT = "the quarterly figures of the Ganymede project"


def line(style: str, *args: Any, level: int = logging.WARNING, exc_info: Any = None, **extra: Any) -> str:
    record = logging.LogRecord("proxy.settlement", level, __file__, 1, args[0], args[1:], exc_info)
    for name, value in extra.items():
        setattr(record, name, value)
    return logs.formatter(style).format(record)


@pytest.fixture
def serving() -> Iterator[str]:
    token = request_id.current.set("rq_123")
    yield "rq_123"
    request_id.current.reset(token)


def test_a_line_is_one_json_object_with_the_request_that_it_is_about(serving: str) -> None:
    told = json.loads(line("json", "%s cost %d", "req_1", 7, status=200))
    assert told.pop("at").endswith("Z")
    assert told == {
        "level": "warning",
        "logger": "proxy.settlement",
        "event": "req_1 cost 7",
        "status": 200,
        "request_id": serving,
    }


def test_an_exception_is_a_field_of_its_line() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        told = line("json", "failed", exc_info=(ValueError, error, error.__traceback__))
    assert "\n" not in told
    assert "ValueError: two\nlines" in json.loads(told)["exception"]


def test_text_for_people_has_the_fields_behind_the_words(serving: str) -> None:
    assert line("text", "a client took nothing", ms=3).endswith(
        " WARNING proxy.settlement: a client took nothing  ms=3 request_id=rq_123"
    )


def test_what_a_client_sent_cannot_look_like_a_line_of_ours() -> None:
    told = line("text", "path %s", "/v1/\n2026-11-24 ERROR forged", path="/\r\n\x1b[2Jforged")
    assert len(told.splitlines()) == 1 and "\x1b" not in told


@pytest.mark.parametrize(
    "secret",
    [
        "tk_live_abcdefghijklmnop",
        "tk_test_abcdefghijklmnop",
        "tkm_abcdefghijklmnop",
        "sk-proj-abcdefghijklmnop",
        "AIzaSyabcdefghijklmnop",
        "Bearer abcdefghijklmnop",
        "whsec_abcdefghijklmnop",
        "https://host/v1?key=abcdefghijklmnop",
    ],
)
@pytest.mark.parametrize("style", ["json", "text"])
def test_what_looks_like_a_key_is_masked_wherever_it_stands(style: str, secret: str) -> None:
    try:
        raise RuntimeError(secret)
    except RuntimeError as error:
        told = line(style, "sent %s", secret, exc_info=(RuntimeError, error, error.__traceback__), header=secret)
    assert "abcdefghijklmnop" not in told


# --- On the running product ------------------------------------------------------------------------------------------


def test_no_prompt_no_key_and_no_secret_is_in_the_log_of_a_run(own_stack: ProductStack) -> None:
    """Replies, streams, refusals, a provider that fails, bodies that are no JSON; at DEBUG, with the access log."""
    own_stack.env |= {"TOKONOMICS_LOG_LEVEL": "DEBUG", "TOKONOMICS_ACCESS_LOG": "1", "TOKONOMICS_LOG_FORMAT": "json"}
    own_stack.start()
    made = own_stack.create_tenant(provider=["openai=sk-mock-provider-secret"], test_key=True)
    messages = [{"role": "user", "content": PROMPT}]
    with OpenAI(base_url=f"{own_stack.base_url}/v1", api_key=made["api_key"], max_retries=0) as client:
        client.chat.completions.create(model="gpt-4o", messages=messages, max_tokens=30, user="jane@example.com")
        list(client.chat.completions.create(model="gpt-4o", messages=messages, max_tokens=30, stream=True))
        with pytest.raises(OpenAIError):
            client.chat.completions.create(model="gpt-unheard-of", messages=messages)
        assert own_stack.provider is not None
        own_stack.provider.script(lambda _: Behaviour.json({"error": {"message": PROMPT}}, status=500))
        with pytest.raises(OpenAIError):
            client.chat.completions.create(model="gpt-4o", messages=messages, max_tokens=30)
    headers = {"authorization": f"Bearer {made['api_key']}"}
    broken = httpx.post(f"{own_stack.base_url}/v1/chat/completions", content=f'{{"x": "{PROMPT}', headers=headers)
    assert broken.status_code == 400
    gemini = f"/v1beta/models/gemini-2.5-flash:generateContent?key={made['api_key']}"
    httpx.post(own_stack.base_url + gemini, json={"contents": [{"parts": [{"text": PROMPT}]}]}, timeout=30)
    assert own_stack.stop() == 0
    log = own_stack.output()

    accessed = [json.loads(text.partition("| ")[2]) for text in log.splitlines() if '"event":"request"' in text]
    assert [one["status"] for one in accessed].count(200) == 2
    assert all(one["request_id"].startswith("rq_") and one["ms"] >= 0 for one in accessed)
    secrets = [made["api_key"], made["test_api_key"], made["management_token"], "sk-mock-provider-secret"]
    secrets += [path.read_text().strip() for path in (own_stack.data_dir / "secrets").iterdir()]
    for hidden in (*secrets, PROMPT, "jane@example.com"):
        assert hidden not in log, f"{hidden} is in the log"
