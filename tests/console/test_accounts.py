"""Sign-up, log-in, reset, lockout: as a visitor meets them, on a real database and a real Valkey."""

import re
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.core import mail
from django.test import Client
from django.utils import timezone

from budgets.models import Cap
from budgets.money import NANO
from tenants.models import Membership, Role, Tenant, User
from tests.support.valkey import ValkeyServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("store")]

PASSWORD = "a long enough secret"
NEW = {"email": "owner@fernhill.example", "password1": PASSWORD, "company": "Fernhill Labs"}


@pytest.fixture
def with_mail(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"


@pytest.fixture
def owner(client: Client) -> User:
    client.post("/signup/", NEW)
    client.logout()
    return User.objects.get(email=NEW["email"])


def log_in(client: Client, password: str = PASSWORD, email: str = NEW["email"]) -> Any:
    return client.post("/login/", {"login": email, "password": password})


def prove(client: Client) -> None:
    """Enter the password once more: what protects the account is changed only after that."""
    client.post("/reauthenticate/", {"password": PASSWORD})


def test_a_sign_up_makes_a_company_with_its_owner_and_asks_for_the_budget(client: Client) -> None:
    answer = client.post("/signup/", NEW)
    assert (answer.status_code, answer["Location"]) == (302, "/t/fernhill-labs/start/")
    tenant = Tenant.objects.get(slug="fernhill-labs")
    assert tenant.default_output_limit == 16_384
    assert Membership.objects.get(tenant=tenant).role == Role.OWNER
    assert not Cap.objects.filter(tenant=tenant, mode="live").exists()


def test_the_budget_page_offers_49_dollars_with_the_block_switched_on(client: Client) -> None:
    client.post("/signup/", NEW)
    page = client.get("/t/fernhill-labs/start/").content.decode()
    assert 'value="49.00"' in page and "Set $49.00" in page
    assert re.search(r'<input type="checkbox" role="switch" name="hard" id="id_hard" checked', page)
    answer = client.post("/t/fernhill-labs/start/", {"amount": "$1,200.50", "hard": "on"})
    assert (answer.status_code, answer["Location"]) == (302, "/t/fernhill-labs/")
    cap = Cap.objects.get(tenant__slug="fernhill-labs", mode="live")
    assert (cap.amount, cap.hard, cap.api_key) == (1_200_500_000_000, True, None)
    assert client.get("/t/fernhill-labs/start/").status_code == 302


def test_the_block_can_be_switched_off_at_the_first_budget(client: Client) -> None:
    client.post("/signup/", NEW)
    client.post("/t/fernhill-labs/start/", {"amount": "49"})
    cap = Cap.objects.get(tenant__slug="fernhill-labs", mode="live")
    assert (cap.amount, cap.hard) == (49 * NANO, False)


@pytest.mark.parametrize("amount", ["", "€49", "49.001", "-1", "many", "99999999"])
def test_a_budget_that_is_no_amount_gets_a_sentence_and_keeps_what_was_typed(client: Client, amount: str) -> None:
    client.post("/signup/", NEW)
    answer = client.post("/t/fernhill-labs/start/", {"amount": amount, "hard": "on"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "<title>Error: " in page and "There is a problem" in page and 'href="#id_amount"' in page
    assert page.count("Enter the monthly budget") == 2  # in the summary and at the field
    assert f'value="{amount}"' in page or amount == ""
    assert not Cap.objects.filter(mode="live").exists()


def test_a_stranger_and_nobody_at_all_learn_nothing_of_a_company(client: Client, owner: User) -> None:
    assert client.get("/t/fernhill-labs/start/")["Location"].startswith("/login/")
    client.post("/signup/", {**NEW, "email": "stranger@other.example", "company": "Other"})
    theirs, nobodys = client.get("/t/fernhill-labs/start/"), client.get("/t/no-such-company/start/")
    assert theirs.status_code == nobodys.status_code == 404
    unsigned = [re.sub(r'value="[\w-]+"|"X-CSRFToken": "\w+"', "", one.content.decode()) for one in (theirs, nobodys)]
    assert unsigned[0].replace("fernhill-labs", "no-such-company") == unsigned[1]


def test_a_member_who_may_not_change_the_budget_is_not_asked_for_it(client: Client, owner: User) -> None:
    Membership.objects.filter(user=owner).update(role=Role.VIEWER)
    assert log_in(client)["Location"] == "/t/fernhill-labs/"
    assert client.get("/t/fernhill-labs/start/")["Location"] == "/t/fernhill-labs/"


def test_without_the_ledger_nothing_is_created_and_the_form_says_so(client: Client, store: ValkeyServer) -> None:
    store.stop()
    answer = client.post("/signup/", NEW)
    assert answer.status_code in (200, 503)
    assert "cannot be reached" in answer.content.decode()
    assert not User.objects.exists() and not Tenant.objects.exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"password1": "short"}, "Enter a password of at least 12 characters."),
        ({"password1": "megaparol12345"}, "Choose another password"),
        ({"password1": ""}, "Enter the password."),
        ({"company": ""}, "Enter the name of your company."),
        ({"email": "nobody"}, "Enter an e-mail address, like name@company.example."),
    ],
)
def test_each_error_of_a_sign_up_is_said_at_its_field(client: Client, change: dict[str, str], sentence: str) -> None:
    answer = client.post("/signup/", {**NEW, **change})
    page = answer.content.decode()
    assert answer.status_code == 200 and "There is a problem" in page and sentence in page
    assert f'href="#id_{next(iter(change))}"' in page and 'aria-invalid="true"' in page
    assert not User.objects.exists()


