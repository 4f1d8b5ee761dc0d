"""An end user of an application who spends without end is refused alone, whoever asks and whatever happens to Redis."""

import threading
from collections.abc import Iterator
from typing import Any

import httpx2
import orjson
import pytest

from budgets.end_users import ANONYMOUS, end_user_hash
from tests.stack.conftest import Rough
from tests.stack.test_caps import assert_documented, expected_error, hold_and_cost, usd
from tests.support.dialects import OPENAI, Dialect
from tests.support.office import Company, Office
from tests.support.stack import ProductStack
from tests.support.wire import Wire, WireReply, post, wires_to_each

DAILY = "Daily spending limit for this user reached. Contact your administrator."
MONTHLY = "Monthly spending limit for this user reached. Contact your administrator."
AFFORDED = 3


@pytest.fixture
def workers(stack: ProductStack) -> Iterator[list[Wire]]:
    """A connection to each of the two web processes."""
    wires = wires_to_each(stack.base_url, stack.worker_pids())
    yield list(wires.values())
    for wire in wires.values():
        wire.close()


def ask(wire: Wire, dialect: Dialect, key: str, *, body: str = "", header: str = "", **fields: Any) -> WireReply:
    """As an application does for its end user, named in the body or in our header."""
    if body:
        fields |= {"user": body} if dialect is OPENAI else {"metadata": {"user_id": body}}
    headers = dialect.headers(key) | ({"x-tokonomics-user": header} if header else {})
    wire.send(post(dialect.path, orjson.dumps(dialect.body(**fields)), headers))
    return wire.reply()


def api(company: Company, method: str, address: str, body: dict[str, Any] | None = None) -> Any:
    reply = httpx2.request(
        method,
        f"{company.office.stack.base_url}/api/v1/{address}",
        json=body,
        headers={"authorization": f"Bearer {company.management_token}"},
        timeout=30,
    )
    assert reply.status_code < 300, reply.text
    return reply.json()


def change(company: Company, **fields: Any) -> None:
    api(company, "PATCH", f"keys/{company.key_id}/", fields)


def capped_at(company: Company, nanodollars: int, window: str = "daily") -> None:
    change(company, **{f"end_user_{window}_cap_usd": usd(nanodollars)})


def affording(hold: int, cost: int) -> int:
    return (AFFORDED - 1) * cost + hold


def drain(wire: Wire, company: Company, user: str, dialect: Dialect = OPENAI) -> WireReply:
    """Until it is refused, which is after exactly what the cap affords."""
    replies = [ask(wire, dialect, company.key, body=user) for _ in range(AFFORDED + 1)]
    assert [reply.status for reply in replies] == [200] * AFFORDED + [429]
    return replies[-1]


def end_user_of(company: Company, **query: str) -> dict[str, Any]:
    (found,) = api(
        company, "GET", f"keys/{company.key_id}/end-users/?" + "&".join(f"{k}={v}" for k, v in query.items())
    )["results"]
    return found


# --- The cap ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("window", "kind", "message"), [("daily", "day", DAILY), ("monthly", "month", MONTHLY)])
def test_one_end_user_is_drained_and_the_other_is_not(
    stack: ProductStack, office: Office, workers: list[Wire], dialect: Dialect, window: str, kind: str, message: str
) -> None:
    hold, cost = hold_and_cost(office, workers[0], dialect)
    company = office.company()
    cap = affording(hold, cost)
    capped_at(company, cap, window)
    stack.provider.record.reset()
    refusal = drain(workers[0], company, "eve", dialect)
    expected = expected_error(scope="end_user", window=kind, message=message, cap=cap, spent=AFFORDED * cost)
    assert_documented(refusal, dialect, expected)
    assert ask(workers[1], dialect, company.key, body="eve").status == 429
    assert ask(workers[1], dialect, company.key, body="ada").status == 200
    assert ask(workers[0], dialect, company.key).status == 200, "nor are those who are not named"
    assert stack.provider.count == AFFORDED + 2
    company.rows(AFFORDED + 2)


def test_googles_clients_hear_it_in_their_own_words(office: Office, workers: list[Wire]) -> None:
    company = office.company(providers=("gemini",))
    capped_at(company, 0)
    body = orjson.dumps({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]})
    headers = {"x-goog-api-key": company.key, "x-tokonomics-user": "eve", "content-type": "application/json"}
    workers[0].send(post("/v1beta/models/gemini-2.5-flash:generateContent", body, headers))
    error = workers[0].reply().json()["error"]
    assert (error["code"], error["status"], error["message"]) == (429, "RESOURCE_EXHAUSTED", DAILY)
    (detail,) = [each for each in error["details"] if each.get("reason") == "budget_cap_exceeded"]
    assert (detail["metadata"]["scope"], detail["metadata"]["window"]) == ("end_user", "day")


