"""The operator's page: staff alone, what is wrong in words, whose holds are open, audit and mend by hand."""

import json
import re
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from playwright.sync_api import Browser

from budgets import auditing, keyspace
from budgets.money import NANO
from budgets.windows import windows_of
from tenants import store as client
from tenants.models import AuditEvent, Tenant, User
from tests.support import screens
from tests.support.fernhill import PASSWORD, Fernhill, founded, usd
from tests.support.pages import VARIANTS, sound
from tests.support.people import at_desk, text
from tests.support.valkey import ValkeyServer
from tokonomics.console import drift as drift_of
from tokonomics.console import operating

pytestmark = pytest.mark.django_db
KEYS = (("staging", "50", None), ("nightly", None, None))
OTHERS = ("Bracken and Sons", "Larch", "Moss", "Quarry Tools", "Rowan", "Sedge Bank", "Thistle", "Yarrow")


@pytest.fixture
def fernhill(store: ValkeyServer) -> Fernhill:
    made = founded(keys=KEYS)
    made.record("staging", cost=usd("3.20"), at=made.now)
    made.count()
    _seen(made)
    return made


def _seen(fernhill: Fernhill) -> None:
    client.client().zadd(keyspace.ACTIVE, {fernhill.tenant.pk: int(fernhill.now.timestamp())})


def staff(**more: bool) -> User:
    return User.objects.create_user("op@installation.example", PASSWORD, is_staff=True, **more)


@pytest.fixture
def operator(fernhill: Fernhill) -> Client:
    return at_desk(staff(is_superuser=True))


def month_counter(fernhill: Fernhill) -> str:
    return keyspace.tenant_counter(fernhill.tenant.pk, "live", windows_of(fernhill.now.date()).month.suffix)


def drift(fernhill: Fernhill, spent: int = 5, held: int = 0) -> None:
    for name, amount in (("spent", spent), ("held", held)):
        client.client().hincrby(month_counter(fernhill), name, amount)


# --- Who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/operator/", "/operator/mend/fernhill-labs/"])
def test_it_is_no_page_for_anybody_but_staff(fernhill: Fernhill, path: str) -> None:
    assert Client().get(path)["Location"].startswith("/login/")
    assert at_desk(fernhill.owner).get(path).status_code == 404
    assert at_desk(staff(is_superuser=True)).get(path).status_code == 200


def test_staff_find_it_and_others_do_not_hear_of_it(fernhill: Fernhill) -> None:
    assert "/operator/" in at_desk(staff()).get("/").content.decode()
    owner = at_desk(fernhill.owner)
    assert not any("/operator/" in owner.get(path).content.decode() for path in ("/", fernhill.home))
    User.objects.filter(pk=fernhill.owner.pk).update(is_staff=True)
    assert "/operator/" in owner.get(fernhill.home).content.decode()


def test_staff_without_the_permission_look_and_do_not_touch(fernhill: Fernhill) -> None:
    looker = at_desk(staff())
    drift(fernhill)
    page = looker.get("/operator/")
    assert page.status_code == 200 and "Audit now" not in text(page)
    assert looker.post("/operator/audit/").status_code == 403
    assert looker.post("/operator/mend/fernhill-labs/").status_code == 403
    assert not auditing.audit(fernhill.tenant.pk).ok


# --- What it says ----------------------------------------------------------------------------------------------------


def test_where_all_is_well_it_says_so_in_one_line(operator: Client) -> None:
    said = text(operator.get("/operator/"))
    assert "Nothing is wrong." in said
    assert "Nothing is in flight." in said and "The journals are drained." in said


def test_it_shows_whose_holds_are_open_and_which_lease_has_run_out(operator: Client, fernhill: Fernhill) -> None:
    fernhill.hold("staging", usd("2.10"), ago=90)
    late = fernhill.hold("nightly", usd("0.40"))
    client.client().zadd(keyspace.holds(fernhill.tenant.pk), {late: 1})
    said = text(operator.get("/operator/"))
    assert "1 hold is past the end of the lease." in said
    assert "Fernhill Labs in flight 2 held $2.50 past lease 1" in said
    assert "test holds 2 held $2.50" in said, "the web process that owns them"


def test_bound_breaches_and_charges_at_hold_are_counted(operator: Client, fernhill: Fernhill) -> None:
    fernhill.record("staging", status="charged_at_hold", flags=["cut"], cost=usd("0.16"))
    fernhill.record("staging", cost=usd("9"), held=usd("1"), flags=["bound_breach"], model="gpt-4o")
    fernhill.record("staging", status="charged_at_hold", cost=usd("7"), at=fernhill.now - timedelta(days=2))
    said = text(operator.get("/operator/"))
    assert "1 request of the last 30 days cost more than was held." in said
    assert "charged at hold 1 $0.16" in said
    assert "openai gpt-4o held $1.00 cost $9.00" in said


