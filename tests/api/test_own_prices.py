"""`prices/` with a company's own: what is taken, what is refused, and that each change is told to the proxies."""

from typing import Any

import pytest

from budgets.models import TenantPrice
from budgets.prices import MOST_PRICES, book_of
from tenants.models import AuditEvent
from tests.api.conftest import Company
from tests.support.valkey import ValkeyServer


def made(company: Company, **body: Any) -> Any:
    reply = company.api.post("prices/", {"provider": "openai", "model": "gpt-4o", **body})
    assert reply.status_code == 201, reply.content
    return reply.json()


def listed(company: Company, model: str = "gpt-4o", provider: str = "openai") -> Any:
    said = company.api.get(f"prices/?provider={provider}&q={model}").json()["results"]
    return next((price for price in said if price["model"] == model), None)


def test_a_discount_shows_in_the_price_in_force_with_its_source_and_date(company: Company) -> None:
    before = listed(company)
    own = made(company, discount_percent="20", note="Contract of 2026")
    assert (own["discount_percent"], own["rates"], own["free"], own["note"]) == (
        "20.00",
        None,
        False,
        "Contract of 2026",
    )
    price = listed(company)
    assert (before["price"]["input"], price["price"]["input"]) == ("2.50", "2.00")
    assert price["source"] == f"{before['source']}, 20% off" and price["own"] == own["id"]
    assert price["since"] == own["since"][:10] and before["own"] is None
    assert company.api.get("prices/").json()["own"] == [own]


def test_rates_make_an_unknown_model_usable(company: Company) -> None:
    own = made(company, model="gpt-99", rates={"input": "1.25", "output": "10"}, max_output_tokens=4_096)
    assert own["rates"] == {"input": "1.25", "output": "10.00"}
    price = listed(company, "gpt-99")
    assert (price["source"], price["max_output_tokens"], price["price"]["cache_read"]) == ("own price", 4_096, "1.25")
    assert price["price"]["audio_input"] is None


def test_free_is_said_on_purpose(company: Company) -> None:
    made(company, free=True)
    price = listed(company)
    assert price["free"] is True and price["price"]["input"] == "0.00"


def test_a_change_replaces_what_excludes_it_and_keeps_the_rest(company: Company) -> None:
    own = made(company, discount_percent="20", note="old")
    address = f"prices/{own['id']}/"
    changed = company.api.patch(address, {"rates": {"input": "2", "output": "8"}}).json()
    assert (changed["discount_percent"], changed["rates"]["output"], changed["note"]) == (None, "8.00", "old")
    assert company.api.patch(address, {"note": ""}).json()["rates"] == changed["rates"]
    surcharge = company.api.patch(address, {"discount_percent": "-7.5"}).json()
    assert (surcharge["discount_percent"], surcharge["rates"]) == ("-7.50", None)
    assert company.api.get(address).json() == surcharge


def test_once_removed_the_lists_price_holds_again(company: Company) -> None:
    own = made(company, free=True)
    assert company.api.delete(f"prices/{own['id']}/").status_code == 204
    assert listed(company)["own"] is None and book_of(company.tenant.pk) is None
    assert company.api.delete(f"prices/{own['id']}/").status_code == 404


def test_each_change_raises_the_policys_version_and_is_in_the_audit_log(company: Company) -> None:
    versions = []
    own = made(company, discount_percent="20")
    for act in (
        lambda: company.api.patch(f"prices/{own['id']}/", {"discount_percent": "30"}),
        lambda: company.api.delete(f"prices/{own['id']}/"),
    ):
        company.tenant.refresh_from_db()
        versions.append(company.tenant.policy_version)
        act()
    company.tenant.refresh_from_db()
    assert versions[0] < versions[1] < company.tenant.policy_version
    events = AuditEvent.objects.filter(tenant=company.tenant, action__startswith="price.").order_by("created_at")
    assert [(event.action, event.changes["discount"]) for event in events] == [
        ("price.set", [None, "20% off"]),
        ("price.changed", ["20% off", "30% off"]),
        ("price.removed", ["30% off", None]),
    ]
    assert {event.target_label for event in events} == {"openai gpt-4o"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "rates"),
        ({"rates": {"input": "1"}, "discount_percent": "5"}, "rates"),
        ({"free": False}, "rates"),
        ({"rates": {"input": "0", "output": "0"}}, "rates"),
        ({"rates": {"output": "1"}}, "rates"),
        ({"rates": {"input": "1", "thinking": "1"}}, "rates"),
        ({"rates": {"input": 1.5}}, "rates.input"),
        ({"rates": {"input": "-1"}}, "rates.input"),
        ({"rates": {"input": "10001"}}, "rates"),
        ({"discount_percent": "100"}, "discount_percent"),
        ({"discount_percent": "-101"}, "discount_percent"),
        ({"discount_percent": 20}, "discount_percent"),
        ({"discount_percent": "20%"}, "discount_percent"),
        ({"discount_percent": "20", "provider": "opneai"}, "provider"),
        ({"discount_percent": "20", "model": "gpt 4o"}, "model"),
        ({"free": True, "model": "*"}, "model"),
        ({"rates": {"input": "1"}, "model": "*"}, "model"),
        ({"free": True, "context_window": 0}, "context_window"),
        ({"free": True, "max_output_tokens": 10**9}, "max_output_tokens"),
        ({"free": True, "price": "0"}, "price"),
    ],
)
def test_what_cannot_be_meant_is_refused(company: Company, body: dict[str, Any], param: str) -> None:
    reply = company.api.post("prices/", {"provider": "openai", "model": "gpt-4o", **body})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)
    assert not TenantPrice.objects.exists()


def test_one_price_a_model_whatever_its_letters(company: Company) -> None:
    made(company, free=True)
    reply = company.api.post("prices/", {"provider": "openai", "model": "GPT-4o", "free": True})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "model")


def test_a_company_has_so_many_at_most(company: Company) -> None:
    rows = [
        TenantPrice(tenant=company.tenant, provider="openai", model=f"m-{number}", free=True)
        for number in range(MOST_PRICES)
    ]
    TenantPrice.objects.bulk_create(rows)
    reply = company.api.post("prices/", {"provider": "openai", "model": "one-more", "free": True})
    assert reply.status_code == 400 and "Remove one" in reply.json()["error"]["message"]


def test_while_redis_is_away_nothing_is_changed(company: Company, own_valkey: ValkeyServer) -> None:
    own_valkey.kill()
    reply = company.api.post("prices/", {"provider": "openai", "model": "gpt-4o", "free": True})
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "ledger_unavailable")
    assert not TenantPrice.objects.exists()