def test_twelve_characters_are_said_before_they_are_asked_for(client: Client) -> None:
    assert "At least 12 characters." in client.get("/signup/").content.decode()


@pytest.mark.parametrize("path", ["/register", "/register/"])
def test_register_leads_to_the_sign_up(client: Client, path: str) -> None:
    answer = client.get(f"{path}?next=/x/")
    assert (answer.status_code, answer["Location"]) == (302, "/signup/?next=/x/")


def test_a_closed_sign_up_says_whom_to_ask(client: Client, settings: Any) -> None:
    settings.SIGNUP_OPEN = False
    assert "Ask your operator for an invitation" in client.get("/").content.decode()
    assert "Ask your operator for an invitation" in client.get("/signup/").content.decode()
    client.post("/signup/", NEW)
    assert not User.objects.exists()


def test_a_log_in_leads_to_the_company_once_it_has_a_budget(client: Client, owner: User) -> None:
    assert log_in(client)["Location"] == "/t/fernhill-labs/start/"
    client.post("/t/fernhill-labs/start/", {"amount": "49", "hard": "on"})
    client.logout()
    assert log_in(client)["Location"] == "/t/fernhill-labs/"
    assert "Open Fernhill Labs" in client.get("/").content.decode()


def test_a_wrong_password_and_an_unknown_e_mail_get_the_same_answer(client: Client, owner: User) -> None:
    answers = [log_in(client, "not the password"), log_in(client, email="nobody@else.example")]
    for answer in answers:
        assert answer.status_code == 200
        assert "The e-mail or the password is not right." in answer.content.decode()


def test_after_ten_wrong_passwords_the_account_is_locked_and_says_until_when(client: Client, owner: User) -> None:
    for number in range(10):
        last = log_in(client, "wrong", email=NEW["email"].upper() if number % 2 else NEW["email"])
    assert last.status_code == 429
    until = f"{timezone.now() + timedelta(hours=1):%H:%M} UTC"
    right = log_in(client)
    assert right.status_code == 429 and until in right.content.decode()
    assert "_auth_user_id" not in client.session
    unknown = [log_in(client, "wrong", email="nobody@else.example") for _ in range(10)][-1]
    assert unknown.status_code == 429


def test_a_lockout_ends_when_it_said_and_tries_meanwhile_do_not_prolong_it(client: Client, owner: User) -> None:
    from axes.models import AccessAttempt

    for _ in range(11):
        log_in(client, "wrong")
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=61))
    assert log_in(client).status_code == 302


def test_with_mail_a_sign_up_waits_for_the_address_and_tells_nobody_who_has_an_account(
    client: Client, with_mail: None, store: ValkeyServer
) -> None:
    first = client.post("/signup/", NEW)
    client.logout()
    store.flushall()  # one mail an address in three minutes
    again = Client().post("/signup/", {**NEW, "company": "Another"})
    assert first.status_code == again.status_code == 302
    assert first["Location"] == again["Location"] == "/confirm-email/"
    assert Tenant.objects.count() == 1
    assert [message.subject for message in mail.outbox] == ["Confirm your e-mail", "You have an account already"]
    link = re.search(r"/confirm-email/\S+", mail.outbox[0].body)
    assert link is not None
    assert "Is this your e-mail?" in client.get(link[0]).content.decode()
    client.post(link[0])
    assert EmailAddress.objects.get(email=NEW["email"]).verified
    assert log_in(client)["Location"] == "/t/fernhill-labs/start/"


