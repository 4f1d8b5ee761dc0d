"""The pages of a company as a browser shows them: sound in every size and scheme, and drawn into docs/screens."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from playwright.sync_api import Browser

from budgets import feed
from budgets.models import Cap
from budgets.services import set_tenant_cap
from tenants.models import ApiKey
from tenants.services import Actor
from tests.support import screens
from tests.support.asgi import served
from tests.support.fernhill import Fernhill, crossed, founded, most_of_a_month, usd
from tests.support.pages import VARIANTS, signed_in, sound
from tests.support.valkey import ValkeyServer
from tokonomics.console import playground
from tokonomics.console.playground import Try

pytestmark = [pytest.mark.browser, pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def site(store: ValkeyServer) -> Iterator[str]:
    with served() as address:
        yield address


REFUSAL = """{
  "error": {
    "code": "budget_cap_exceeded",
    "message": "Monthly spending limit for this key reached. Contact your administrator.",
    "reset_at": "2026-12-01T00:00:00Z",
    "type": "insufficient_quota",
    "reason": "spent",
    "scope": "api_key",
    "window": "month",
    "limit_usd": "0.05",
    "spent_usd": "0.040812",
    "held_usd": "0.00"
  }
}"""
PAGES = {
    "overview": "",
    "overview-by-model": "?by=model",
    "usage": "usage/",
    "usage-refused": "usage/?show=refused",
    "usage-nothing": "usage/?model=none-such&show=at_hold",
    "onboarding": "onboarding/",
}


@pytest.mark.parametrize(("width", "scheme"), VARIANTS)
def test_the_pages_are_sound(width: str, scheme: str, browser: Browser, site: str) -> None:
    fernhill: Fernhill = most_of_a_month()
    crossed(fernhill)
    row = fernhill.tenant.usage_records.filter(status="settled", model="gpt-4o").first()
    held = fernhill.tenant.usage_records.get(status="charged_at_hold")
    pages = {**PAGES, "request": f"usage/{row.pk}/", "request-at-hold": f"usage/{held.pk}/"}
    with screens.visit(browser, site, width=width, scheme=scheme) as visited:
        signed_in(visited, fernhill.owner)
        for name, path in pages.items():
            visited.page.goto(site + fernhill.home + path, wait_until="load")
            if visited.page.locator("#live").count():
                visited.page.get_by_text("Live · ").wait_for()
            sound(visited, f"{name}-{width}-{scheme}")


@pytest.mark.parametrize(("width", "scheme"), VARIANTS)
def test_the_pages_of_a_newcomer_are_sound(
    width: str, scheme: str, browser: Browser, site: str, store: ValkeyServer
) -> None:
    fernhill = founded(cap=None)
    fernhill.count()
    with screens.visit(browser, site, width=width, scheme=scheme) as visited:
        signed_in(visited, fernhill.owner)
        page = visited.page

        def look(name: str, path: str = "") -> None:
            page.goto(site + fernhill.home + path, wait_until="load")
            page.get_by_text("Live · ").wait_for()
            sound(visited, f"{name}-{width}-{scheme}")

        look("overview-no-budget")
        ApiKey.objects.all().delete()
        set_tenant_cap(tenant=fernhill.tenant, amount=usd("49"), actor=Actor.operator())
        look("overview-first-day")
        look("onboarding-first-day", "onboarding/")
        page.get_by_role("button", name="Make a test key").click()
        page.get_by_text("Copy the key").wait_for()
        page.get_by_text("Live · ").wait_for()
        sound(visited, f"onboarding-key-{width}-{scheme}")
        _at_the_wall(fernhill, page.context.cookies())
        page.goto(site + fernhill.home + "onboarding/", wait_until="load")
        page.get_by_label("The reply").wait_for()
        page.get_by_text("Live · ").wait_for()
        sound(visited, f"onboarding-wall-{width}-{scheme}")


@pytest.mark.parametrize(("width", "scheme"), VARIANTS)
def test_a_reached_cap_and_a_ledger_out_of_reach_are_sound(
    width: str, scheme: str, browser: Browser, site: str, store: ValkeyServer
) -> None:
    fernhill = most_of_a_month()
    set_tenant_cap(tenant=fernhill.tenant, amount=usd("1000"), actor=Actor.operator())
    with screens.visit(browser, site, width=width, scheme=scheme) as visited:
        signed_in(visited, fernhill.owner)
        page = visited.page
        page.goto(site + fernhill.home, wait_until="load")
        page.get_by_text("Live · ").wait_for()
        sound(visited, f"overview-blocked-{width}-{scheme}")
        store.stop()
        page.goto(site + fernhill.home, wait_until="load")
        page.locator("#live", has_text="Reconnecting").wait_for()
        visited.complaints.clear()  # the socket cannot be opened: that is what the page says
        sound(visited, f"overview-stale-{width}-{scheme}", but="WebSocket")


def _at_the_wall(fernhill: Fernhill, cookies: list[Any]) -> None:
    """As if the playground's key had met its cap."""
    (key,) = [cookie["value"] for cookie in cookies if cookie["name"] == settings.SESSION_COOKIE_NAME]
    session = SessionStore(key)
    ground = playground.open_new(session, fernhill.tenant, Actor.of_user(fernhill.owner))
    paid = [("0.010203", "0.039797"), ("0.010203", "0.029594"), ("0.010203", "0.019391"), ("0.010203", "0.009188")]
    ground.tries = [Try(200, cost, left, "", "{}") for cost, left in paid]
    ground.tries.append(Try(429, "", "", "budget_cap_exceeded", REFUSAL))
    playground.save(session, fernhill.tenant, ground)
    session.save()
    fernhill.keys["playground"] = ApiKey.objects.get(pk=ground.key_id)
    fernhill.record("playground", cost=usd("0.040812"))
    fernhill.count()
    fernhill.refuse("playground", window="month")
    Cap.objects.filter(api_key=ground.key_id).update(updated_at=fernhill.now - timedelta(hours=1))
    wall = crossed(fernhill, 100)
    wall.cap = Cap.objects.get(tenant=fernhill.tenant, mode="test", api_key=None)
    wall.save()