def test_the_header_beats_the_body_and_stays_with_us(
    stack: ProductStack, office: Office, workers: list[Wire], dialect: Dialect
) -> None:
    hold_and_cost(office, workers[0], dialect)
    company = office.company()
    stack.provider.record.reset()
    assert ask(workers[0], dialect, company.key, body="ada", header="zoë").status == 200
    (sent,) = stack.provider.requests
    assert not [name for name, value in sent.raw_headers if b"tokonomics" in name.lower() or b"zo" in value]
    company.rows(1)
    (row,) = api(company, "GET", "usage/")["results"]
    assert row["end_user"] == end_user_hash(company.id, "zoë")
    assert ask(workers[0], dialect, company.key, header="a" * 257).status == 400


@pytest.mark.fault("load: many at once on several workers", promises=("P1", "P2", "P6"))
def test_many_at_once_each_get_what_is_theirs(stack: ProductStack, office: Office, workers: list[Wire]) -> None:
    hold, cost = hold_and_cost(office, workers[0], OPENAI)
    company = office.company()
    capped_at(company, affording(hold, cost))
    admitted: dict[str, int] = {"ada": 0, "bob": 0, "eve": 0}
    lock = threading.Lock()

    def client(user: str, wire: Wire) -> None:
        for _ in range(AFFORDED * 4):
            status = ask(wire, OPENAI, company.key, body=user).status
            with lock:
                admitted[user] += status == 200

    wires = [Wire(stack.base_url) for _ in range(9)]
    threads = [
        threading.Thread(target=client, args=(user, wire)) for user, wire in zip([*admitted] * 3, wires, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for wire in wires:
        wire.close()
    assert admitted == dict.fromkeys(admitted, AFFORDED)
    rows = company.rows(3 * AFFORDED)
    assert {row.cost for row in rows} == {cost}


def test_who_names_nobody_may_be_refused(office: Office, workers: list[Wire], dialect: Dialect) -> None:
    hold_and_cost(office, workers[0], dialect)
    company = office.company()
    assert ask(workers[0], dialect, company.key).status == 200
    change(company, requires_end_user=True)
    for wire in workers:
        refused = ask(wire, dialect, company.key)
        assert (refused.status, refused.json()["error"]["code"]) == (400, "end_user_required")
        assert ask(wire, dialect, company.key, body="ada").status == 200
    change(company, requires_end_user=False)
    assert [ask(wire, dialect, company.key).status for wire in workers] == [200, 200]


# --- A change holds from the next request ----------------------------------------------------------------------------


def test_a_change_of_an_end_users_cap_is_obeyed_by_the_next_request(office: Office, workers: list[Wire]) -> None:
    """On both workers: a first cap (which counts what was spent before), a higher one, one by name, none."""
    hold, cost = hold_and_cost(office, workers[0], OPENAI)
    company = office.company()
    for wire in workers:
        assert ask(wire, OPENAI, company.key, body="eve").status == 200
    company.rows(2)

    def outcomes(user: str) -> list[int]:
        return [ask(wire, OPENAI, company.key, body=user).status for wire in workers]

    capped_at(company, 2 * cost)
    assert outcomes("eve") == [429, 429]
    capped_at(company, 10 * (hold + cost))
    assert outcomes("eve") == [200, 200]
    api(company, "POST", f"keys/{company.key_id}/end-users/", {"end_user": "eve", "daily_cap_usd": "0"})
    assert outcomes("eve") == [429, 429] and outcomes("ada") == [200, 200]
    api(company, "POST", f"keys/{company.key_id}/end-users/", {"end_user": "eve", "daily_cap_usd": None})
    change(company, end_user_daily_cap_usd=None)
    assert outcomes("eve") == [200, 200]
    company.rows(8)


# --- A store that was lost -------------------------------------------------------------------------------------------


@pytest.mark.fault("Redis: emptied (FLUSHALL, disk lost)", promises=("P1", "P6"))
@pytest.mark.parametrize("drained", [True, False], ids=["after the drain", "at once"])
def test_the_drained_stay_drained_after_flushall(rough: Rough, drained: bool) -> None:
    office = rough.office
    with Wire(rough.base_url) as wire:
        hold, cost = hold_and_cost(office, wire, OPENAI)
        company = office.company()
        capped_at(company, affording(hold, cost))
        drain(wire, company, "eve")
        if drained:
            company.rows(AFFORDED)
        rough.valkey.flushall()
        outcomes = {}
        for user in ("eve", "ada", ""):
            while (reply := ask(wire, OPENAI, company.key, body=user)).status == 503:
                pass
            outcomes[user] = reply.status
        assert outcomes == {"eve": 429, "ada": 200, "": 200}
        company.rows(AFFORDED + 2)
        found = end_user_of(company, end_user="eve")
        assert (found["spent_today_usd"], found["live"]) == (usd(AFFORDED * cost), True)
        assert end_user_of(company, end_user=ANONYMOUS)["spent_today_usd"] == usd(cost)
