"""The pages that change things as a browser shows them: sound in every size and scheme, and drawn into docs/screens."""

import pytest
from playwright.sync_api import Browser, expect

from budgets.money import NANO
from budgets.services import set_end_user_cap, set_tenant_cap
from budgets.windows import WindowKind
from tenants import services
from tenants.services import Actor
from tests.support import screens
from tests.support.fernhill import Fernhill, crossed, most_of_a_month
from tests.support.pages import VARIANTS, look_at, signed_in, sound
from tests.support.valkey import ValkeyServer
from tokonomics.console import words

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def fernhill(store: ValkeyServer) -> Fernhill:
    company = most_of_a_month()
    crossed(company)
    return company


KEY_PAGES = {
    "keys": "keys/",
    "key-new": "keys/new/",
    "key": "keys/{support-bot}/",
    "key-cap": "keys/{staging}/cap/month/",
    "key-raise": "keys/{nightly-batch}/raise/",
    "key-edit": "keys/{dev-team}/edit/",
    "key-rotate": "keys/{support-bot}/rotate/",
    "key-revoke": "keys/{staging}/revoke/",
    "key-users": "keys/{support-bot}/end-users/",
    "key-user-cap": "keys/{support-bot}/end-users/cap/",
}
ALIKE_KEY_PAGES = {  # as far as a check goes; each has its picture
    "keys-past": "keys/?show=past",
    "key-blocked": "keys/{nightly-batch}/",
    "key-no-cap": "keys/{analytics}/",
}

SETTINGS_PAGES = {
    "settings": "settings/",
    "providers": "settings/providers/",
    "provider-azure": "settings/providers/azure/",
    "provider-remove": "settings/providers/anthropic/remove/",
    "tokens": "settings/tokens/",
}
ALIKE_SETTINGS_PAGES = {
    "provider-key": "settings/providers/openai/",
    "provider-custom": "settings/providers/custom/",
}
if screens.DRAW:
    KEY_PAGES |= ALIKE_KEY_PAGES
    SETTINGS_PAGES |= ALIKE_SETTINGS_PAGES


def cap_end_users(fernhill: Fernhill) -> None:
    """Of one key: 12.00 a day for each, 250.00 a month, and more for one of them."""
    key, actor = fernhill.keys["support-bot"].pk, Actor.of_user(fernhill.owner)
    for amount, window, user in ((12, "day", ""), (250, "month", ""), (400, "month", "3f2a9c41d07be6aa9c1203bd")):
        set_end_user_cap(
            tenant=fernhill.tenant,
            key_id=key,
            window=WindowKind(window),
            amount=amount * NANO,
            end_user=user,
            actor=actor,
        )
    fernhill.count()  # as the next request does: a first cap has the counters built anew; then the walls refuse again
    message = "Daily spending limit for this key reached. Contact your administrator."
    fernhill.refuse("nightly-batch", message=message, ago=1)
    fernhill.refuse("staging", window="month", message=message.replace("Daily", "Monthly"), ago=40)


@pytest.mark.parametrize(("width", "scheme"), VARIANTS)
def test_the_pages_of_keys_are_sound(
    width: str, scheme: str, browser: Browser, live_server: object, fernhill: Fernhill
) -> None:
    cap_end_users(fernhill)
    with screens.visit(browser, str(live_server), width=width, scheme=scheme) as visited:
        signed_in(visited, fernhill.owner)
        look_at(visited, fernhill, KEY_PAGES, f"{width}-{scheme}")
        page = visited.page
        page.goto(visited.base + fernhill.home + "keys/new/")
        page.get_by_role("button", name="Create the key").click()
        page.get_by_text("There is a problem").wait_for()
        sound(visited, f"key-new-errors-{width}-{scheme}")
        page.get_by_label("Name").fill("playground-2")
        page.get_by_role("button", name="Create the key").click()
        page.get_by_text("It is shown this once").wait_for()
        sound(visited, f"key-made-{width}-{scheme}")