def test_a_reset_answers_alike_for_known_and_unknown_and_its_link_works_once(
    client: Client, owner: User, with_mail: None
) -> None:
    pages = [
        client.post("/password/reset/", {"email": email}, follow=True).content.decode()
        for email in (owner.email, "nobody@else.example")
    ]
    unsigned = [re.sub(r'value="\w+"|"X-CSRFToken": "\w+"', "", page) for page in pages]
    assert unsigned[0] == unsigned[1] and "Look at your e-mail" in unsigned[0]
    assert [message.subject for message in mail.outbox] == ["Set a new password", "No account with this e-mail"]
    link = re.search(r"/password/reset/key/\S+", mail.outbox[0].body)
    assert link is not None
    form = client.get(link[0], follow=True)
    answer = client.post(form.redirect_chain[-1][0], {"password1": "another long secret"}, follow=True)
    assert "The new password is set" in answer.content.decode()
    EmailAddress.objects.update_or_create(user=owner, email=owner.email, defaults={"verified": True, "primary": True})
    assert log_in(client, "another long secret").status_code == 302
    assert "This link no longer works" in Client().get(link[0], follow=True).content.decode()


def test_links_in_mails_stand_on_the_public_address_whatever_the_host_header_says(
    client: Client, owner: User, with_mail: None, settings: Any
) -> None:
    settings.PUBLIC_URL = "https://caps.fernhill.example"
    client.post("/password/reset/", {"email": owner.email}, headers={"host": "evil.example"})
    assert "https://caps.fernhill.example/password/reset/key/" in mail.outbox[0].body
    assert "evil.example/password" not in mail.outbox[0].body


def test_an_authenticator_app_is_asked_for_after_the_password(client: Client, owner: User) -> None:
    log_in(client)
    assert client.get("/2fa/totp/activate/")["Location"].startswith("/reauthenticate/")
    prove(client)
    page = client.get("/2fa/totp/activate/").content.decode()
    assert 'src="data:image/svg+xml' in page
    secret = re.search(r"data-copy>(\w+)<", page)
    assert secret is not None
    code = totp.format_hotp_value(totp.hotp_value(secret[1], next(totp.yield_hotp_counters_from_time())))
    client.post("/2fa/totp/activate/", {"code": code})
    assert Authenticator.objects.filter(user=owner, type="totp").exists()
    assert "10 of 10 left" in client.get("/2fa/").content.decode()
    client.logout()
    answer = log_in(client)
    assert answer["Location"].startswith("/2fa/authenticate/")
    assert "One more step" in client.get("/2fa/authenticate/").content.decode()
    assert "not right" in client.post("/2fa/authenticate/", {"code": "000000"}).content.decode()


def test_the_theme_is_a_cookie_that_the_server_renders(client: Client) -> None:
    answer = client.post("/theme/", {"theme": "dark", "next": "/login/"})
    assert (answer.status_code, answer["Location"]) == (302, "/login/")
    assert '<html lang="en" data-bs-theme="dark">' in client.get("/").content.decode()
    client.post("/theme/", {"theme": ""})
    assert '<html lang="en">' in client.get("/").content.decode()
    assert client.post("/theme/", {"theme": "dark", "next": "https://evil.example/"})["Location"] == "/"


def test_every_page_forbids_inline_script_and_style_and_has_none(client: Client, owner: User) -> None:
    log_in(client)
    prove(client)
    for path in (
        "/",
        "/2fa/",
        "/2fa/webauthn/add/",
        "/password/change/",
        "/email/",
        "/logout/",
        "/t/fernhill-labs/start/",
    ):
        answer = client.get(path)
        page = answer.content.decode()
        assert answer.status_code == 200, path
        policy = answer["Content-Security-Policy"]
        assert "script-src 'self'" in policy and "style-src 'self'" in policy and "unsafe" not in policy
        assert " style=" not in page and "<style" not in page and not re.search(r"\son[a-z]+=", page), path
        for script in re.findall(r"<script([^>]*)>([^<]*)", page):
            assert script[1].strip() == "" or "application/json" in script[0], path
