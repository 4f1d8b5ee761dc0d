"""Usage: what the address asks for is what is shown, summed, paged and exported."""

import csv
import io
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test import AsyncClient, Client

from budgets.end_users import end_user_hash
from tenants.services import NewPerson
from tests.console.test_overview import ONE_KEY, page, text_of
from tests.support.fernhill import Fernhill, founded, usd
from tests.support.valkey import ValkeyServer
from tokonomics.console.services import opening
from tokonomics.console.usage import Cursor, Selection, page_of, sentence

pytestmark = pytest.mark.django_db

TODAY = date(2026, 11, 19)


@pytest.fixture
def fernhill(store: ValkeyServer) -> Fernhill:
    return founded(keys=(*ONE_KEY, ("dev-team", None, None)))


def rows_of(body: str) -> list[str]:
    return re.findall(r'<tr id="row-(\w+)"', body)


def shown(client: Client, fernhill: Fernhill, query: str = "") -> str:
    client.force_login(fernhill.owner)
    answer = client.get(f"{fernhill.home}usage/?{query}")
    assert answer.status_code == 200
    return answer.content.decode()


# --- The selection ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("params", "said"), [
    ({}, ["November", "all keys"]),
    ({"month": "2026-10"}, ["October", "all keys"]),
    ({"month": "2025-12"}, ["December 2025", "all keys"]),
    ({"model": "gpt-4o", "show": "refused"}, ["November", "all keys", "gpt-4o", "refused"]),
    ({"key": "key_1", "show": "at_hold"}, ["November", "support-bot", "charged at the hold"]),
    ({"day": "2026-11-03"}, ["3 November", "all keys"]),
    ({"from": "2026-11-03", "to": "2026-11-09"}, ["3 November to 9 November", "all keys"]),
    ({"end_user": "ada"}, ["November", "all keys", "end user ada"]),
])  # fmt: skip
def test_the_selection_is_said_as_a_sentence(params: dict[str, str], said: list[str]) -> None:
    chosen = Selection.of(params, TODAY)
    assert [part.text for part in sentence(chosen, "support-bot" if chosen.key else "", TODAY)] == said


@pytest.mark.parametrize("params", [
    {"month": "no"}, {"month": "2026-13"}, {"day": "yesterday"}, {"from": "x", "to": "y"}, {"show": "nonsense"},
    {"before": "nonsense"}, {"before": "9" * 40 + "~x"}, {"before": "12~"}, {"before": "²~x"}, {"mode": "prod"},
    {"from": "2026-11-30", "to": "2026-11-01"}, {"from": "0001-01-01", "to": "9999-12-31"}, {"reason": "x"},
    {"month": "9999-12"}, {"month": "0001-01"}, {"day": "9999-12-31"}, {"day": "0001-01-01"},
    {"key": "' or 1=1"}, {"model": "x" * 5000}, {"before": "99999999999999999~x"},
])  # fmt: skip
def test_an_address_that_makes_no_sense_is_still_a_page(
    client: Client, fernhill: Fernhill, params: dict[str, str]
) -> None:
    client.force_login(fernhill.owner)
    assert client.get(f"{fernhill.home}usage/", params).status_code == 200


def test_each_filter_selects_and_the_total_is_of_the_selection(client: Client, fernhill: Fernhill) -> None:
    mine = fernhill.record("support-bot", cost=usd("1"))
    other = fernhill.record("dev-team", cost=usd("2"), model="claude-sonnet-4-5")
    held = fernhill.record("dev-team", cost=usd("4"), status="charged_at_hold", end_user="3f2a9c41d07be6aa9c1203bd")
    failed = fernhill.record("support-bot", cost=0, status="provider_error", http_status=500)
    test = fernhill.record("sandbox", cost=usd("8"))
    everything = [mine, other, held, failed]
    cases: dict[str, tuple[list[Any], str]] = {
        "": (everything, "$7.00"),
        f"key={fernhill.keys['dev-team'].pk}": ([other, held], "$6.00"),
        "model=claude-sonnet-4-5": ([other], "$2.00"),
        "show=settled": ([mine, other], "$3.00"),
        "show=at_hold": ([held], "$4.00"),
        "show=failed": ([failed], "$0.00"),
        "end_user=3f2a9c41d07be6aa9c1203bd": ([held], "$4.00"),
        "mode=test": ([test], "$8.00"),
        "model=none-such": ([], "$0.00"),
        f"month={fernhill.now - timedelta(days=40):%Y-%m}": ([], "$0.00"),
    }
    for query, (rows, total) in cases.items():
        body = shown(client, fernhill, query)
        newest_first = sorted(rows, key=lambda row: (row.reserved_at, row.pk), reverse=True)
        assert rows_of(body) == [row.pk for row in newest_first], query
        assert f">{total}</dd>" in body, query


def test_an_end_user_is_found_by_the_name_that_the_application_gave(client: Client, fernhill: Fernhill) -> None:
    row = fernhill.record("support-bot", end_user=end_user_hash(fernhill.tenant.pk, "ada"))
    fernhill.record("support-bot", end_user=end_user_hash(fernhill.tenant.pk, "bob"))
    assert rows_of(shown(client, fernhill, "end_user=ada")) == [row.pk]