@pytest.mark.parametrize(("width", "scheme"), VARIANTS)
def test_the_pages_of_settings_are_sound(
    width: str, scheme: str, browser: Browser, live_server: object, fernhill: Fernhill
) -> None:
    actor = Actor.of_user(fernhill.owner)
    for provider, secret in (("openai", "sk-proj-0123456789-a7Qx"), ("anthropic", "sk-ant-0123456789-Zz91")):
        services.set_provider_credential(tenant=fernhill.tenant, provider=provider, secret=secret, actor=actor)
    services.set_provider_credential(tenant=fernhill.tenant, provider="groq", secret="gsk_0123456789-zz99", actor=actor)
    services.set_provider_credential(
        tenant=fernhill.tenant,
        provider="azure",
        secret="0123456789abcdef-Kd7w",
        base_url="https://fernhill-labs.openai.azure.com",
        deployments={"chat-prod": "gpt-4o", "chat-small": "gpt-4o-mini"},
        actor=actor,
    )
    services.set_provider_credential(
        tenant=fernhill.tenant,
        provider="custom",
        name="house",
        secret="",
        base_url="https://llm.fernhill.example/v1",
        actor=actor,
    )
    for provider, ok, said in (
        ("openai", True, "listed 68 models in 310 ms, $0.00"),
        ("anthropic", False, words.provider_refused("Anthropic")),
    ):
        services.record_provider_test(tenant=fernhill.tenant, provider=provider, result=said, ok=ok, actor=actor)
    services.create_management_token(tenant=fernhill.tenant, name="terraform", actor=actor)
    with screens.visit(browser, str(live_server), width=width, scheme=scheme) as visited:
        signed_in(visited, fernhill.owner)
        look_at(visited, fernhill, SETTINGS_PAGES, f"{width}-{scheme}")
        page = visited.page
        page.goto(visited.base + fernhill.home + "settings/")
        page.get_by_label("Monthly budget").fill("1500")
        page.get_by_text("fits under $1,500.00").wait_for()
        page.get_by_role("switch").uncheck()
        sound(visited, f"settings-off-{width}-{scheme}")
        page.get_by_role("button", name="Save budget").click()
        page.get_by_role("button", name="Turn blocking off").wait_for()
        sound(visited, f"settings-ask-{width}-{scheme}")
        page.get_by_role("button", name="Keep blocking").click()
        # Waited for, or the next page breaks it off.
        with page.expect_response(lambda reply: "preview/?amount=12.345" in reply.url):
            page.get_by_label("Monthly budget").fill("12.345")
        page.get_by_role("button", name="Save budget").click()
        page.get_by_text("There is a problem").wait_for()
        sound(visited, f"settings-errors-{width}-{scheme}")


@pytest.mark.parametrize(("width", "scheme"), VARIANTS)
def test_team_and_audit_are_sound(
    width: str, scheme: str, browser: Browser, live_server: object, fernhill: Fernhill
) -> None:
    actor = Actor.of_user(fernhill.owner, "192.0.2.7")
    admin = fernhill.member("admin")
    member = fernhill.member("member")
    services.invite(tenant=fernhill.tenant, email="ada@fernhill.example", role="viewer", actor=actor)
    set_tenant_cap(tenant=fernhill.tenant, amount=1500 * NANO, actor=Actor.of_user(admin, "198.51.100.4"))
    set_tenant_cap(tenant=fernhill.tenant, hard=False, actor=actor)
    services.revoke_api_key(tenant=fernhill.tenant, key_id=fernhill.keys["intranet"].pk, actor=actor)
    pages = {
        "team": "team/",
        "team-invite": "team/invite/",
        "team-role": f"team/{member.pk}/",
        "team-remove": f"team/{member.pk}/remove/",
        "audit": "audit/",
        "audit-budget": f"audit/?what=budget&who={admin.email}",
        "audit-nothing": "audit/?to=2020-01-01",
        "key-revoked": "keys/{intranet}/",
    }
    with screens.visit(browser, str(live_server), width=width, scheme=scheme) as visited:
        signed_in(visited, fernhill.owner)
        look_at(visited, fernhill, pages, f"{width}-{scheme}")
        page = visited.page
        page.goto(visited.base + fernhill.home + "team/invite/")
        page.get_by_label("E-mail").fill("grace@fernhill.example")
        page.get_by_role("button", name="Make the link").click()
        page.get_by_text("this link. It is shown this once.").wait_for()
        sound(visited, f"team-link-{width}-{scheme}")
        link = page.locator("[data-copy]").inner_text()
        page.context.clear_cookies()
        page.goto(link)
        sound(visited, f"invited-{width}-{scheme}")