# --- By keyboard, and without script ----------------------------------------------------------------------------------


def test_the_chart_is_read_by_hover_and_by_arrow_keys_with_the_numbers_of_its_table(
    browser: Browser, site: str, store: ValkeyServer
) -> None:
    fernhill = most_of_a_month()
    with screens.visit(browser, site) as visited:
        signed_in(visited, fernhill.owner)
        page = visited.page
        page.goto(site + fernhill.home, wait_until="load")
        rows = page.eval_on_selector_all(
            "#days-table tbody tr", "rows => rows.map(row => [...row.cells].slice(0, 2).map(cell => cell.textContent))"
        )
        box, tip = page.locator("#days .plot-box"), page.locator("#days .chart-tip")
        box.focus()
        page.keyboard.press("ArrowLeft")
        for key, row in (("ArrowLeft", rows[1]), ("Home", rows[-1]), ("End", rows[0]), ("ArrowLeft", rows[1])):
            page.keyboard.press(key)
            assert tip.locator("b").inner_text().split("  ") == row, key
        page.locator("#said", has_text=rows[1][1]).wait_for(state="attached")
        assert visited.axe() == []
        visited.draw("overview-tooltip-wide-light")
        page.keyboard.press("Escape")
        assert not tip.is_visible()
        where = box.bounding_box()
        assert where is not None
        page.mouse.move(where["x"] + 3, where["y"] + 90)
        assert tip.locator("b").inner_text().split("  ") == rows[-1]


def test_the_table_takes_the_place_of_the_picture(browser: Browser, site: str, store: ValkeyServer) -> None:
    fernhill = most_of_a_month()
    with screens.visit(browser, site, java_script_enabled=False) as visited:
        signed_in(visited, fernhill.owner)
        page = visited.page
        page.goto(site + fernhill.home, wait_until="load")
        assert page.locator("#days .plot").is_visible() and not page.locator("#days-table").is_visible()
        page.get_by_text("Show as table").click()
        assert page.locator("#days-table").is_visible() and not page.locator("#days .plot").is_visible()
        assert page.get_by_text("As of ").is_visible(), "without script the page says what time it is of"


def test_usage_is_filtered_without_script(browser: Browser, site: str, store: ValkeyServer) -> None:
    fernhill = most_of_a_month()
    with screens.visit(browser, site, java_script_enabled=False) as visited:
        signed_in(visited, fernhill.owner)
        page = visited.page
        page.goto(f"{site}{fernhill.home}usage/", wait_until="load")
        page.get_by_label("What became of it").select_option("at_hold")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**show=at_hold**")
        assert page.locator("tbody tr").count() > 0
        assert page.locator(".requests .state").all_inner_texts() == ["At hold"]


def test_a_filter_keeps_the_focus_and_the_page_goes_on_being_live(
    browser: Browser, site: str, store: ValkeyServer
) -> None:
    fernhill = most_of_a_month()
    with screens.visit(browser, site) as visited:
        signed_in(visited, fernhill.owner)
        page = visited.page
        page.goto(f"{site}{fernhill.home}usage/", wait_until="load")
        page.get_by_text("Live · ").wait_for()
        page.get_by_label("Model").focus()
        page.get_by_label("Model").select_option("gpt-4o")
        page.wait_for_url("**model=gpt-4o**")
        page.locator(".sentence", has_text="gpt-4o").wait_for()
        assert page.evaluate("document.activeElement.id") == "f-model"
        page.get_by_text("Live · ").wait_for()
        export = page.get_by_role("link", name="Export").get_attribute("href")
        assert export is not None and "model=gpt-4o" in export
        fernhill.record("support-bot", at=datetime.now(UTC) + timedelta(seconds=1))
        told = threading.Thread(target=feed.announce, args=(fernhill.tenant.pk,))  # Playwright's loop is in this one
        told.start()
        told.join(5)
        page.get_by_role("link", name="1 new").click()
        page.wait_for_load_state("load")
        assert page.locator("tbody tr").count() > 0
        assert visited.complaints == []


def test_everything_on_the_overview_is_reached_by_keyboard(browser: Browser, site: str, store: ValkeyServer) -> None:
    fernhill = most_of_a_month()
    with screens.visit(browser, site) as visited:
        signed_in(visited, fernhill.owner)
        page = visited.page
        page.goto(site + fernhill.home, wait_until="load")
        page.get_by_text("Live · ").wait_for()
        reached, last = [], None
        for _ in range(80):
            page.keyboard.press("Tab")
            last = page.evaluate(
                "(() => { const e = document.activeElement; const s = getComputedStyle(e);"
                " return [e.textContent.trim().slice(0, 30), s.outlineStyle, e.className] })()"
            )
            if page.evaluate("document.activeElement === document.body"):
                break
            reached.append(last)
        names = [name for name, *_ in reached]
        for expected in (
            "Skip to content",
            "Test",
            "See the refusals",
            "Model",
            "Show as table",
            "support-bot",
            "Pause",
        ):
            assert expected in names, (expected, names)
        assert {style for _, style, _ in reached} == {"solid"}, [each for each in reached if each[1] != "solid"]
