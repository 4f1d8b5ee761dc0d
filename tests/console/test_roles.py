"""Every page of a company x every role, from the URLconf: a page that is new fails here until it has a row."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from alerts.models import AlertChannel, AlertEvent, AlertRule, Delivery, event_id
from budgets.models import Cap, TenantPrice
from budgets.prices import Terms, set_price
from tenants import services
from tenants.models import (
    ApiKey,
    AuditEvent,
    Invitation,
    ManagementToken,
    Membership,
    ProviderCredential,
    RetiredSecret,
    Tenant,
    User,
)
from tenants.services import Actor, NewPerson
from tests.support.fernhill import Fernhill, founded
from tests.support.people import at_desk
from tests.support.valkey import ValkeyServer
from tokonomics.console.services import opening

pytestmark = pytest.mark.django_db
PREFIX = "t/<slug:slug>/"
ROLES = ("owner", "admin", "member", "viewer")

# Who may read a page, who may send its form: the lowest role; None: it takes no such request, or changes nothing by it.
# What a member may do with a key that they made themselves is in test_keys_page.
ROWS: dict[str, tuple[str | None, str | None]] = {
    "": ("viewer", None),
    "start/": ("viewer", None),  # its form is about a company without a budget: tests of sign-up
    "usage/": ("viewer", None),
    "usage/export.csv": ("viewer", None),
    "onboarding/": ("viewer", None),
    "onboarding/test-key/": (None, "member"),
    "onboarding/try/": (None, "member"),
    "onboarding/start-over/": (None, "member"),
    "keys/": ("viewer", None),
    "keys/new/": ("member", "member"),
    "keys/<slug:key_id>/": ("viewer", None),
    "keys/<slug:key_id>/row/": ("viewer", None),
    r"^keys/(?P<key_id>\w+)/cap/(?P<window>month|day)/$": ("admin", "admin"),
    "keys/<slug:key_id>/end-users/": ("viewer", None),
    "keys/<slug:key_id>/end-users/cap/": ("admin", "admin"),
    "keys/<slug:key_id>/raise/": ("admin", "admin"),
    "keys/<slug:key_id>/edit/": ("admin", "admin"),
    "keys/<slug:key_id>/rotate/": ("admin", "admin"),
    "keys/<slug:key_id>/stop-old/": (None, "admin"),
    "keys/<slug:key_id>/pause/": (None, "admin"),
    "keys/<slug:key_id>/resume/": (None, "admin"),
    "keys/<slug:key_id>/revoke/": ("admin", "admin"),
    "settings/": ("viewer", "admin"),
    "settings/preview/": ("viewer", None),
    "settings/test-budget/": ("admin", "admin"),
    "settings/limits/": ("admin", "admin"),
    "settings/holds/": ("admin", "admin"),
    "settings/company/": ("admin", "admin"),
    "settings/tokens/": ("admin", "admin"),
    "settings/tokens/<slug:token_id>/revoke/": ("admin", "admin"),
    "settings/providers/": ("viewer", None),
    "settings/providers/<slug:provider>/": ("admin", "admin"),
    "settings/providers/<slug:provider>/test/": (None, "admin"),
    "settings/providers/<slug:provider>/remove/": ("admin", "admin"),
    "prices/": ("viewer", None),
    "prices/new/": ("admin", "admin"),
    "prices/estimate/": ("viewer", "viewer"),
    "prices/<slug:price_id>/": ("admin", "admin"),
    "prices/<slug:price_id>/remove/": ("admin", "admin"),
    "alerts/": ("viewer", None),
    "alerts/keys/<slug:key_id>/resume/": (None, "admin"),
    "alerts/deliveries/": ("viewer", None),
    "alerts/deliveries/<slug:delivery_id>/": ("viewer", None),
    "alerts/deliveries/<slug:delivery_id>/send-again/": (None, "admin"),
    "alerts/channels/new/": ("admin", "admin"),
    "alerts/channels/<slug:channel_id>/": ("admin", "admin"),
    "alerts/channels/<slug:channel_id>/test/": (None, "admin"),
    "alerts/channels/<slug:channel_id>/rotate/": (None, "admin"),
    "alerts/channels/<slug:channel_id>/remove/": ("admin", "admin"),
    "alerts/rules/new/": ("admin", "admin"),
    "alerts/rules/<slug:rule_id>/": ("admin", "admin"),
    "alerts/rules/<slug:rule_id>/remove/": ("admin", "admin"),
    "team/": ("viewer", None),
    "team/invite/": ("owner", "owner"),
    "team/invitations/<slug:invitation_id>/withdraw/": (None, "owner"),
    "team/leave/": ("viewer", "viewer"),
    "team/<int:user_id>/": ("owner", "owner"),
    "team/<int:user_id>/remove/": ("owner", "owner"),
    "audit/": ("viewer", None),
    "audit/export.csv": ("viewer", None),
}
ELSEWHERE = {"usage/<slug:request_id>/"}  # a page of one thing of the reading side, tested there
ANY_METHOD = {"", "usage/", "usage/export.csv", "onboarding/", "start/"}  # pages that read whatever is sent


def walk(patterns: list[URLPattern | URLResolver], before: str = "") -> Iterator[str]:
    for each in patterns:
        whole = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from walk(each.url_patterns, whole)
        else:
            yield whole


PATTERNS = [found.removeprefix(PREFIX) for found in walk(get_resolver().url_patterns) if found.startswith(PREFIX)]
MINE = [pattern for pattern in PATTERNS if pattern in ROWS]


def test_every_page_of_a_company_has_a_row() -> None:
    assert len(PATTERNS) > 30
    assert set(PATTERNS) - ELSEWHERE == set(ROWS)


def may(role: str, lowest: str) -> bool:
    return ROLES.index(role) <= ROLES.index(lowest)


@pytest.fixture
def fernhill(store: ValkeyServer) -> Fernhill:
    """With one of everything that a page is about, none of it made by a member."""
    company = founded(keys=(("staging", "50", None),))
    tenant, actor = company.tenant, Actor.of_user(company.owner)
    services.set_provider_credential(tenant=tenant, provider="openai", secret="sk-0123456789ab", actor=actor)
    services.create_management_token(tenant=tenant, name="terraform", actor=actor)
    services.invite(tenant=tenant, email="ada@fernhill.example", role="viewer", actor=actor)
    set_price(tenant=tenant, provider="openai", model="*", terms=Terms(discount=1_000), actor=actor)
    channel = tenant.alert_channels.get()
    event = AlertEvent.objects.create(tenant=tenant, type="test", key=event_id(), facts={})
    Delivery.objects.create(
        tenant=tenant, event=event, channel=channel, channel_kind=channel.kind, channel_name=channel.name
    )
    return company


def address(fernhill: Fernhill, pattern: str) -> str:
    names = {
        r"^keys/(?P<key_id>\w+)/cap/(?P<window>month|day)/$": f"keys/{fernhill.keys['staging'].pk}/cap/month/",
        "<slug:key_id>": fernhill.keys["staging"].pk,
        "<slug:token_id>": fernhill.tenant.management_tokens.get().pk,
        "<slug:provider>": "openai",
        "<slug:invitation_id>": fernhill.tenant.invitations.get().pk,
        "<slug:channel_id>": fernhill.tenant.alert_channels.get().pk,
        "<slug:rule_id>": fernhill.tenant.alert_rules.first().pk,  # type: ignore[union-attr]
        "<slug:delivery_id>": fernhill.tenant.deliveries.get().pk,
        "<slug:price_id>": fernhill.tenant.prices.get().pk,
        "<int:user_id>": str(fernhill.owner.pk),
    }
    for name, value in names.items():
        pattern = pattern.replace(name, value)
    return fernhill.home + pattern + ("?amount=5" if pattern == "settings/preview/" else "")


def everything() -> list[Any]:
    """All that a form of these pages could change, of every company."""
    tables: tuple[type[Model], ...] = (
        *(ApiKey, RetiredSecret, Cap, Membership, Invitation, ManagementToken, ProviderCredential),
        *(Tenant, AuditEvent, AlertChannel, AlertRule, Delivery, TenantPrice),
    )
    return [list(table.objects.order_by("pk").values()) for table in tables]


def client_of(fernhill: Fernhill, role: str) -> Client:
    return at_desk(fernhill.owner if role == "owner" else fernhill.member(role))


@pytest.mark.parametrize("role", ROLES)
def test_each_role_reads_what_it_may_and_no_more(fernhill: Fernhill, role: str) -> None:
    client = client_of(fernhill, role)
    before = everything()
    for pattern in MINE:
        lowest, _ = ROWS[pattern]
        status = client.get(address(fernhill, pattern)).status_code
        if lowest is None:
            # Who may not even send it is told that, not which method it takes.
            assert status in (403, 405), (pattern, status)
        elif may(role, lowest):
            assert status in (200, 302), (pattern, status)
        else:
            assert status == 403, (pattern, status)
    assert everything() == before, "a page that was only read has changed something"


@pytest.mark.parametrize("role", ROLES)
def test_who_may_not_send_a_form_is_refused_and_changes_nothing(fernhill: Fernhill, role: str) -> None:
    client = client_of(fernhill, role)
    before = everything()
    refused = 0
    for pattern in MINE:
        _, lowest = ROWS[pattern]
        if pattern in ANY_METHOD or (lowest is not None and may(role, lowest)):
            continue
        form = {"amount": "1", "hard": "on", "name": "x", "mode": "live", "role": "owner", "typed": "staging"}
        form |= {"secret": "sk-0123456789ab", "overlap": "0", "email": "eve@else.example", "may": "read"}
        answer = client.post(address(fernhill, pattern), form)
        assert answer.status_code in ((405, 403) if lowest is None else (403,)), (pattern, answer.status_code)
        refused += 1
    assert everything() == before
    assert refused > 5


@pytest.mark.parametrize("who", ["nobody", "stranger", "somebody of another company"])
def test_a_stranger_learns_nothing_from_any_page(fernhill: Fernhill, who: str) -> None:
    client = Client()
    if who == "stranger":
        client = at_desk(User.objects.create_user("stranger@else.example"))
    elif who != "nobody":
        with opening(name="Bracken", owner=NewPerson("owner@bracken.example")) as bracken:
            pass
        client = at_desk(bracken.owner)
    before = everything()
    for pattern in MINE:
        for method in ("get", "post"):
            answer = getattr(client, method)(address(fernhill, pattern))
            there = address(fernhill, pattern)
            nowhere = getattr(client, method)(there.replace("/fernhill-labs/", "/no-such-company/", 1))
            assert answer.status_code == nowhere.status_code, (pattern, method)
            assert answer.status_code in ((302, 405) if who == "nobody" else (404, 405)), (pattern, method)
            if answer.status_code == 302:
                assert answer["Location"].startswith("/login/?next=")
            else:
                assert who == "nobody" or b"Fernhill" not in answer.content, (pattern, method)
    assert everything() == before


@pytest.mark.parametrize("pattern", [each for each in MINE if "<" in each or each.startswith("^")])
def test_what_is_another_companys_does_not_exist_here(fernhill: Fernhill, pattern: str) -> None:
    """The owner of one company, inside their own, with the ids of another's things."""
    with opening(name="Bracken", owner=NewPerson("owner@bracken.example")) as bracken:
        pass
    client = at_desk(bracken.owner)
    foreign = address(fernhill, pattern).replace("/fernhill-labs/", f"/{bracken.tenant.slug}/", 1)
    before = everything()
    if "<slug:provider>" not in pattern:  # a provider is nobody's; whose key it is, its own test says
        form = {"amount": "1", "role": "viewer", "typed": "staging", "overlap": "0"}
        for answer in (client.get(foreign), client.post(foreign, form, follow=True)):
            # What is not open or paused (any more) is said so, for the form may have been sent twice.
            gone = pattern.startswith(("team/invitations/", "alerts/keys/")) and answer.status_code == 200
            assert gone or answer.status_code in (404, 405), answer.status_code
            assert b"staging" not in answer.content and b"fernhill" not in answer.content.lower()
    assert everything() == before