def test_nothing_matches_offers_to_take_each_filter_away(client: Client, fernhill: Fernhill) -> None:
    body = shown(client, fernhill, "model=gpt-4o&show=at_hold")
    said = text_of(type("Page", (), {"content": body.encode()}))
    assert "Nothing matches. Remove: gpt-4o charged at the hold" in said
    month = f"month={fernhill.now:%Y-%m}"
    assert f'<a class="btn" href="?{month}&amp;show=at_hold">gpt-4o</a>' in body
    assert f'<a class="btn" href="?{month}&amp;model=gpt-4o">charged at the hold</a>' in body
    assert "Remove:" not in shown(client, fernhill), "a company without a request has nothing to take away"


# --- Pages -----------------------------------------------------------------------------------------------------------


def test_older_pages_follow_without_a_gap_or_a_repeat_while_new_rows_arrive(client: Client, fernhill: Fernhill) -> None:
    same_moment = fernhill.now - timedelta(minutes=5)
    made = [fernhill.record("support-bot", at=same_moment) for _ in range(60)]
    made += [fernhill.record("support-bot", at=fernhill.now - timedelta(hours=1, seconds=n)) for n in range(60)]
    body, seen = shown(client, fernhill), []
    for _ in range(5):
        seen += rows_of(body)
        fernhill.record("support-bot", at=fernhill.now)  # meanwhile
        older = re.search(r'<a href="\?([^"]+)" rel="next">Older</a>', body)
        if older is None:
            break
        body = shown(client, fernhill, older[1].replace("&amp;", "&"))
        assert "Newest" in body
    assert len(seen) == len(set(seen)) == 120
    assert set(seen) == {row.pk for row in made}


def test_a_page_is_found_by_its_key_and_not_by_counting(fernhill: Fernhill, django_assert_max_num_queries: Any) -> None:
    for n in range(55):
        fernhill.record("support-bot", at=fernhill.now - timedelta(minutes=n))
    chosen = Selection.of({}, fernhill.now.date())
    with django_assert_max_num_queries(1) as asked:
        rows, cursor = page_of(fernhill.tenant, chosen)
    assert len(rows) == 50 and cursor is not None
    assert "OFFSET" not in asked.captured_queries[0]["sql"]
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor_of:
            cursor_of.execute("EXPLAIN QUERY PLAN " + asked.captured_queries[0]["sql"])
            plan = " ".join(str(line) for line in cursor_of.fetchall())
        assert "USING INDEX" in plan and "SCAN budgets_usagerecord" not in plan, plan


def test_a_cursor_survives_the_address() -> None:
    at = datetime(2026, 11, 19, 10, 42, 7, 123456, UTC)
    assert Cursor.of(str(Cursor(at, "req_x"))) == Cursor(at, "req_x")


# --- Refused ones ----------------------------------------------------------------------------------------------------


def test_refused_ones_are_counted_in_full_and_the_last_are_listed(client: Client, fernhill: Fernhill) -> None:
    fernhill.refuse("dev-team", code="model_not_allowed", scope="", reason="", message="Not this model.", ago=30)
    fernhill.refuse("support-bot", times=2914, ago=5)
    fernhill.refuse("sandbox", times=3, ago=1)
    said = page(client, fernhill, "usage/?show=refused")
    assert "Refused 2,915 the last of them below" in said
    assert said.index("Daily cap of the key") < said.index("Not this model.")
    assert "sandbox" not in said.split("Requests")[1]
    one = page(client, fernhill, "usage/?show=refused&reason=model_not_allowed")
    assert "Refused 1 " in one and "Model not allowed" in one and "Daily cap" not in one
    key = fernhill.keys["support-bot"].pk
    assert "Refused 2,914 " in page(client, fernhill, f"usage/?show=refused&key={key}")
    assert "Export" not in said, "what was refused is no row of the ledger"


def test_without_redis_the_rows_are_still_there(client: Client, fernhill: Fernhill, store: ValkeyServer) -> None:
    row = fernhill.record("support-bot")
    client.force_login(fernhill.owner)
    store.stop()
    assert row.pk in shown(client, fernhill)
    assert "Nothing matches." in shown(client, fernhill, "show=refused")


# --- Export ----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
async def test_the_export_has_every_row_of_the_selection_exact(store: ValkeyServer) -> None:
    fernhill = await sync_to_async(founded)(keys=ONE_KEY)
    row = await sync_to_async(fernhill.record)("support-bot", cost=12_695_001)
    await sync_to_async(fernhill.record)("support-bot", model="gpt-4o-mini")
    client = AsyncClient()
    await client.aforce_login(fernhill.owner)
    answer = await client.get(f"{fernhill.home}usage/export.csv?model=gpt-4o")
    assert answer.status_code == 200 and answer["Content-Type"] == "text/csv; charset=utf-8"
    month = f"{fernhill.now:%Y-%m}"
    assert answer["Content-Disposition"].startswith(f'attachment; filename="usage-fernhill-labs-{month}-01-to-{month}')
    assert "no-store" in answer["Cache-Control"]
    body = b"".join([part async for part in answer.streaming_content])
    (line,) = list(csv.DictReader(io.StringIO(body.decode())))
    assert (line["id"], line["cost_usd"], line["api_key_name"]) == (row.pk, "0.012695001", "support-bot")


def test_the_export_of_another_company_does_not_exist(client: Client, fernhill: Fernhill) -> None:
    with opening(name="Bracken", owner=NewPerson("owner@bracken.example")) as other:
        pass
    client.force_login(other.owner)
    assert client.get(f"{fernhill.home}usage/export.csv").status_code == 404
