"""The audit log: who, what, from what to what, in which direction; chosen by the address, by key, as CSV."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.test import AsyncClient, Client
from django.utils import timezone

from budgets.money import NANO
from budgets.services import set_key_cap, set_tenant_cap
from budgets.windows import WindowKind
from tenants import services
from tenants.models import AuditEvent
from tenants.services import Actor
from tests.support.fernhill import Fernhill, founded
from tests.support.people import text
from tests.support.valkey import ValkeyServer
from tokonomics.console import audit_log, audit_words
from tokonomics.console.audit_words import Change

pytestmark = pytest.mark.django_db


@pytest.fixture
def fernhill(store: ValkeyServer) -> Fernhill:
    return founded(keys=(("staging", "50", None),))


@pytest.fixture
def by_owner(fernhill: Fernhill) -> Actor:
    return Actor.of_user(fernhill.owner, "192.0.2.7")


def rows(client: Client, fernhill: Fernhill, query: str = "") -> list[Any]:
    return list(client.get(f"{fernhill.home}audit/?{query}").context["page"].rows)


def test_a_change_of_a_cap_shows_both_amounts_and_the_direction(
    owner: Client, fernhill: Fernhill, by_owner: Actor
) -> None:
    set_tenant_cap(tenant=fernhill.tenant, amount=1500 * NANO, actor=by_owner)
    first = rows(owner, fernhill)[0]
    assert (first.who, first.address, first.did, first.target) == (
        *("owner@fernhill.example", "192.0.2.7", "raised", "the budget a month"),
    )
    assert first.changes == (Change("amount", "$1,200.00", "$1,500.00", "up by $300.00"),)
    set_tenant_cap(tenant=fernhill.tenant, amount=900 * NANO, actor=by_owner)
    assert rows(owner, fernhill)[0].did == "lowered"
    assert rows(owner, fernhill)[0].changes[0].note == "down by $600.00"
    said = text(owner.get(f"{fernhill.home}audit/"))
    assert "raised the budget a month amount $1,200.00 → to $1,500.00 up by $300.00" in said


def test_turned_blocking_names_the_amount_it_was_turned_for(owner: Client, fernhill: Fernhill, by_owner: Actor) -> None:
    set_tenant_cap(tenant=fernhill.tenant, hard=False, actor=by_owner)
    first = rows(owner, fernhill)[0]
    assert first.did == "turned blocking off for"
    assert first.changes == (Change("amount", "", "$1,200.00"), Change("blocking", "on", "off"))
    set_tenant_cap(tenant=fernhill.tenant, amount=900 * NANO, hard=True, actor=by_owner)
    assert rows(owner, fernhill)[0].did == "lowered, with blocking turned on,"


def test_a_keys_events_lead_to_the_key(owner: Client, fernhill: Fernhill, by_owner: Actor) -> None:
    key = fernhill.keys["staging"]
    set_key_cap(tenant=fernhill.tenant, key_id=key.pk, window=WindowKind.MONTH, amount=None, actor=by_owner)
    first = rows(owner, fernhill)[0]
    assert (first.did, first.target, first.href) == (
        *("took away", "the cap a month of staging", f"{fernhill.home}keys/{key.pk}/"),
    )
    assert first.changes == (Change("amount", "$50.00", "none"),)


def test_it_begins_with_the_companys_founding(owner: Client, fernhill: Fernhill) -> None:
    assert rows(owner, fernhill)[-1].did == "founded the company"


def test_every_action_that_the_product_records_has_words() -> None:
    """Read from the sources, so that a new one is not forgotten."""
    import re

    from django.conf import settings

    sources = [
        path.read_text()
        for app in ("tenants", "budgets", "alerts", "tokonomics")
        for path in (settings.BASE_DIR / app).rglob("*.py")
    ]
    recorded = {
        action
        for source in sources
        for action in re.findall(r'record\([^)]*?"([a-z_]+\.[a-z_]+)"', source, flags=re.S)
        if action not in ("user.changed",)  # the operator's own, in no company's log
    }
    assert len(recorded) > 20
    assert recorded - {"cap.changed"} <= set(audit_words.DID)


def test_what_is_chosen_stands_in_the_address(owner: Client, fernhill: Fernhill, by_owner: Actor) -> None:
    admin = fernhill.member("admin")
    set_tenant_cap(tenant=fernhill.tenant, amount=1500 * NANO, actor=Actor.of_user(admin))
    services.revoke_api_key(tenant=fernhill.tenant, key_id=fernhill.keys["staging"].pk, actor=by_owner)
    assert {row.did for row in rows(owner, fernhill, "what=keys")} == {"made the key", "revoked the key"}
    assert [row.did for row in rows(owner, fernhill, f"who={admin.email}")] == ["raised"]
    assert rows(owner, fernhill, "what=budget&who=admin@fernhill.example")
    assert not rows(owner, fernhill, "to=2020-01-01")
    today = timezone.now().date()
    assert len(rows(owner, fernhill, f"from={today}&to={today}")) == AuditEvent.objects.count()
    nothing = text(owner.get(f"{fernhill.home}audit/?from={today + timedelta(days=1)}"))
    assert "Nothing matches. Show everything" in nothing


def test_what_cannot_be_read_in_the_address_is_left_out(owner: Client, fernhill: Fernhill) -> None:
    everything = len(rows(owner, fernhill))
    for query in ("what=nonsense", "from=yesterday", "before=aud_none", "to=9999-99-99", "who="):
        assert len(rows(owner, fernhill, query)) == everything, query


def test_pages_go_by_key_so_that_news_neither_repeats_nor_hides_a_row(
    owner: Client, fernhill: Fernhill, by_owner: Actor
) -> None:
    for number in range(120):
        services.create_management_token(tenant=fernhill.tenant, name=f"token {number}", actor=by_owner)
    same = timezone.now()
    AuditEvent.objects.filter(action="management_token.created").update(created_at=same)  # only ids tell them apart
    seen: list[str] = []
    query = "what=tokens"
    while query:
        page = owner.get(f"{fernhill.home}audit/?{query}").context["page"]
        seen += [row.id for row in page.rows]
        query = page.older
        services.create_management_token(tenant=fernhill.tenant, name="news", actor=by_owner)
    assert len(seen) == len(set(seen)) == 120


async def test_the_export_has_every_chosen_row_as_it_is_stored(transactional_db: None, store: ValkeyServer) -> None:
    from asgiref.sync import sync_to_async

    fernhill = await sync_to_async(founded)()
    actor = Actor.of_user(fernhill.owner, "192.0.2.7")
    await sync_to_async(set_tenant_cap)(tenant=fernhill.tenant, amount=1500 * NANO, actor=actor)
    await sync_to_async(services.create_api_key)(tenant=fernhill.tenant, name="=cmd()", actor=actor)
    client = AsyncClient()
    await client.aforce_login(fernhill.owner)
    answer = await client.get(f"{fernhill.home}audit/export.csv?who={fernhill.owner.email}")
    body = b"".join([part async for part in answer.streaming_content]).decode()
    assert answer["Content-Type"].startswith("text/csv") and "attachment" in answer["Content-Disposition"]
    lines = list(csv.DictReader(io.StringIO(body)))
    assert {line["who"] for line in lines} == {fernhill.owner.email}
    amounts = [(line["before"], line["after"]) for line in lines if line["field"] == "amount_usd"]
    assert ("1200.00", "1500.00") in amounts
    assert any(line["target"] == "'=cmd()" for line in lines)  # no formula for a spreadsheet
    assert all(line["time"].endswith("+00:00") for line in lines)


def test_another_companys_events_are_not_there(owner: Client, fernhill: Fernhill) -> None:
    from tenants.services import NewPerson
    from tokonomics.console.services import opening

    with opening(name="Bracken", owner=NewPerson("owner@bracken.example")):
        pass
    foreign = AuditEvent.objects.filter(tenant__name="Bracken").first()
    assert foreign is not None
    assert "bracken" not in owner.get(f"{fernhill.home}audit/").content.decode().lower()
    assert "bracken" not in owner.get(f"{fernhill.home}audit/?before={foreign.pk}").content.decode().lower()


def test_changes_stand_in_one_order_whatever_order_the_database_keeps() -> None:
    changes = {"hard": [True, False], "amount_usd": ["49.00", "60.00"]}
    assert [change.field for change in audit_words.changed(changes)] == ["amount", "blocking"]


def test_values_are_written_as_people_read_them() -> None:
    assert audit_words.said("amount_usd", "1200.50") == "$1,200.50"
    assert audit_words.said("amount_usd", "49.123456789") == "$49.123456789"
    assert audit_words.said("default_output_limit", 16_384) == "16,384"
    assert audit_words.said("allowed_models", ["gpt-4o", "o3"]) == "gpt-4o, o3"
    assert audit_words.said("expires_at", "2026-12-01T00:00:00+00:00") == "1 Dec 2026 00:00 UTC"
    assert audit_words.said("expires_at", None) == "none"
    assert audit_log.Choice.of({"what": "keys", "before": "aud_1"}).address() == "what=keys"
