"""The pages as a browser shows them: no violation of the CSP, no foreign host, axe clean, never scrolling sideways."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support import screens
from tests.support.valkey import ValkeyServer

pytestmark = [pytest.mark.browser, pytest.mark.urls("tests.support.look")]

PAGES = {
    "landing": "/",
    "login": "/login/",
    "signup": "/signup/",
    "password-reset": "/password/reset/",
    "meter": "/look/meters/",
    "components": "/look/console/",
    "403": "/look/403/",
    "404": "/look/404/",
    "429": "/look/429/",
    "500": "/look/500/",
    "503": "/look/503/",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with screens.chromium() as chromium:
        yield chromium


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", ["wide", "narrow"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_sound(
    name: str, width: str, scheme: str, browser: Browser, live_server: object, store: ValkeyServer
) -> None:
    with screens.visit(browser, str(live_server), width=width, scheme=scheme) as visited:
        visited.open(PAGES[name])
        visited.draw(f"{name}-{width}-{scheme}")
        assert visited.complaints == []
        assert visited.overflow() <= 0
        assert visited.axe() == []
