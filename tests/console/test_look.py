"""The pages as a browser shows them: no violation of the CSP, no foreign host, axe clean, never scrolling sideways."""

import gzip
import hashlib
import re
from contextlib import closing
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from playwright.sync_api import Browser

from tenants.store import StoreUnavailable
from tests.support import screens
from tests.support.pages import VARIANTS, sound
from tests.support.valkey import ValkeyServer
from tokonomics.console import errors

VENDOR = settings.BASE_DIR / "static" / "vendor"
PAGES = {
    "landing": "/",
    "login": "/login/",
    "signup": "/signup/",
    "password-reset": "/password/reset/",
    "password-reset-sent": "/password/reset/done/",
    "confirm-email": "/confirm-email/",
    "meter": "/look/meters/",
    "components": "/look/console/",
    "403": "/look/403/",
    "404": "/look/404/",
    "429": "/look/429/",
    "500": "/look/500/",
    "503": "/look/503/",
}
SIGNED_IN = {
    "start": "/t/fernhill-labs/start/",
    "two-factor": "/2fa/",
    "authenticator-app": "/2fa/totp/activate/",
    "passkey": "/2fa/webauthn/add/",
    "password": "/password/change/",
    "email": "/email/",
    "logout": "/logout/",
}
PASSWORD = "a long enough secret"

browser_test = pytest.mark.browser
look = pytest.mark.urls("tests.support.look")


@browser_test
@look
@pytest.mark.parametrize(("width", "scheme"), VARIANTS)
def test_the_pages_of_nobody_in_particular_are_sound(
    width: str, scheme: str, browser: Browser, live_server: object, store: ValkeyServer
) -> None:
    with screens.visit(browser, str(live_server), width=width, scheme=scheme) as visited:
        for name, path in PAGES.items():
            visited.open(path)
            sound(visited, f"{name}-{width}-{scheme}")


@browser_test
@look
@pytest.mark.parametrize(("width", "scheme"), VARIANTS)
def test_the_pages_of_somebody_who_signs_up_are_sound(
    width: str, scheme: str, browser: Browser, live_server: object, store: ValkeyServer
) -> None:
    with screens.visit(browser, str(live_server), width=width, scheme=scheme) as visited:
        page = visited.page
        visited.open("/signup/")
        page.get_by_role("button", name="Create account").click()
        page.get_by_text("There is a problem").wait_for()
        assert page.evaluate("document.activeElement.className") == "problem"
        assert page.title().startswith("Error: ")
        sound(visited, f"signup-errors-{width}-{scheme}")
        page.get_by_label("E-mail").fill("owner@fernhill.example")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_label("Company").fill("Fernhill Labs")
        page.get_by_role("button", name="Create account").click()
        page.wait_for_url("**/t/fernhill-labs/start/")
        for name, path in SIGNED_IN.items():
            visited.open(path)
            if page.get_by_role("heading", name="Is it you?").count():
                sound(visited, f"reauthenticate-{width}-{scheme}")
                page.get_by_label("Password", exact=True).fill(PASSWORD)
                page.get_by_role("button", name="Go on").click()
                page.wait_for_url(f"**{path}")
            sound(visited, f"{name}-{width}-{scheme}")


@browser_test
def test_the_password_is_shown_on_demand_and_the_button_says_the_amount(
    browser: Browser, live_server: object, store: ValkeyServer
) -> None:
    with screens.visit(browser, str(live_server)) as visited:
        page = visited.page
        visited.open("/signup/")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Show the password").click()
        assert page.locator("#id_password1").get_attribute("type") == "text"
        page.get_by_role("button", name="Hide the password").click()
        assert page.locator("#id_password1").get_attribute("type") == "password"
        page.get_by_label("E-mail").fill("owner@fernhill.example")
        page.get_by_label("Company").fill("Fernhill Labs")
        page.get_by_role("button", name="Create account").click()
        page.get_by_role("button", name="Set $49.00").wait_for()
        page.get_by_label("Monthly budget").fill("1,200.5")
        page.get_by_role("button", name="Set $1,200.50").wait_for()
        page.get_by_role("switch", name="Block requests when budget is reached").uncheck()
        assert page.get_by_text("Nothing is blocked.").is_visible()
        assert not page.get_by_text("No request is forwarded").is_visible()


