"""`create_tenant`: one JSON object, all or nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from budgets.models import Cap
from tenants import crypto, keys, policy
from tenants.models import ApiKey, AuditEvent, ManagementToken, Membership, ProviderCredential, Role, Tenant, User
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.django_db

OWNER = ["--name", "Fernhill Labs", "--owner-email", "owner@fernhill.example"]


@pytest.fixture(autouse=True)
def _running(store: ValkeyServer) -> None:
    """The stack runs."""


def create(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    call_command("create_tenant", *OWNER, *arguments, "--json")
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 1
    return json.loads(out)


def nothing_left_behind() -> bool:
    return not any(model.objects.exists() for model in (Tenant, User, ApiKey, ManagementToken, AuditEvent, Cap))


def test_prints_the_documented_fields(capsys: pytest.CaptureFixture[str]) -> None:
    said = create(capsys, "--monthly-cap", "49", "--test-key")
    assert set(said) == {
        *("tenant", "tenant_id", "api_key", "api_key_id"),
        *("management_token", "test_api_key", "test_api_key_id"),
    }
    assert said["tenant"] == "fernhill-labs"
    assert said["api_key"].startswith("tk_live_") and keys.looks_minted(said["api_key"])
    assert said["test_api_key"].startswith("tk_test_") and keys.looks_minted(said["test_api_key"])
    assert keys.token_looks_minted(said["management_token"])


def test_without_a_test_key_its_fields_are_absent(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(create(capsys)) == {"tenant", "tenant_id", "api_key", "api_key_id", "management_token"}


def test_what_it_prints_is_what_the_database_knows(capsys: pytest.CaptureFixture[str]) -> None:
    said = create(capsys, "--key-name", "support-bot", "--provider", "openai=sk-12345678")
    key = ApiKey.objects.get(digest=keys.digest(said["api_key"]))
    assert (key.pk, key.tenant_id, key.name, key.mode) == (
        *(said["api_key_id"], said["tenant_id"]),
        *("support-bot", "live"),
    )
    assert ManagementToken.objects.get(digest=keys.digest(said["management_token"])).scopes == ["read", "write"]
    assert crypto.decrypt(ProviderCredential.objects.get(provider="openai").ciphertext) == "sk-12345678"
    assert Membership.objects.get().role == Role.OWNER


@pytest.mark.parametrize(
    ("arguments", "hard"), [([], True), (["--hard-cap"], True), (["--no-hard-cap"], False)], ids=["", "hard", "no-hard"]
)
def test_the_cap_is_hard_unless_told_otherwise(
    capsys: pytest.CaptureFixture[str], arguments: list[str], hard: bool
) -> None:
    create(capsys, "--monthly-cap", "0.000000123", *arguments)
    cap = Cap.objects.get(api_key=None, mode="live")
    assert (cap.amount, cap.hard, cap.window) == (123, hard, "month")


def test_no_monthly_cap_leaves_live_keys_without_a_budget_and_test_keys_with_ten_dollars(
    capsys: pytest.CaptureFixture[str],
) -> None:
    create(capsys)
    cap = Cap.objects.get()
    assert (cap.mode, cap.amount, cap.hard) == ("test", 10_000_000_000, True)


def test_a_cap_of_zero_is_a_cap(capsys: pytest.CaptureFixture[str]) -> None:
    create(capsys, "--monthly-cap", "0")
    assert Cap.objects.get(mode="live").amount == 0


def test_the_key_cap_holds_for_each_key_made(capsys: pytest.CaptureFixture[str]) -> None:
    said = create(capsys, "--monthly-cap", "49", "--key-cap", "1.50", "--test-key")
    caps = {cap.api_key_id: (cap.amount, cap.mode, cap.window) for cap in Cap.objects.exclude(api_key=None)}
    assert caps == {
        said["api_key_id"]: (1_500_000_000, "live", "month"),
        said["test_api_key_id"]: (1_500_000_000, "test", "month"),
    }


def test_the_ledger_of_the_new_tenant_is_open_at_once(capsys: pytest.CaptureFixture[str], store: ValkeyServer) -> None:
    said = create(capsys)
    policy_hash = store.cli("HGETALL", policy.policy_key(said["tenant_id"]))
    assert policy_hash["version"] == str(policy.current(said["tenant_id"]))
    assert policy_hash["run_id"]
    assert not policy_hash.get("fence")


def test_an_owner_who_has_an_account_keeps_it_and_its_password(capsys: pytest.CaptureFixture[str]) -> None:
    owner = User.objects.create_user("owner@fernhill.example", "the-password-that-they-chose")
    call_command("create_tenant", "--name", "A", "--owner-email", "Owner@Fernhill.example", "--owner-password", "other")
    owner.refresh_from_db()
    assert User.objects.count() == 1
    assert owner.check_password("the-password-that-they-chose")
    assert owner.tenants.get().name == "A"


def test_an_owner_without_a_password_gets_the_one_given(capsys: pytest.CaptureFixture[str]) -> None:
    User.objects.create_user("owner@fernhill.example")
    create(capsys, "--owner-password", "a-first-password")
    assert User.objects.get().check_password("a-first-password")


def test_a_second_company_of_the_same_name_gets_an_address_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = create(capsys), create(capsys)
    assert first["tenant_id"] != second["tenant_id"]
    assert second["tenant"].startswith("fernhill-labs-")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--monthly-cap", "1,2"], "--monthly-cap as an amount in dollars"),
        (["--monthly-cap", "-1"], "--monthly-cap as an amount in dollars"),
        (["--monthly-cap", "9000000.01"], "at most $9,000,000"),
        (["--key-cap", "nan"], "--key-cap as an amount in dollars"),
        (["--no-hard-cap"], "give that too"),
        (["--provider", "sk-12345678"], "NAME=KEY"),
        (["--provider", "closedai=sk-12345678"], "openai, anthropic, gemini"),
        (["--provider", "openai=sk-12345678", "--provider", "openai=sk-87654321"], "given twice"),
        (["--provider", "openai="], "whole key"),
        (["--provider", "openai=sk-1234\nx-evil: 5678"], "without spaces"),
        (["--key-name", " "], "Enter a name for the key"),
        (["--owner-email", "nobody"], "Enter an e-mail address"),
        (["--name", ""], "Enter a name for the company"),
    ],
)
def test_bad_input_is_refused_with_a_sentence_and_leaves_nothing(arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message.replace("$", r"\$")):
        call_command("create_tenant", *OWNER, "--test-key", *arguments)
    assert nothing_left_behind()


def test_without_redis_nothing_is_created(store: ValkeyServer) -> None:
    store.stop()
    with pytest.raises(CommandError, match=r"Nothing was created.*Start Tokonomics first"):
        call_command("create_tenant", *OWNER)
    assert nothing_left_behind()


def test_without_encryption_keys_nothing_is_created(settings: Any) -> None:
    settings.ENCRYPTION_KEYS = []
    with pytest.raises(CommandError, match="TOKONOMICS_ENCRYPTION_KEYS is not set"):
        call_command("create_tenant", *OWNER)
    assert nothing_left_behind()


def test_in_words_it_shows_the_keys_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("create_tenant", *OWNER, "--monthly-cap", "49")
    out = capsys.readouterr().out
    assert "$49.00, hard" in out
    assert "tk_live_" in out and "tkm_" in out and "tk_test_" not in out
    assert "shown this once" in out


def test_no_secret_reaches_the_audit_log(capsys: pytest.CaptureFixture[str]) -> None:
    said = create(capsys, "--provider", "openai=sk-12345678", "--owner-password", "a-first-password")
    rows = json.dumps(list(AuditEvent.objects.values("action", "target_label", "changes", "actor_label")))
    for secret in (said["api_key"], said["management_token"], "sk-12345678", "a-first-password"):
        assert secret not in rows
    assert AuditEvent.objects.order_by("created_at").first().action == "tenant.created"


@pytest.mark.django_db(transaction=True)
def test_as_a_command_its_standard_output_is_the_object_and_nothing_else(store: ValkeyServer, settings: Any) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("the child process is pointed at the test database by its file")
    ran = manage(settings, *OWNER, "--monthly-cap", "49", "--json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["tenant"] == "fernhill-labs"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("arguments", "code"), [(["--monthly-cap", "x"], 1), (["--no-such-option"], 2)])
def test_as_a_command_it_exits_non_zero_on_bad_input(
    store: ValkeyServer, settings: Any, arguments: list[str], code: int
) -> None:
    ran = manage(settings, *OWNER, *arguments, "--json")
    assert ran.returncode == code
    assert ran.stdout == ""
    assert ran.stderr


def manage(settings: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, with the test database and Redis."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tokonomics.settings",
        "DATABASE_URL": f"sqlite:///{connection.settings_dict['NAME']}",
        "REDIS_URL": settings.REDIS_URL,
    }
    command = [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), "create_tenant", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
