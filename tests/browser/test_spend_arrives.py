"""A real browser on the whole product: an open page shows what is spent, without a reload and soon."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.support import screens
from tests.support.stack import ProductStack

pytestmark = pytest.mark.browser

PASSWORD = "a long enough secret"
SOON = 2.0  # seconds from a call's reply to its spend on an open page


@pytest.fixture
def company(stack: ProductStack) -> dict[str, Any]:
    number = time.time_ns()
    made = stack.create_tenant(
        name=f"Fernhill {number}",
        owner_email=f"owner{number}@fernhill.example",
        owner_password=PASSWORD,
        test_key=True,
        monthly_cap="50.00",
    )
    return {**made, "email": f"owner{number}@fernhill.example", "home": f"/t/{made['tenant']}/"}


@contextmanager
def signed_in(
    browser: Browser, stack: ProductStack, company: dict[str, Any], **options: Any
) -> Iterator[screens.Visit]:
    with screens.visit(browser, stack.base_url, **options) as visited:
        page = visited.page
        page.goto(f"{stack.base_url}/login/")
        page.get_by_label("E-mail").fill(company["email"])
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Log in", exact=True).click()
        page.wait_for_url(f"**{company['home']}")
        page.wait_for_load_state("networkidle")  # what is still loading when it is left counts as failed
        yield visited


def call(stack: ProductStack, key: str, *, output: int = 1000, model: str = "gpt-4o", **orders: Any) -> httpx.Response:
    told = "; ".join(f"{name}={value}" for name, value in {"output": output, **orders}.items())
    return httpx.post(
        f"{stack.base_url}/v1/chat/completions",
        headers={"authorization": f"Bearer {key}", "x-tokonomics-sandbox": told},
        json={"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": output},
        timeout=30,
    )


def is_live(visited: screens.Visit) -> None:
    visited.page.get_by_text("Live · ").wait_for()


def test_spend_shows_on_an_open_overview_within_two_seconds_of_the_call(
    browser: Browser, stack: ProductStack, company: dict[str, Any]
) -> None:
    with signed_in(browser, stack, company) as visited:
        page = visited.page
        page.goto(f"{stack.base_url}{company['home']}?mode=test")
        is_live(visited)
        page.evaluate("window.thisVeryPage = true")
        spent = page.locator('[data-figure="spent"]')
        assert spent.inner_text().startswith("$0.00")
        took = []
        for expected in ("$0.02", "$0.03", "$0.04"):  # a cent and a little each, rounded up
            reply = call(stack, company["test_api_key"])
            assert reply.status_code == 200, reply.text
            replied = time.monotonic()
            expect(spent).to_contain_text(expected, timeout=SOON * 1000)
            took.append(time.monotonic() - replied)
        assert max(took) < SOON, took
        rows = page.locator("#requests tbody tr")
        expect(rows).to_have_count(3, timeout=SOON * 1000)
        expect(rows.first).to_contain_text("1,000 out")
        expect(page.locator("#by-day .c1")).to_have_count(1)
        expect(page.locator("#by-who")).to_contain_text("$0.04")
        assert page.evaluate("window.thisVeryPage") is True, "the page was loaded again"
        assert visited.complaints == []
        assert visited.axe() == []


def test_a_request_in_flight_is_seen_held_and_then_settled(
    browser: Browser, stack: ProductStack, company: dict[str, Any]
) -> None:
    with signed_in(browser, stack, company) as visited:
        page = visited.page
        page.goto(f"{stack.base_url}{company['home']}?mode=test")
        is_live(visited)
        running = threading.Thread(target=call, args=(stack, company["test_api_key"]), kwargs={"delay": 4})
        running.start()
        expect(page.locator('[data-figure="held"]')).to_contain_text("by 1 request in flight", timeout=3000)
        row = page.locator("#requests tbody tr").first
        expect(row).to_contain_text("In flight")
        ident = row.get_attribute("id")
        running.join(15)
        expect(page.locator('[data-figure="held"]')).to_contain_text("nothing in flight", timeout=SOON * 1000)
        expect(page.locator(f"#{ident}")).to_contain_text("Settled", timeout=SOON * 1000)
        assert visited.complaints == []


def test_the_list_stands_still_while_it_is_read_and_says_how_many_wait(
    browser: Browser, stack: ProductStack, company: dict[str, Any]
) -> None:
    with signed_in(browser, stack, company) as visited:
        page = visited.page
        page.goto(f"{stack.base_url}{company['home']}?mode=test")
        is_live(visited)
        call(stack, company["test_api_key"])
        rows = page.locator("#requests tbody tr")
        expect(rows).to_have_count(1, timeout=4000)
        page.get_by_role("button", name="Pause").click()
        page.mouse.move(5, 5)
        call(stack, company["test_api_key"])
        expect(page.get_by_role("button", name="Go on · 1 new")).to_be_visible(timeout=4000)
        assert rows.count() == 1
        expect(page.locator('[data-figure="spent"]')).to_contain_text("$0.03", timeout=3000)  # the figures go on
        page.get_by_role("button", name="Go on · 1 new").click()
        expect(rows).to_have_count(2)
        link = rows.first.get_by_role("link")
        link.focus()
        call(stack, company["test_api_key"])
        expect(page.get_by_role("button", name="Pause · 1 new")).to_be_visible(timeout=4000)
        assert rows.count() == 2 and link.evaluate("element => element === document.activeElement")
        page.get_by_role("button", name="Pause · 1 new").focus()
        expect(rows).to_have_count(3, timeout=2000)


def test_the_wall_is_hit_on_purpose_in_under_a_minute(
    browser: Browser, stack: ProductStack, company: dict[str, Any]
) -> None:
    with signed_in(browser, stack, company) as visited:
        page = visited.page
        page.goto(f"{stack.base_url}{company['home']}onboarding/#wall")
        is_live(visited)
        began = time.monotonic()
        wall = page.locator("#wall")
        if not page.get_by_label("Prompt").is_visible():
            wall.get_by_role("heading", name="Hit the cap on purpose").click()
        page.get_by_role("button", name="Hit the cap on purpose").click()
        reply = page.get_by_label("The reply")
        expect(reply).to_contain_text("HTTP 429", timeout=40_000)
        assert time.monotonic() - began < 60
        shown = reply.inner_text()
        assert '"code": "budget_cap_exceeded"' in shown
        assert "Monthly spending limit for this key reached. Contact your administrator." in shown
        assert '"reset_at"' in shown
        expect(page.locator("#state-wall .is-done")).to_have_count(1, timeout=5000)
        assert visited.complaints == []
        assert visited.overflow() == 0
        assert visited.axe() == []


def test_a_link_that_is_lost_is_said_and_comes_back_by_itself(browser: Browser, own_stack: ProductStack) -> None:
    own_stack.workers = 1
    own_stack.start()
    made = own_stack.create_tenant(owner_password=PASSWORD, owner_email="owner@fernhill.example", test_key=True)
    company = {**made, "email": "owner@fernhill.example", "home": f"/t/{made['tenant']}/"}
    with signed_in(browser, own_stack, company) as visited:
        page = visited.page
        page.goto(f"{own_stack.base_url}{company['home']}?mode=test")
        is_live(visited)
        assert own_stack.stop() == 0
        lost = page.locator("#live")
        expect(lost).to_contain_text("Reconnecting; figures may be older.", timeout=10_000)
        expect(lost.get_by_role("link", name="Reload")).to_be_visible()
        assert lost.inner_text().startswith("Not live since ")
        own_stack.start()
        expect(lost).to_contain_text("Live · ", timeout=40_000)
        call(own_stack, company["test_api_key"])
        expect(page.locator('[data-figure="spent"]')).to_contain_text("$0.02", timeout=3000)
        noise = ("ERR_CONNECTION_REFUSED", "WebSocket connection", "was interrupted", "Connection closed")
        assert [each for each in visited.complaints if not any(word in each for word in noise)] == []