@browser_test
def test_a_passkey_alone_logs_in(browser: Browser, live_server: object, store: ValkeyServer) -> None:
    with screens.visit(browser, str(live_server)) as visited:
        page = visited.page
        devices = page.context.new_cdp_session(page)
        devices.send("WebAuthn.enable")
        options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
        options |= {"isUserVerified": True, "automaticPresenceSimulation": True}
        devices.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        visited.open("/signup/")
        page.get_by_label("E-mail").fill("owner@fernhill.example")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_label("Company").fill("Fernhill Labs")
        page.get_by_role("button", name="Create account").click()
        page.wait_for_url("**/start/")
        visited.open("/2fa/webauthn/add/")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Go on").click()
        page.get_by_label("Name").fill("Laptop")
        page.get_by_label("Log in with it alone").check()
        page.get_by_role("button", name="Add it").click()
        page.get_by_text("The passkey is added.").wait_for()
        sound(visited, "recovery-codes-wide-light")
        visited.open("/2fa/webauthn/")
        sound(visited, "passkeys-wide-light")
        visited.open("/logout/")
        page.get_by_role("button", name="Log out").click()
        visited.open("/login/")
        page.get_by_role("button", name="Log in with a passkey").click()
        page.wait_for_url("**/t/fernhill-labs/start/")
        assert visited.complaints == []


@browser_test
@look
def test_the_rail_fills_a_phone_and_gives_the_focus_back(
    browser: Browser, live_server: object, store: ValkeyServer
) -> None:
    with screens.visit(browser, str(live_server), width="narrow") as visited:
        page = visited.page
        visited.open("/look/console/")
        assert not page.get_by_role("link", name="Audit log").is_visible()
        page.get_by_role("button", name="Menu").click()
        assert page.get_by_role("link", name="Audit log").is_visible()
        assert page.evaluate("document.getElementById('main').inert")
        sound(visited, "menu-narrow-light")
        page.keyboard.press("Escape")
        assert not page.get_by_role("link", name="Audit log").is_visible()
        assert not page.evaluate("document.getElementById('main').inert")
        assert page.evaluate("document.activeElement.textContent") == "Menu"


@browser_test
@look
def test_a_dialog_opens_closes_and_gives_the_focus_back(
    browser: Browser, live_server: object, store: ValkeyServer
) -> None:
    with screens.visit(browser, str(live_server)) as visited:
        page = visited.page
        visited.open("/look/console/")
        page.get_by_role("button", name="Save budget").click()
        assert page.get_by_role("dialog").is_visible()
        sound(visited, "dialog-wide-light")
        page.get_by_role("button", name="Keep blocking").click()
        assert not page.get_by_role("dialog").is_visible()
        assert page.evaluate("document.activeElement.textContent") == "Save budget"


@browser_test
@look
def test_the_menus_open_without_script(browser: Browser, live_server: object, store: ValkeyServer) -> None:
    with screens.visit(browser, str(live_server), java_script_enabled=False) as visited:
        visited.page.goto(f"{live_server}/look/console/")
        visited.page.get_by_role("button", name="Fernhill Labs, change company").click()
        visited.page.get_by_role("link", name="Bracken and Sons").wait_for()
        visited.page.keyboard.press("Escape")
        visited.page.get_by_role("button", name="owner@fernhill.example").click()
        visited.page.get_by_role("button", name="Log out").wait_for()
        visited.page.get_by_role("button", name="Dark").click()
        visited.page.wait_for_selector("html[data-bs-theme=dark]")


@browser_test
@look
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_with_forced_colours_the_meter_keeps_its_parts(
    scheme: str, browser: Browser, live_server: object, store: ValkeyServer
) -> None:
    with screens.visit(browser, str(live_server), scheme=scheme, forced_colors="active") as visited:
        visited.open("/look/console/")
        visited.draw(f"components-forced-{scheme}")
        strokes = visited.page.eval_on_selector_all(
            "#budget .m-track, #budget .m-spent, #budget .m-wall",
            "all => all.map(e => getComputedStyle(e).strokeWidth)",
        )
        assert strokes == ["1px", "1px", "1px"]


@browser_test
@look
def test_on_paper_a_page_is_ink_on_white_without_the_rail(
    browser: Browser, live_server: object, store: ValkeyServer
) -> None:
    with screens.visit(browser, str(live_server), scheme="dark") as visited:
        visited.open("/look/console/")
        visited.page.emulate_media(media="print")
        visited.draw("components-print")
        assert not visited.page.locator("#rail").is_visible()
        assert visited.page.locator("#budget").is_visible()
        colours = "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
        assert visited.page.evaluate(colours) == ["rgb(255, 255, 255)", "rgb(18, 32, 29)"]


