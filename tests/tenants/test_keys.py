"""The secrets that we hand out: told from made-up ones by arithmetic alone."""

from typing import Any

import pytest

from tenants import keys


@pytest.mark.parametrize("mode", ["live", "test"])
def test_a_minted_key_says_its_mode_and_is_known_as_ours(mode: str) -> None:
    key = keys.mint(mode)
    assert key.startswith(f"tk_{mode}_")
    assert len(key) == 48
    assert keys.looks_minted(key)


def test_no_two_keys_are_alike() -> None:
    assert len({keys.mint("live") for _ in range(200)}) == 200


@pytest.mark.parametrize("position", range(48))
def test_a_key_with_any_character_changed_is_not_ours(position: int) -> None:
    key = keys.mint("live")
    other = "A" if key[position] != "A" else "B"
    assert not keys.looks_minted(key[:position] + other + key[position + 1 :])


@pytest.mark.parametrize(
    "text", ["", "tk_live_", "sk-proj-1234", "tk_live_" + "0" * 40, "tk_live_" + "é" * 40, "tk_live_" + "\udcff" * 40]
)
def test_other_text_is_not_ours(text: str) -> None:
    assert not keys.looks_minted(text)
    assert not keys.token_looks_minted(text)


def test_a_live_key_cannot_be_turned_into_a_test_key() -> None:
    assert not keys.looks_minted(keys.mint("live").replace("tk_live_", "tk_test_"))


def test_keys_and_management_tokens_are_not_taken_for_each_other() -> None:
    token, key = keys.mint_management_token(), keys.mint("live")
    assert token.startswith("tkm_") and keys.token_looks_minted(token)
    assert not keys.looks_minted(token)
    assert not keys.token_looks_minted(key)


def test_keys_of_another_installation_are_not_ours(settings: Any) -> None:
    key = keys.mint("live")
    settings.SECRET_KEY = "another"
    assert not keys.looks_minted(key)


def test_keys_outlive_a_change_of_the_secret_key_under_its_fallbacks(settings: Any) -> None:
    old_key = keys.mint("live")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "the-new-one"
    assert keys.looks_minted(old_key)
    new_key = keys.mint("live")
    settings.SECRET_KEY_FALLBACKS = []
    assert keys.looks_minted(new_key), "new keys are made under the new secret"
    assert not keys.looks_minted(old_key)


def test_the_digest_is_plain_sha256_so_that_it_never_depends_on_a_secret() -> None:
    assert keys.digest("tk_live_x") == "1d4c675256e20fede54c801ca7f4d4e479312031a0d987b9cc77b6165da4bd42"


def test_what_is_shown_of_a_key_is_far_from_the_key() -> None:
    key, token = keys.mint("live"), keys.mint_management_token()
    assert keys.shown_prefix(key) == key[:12]
    assert keys.shown_prefix(token) == token[:8]