def test_while_redis_is_away_it_says_what_that_means(operator: Client, store: ValkeyServer) -> None:
    store.freeze()
    try:
        page = operator.get("/operator/")
    finally:
        store.thaw()
    assert page.status_code == 200
    assert "Redis does not answer. Requests are refused until it is back; nothing is spent unseen." in text(page)


# --- Many companies --------------------------------------------------------------------------------------------------


@pytest.fixture
def many(fernhill: Fernhill, monkeypatch: pytest.MonkeyPatch) -> list[Tenant]:
    """Five more, on pages of two; nothing is wrong with any."""
    monkeypatch.setattr(operating, "ON_A_PAGE", 2)
    return [Tenant.objects.create(name=f"Company {letter}", slug=f"company-{letter.lower()}") for letter in "ABCDE"]


def named(page: Any) -> list[str]:
    return re.findall(r'<span class="company-name">([^<]+)<', page.content.decode())


def test_every_company_is_on_some_page_once(operator: Client, many: list[Tenant]) -> None:
    path, seen = "/operator/", []
    while path:
        page = operator.get(path)
        seen += named(page)
        following = re.search(r'href="(\?page=\d+)#companies" rel="next"', page.content.decode())
        path = f"/operator/{following[1]}" if following else ""
    assert sorted(seen) == ["Company A", "Company B", "Company C", "Company D", "Company E", "Fernhill Labs"]
    assert (
        named(operator.get("/operator/?page=99")) == seen[-2:] and named(operator.get("/operator/?page=x")) == seen[:2]
    )