def test_vendored_files_are_what_the_list_says() -> None:
    listed = dict(reversed(line.split(maxsplit=1)) for line in (VENDOR / "checksums.txt").read_text().splitlines())
    files = {
        f"./{path.relative_to(VENDOR)}": hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name not in ("checksums.txt", "README.md")
    }
    assert files == listed
    for packed in VENDOR.rglob("*.gz"):
        assert gzip.decompress(packed.read_bytes()) == packed.with_suffix("").read_bytes(), packed
    readme = (VENDOR / "README.md").read_text()
    for folder in VENDOR.iterdir():
        if folder.is_dir():
            assert f"`{folder.name}`" in readme and any((folder / name).exists() for name in ("LICENSE", "OFL.txt"))


def test_no_template_has_an_inline_style_a_script_or_a_handler() -> None:
    for path in (settings.BASE_DIR / "templates").rglob("*.html"):
        if path.match("alerts/email*.html"):  # mail readers know no style sheet but the mail's own
            continue
        text = re.sub(r"{% comment %}.*?{% endcomment %}|{#.*?#}", "", path.read_text(), flags=re.S)
        assert not re.search(r"\sstyle=|<style|\son\w+=\"|javascript:", text), path
        for attributes in re.findall(r"<script([^>]*)>", text):
            assert "src=" in attributes or "application/json" in attributes, path
        assert not re.search(r"(src|href|action)=\"(https?:)?//", text), path


def test_our_classes_are_not_tablers_by_accident() -> None:
    """A name that both use would bring in looks that nobody meant; these are meant."""
    ours = _classes((settings.BASE_DIR / "static" / "css" / "tokonomics.css").read_text())
    tablers = _classes((VENDOR / "tabler-1.6.1" / "tabler.min.css").read_text())
    assert ours & tablers <= {"btn", "btn-link", "btn-primary", "lead", "page-title", "small", "table"}


def _classes(css: str) -> set[str]:
    bare = re.sub(r"url\([^)]*\)|/\*.*?\*/", "", css, flags=re.S)
    return set(re.findall(r"\.(-?[_a-zA-Z][\w-]*)", re.sub(r"\{[^{}]*\}", "{}", bare)))


def test_static_files_of_a_version_may_be_kept_for_ever_and_go_out_compressed(client: Any, db: None) -> None:
    tabler = client.get("/static/vendor/tabler-1.6.1/tabler.min.css", headers={"accept-encoding": "gzip"})
    ours = client.get("/static/css/tokonomics.css")
    with closing(tabler), closing(ours):
        assert "immutable" in tabler["Cache-Control"] and tabler["Content-Encoding"] == "gzip"
        assert int(tabler["Content-Length"]) < 90_000
        assert "immutable" not in ours["Cache-Control"]


def test_the_page_of_a_failure_asks_the_database_nothing(rf: Any, db: None) -> None:
    request = rf.get("/t/fernhill-labs/keys/")
    with CaptureQueriesContext(connection) as asked:
        answer = errors.failed(request)
    assert answer.status_code == 500 and len(asked) == 0
    assert "caps hold, and requests go on as they did" in answer.content.decode()


def test_a_page_that_cannot_reach_the_ledger_says_so_and_the_api_answers_for_itself(rf: Any, db: None) -> None:
    middleware = errors.LedgerOutOfReach(lambda request: HttpResponse())
    page = middleware.process_exception(rf.get("/t/fernhill-labs/"), StoreUnavailable("refused"))
    assert page is not None and (page.status_code, page["Retry-After"]) == (503, "5")
    assert "The spending ledger cannot be reached" in page.content.decode()
    assert middleware.process_exception(rf.get("/api/v1/keys/"), StoreUnavailable("refused")) is None
    assert middleware.process_exception(rf.get("/t/fernhill-labs/"), ValueError("ours")) is None


def test_a_form_that_was_open_too_long_is_told_what_to_do(db: None) -> None:
    answer = Client(enforce_csrf_checks=True).post("/theme/", {"theme": "dark"})
    assert answer.status_code == 403
    assert "Go back, reload the page, send it again." in answer.content.decode()