@pytest.mark.parametrize(("width", "scheme"), VARIANTS)
def test_what_a_viewer_sees_is_sound(
    width: str, scheme: str, browser: Browser, live_server: object, fernhill: Fernhill
) -> None:
    pages = {"viewer-keys": "keys/", "viewer-key": "keys/{support-bot}/", "viewer-settings": "settings/"}
    pages |= {"viewer-providers": "settings/providers/", "viewer-team": "team/"}
    with screens.visit(browser, str(live_server), width=width, scheme=scheme) as visited:
        signed_in(visited, fernhill.member("viewer"))
        look_at(visited, fernhill, pages, f"{width}-{scheme}")


# --- What they do ----------------------------------------------------------------------------------------------------


def test_a_new_secret_has_the_focus_and_the_button_says_copied(
    browser: Browser, live_server: object, fernhill: Fernhill
) -> None:
    with screens.visit(browser, str(live_server)) as visited:
        signed_in(visited, fernhill.owner)
        page = visited.page
        page.goto(visited.base + fernhill.home + "keys/new/")
        page.get_by_label("Name").fill("playground-2")
        page.get_by_role("button", name="Create the key").dblclick()
        secret = page.get_by_label("The secret of playground-2")
        secret.wait_for()
        page.wait_for_function("document.activeElement.textContent.startsWith('tk_live_')")
        page.get_by_role("button", name="Copy", exact=True).first.click()
        page.locator(".once-row").get_by_role("button", name="Copied").wait_for()
        assert page.locator("#said").text_content() in ("", "Copied")
        assert fernhill.tenant.api_keys.filter(name="playground-2").count() == 1
        page.reload()
        page.get_by_text("was shown once, and nobody can look it up").wait_for()
        assert visited.complaints == []


def test_a_cap_is_edited_in_its_row_by_keyboard(browser: Browser, live_server: object, fernhill: Fernhill) -> None:
    with screens.visit(browser, str(live_server)) as visited:
        signed_in(visited, fernhill.owner)
        page = visited.page
        page.goto(visited.base + fernhill.home + "keys/")
        opener = page.get_by_role("link", name="of $50.00: change the monthly cap of staging")
        opener.focus()
        page.keyboard.press("Enter")
        field = page.get_by_label("Monthly cap of staging in US dollars")
        expect(field).to_be_focused()
        field.fill("75")
        page.get_by_text("was $50.00, frees $25.00 at once").wait_for()
        field.fill("40")
        page.get_by_text("was $50.00, blocks it at once").wait_for()
        page.keyboard.press("Escape")
        page.get_by_role("link", name="of $50.00: change the monthly cap of staging").wait_for()
        page.get_by_role("link", name="of $50.00: change the monthly cap of staging").click()
        page.get_by_label("Monthly cap of staging in US dollars").fill("75")
        page.keyboard.press("Enter")
        page.get_by_role("link", name="of $75.00: change the monthly cap of staging").wait_for()
        assert "may spend $75.00 a month" in (page.locator("#said").text_content() or "")
        expect(page.locator(f"#{fernhill.keys['staging'].pk}")).to_be_focused()
        assert visited.complaints == []


