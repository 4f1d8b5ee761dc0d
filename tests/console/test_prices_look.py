"""The pages of prices as a browser shows them: sound in every size and scheme, and drawn into docs/screens."""

import pytest
from playwright.sync_api import Browser, expect

from budgets.money import NANO
from budgets.prices import Terms, set_price
from tenants import services
from tenants.services import Actor
from tests.support import screens
from tests.support.fernhill import Fernhill, most_of_a_month
from tests.support.pages import VARIANTS, look_at, signed_in, sound
from tests.support.valkey import ValkeyServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def fernhill(store: ValkeyServer) -> Fernhill:
    company = most_of_a_month()
    actor = Actor.of_user(company.owner)
    for provider, model, terms in (
        ("openai", "*", Terms(discount=1_750, note="Agreement of 1 March 2026")),
        (
            "anthropic",
            "claude-opus-4-6",
            Terms(rates={"input": 4 * NANO, "output": 20 * NANO, "cache_read": NANO // 2}),
        ),
    ):
        set_price(tenant=company.tenant, provider=provider, model=model, terms=terms, actor=actor)
    services.set_provider_credential(
        tenant=company.tenant, provider="openai", secret="sk-proj-0123456789-a7Qx", actor=actor
    )
    return company


@pytest.mark.parametrize(("width", "scheme"), VARIANTS)
def test_the_pages_of_prices_are_sound(
    width: str, scheme: str, browser: Browser, live_server: object, fernhill: Fernhill
) -> None:
    of_model = fernhill.tenant.prices.get(provider="anthropic")
    pages = {
        "prices": "prices/?q=-4",
        "prices-nothing": "prices/?q=gpt-99",
        "price-new": "prices/new/?provider=openai&model=gpt-4o-mini",
        "price-remove": f"prices/{of_model.pk}/remove/",
    }
    alike = {"price-change": f"prices/{of_model.pk}/", "estimate": "prices/estimate/"}  # as far as a check goes
    pages |= alike if screens.DRAW else {}
    with screens.visit(browser, str(live_server), width=width, scheme=scheme) as visited:
        signed_in(visited, fernhill.owner)
        look_at(visited, fernhill, pages, f"{width}-{scheme}")
        page = visited.page
        page.goto(visited.base + fernhill.home + "prices/new/?provider=openai&model=gpt-4o-mini")
        assert page.get_by_label("Percent off").is_visible() and not page.get_by_label("Input", exact=True).is_visible()
        page.get_by_label("Rates of our own").check()
        assert page.get_by_label("Input", exact=True).is_visible() and not page.get_by_label("Percent off").is_visible()
        page.get_by_label("Input", exact=True).fill("1 EUR")
        page.get_by_role("button", name="Save the price").click()
        page.get_by_text("There is a problem").wait_for()
        sound(visited, f"price-errors-{width}-{scheme}")


TOO_LARGE = '{"model": "gpt-4o", "max_tokens": 16000, "messages": [{"role": "user", "content": "Say hello."}]}'


@pytest.mark.parametrize(("width", "scheme"), VARIANTS)
def test_a_request_is_estimated(
    width: str, scheme: str, browser: Browser, live_server: object, fernhill: Fernhill
) -> None:
    with screens.visit(browser, str(live_server), width=width, scheme=scheme) as visited:
        signed_in(visited, fernhill.owner)
        page = visited.page
        page.goto(visited.base + fernhill.home + "prices/estimate/")
        page.get_by_role("button", name="Estimate").click()
        expect(page.get_by_role("heading", name="It would be admitted now.")).to_be_focused()
        sound(visited, f"estimate-admitted-{width}-{scheme}")
        page.get_by_label("Key that would send it").select_option("staging")
        page.get_by_label("Body").fill(TOO_LARGE)
        page.get_by_role("button", name="Estimate").click()
        expect(page.get_by_role("heading", name="It would be refused now.")).to_be_focused()
        page.get_by_text("What the app would get").click()
        sound(visited, f"estimate-refused-{width}-{scheme}")
        page.get_by_label("Body").fill('{"model": "gpt-4o",}')
        page.get_by_role("button", name="Estimate").click()
        expect(page.locator(".problem")).to_be_focused()
        assert page.title().startswith("Error: ")
        sound(visited, f"estimate-errors-{width}-{scheme}")


def test_a_request_is_estimated_without_script(browser: Browser, live_server: object, fernhill: Fernhill) -> None:
    with screens.visit(browser, str(live_server), java_script_enabled=False) as visited:
        signed_in(visited, fernhill.owner)
        page = visited.page
        page.goto(visited.base + fernhill.home + "prices/estimate/")
        page.get_by_role("link", name="Responses").click()
        page.get_by_role("button", name="Estimate").click()
        page.get_by_role("heading", name="It would be admitted now.").wait_for()
        expect(page.get_by_label("Endpoint")).to_have_value("/v1/responses")
