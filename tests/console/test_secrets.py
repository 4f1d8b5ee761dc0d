"""The secrets of an embedded installation."""

import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tokonomics.console.secrets import SecretsMissing, ensure, secret_path

NAMES = ["TOKONOMICS_SECRET_KEY", "TOKONOMICS_ENCRYPTION_KEYS"]


def test_a_first_start_makes_both_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    assert ensure(tmp_path, {}, embedded=True, first_start=True) == NAMES
    for name in NAMES:
        assert stat.S_IMODE(secret_path(tmp_path, name).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert Fernet(secret_path(tmp_path, NAMES[1]).read_text().strip())
    assert len(secret_path(tmp_path, NAMES[0]).read_text().strip()) >= 50


def test_a_second_start_leaves_them_as_they_are(tmp_path: Path) -> None:
    ensure(tmp_path, {}, embedded=True, first_start=True)
    before = [secret_path(tmp_path, name).read_text() for name in NAMES]
    assert ensure(tmp_path, {}, embedded=True, first_start=False) == []
    assert [secret_path(tmp_path, name).read_text() for name in NAMES] == before


def test_no_two_installations_have_the_same(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        ensure(tmp_path / folder, {}, embedded=True, first_start=True)
    made = [secret_path(tmp_path / folder, name).read_text() for folder in ("a", "b") for name in NAMES]
    assert len(set(made)) == 4


def test_what_the_environment_has_is_not_made(tmp_path: Path) -> None:
    assert ensure(tmp_path, {NAMES[0]: "given"}, embedded=True, first_start=True) == [NAMES[1]]
    assert not secret_path(tmp_path, NAMES[0]).exists()


def test_with_servers_of_ones_own_missing_secrets_are_asked_for_by_name(tmp_path: Path) -> None:
    with pytest.raises(SecretsMissing, match=f"Set {NAMES[1]}:"):
        ensure(tmp_path, {NAMES[0]: "given"}, embedded=False, first_start=True)
    assert not (tmp_path / "secrets").exists()


def test_lost_secrets_are_not_replaced_over_data_that_they_encrypted(tmp_path: Path) -> None:
    with pytest.raises(SecretsMissing, match="bring those back"):
        ensure(tmp_path, {}, embedded=True, first_start=False)
    assert not (tmp_path / "secrets").exists()
