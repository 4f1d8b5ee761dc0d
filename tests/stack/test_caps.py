"""A cap that affords N calls admits N and refuses the next in the documented words; the provider never hears of it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from tests.support.dialects import ANTHROPIC, OPENAI, Dialect
from tests.support.office import Company, Office
from tests.support.stack import ProductStack
from tests.support.wire import Wire, WireReply

NANO = 1_000_000_000
AFFORDED = 4
MONTHLY = "Monthly spending limit reached. Contact your administrator."
FOR_THIS_KEY = "Monthly spending limit for this key reached. Contact your administrator."
DAILY = "Daily spending limit for this key reached. Contact your administrator."


@pytest.fixture
def wire(stack: ProductStack) -> Iterator[Wire]:
    with Wire(stack.base_url) as connection:
        yield connection


def ask(wire: Wire, dialect: Dialect, key: str, **fields: Any) -> WireReply:
    wire.send(dialect.request(key, **fields))
    return wire.reply()


def hold_and_cost(office: Office, wire: Wire, dialect: Dialect) -> tuple[int, int]:
    """What the usual request holds while it is under way, and what it then costs, from now on always the same: so much
    that less than the least that is offered is left of a cap."""
    plain, stream = dialect.record("output=80"), dialect.record("output=80", stream=True)
    office.stack.provider.script(lambda request: (stream if request.json().get("stream") else plain).behaviour())
    scout = office.company()
    assert ask(wire, dialect, scout.key).status == 200
    (row,) = scout.rows(1)
    assert 0 < row.cost < row.held
    return row.held, row.cost


def affording(hold: int, cost: int, calls: int = AFFORDED) -> int:
    """The least cap that lets so many calls in, one after the other: the last one has to fit with its whole hold."""
    return (calls - 1) * cost + hold


def usd(nanodollars: int) -> str:
    whole, fraction = divmod(nanodollars, NANO)
    digits = f"{fraction:09d}"
    return f"{whole}.{digits[:2]}{digits[2:].rstrip('0')}"


def next_month() -> str:
    today = datetime.now(UTC)
    first = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    return f"{first:%Y-%m-%d}T00:00:00Z"


def tomorrow() -> str:
    return f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}T00:00:00Z"


def expected_error(
    *, scope: str, window: str, message: str, cap: int, spent: int, reason: str = "spent", **more: Any
) -> dict[str, Any]:
    return {
        "code": "budget_cap_exceeded",
        "message": message,
        "reset_at": next_month() if window == "month" else tomorrow(),
        "reason": reason,
        "scope": scope,
        "window": window,
        "limit_usd": usd(cap),
        "spent_usd": usd(spent),
        "held_usd": "0.00",
        **more,
    }


def assert_documented(reply: WireReply, dialect: Dialect, expected: dict[str, Any]) -> None:
    assert reply.status == 429
    assert reply.headers["x-should-retry"] == "false"
    assert "retry-after" not in reply.headers
    assert reply.headers["content-type"] == "application/json"
    if dialect is OPENAI:
        assert reply.json() == {"error": {**expected, "type": "insufficient_quota", "param": None}}
    else:
        request_id = reply.headers["request-id"]
        assert reply.json() == {
            "type": "error",
            "error": {**expected, "type": "rate_limit_error"},
            "request_id": request_id,
        }


# --- To the byte and header ------------------------------------------------------------------------------------------


def test_the_month_of_a_company(stack: ProductStack, office: Office, wire: Wire, dialect: Dialect) -> None:
    hold, cost = hold_and_cost(office, wire, dialect)
    cap = affording(hold, cost)
    company = office.company(cap=usd(cap))
    stack.provider.record.reset()
    replies = [ask(wire, dialect, company.key) for _ in range(AFFORDED + 2)]
    assert [reply.status for reply in replies] == [200] * AFFORDED + [429] * 2
    assert stack.provider.count == AFFORDED
    expected = expected_error(scope="tenant", window="month", message=MONTHLY, cap=cap, spent=AFFORDED * cost)
    for reply in replies[AFFORDED:]:
        assert_documented(reply, dialect, expected)
    assert [row.cost for row in company.rows(AFFORDED)] == [cost] * AFFORDED


def test_a_nanodollar_less_admits_one_call_less(
    stack: ProductStack, office: Office, wire: Wire, dialect: Dialect
) -> None:
    hold, cost = hold_and_cost(office, wire, dialect)
    company = office.company(cap=usd(affording(hold, cost) - 1))
    stack.provider.record.reset()
    replies = [ask(wire, dialect, company.key) for _ in range(AFFORDED)]
    assert [reply.status for reply in replies] == [200] * (AFFORDED - 1) + [429]
    assert stack.provider.count == AFFORDED - 1


@pytest.mark.parametrize(
    ("window", "message"), [("month", FOR_THIS_KEY), ("day", DAILY)], ids=["of a month", "of a day"]
)
def test_the_cap_of_a_key(
    stack: ProductStack, office: Office, wire: Wire, dialect: Dialect, window: str, message: str
) -> None:
    hold, cost = hold_and_cost(office, wire, dialect)
    company = office.company()
    cap = affording(hold, cost)
    company.do("set_key_cap", key_id=company.key_id, window=window, cap=usd(cap))
    stack.provider.record.reset()
    replies = [ask(wire, dialect, company.key) for _ in range(AFFORDED + 1)]
    assert [reply.status for reply in replies] == [200] * AFFORDED + [429]
    assert stack.provider.count == AFFORDED
    expected = expected_error(scope="api_key", window=window, message=message, cap=cap, spent=AFFORDED * cost)
    assert_documented(replies[-1], dialect, expected)
    other = company.do("create_key")
    assert ask(wire, dialect, other["secret"]).status == 200, "another key of the company is not stopped by it"


def test_a_request_too_large_for_what_is_left_hears_what_would_fit(
    stack: ProductStack, office: Office, wire: Wire
) -> None:
    company = office.company(cap="0.01")
    reply = ask(wire, OPENAI, company.key, output=16_000)
    error = reply.json()["error"]
    assert (reply.status, error["code"], error["reason"]) == (429, "budget_cap_exceeded", "request_too_large")
    fits = error["fits_output_tokens"]
    assert error["message"] == MONTHLY and f"{fits:,} output tokens it fits" in error["detail"]
    assert stack.provider.count == 0
    assert ask(wire, OPENAI, company.key, output=fits + 1).status == 429
    assert ask(wire, OPENAI, company.key, output=fits).status == 200


def test_a_cap_of_zero_refuses_everything(stack: ProductStack, office: Office, wire: Wire, dialect: Dialect) -> None:
    company = office.company(cap="0.00")
    reply = ask(wire, dialect, company.key, output=1, text="")
    expected = expected_error(scope="tenant", window="month", message=MONTHLY, cap=0, spent=0)
    assert_documented(reply, dialect, expected)
    assert stack.provider.count == 0
    company.untouched()


def test_an_output_limit_is_written_that_the_rest_affords(stack: ProductStack, office: Office, wire: Wire) -> None:
    """Where the client names none: half of what is left if the money is short, and the bound stays true."""
    company = office.company(cap="0.01")
    assert ask(wire, OPENAI, company.key, output=None).status == 200
    limit = stack.provider.requests[0].json()["max_completion_tokens"]
    assert 256 <= limit < 500  # 1,000 tokens are 0.01
    (row,) = company.rows(1)
    assert 4_900_000 < row.held <= 5_000_000


def test_in_soft_mode_calls_pass_the_cap_and_are_metered(
    stack: ProductStack, office: Office, wire: Wire, dialect: Dialect
) -> None:
    company = office.company(cap="0.00", hard=False)
    assert [ask(wire, dialect, company.key).status for _ in range(3)] == [200] * 3
    assert all(row.cost > 0 for row in company.rows(3))


# --- As the SDKs see it ----------------------------------------------------------------------------------------------


class CountingTransport(httpx2.HTTPTransport):
    """What an SDK really sends, its own retries included."""

    count = 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.count += 1
        return super().handle_request(request)


def test_the_openai_sdk_raises_rate_limit_error_once(stack: ProductStack, office: Office, wire: Wire) -> None:
    hold, cost = hold_and_cost(office, wire, OPENAI)
    company = office.company(cap=usd(affording(hold, cost)))
    stack.provider.record.reset()
    transport = CountingTransport()
    options: dict[str, Any] = {"base_url": f"{stack.base_url}/v1", "api_key": company.key}
    with openai.OpenAI(**options, http_client=httpx2.Client(transport=transport)) as client:
        assert client.max_retries == 2
        for _ in range(AFFORDED):
            client.chat.completions.create(**OPENAI.body())
        for stream in (False, True):
            with pytest.raises(openai.RateLimitError) as caught:
                client.chat.completions.create(**OPENAI.body(), stream=stream)
            assert (caught.value.status_code, caught.value.code) == (429, "budget_cap_exceeded")
            assert caught.value.body["message"] == MONTHLY  # type: ignore[index]
            assert MONTHLY in str(caught.value)
    assert (transport.count, stack.provider.count) == (AFFORDED + 2, AFFORDED)
    company.refused("budget_cap_exceeded", 2)


def test_the_anthropic_sdk_raises_rate_limit_error_once(stack: ProductStack, office: Office, wire: Wire) -> None:
    hold, cost = hold_and_cost(office, wire, ANTHROPIC)
    company = office.company(cap=usd(affording(hold, cost)))
    stack.provider.record.reset()
    transport = CountingTransport()
    options: dict[str, Any] = {"base_url": stack.base_url, "api_key": company.key}
    with anthropic.Anthropic(**options, http_client=httpx2.Client(transport=transport)) as client:
        assert client.max_retries == 2
        for _ in range(AFFORDED):
            client.messages.create(**ANTHROPIC.body())
        for stream in (False, True):
            with pytest.raises(anthropic.RateLimitError) as caught:
                client.messages.create(**ANTHROPIC.body(), stream=stream)
            error = caught.value.body["error"]  # type: ignore[index]
            assert (error["type"], error["code"]) == ("rate_limit_error", "budget_cap_exceeded")
            assert error["message"] == MONTHLY and MONTHLY in str(caught.value)
    assert (transport.count, stack.provider.count) == (AFFORDED + 2, AFFORDED)
    company.refused("budget_cap_exceeded", 2)


def test_a_test_key_spends_its_own_budget(stack: ProductStack, company: Company, wire: Wire) -> None:
    assert ask(wire, OPENAI, company.test_key).status == 200
    assert stack.provider.count == 0, "it went to the sandbox"
    refused = ask(wire, OPENAI, company.test_key, output=20_000, model="o1-pro").json()["error"]
    assert (refused["code"], refused["limit_usd"]) == ("budget_cap_exceeded", "10.00")  # o1-pro: 600.00 a million
    assert company.audit().spent == 0, "the live month has nothing to do with it"
