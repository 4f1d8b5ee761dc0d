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

    import tokonomics.settings

    assert f'"{checks.PLACEHOLDER}"' in Path(tokonomics.settings.__file__).read_text()