def test_trouble_comes_first_and_is_counted_over_all(
    operator: Client, many: list[Tenant], fernhill: Fernhill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drift before a bound breach, before a journal that lags, before holds past their lease."""
    drifting, lagging, overdue = many[4], many[3], many[2]
    fernhill.record("staging", cost=usd("9"), held=usd("1"), flags=["bound_breach"])
    fernhill.count()
    for tenant, days in ((drifting, 0), (lagging, 10), (overdue, 0)):
        seen = fernhill.now - timedelta(days=days)
        client.client().zadd(keyspace.ACTIVE, {tenant.pk: int(seen.timestamp())})
    client.client().zadd(keyspace.holds(overdue.pk), {"req_1": 1})
    client.client().xadd(keyspace.journal(lagging.pk), {"e": "{}"}, id="1000-0")
    found = [drift_of.Difference(drifting.pk, "tenant", "2026-11", 7, 0, 0, 0)]
    monkeypatch.setattr(drift_of, "last_audit", lambda: drift_of.Audited(fernhill.now.timestamp(), 1, 0, found))
    first = operator.get("/operator/")
    assert named(first) == [drifting.name, "Fernhill Labs"] and "1 counter differs" in text(first)
    assert named(operator.get("/operator/?page=2")) == [lagging.name, overdue.name]
    assert "Companies 6 3 active in two days With trouble 4 " in text(first)
    assert "In flight 1 1 past the lease To be written 1 " in text(first) and "Above hold 1 30 days" in text(first)


def test_a_company_is_found_by_its_name(operator: Client, many: list[Tenant]) -> None:
    page = operator.get("/operator/?q=pany+d")
    assert named(page) == ["Company D"] and "1 of 6" in text(page)
    assert "No company is called “zebra”." in text(operator.get("/operator/?q=zebra"))


def test_rows_are_not_summed_at_every_look(operator: Client, fernhill: Fernhill) -> None:
    operator.get("/operator/")
    fernhill.record("staging", cost=usd("9"), held=usd("1"), flags=["bound_breach"])
    with CaptureQueriesContext(connection) as asked:
        operator.get("/operator/")
    assert not any("budgets_usagerecord" in query["sql"] for query in asked.captured_queries)


# --- Audit and mend --------------------------------------------------------------------------------------------------


def test_an_audit_is_kept_and_names_the_counter_that_differs(operator: Client, fernhill: Fernhill) -> None:
    assert "Not audited yet." in text(operator.get("/operator/"))
    operator.post("/operator/audit/")
    said = text(operator.get("/operator/"))
    assert "1 company audited. Every counter equals the ledger." in said
    drift(fernhill, spent=7)
    operator.post("/operator/audit/")
    said = text(operator.get("/operator/"))
    assert "1 counter differs from the ledger." in said
    assert f"tenant {windows_of(fernhill.now.date()).month.suffix} Redis, spent $3.200000007 ledger $3.20" in said


def test_mending_asks_first_then_moves_and_is_written_down(operator: Client, fernhill: Fernhill) -> None:
    drift(fernhill, spent=7, held=-3)
    asked = operator.get("/operator/mend/fernhill-labs/")
    assert "Move the counters of Fernhill Labs to what the ledger says?" in text(asked)
    assert not auditing.audit(fernhill.tenant.pk).ok, "asking moves nothing"
    operator.post("/operator/mend/fernhill-labs/")
    assert auditing.audit(fernhill.tenant.pk).ok
    assert "1 counter was moved to what the ledger of Fernhill Labs says." in text(operator.get("/operator/"))
    event = AuditEvent.objects.get(action="ledger.mended")
    month = windows_of(fernhill.now.date()).month.suffix
    assert (event.tenant, event.actor_label) == (fernhill.tenant, "operator")
    assert event.changes == {
        f"tenant {month} spent": ["$3.200000007", "$3.20"],
        f"tenant {month} held": ["$-0.000000003", "$0.00"],
    }
    owner = text(at_desk(fernhill.owner).get(f"{fernhill.home}audit/"))
    assert "moved to what the ledger says the counters of Fernhill Labs" in owner


def test_mending_what_is_whole_moves_nothing_and_is_not_written_down(operator: Client, fernhill: Fernhill) -> None:
    operator.post("/operator/mend/fernhill-labs/")
    assert "Nothing to move" in text(operator.get("/operator/"))
    assert not AuditEvent.objects.filter(action="ledger.mended").exists()


def test_a_journal_that_cannot_be_read_is_said_so_and_nothing_is_moved(operator: Client, fernhill: Fernhill) -> None:
    drift(fernhill, spent=7)
    spoilt = {"t": "settled", "h": "req_x", "c": "1", "r": "no lines", "u": "{not json"}
    client.client().xadd(keyspace.journal(fernhill.tenant.pk), spoilt)
    for ask in (operator.get, operator.post):
        ask("/operator/mend/fernhill-labs/")
        said = text(operator.get("/operator/"))
        assert "Nothing was moved: an entry in the journal of Fernhill Labs cannot be read." in said
        assert "manage.py drain_journal fernhill-labs" in said
    assert not AuditEvent.objects.filter(action="ledger.mended").exists()


# --- The same from the command line ----------------------------------------------------------------------------------


def run(*arguments: str) -> tuple[int, str]:
    """The exit code of `audit_ledger` and what it printed."""
    out = StringIO()
    try:
        call_command("audit_ledger", *arguments, stdout=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


def test_the_command_says_what_differs_by_how_much(fernhill: Fernhill) -> None:
    drift(fernhill, spent=5, held=-5)
    code, said = run()
    assert code == 1 and "DIFFERS: spent by 5, held by -5 n$" in said
    assert "Redis differs from the ledger. 0 open holds, 0 entries to drain." in said


def test_the_command_mends_then_looks_again_and_is_written_down(fernhill: Fernhill) -> None:
    drift(fernhill, spent=5, held=-5)
    code, said = run("--mend")
    assert code == 0 and "MOVED: spent by -5, held by 5 n$" in said and "Redis equals the ledger." in said
    assert AuditEvent.objects.get(action="ledger.mended").actor is None
    code, said = run("--mend", "--json")
    assert (code, json.loads(said)["mended"], json.loads(said)["ok"]) == (0, [], True)


# --- How it looks ----------------------------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), VARIANTS)
def test_the_pages_are_sound(
    width: str,
    scheme: str,
    browser: Browser,
    live_server: object,
    store: ValkeyServer,
) -> None:
    fernhill = founded(keys=KEYS)
    fernhill.record("staging", cost=9 * NANO, held=NANO, flags=["bound_breach"], at=datetime.now(UTC))
    fernhill.record("staging", status="charged_at_hold", flags=["cut"], cost=usd("0.16384"))
    fernhill.count()
    _seen(fernhill)
    fernhill.hold("staging", usd("2.10"), ago=90)
    fernhill.hold("nightly", usd("0.40"), ago=4)
    drift(fernhill, spent=7)
    for name in (*OTHERS, "The Very Long Name of a Company That Was Merged Twice, Incorporated"):
        Tenant.objects.create(name=name, slug=name.lower().replace(" ", "-")[:40])
    staff(is_superuser=True)
    with screens.visit(browser, str(live_server), width=width, scheme=scheme) as visited:
        page = visited.page
        visited.open("/login/?next=/operator/")
        page.get_by_label("E-mail").fill("op@installation.example")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Log in", exact=True).click()
        page.get_by_role("button", name="Audit now").click()
        page.get_by_role("heading", name="1 counter differs from the ledger.").wait_for()
        sound(visited, f"operator-{width}-{scheme}")
        page.get_by_role("link", name="Mend").click()
        page.get_by_role("button", name="Move them").wait_for()
        sound(visited, f"operator-mend-{width}-{scheme}")