def test_the_table_follows_what_is_spent_and_says_what_is_blocked(
    browser: Browser, live_server: object, fernhill: Fernhill
) -> None:
    with screens.visit(browser, str(live_server)) as visited:
        signed_in(visited, fernhill.owner)
        page = visited.page
        page.clock.install()  # it goes on as usual, and can be put forward to the next look
        page.goto(visited.base + fernhill.home + "keys/")
        fernhill.refuse("dev-team", window="month", message="Monthly spending limit for this key reached.", ago=0)
        page.clock.fast_forward(5_100)
        row = page.locator(f"#{fernhill.keys['dev-team'].pk}")
        expect(row.get_by_text("Blocked")).to_be_visible(timeout=12_000)
        expect(page.locator("#said")).to_have_text("dev-team: Blocked")
        # Nothing moves under somebody who has opened a cell.
        page.get_by_role("link", name="of $500.00: change the monthly cap of support-bot").click()
        field = page.get_by_label("Monthly cap of support-bot in US dollars")
        field.fill("123")
        page.locator("h1").click()
        page.clock.fast_forward(6_000)
        page.wait_for_timeout(700)  # as long as an answer would take
        expect(field).to_have_value("123")
        assert visited.complaints == []


def test_a_long_list_is_narrowed_as_one_types(browser: Browser, live_server: object, fernhill: Fernhill) -> None:
    for number in range(10):
        services.create_api_key(tenant=fernhill.tenant, name=f"zebra-{number}", actor=Actor.of_user(fernhill.owner))
    with screens.visit(browser, str(live_server)) as visited:
        signed_in(visited, fernhill.owner)
        page = visited.page
        page.goto(visited.base + fernhill.home + "keys/")
        page.get_by_label("Find a key").press_sequentially("zebra")
        page.get_by_text("10 of 18").wait_for()
        assert page.locator(".keys tbody tr:visible").count() == 10
        sound(visited, "keys-long-wide-light")


def test_everything_works_without_script(browser: Browser, live_server: object, fernhill: Fernhill) -> None:
    with screens.visit(browser, str(live_server), java_script_enabled=False) as visited:
        signed_in(visited, fernhill.owner)
        page = visited.page
        page.goto(visited.base + fernhill.home + "keys/")
        page.get_by_role("link", name="Create a key").click()
        page.get_by_label("Name").fill("no-script")
        page.get_by_label("Cap a month", exact=True).fill("12")
        page.get_by_role("button", name="Create the key").click()
        page.get_by_text("Copy the key “no-script” now.").wait_for()
        page.get_by_role("link", name="of $12.00: change the monthly cap of no-script").click()
        page.get_by_label("Monthly cap of no-script in US dollars").fill("15")
        page.get_by_role("button", name="Save").click()
        page.get_by_text("“no-script” may spend $15.00 a month from the next request.").wait_for()
        page.get_by_role("link", name="Settings").click()
        page.get_by_label("Monthly budget").fill("1,500")
        page.get_by_role("switch", name="Block requests when budget is reached").uncheck()
        assert page.get_by_text("Nothing is blocked. At").is_visible()
        page.get_by_role("button", name="Save budget").click()
        page.get_by_role("button", name="Turn blocking off").click()
        page.get_by_text("Saved. Nothing is blocked at $1,500.00").wait_for()
        page.get_by_role("link", name="Team").click()
        page.get_by_role("link", name="Invite").click()
        page.get_by_label("E-mail").fill("ada@fernhill.example")
        page.get_by_role("button", name="Make the link").click()
        page.get_by_text("Give ada@fernhill.example this link.").wait_for()
        page.get_by_role("link", name="Audit log").click()
        page.get_by_text("raised, with blocking turned off, the budget a month").first.wait_for()
