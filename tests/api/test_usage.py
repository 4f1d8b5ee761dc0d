"""`usage/`: the ledger's rows, exact, a page at a time; sums; CSV."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.test import AsyncClient

from budgets.end_users import end_user_hash
from budgets.models import UsageRecord
from budgets.money import NANO
from tests.api.conftest import ApiClient, Company, Used, found, record_usage

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)


def ids(api: ApiClient, address: str) -> list[str]:
    reply = api.get(address)
    assert reply.status_code == 200, reply.content
    return [row["id"] for row in reply.json()["results"]]


# --- Rows ------------------------------------------------------------------------------------------------------------


def test_a_row_is_exact_and_whole(company: Company, used: Used) -> None:
    kept = {"bound": {"input": 120, "output": 256, "choices": 1}, "request_id": "rq_1", "first_byte_ms": 90}
    price = {"price_source": "genai-prices 0.2.3, 20% off", "price_since": date(2026, 1, 1), "own_price": "prc_1"}
    facts = {"flags": ["corrected"], "stream": True, "end_user": "abc", "status": "charged_at_hold"}
    row = used(company, 1_234_567, at=NOON, **facts, **kept, **price)
    assert company.api.get("usage/").json() == {
        "next": None,
        "results": [
            {
                "id": row.pk,
                "api_key": company.key.pk,
                "api_key_name": "support-bot",
                "mode": "live",
                "provider": "openai",
                "model": "gpt-4o-mini",
                "endpoint": "/v1/chat/completions",
                "end_user": "abc",
                "status": "charged_at_hold",
                "flags": ["corrected"],
                "cost_usd": "0.001234567",
                "held_usd": "0.002469134",
                "input_tokens": 100,
                "output_tokens": 20,
                "usage": {"input": 100, "output": 20},
                "price": {"input": "0.15", "output": "0.60"},
                "price_source": "genai-prices 0.2.3, 20% off",
                "price_since": "2026-01-01",
                "own_price": "prc_1",
                "service_tier": "",
                "bound": {"input": 120, "output": 256, "choices": 1},
                "request_id": "rq_1",
                "first_byte_ms": 90,
                "stream": True,
                "http_status": 200,
                "duration_ms": 420,
                "day": "2026-03-14",
                "reserved_at": "2026-03-14T12:00:00Z",
                "settled_at": "2026-03-14T12:00:00Z",
            }
        ],
    }
    assert company.api.get(f"usage/{row.pk}/").json()["cost_usd"] == "0.001234567"
    assert ids(company.api, "usage/?request_id=rq_1") == [row.pk] and ids(company.api, "usage/?request_id=rq_2") == []


def test_newest_first_even_of_one_moment(company: Company, used: Used) -> None:
    old = used(company, at=NOON - timedelta(seconds=1), id="req_z")
    tied = [used(company, at=NOON, id=f"req_{number}") for number in range(3)]
    assert ids(company.api, "usage/") == ["req_2", "req_1", "req_0", old.pk]
    assert {row.pk for row in tied} == {"req_0", "req_1", "req_2"}


def test_pages_neither_repeat_nor_hide_rows_that_come_meanwhile(company: Company, used: Used) -> None:
    expected = [used(company, at=NOON - timedelta(seconds=number // 3)).pk for number in range(20)]
    seen: list[str] = []
    address = "usage/?limit=4"  # pages end between rows of one moment
    while address:
        page = company.api.get(address).json()
        seen += [row["id"] for row in page["results"]]
        used(company, at=NOON + timedelta(seconds=1))  # newer ones, which shift every offset
        address = page["next"]
    assert sorted(seen) == sorted(expected) and len(seen) == 20


def test_filters(company: Company, used: Used) -> None:
    live = used(company, at=NOON, model="gpt-4o", provider="openai")
    test = used(company, at=NOON, key=company.test_key, status="provider_error", provider="anthropic", model="claude")
    assert ids(company.api, f"usage/?api_key={company.key.pk}") == [live.pk]
    assert ids(company.api, "usage/?mode=test") == [test.pk]
    assert ids(company.api, "usage/?model=gpt-4o") == [live.pk]
    assert ids(company.api, "usage/?provider=anthropic") == [test.pk]
    assert ids(company.api, "usage/?status=provider_error&mode=test") == [test.pk]
    assert ids(company.api, "usage/?status=provider_error&mode=live") == []


def test_a_range_of_days_has_its_last_day_and_a_range_of_times_has_not_its_end(company: Company, used: Used) -> None:
    row = used(company, at=NOON)
    assert ids(company.api, "usage/?from=2026-03-14&to=2026-03-14") == [row.pk]
    assert ids(company.api, "usage/?from=2026-03-15") == []
    assert ids(company.api, "usage/?to=2026-03-13") == []
    assert ids(company.api, "usage/?from=2026-03-14T12:00:00Z") == [row.pk]
    assert ids(company.api, "usage/?to=2026-03-14T12:00:00Z") == []
    assert ids(company.api, "usage/?to=2026-03-14T13:00:01+01:00") == [row.pk]  # the + arrives as a space
    assert ids(company.api, "usage/?from=2026-03-14T13:00:01%2B01:00") == []


def test_an_end_user_is_found_by_name_and_by_hash(company: Company, used: Used) -> None:
    hashed = end_user_hash(company.tenant.pk, "ada@customer.example")
    row = used(company, at=NOON, end_user=hashed)
    used(company, at=NOON, end_user=end_user_hash(company.tenant.pk, "bob"))
    assert ids(company.api, "usage/?end_user=ada@customer.example") == [row.pk]
    assert ids(company.api, f"usage/?end_user={hashed}") == [row.pk]


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ("apikey=x", "apikey", "unknown_parameter"),
        ("status=lost", "status", "invalid_value"),
        ("mode=prod", "mode", "invalid_value"),
        ("from=yesterday", "from", "invalid_value"),
        ("from=2026-13-45", "from", "invalid_value"),
        ("from=2026-03-14T12:00:00", "from", "invalid_value"),
        ("to=0001-01-01", "to", "invalid_value"),
        ("to=9999-12-31", "to", "invalid_value"),
        ("from=9999-12-31T23:59:59-14:00", "from", "invalid_value"),
        ("limit=0", "limit", "invalid_value"),
        ("limit=201", "limit", "invalid_value"),
        ("limit=many", "limit", "invalid_value"),
        ("cursor=bogus", "cursor", "invalid_value"),
        ("cursor=WzEsMl0", "cursor", "invalid_value"),
        ("model=%00", "model", "invalid_value"),
    ],
)
def test_what_no_filter_is_is_refused_rather_than_ignored(company: Company, query: str, param: str, code: str) -> None:
    reply = company.api.get(f"usage/?{query}")
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["param"]) == (400, code, param)


# --- Sums ------------------------------------------------------------------------------------------------------------


def test_sums_are_exact_and_equal_the_rows(company: Company, used: Used) -> None:
    for number in range(7):
        used(company, 1_000_000_001 + number, at=NOON + timedelta(days=number))
    said = company.api.get("usage/summary/?from=2026-03-14&to=2026-03-18").json()
    assert (said["first_day"], said["last_day"], said["group_by"]) == ("2026-03-14", "2026-03-18", ["day"])
    assert [row["day"] for row in said["results"]] == [f"2026-03-{day}" for day in range(14, 19)]
    assert said["results"][1]["cost_usd"] == "1.000000002"
    assert said["totals"] == {"cost_usd": "5.000000015", "requests": 5, "input_tokens": 500, "output_tokens": 100}
    rows = UsageRecord.objects.filter(day__range=(date(2026, 3, 14), date(2026, 3, 18)))
    assert sum(row.cost for row in rows) == 5 * NANO + 15


def test_sums_beyond_what_a_double_can_count(company: Company, used: Used) -> None:
    for number in range(3):
        used(company, 2**53 + 1, at=NOON + timedelta(days=number))
    said = company.api.get("usage/summary/?from=2026-03-01&to=2026-03-31").json()
    assert said["totals"]["cost_usd"] == "27021597.764222979"  # 3 * (2**53 + 1) nanodollars


def test_groups(company: Company, used: Used) -> None:
    used(company, 3 * NANO, at=NOON, model="a", provider="openai", end_user="u1")
    used(company, 1 * NANO, at=NOON, model="b", provider="openai", end_user="u2")
    used(company, 2 * NANO, at=NOON + timedelta(days=1), key=company.test_key, model="a", provider="anthropic")
    span = "from=2026-03-14&to=2026-03-15"

    def groups(by: str, *names: str) -> list[tuple[Any, ...]]:
        found = company.api.get(f"usage/summary/?group_by={by}&{span}").json()["results"]
        return [tuple(row[name] for name in (*names, "cost_usd")) for row in found]

    assert groups("model", "model") == [("a", "5.00"), ("b", "1.00")]
    assert groups("provider", "provider") == [("openai", "4.00"), ("anthropic", "2.00")]
    assert groups("mode", "mode") == [("live", "4.00"), ("test", "2.00")]
    assert groups("end_user", "end_user") == [("u1", "3.00"), ("", "2.00"), ("u2", "1.00")]
    assert groups("api_key", "api_key", "api_key_name") == [
        (company.key.pk, "support-bot", "4.00"),
        (company.test_key.pk, "trial", "2.00"),
    ]
    assert groups("day,api_key", "day", "api_key") == [
        ("2026-03-14", company.key.pk, "4.00"),
        ("2026-03-15", company.test_key.pk, "2.00"),
    ]


def test_sums_can_be_filtered(company: Company, used: Used) -> None:
    used(company, 3 * NANO, at=NOON)
    used(company, 2 * NANO, at=NOON, key=company.test_key)
    address = "usage/summary/?from=2026-03-14&to=2026-03-14"
    assert company.api.get(f"{address}&mode=test").json()["totals"]["cost_usd"] == "2.00"
    assert company.api.get(f"{address}&api_key={company.key.pk}").json()["totals"]["cost_usd"] == "3.00"


def test_without_a_range_it_is_this_month(company: Company, used: Used) -> None:
    used(company, 3 * NANO)
    used(company, 4 * NANO, at=datetime.now(UTC) - timedelta(days=40))
    said = company.api.get("usage/summary/").json()
    assert said["totals"]["cost_usd"] == "3.00" and said["first_day"].endswith("-01")


def test_nothing_used_sums_to_zero(company: Company) -> None:
    said = company.api.get("usage/summary/").json()
    assert said["totals"]["cost_usd"] == "0.00" and said["results"] == [] and said["truncated"] is False


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("group_by=week", "group_by"),
        ("group_by=", "group_by"),
        ("from=2026-03-14T09:30:00Z", "from"),
        ("status=settled", "status"),
    ],
)
def test_a_summary_that_cannot_be_made_is_refused(company: Company, query: str, param: str) -> None:
    reply = company.api.get(f"usage/summary/?{query}")
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


# --- CSV -------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
async def test_the_export_streams_every_row(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from asgiref.sync import sync_to_async

    from budgets import usage

    monkeypatch.setattr(usage, "EXPORT_BATCH", 4)
    company = await sync_to_async(found)("Fernhill")
    other = await sync_to_async(found)("Stranger")
    for number in range(11):
        await sync_to_async(record_usage)(company, 1_000_000_000 + number, at=NOON - timedelta(seconds=number // 3))
    await sync_to_async(record_usage)(other, at=NOON)
    await sync_to_async(record_usage)(company, at=NOON - timedelta(days=9))
    reply = await AsyncClient().get(
        "/api/v1/usage/export.csv?from=2026-03-10",
        headers={"authorization": f"Bearer {company.api.secret}", "accept": "text/csv"},
    )
    assert reply.status_code == 200 and reply.headers["Content-Type"].startswith("text/csv")
    assert reply.headers["Cache-Control"] == "no-store"
    parts = [part async for part in reply.streaming_content]
    assert len(parts) == 4  # header, 4, 4, 3
    rows = list(csv.DictReader(io.StringIO(b"".join(parts).decode())))
    assert sorted(row["cost_usd"] for row in rows) == sorted(
        "1.00" if number == 0 else f"1.{number:09d}".rstrip("0") for number in range(11)
    )
    assert {row["api_key_name"] for row in rows} == {"support-bot"}


def test_no_name_becomes_a_formula(company: Company, used: Used) -> None:
    from budgets.usage import _cells

    company.key.name = '=HYPERLINK("http://evil.example")'
    company.key.save()
    row = UsageRecord.objects.select_related("api_key").get(pk=used(company).pk)
    assert '\'=HYPERLINK("http://evil.example")' in _cells(row)
