"""The pages of a company as a browser shows them: sound in every size and scheme, and drawn into docs/screens."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser

from tests.support import screens
from tests.support.asgi import served
from tests.support.fernhill import Fernhill, crossed, most_of_a_month
from tests.support.valkey import ValkeyServer

VARIANTS = [(width, scheme) for width in screens.WIDTHS for scheme in ("light", "dark")]
pytestmark = [pytest.mark.browser, pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with screens.chromium() as chromium:
        yield chromium


@pytest.fixture
def site(store: ValkeyServer) -> Iterator[str]:
    with served() as address:
        yield address


def signed_in(visited: screens.Visit, user: object) -> None:
    client = Client()
    client.force_login(user)  # type: ignore[arg-type]
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    visited.page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": visited.base}])


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
            visited.draw(f"{name}-{width}-{scheme}")
            assert (name, visited.complaints, visited.overflow(), visited.axe()) == (name, [], 0, [])
