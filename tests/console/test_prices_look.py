"""The pages of prices as a browser shows them: sound in every size and scheme, and drawn into docs/screens."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from budgets.money import NANO
from budgets.prices import Terms, set_price
from tenants.services import Actor
from tests.console.test_writing_pages import VARIANTS, look_at, signed_in, sound
from tests.support import screens
from tests.support.fernhill import Fernhill, most_of_a_month
from tests.support.valkey import ValkeyServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with screens.chromium() as chromium:
        yield chromium


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
        "price-change": f"prices/{of_model.pk}/",
        "price-remove": f"prices/{of_model.pk}/remove/",
    }
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
