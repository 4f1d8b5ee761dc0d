"""Misconfigured secrets are told before anything is served."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from tenants import checks


def ids(messages: Any) -> list[str]:
    return [message.id for message in messages]


def test_a_complete_configuration_is_quiet() -> None:
    assert ids(checks.check_secrets()) == ids(checks.check_secrets_for_service()) == []
    checks.require_secrets()


def test_a_fresh_clone_is_only_warned_until_it_is_to_serve(settings: Any) -> None:
    settings.SECRET_KEY, settings.ENCRYPTION_KEYS = checks.PLACEHOLDER, []
    assert ids(checks.check_secrets()) == ["tenants.W001", "tenants.W002"]
    assert ids(checks.check_secrets_for_service()) == ["tenants.E001", "tenants.E002"]
    with pytest.raises(ImproperlyConfigured, match="TOKONOMICS_SECRET_KEY is not set"):
        checks.require_secrets()


def test_a_key_that_is_no_key_is_an_error_at_once_and_is_not_repeated_in_it(settings: Any) -> None:
    settings.ENCRYPTION_KEYS = [*settings.ENCRYPTION_KEYS, "not-a-fernet-key"]
    (message,) = checks.check_secrets()
    assert message.id == "tenants.E003"
    assert "Key 2" in message.msg
    assert "not-a-fernet-key" not in message.msg + (message.hint or "")


def test_the_placeholder_is_the_one_in_the_settings() -> None:
    from pathlib import Path

    from tokonomics.settings import environment

    assert f'"{checks.PLACEHOLDER}"' in Path(environment.__file__).read_text()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis+cluster://", "names no host"),
        ("redis+sentinel://one:26379", "names no master"),
        ("redis+ring://one", "none of the forms"),
    ],
)
def test_an_address_of_redis_that_cannot_be_understood_is_an_error(settings: Any, url: str, said: str) -> None:
    settings.REDIS_URL = url
    (message,) = checks.check_servers()
    assert message.id == "tenants.E004"
    assert said in message.msg


def test_what_stands_beside_the_ledger_needs_a_plain_server(settings: Any) -> None:
    settings.REDIS_URL = settings.BROKER_URL = settings.CHANNELS_URL = "redis+cluster://one:7000,two:7000"
    (message,) = checks.check_servers()
    assert "TOKONOMICS_BROKER_URL and TOKONOMICS_CHANNELS_URL must name a plain server" in message.msg
    settings.BROKER_URL = settings.CHANNELS_URL = "redis://three:6379/0"
    assert checks.check_servers() == []
