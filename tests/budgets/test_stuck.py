"""An entry that no row can be made of: what stands before it is written, and an operator takes it out of the way."""

import base64
import json

import pytest
from django.core.management import CommandError, call_command

from alerts import tasks
from budgets import auditing, journal, keyspace, recovery, stuck
from budgets.models import DailySpend, JournalCursor, SetAsideEntry, UsageRecord
from tenants.audit import Actor
from tenants.models import AuditEvent
from tests.budgets.test_recovery import USD, Scene, found, scene, settled  # noqa: F401

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.fault("journal: an entry that no row can be made of", promises=("P3", "P6")),
]


async def fields_of_last(scene: Scene) -> dict[bytes, bytes]:  # noqa: F811
    [(_, flat)] = await scene.lane.command("XREVRANGE", keyspace.journal(scene.tenant.pk), "+", "-", "COUNT", 1)
    return dict(zip(flat[::2], flat[1::2], strict=True))


async def spoil_last(scene: Scene, **changed: bytes) -> str:  # noqa: F811
    """The last entry of the journal with other bytes in it; its new id."""
    name = keyspace.journal(scene.tenant.pk)
    [(entry_id, _)] = await scene.lane.command("XREVRANGE", name, "+", "-", "COUNT", 1)
    spoilt = await fields_of_last(scene) | {key.encode(): value for key, value in changed.items()}
    await scene.lane.command("XDEL", name, entry_id)
    made = await scene.lane.command("XADD", name, "*", *(word for pair in spoilt.items() for word in pair))
    return str(made, "ascii")


async def in_the_middle(scene: Scene, **changed: bytes) -> str:  # noqa: F811
    """Two requests before the bad one, and two behind it, a dollar each; its id."""
    for _ in range(3):
        await scene.spend(USD)
    entry_id = await spoil_last(scene, **changed)
    for _ in range(2):
        await scene.spend(USD)
    return entry_id


async def test_what_stands_before_it_is_written_and_it_is_named(scene: Scene) -> None:  # noqa: F811
    entry_id = await in_the_middle(scene, u=b"{not json")
    with pytest.raises(journal.Stuck, match=entry_id) as stopped:
        await scene(journal.drain, scene.tenant.pk)
    assert stopped.value.entry_id == entry_id
    assert await UsageRecord.objects.acount() == 2
    with pytest.raises(journal.Stuck, match=entry_id):
        await scene(auditing.audit, scene.tenant.pk)
    found = await scene(stuck.look, scene.tenant.pk)
    assert (found.entry_id, found.fields[b"u"], found.behind) == (entry_id, b"{not json", 2)


@pytest.mark.parametrize("where", ["ending", "meta", "column"])
async def test_set_aside_it_has_a_bare_row_and_every_counter_equals_the_ledger(
    scene: Scene,  # noqa: F811
    where: str,
) -> None:
    hold = (await scene.reserve(1)).id  # only to see that what is open stays so
    await scene.lane.command("PING")
    spoilt: dict[str, bytes] = {"u": b"{not json"}
    if where == "meta":
        await scene.spend(USD)
        lines = (await fields_of_last(scene))[b"r"].split(b"\n", 5)
        spoilt = {"r": b"\n".join([*lines[:5], b"[1"])}
    if where == "column":
        spoilt = {"u": b'{"status": "settled", "http": -5, "in": 7, "out": 3}'}  # which the table's constraint refuses
    entry_id = await in_the_middle(scene, **spoilt)
    kept = await scene(stuck.set_aside, tenant=scene.tenant, entry_id=entry_id, actor=Actor.operator())
    assert (kept.has_row, kept.cost) == (True, USD)
    await scene(journal.drain, scene.tenant.pk)
    audit = await scene(auditing.audit, scene.tenant.pk)
    assert audit.ok, audit.scopes
    assert ([one.id for one in audit.open_holds], audit.journal_lag) == ([hold], 0)
    bare = await UsageRecord.objects.aget(flags__icontains="set_aside")
    assert (bare.cost, bare.status, bare.api_key_id) == (kept.cost, "settled", scene.key.pk)
    total = sum([row.cost async for row in UsageRecord.objects.all()])
    assert total == sum([one.cost async for one in DailySpend.objects.all()]) == (await scene.state())[0]


@pytest.mark.fault("journal: an entry that no row can be made of", promises=("P8",))
async def test_a_nudge_goes_on_with_the_others(scene: Scene) -> None:  # noqa: F811
    await in_the_middle(scene, u=b"{not json")
    other = Scene(scene.lane, *await scene(found, "moorfield"))
    await scene(recovery.open_ledger, other.tenant.pk)
    await other.spend(USD)
    await scene(tasks.drain, [scene.tenant.pk, other.tenant.pk])
    assert await UsageRecord.objects.filter(tenant=other.tenant).acount() == 1


async def test_its_bytes_are_kept_and_who_did_it(scene: Scene) -> None:  # noqa: F811
    entry_id = await in_the_middle(scene, u=b"\xff\x00")
    before = (await scene(stuck.look, scene.tenant.pk)).fields
    await scene(stuck.set_aside, tenant=scene.tenant, entry_id=entry_id, actor=Actor.operator())
    kept = await SetAsideEntry.objects.aget()
    assert {name.encode(): base64.b64decode(value) for name, value in kept.fields.items()} == before
    assert entry_id in kept.why
    assert (await AuditEvent.objects.aget()).action == "journal_entry.set_aside"
    await settled(scene)


async def test_one_that_cannot_be_read_at_all_leaves_a_difference_that_is_told(
    scene: Scene,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    entry_id = await in_the_middle(scene, c=b"a dollar or so")
    await scene(stuck.set_aside, tenant=scene.tenant, entry_id=entry_id, actor=Actor.operator())
    await scene(journal.drain, scene.tenant.pk)
    differing = [one for one in (await scene(auditing.audit, scene.tenant.pk)).scopes if not one.ok]
    assert {one.difference for one in differing} == {USD}, "the money stays spent"
    with pytest.raises(SystemExit) as code:
        await scene(call_command, "audit_ledger", "--tenant", scene.tenant.slug, "--json")
    assert code.value.code == 1
    assert json.loads(capsys.readouterr().out)["set_aside_without_row"] == 1


async def test_the_command_shows_it_sets_it_aside_and_goes_on(
    scene: Scene,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    entry_id = await in_the_middle(scene, u=b"{not json")
    with pytest.raises(SystemExit) as code:
        await scene(call_command, "drain_journal", scene.tenant.slug)
    assert code.value.code == 1
    shown = capsys.readouterr().out
    assert f"--set-aside {entry_id}" in shown
    assert "u: {not json" in shown
    await scene(call_command, "drain_journal", scene.tenant.pk, "--set-aside", entry_id, "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["set_aside"] == {"entry": entry_id, "cost_usd": "1.00", "has_row": True}
    assert told["stuck"] is None
    await settled(scene)
    assert await UsageRecord.objects.acount() == 5


async def test_only_the_entry_at_which_it_stands_is_set_aside(scene: Scene) -> None:  # noqa: F811
    await scene.spend(USD)
    with pytest.raises(CommandError, match="Nothing was set aside"):
        await scene(call_command, "drain_journal", scene.tenant.slug, "--set-aside", "1-1")
    assert await SetAsideEntry.objects.acount() == 0
    assert await UsageRecord.objects.acount() == 1
    assert (await JournalCursor.objects.aget()).last_id != "1-1"
