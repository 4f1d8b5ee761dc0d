"""A paused key: its next request is refused, and one click brings it back."""

import pytest

from budgets.inflight import InFlight
from budgets.lanes import Lane
from budgets.ledger import Ledger
from proxy.admission import Admission
from proxy.policies import load_policy
from proxy.refusals import Refusal
from tenants import keys, policy, services
from tenants.errors import Conflict, KeyNotActive, NotFound
from tenants.models import AuditEvent, Tenant
from tenants.services import Actor, NewPerson
from tests.support.valkey import ValkeyServer

BY = Actor.operator()


@pytest.fixture
def tenant(db: None, store: ValkeyServer) -> Tenant:
    return services.create_tenant(name="Fernhill Labs", owner=NewPerson("owner@fernhill.example"))


def test_pausing_and_resuming_are_policy_changes_with_their_audit(tenant: Tenant) -> None:
    key, secret = services.create_api_key(tenant=tenant, name="bot", actor=BY)
    before = policy.current(tenant.pk)
    services.pause_api_key(tenant=tenant, key_id=key.pk, actor=Actor.of_rule("burn-rate alert"))
    assert policy.published(tenant.pk).version == before + 1
    paused = load_policy(keys.digest(secret))
    assert paused is not None and paused.paused
    services.resume_api_key(tenant=tenant, key_id=key.pk, actor=BY)
    assert policy.published(tenant.pk).version == before + 2
    resumed = load_policy(keys.digest(secret))
    assert resumed is not None and not resumed.paused
    events = AuditEvent.objects.filter(target_id=key.pk).order_by("created_at").values_list("action", "actor_label")
    assert list(events)[1:] == [("api_key.paused", "burn-rate alert"), ("api_key.resumed", "operator")]


def test_what_cannot_be_paused_or_resumed_says_so(tenant: Tenant) -> None:
    key, _ = services.create_api_key(tenant=tenant, name="bot", actor=BY)
    with pytest.raises(Conflict):
        services.resume_api_key(tenant=tenant, key_id=key.pk, actor=BY)
    services.pause_api_key(tenant=tenant, key_id=key.pk, actor=BY)
    with pytest.raises(Conflict):
        services.pause_api_key(tenant=tenant, key_id=key.pk, actor=BY)
    services.revoke_api_key(tenant=tenant, key_id=key.pk, actor=BY)
    with pytest.raises(KeyNotActive):
        services.resume_api_key(tenant=tenant, key_id=key.pk, actor=BY)
    other = services.create_tenant(name="Other", owner=NewPerson("owner@other.example"))
    with pytest.raises(NotFound):
        services.pause_api_key(tenant=other, key_id=key.pk, actor=BY)


@pytest.mark.django_db(transaction=True)
async def test_a_paused_key_is_refused_with_its_own_code(store: ValkeyServer) -> None:
    from asgiref.sync import sync_to_async

    tenant = await sync_to_async(services.create_tenant)(name="Acme", owner=NewPerson("owner@acme.example"))
    key, secret = await sync_to_async(services.create_api_key)(tenant=tenant, name="bot", actor=BY)
    lane = Lane(store.url, timeout=1)
    ledger = Ledger(lane, "worker", lease_seconds=60)
    admission = Admission(ledger, InFlight(ledger), held_wait=0)
    assert (await admission.caller(secret)).key_id == key.pk
    await sync_to_async(services.pause_api_key)(tenant=tenant, key_id=key.pk, actor=BY)
    admission.policies.forget(secret)
    with pytest.raises(Refusal) as refused:
        await admission.caller(secret)
    assert (refused.value.body.status, refused.value.body.code) == (403, "api_key_paused")
    await lane.aclose()
