"""What a key keeps for its next request is the same request and the same claim, and never more than so many."""

from datetime import date

from budgets.ledger import Ledger
from budgets.pricing import catalogue
from budgets.windows import windows_at
from proxy.key_policy import MOST_CLAIMS
from tests.proxy.test_admission import caller

JUST_BEFORE_MIDNIGHT = 1_764_028_799.0  # 2025-11-24 23:59:59 UTC


def test_the_second_request_finds_what_the_first_has_made() -> None:
    key, ledger, windows = caller(), Ledger(None, "worker", 60), windows_at(JUST_BEFORE_MIDNIGHT)  # type: ignore[arg-type]
    model = catalogue.find("openai", "gpt-4o", date(2025, 11, 24))
    assert model is not None
    made = [key.request("openai", "/chat/completions", "gpt-4o", "", model, stream=False) for _ in range(2)]
    claims = [key.claim(ledger, windows, one) for one in made]
    again = key.request("openai", "/chat/completions", "gpt-4o", "", model, stream=False)
    assert made[0] is made[1] is again
    assert claims[0] is claims[1] is key.claim(ledger, windows, again)


def test_a_new_day_makes_new_claims() -> None:
    key, ledger = caller(), Ledger(None, "worker", 60)  # type: ignore[arg-type]
    model = catalogue.find("openai", "gpt-4o", date(2025, 11, 24))
    assert model is not None
    request = key.request("openai", "/chat/completions", "gpt-4o", "", model, stream=False)
    before = key.claim(ledger, windows_at(JUST_BEFORE_MIDNIGHT), request)
    after = key.claim(ledger, windows_at(JUST_BEFORE_MIDNIGHT + 1), request)
    assert before is not after
    assert before.counters[-1].key.endswith("2025-11-24")
    assert after.counters[-1].key.endswith("2025-11-25")


def test_what_is_kept_is_bounded_whatever_names_a_client_makes_up() -> None:
    key, ledger, windows = caller(), Ledger(None, "worker", 60), windows_at(JUST_BEFORE_MIDNIGHT)  # type: ignore[arg-type]
    model = catalogue.find("openai", "gpt-4o", date(2025, 11, 24))
    assert model is not None
    for number in range(3 * MOST_CLAIMS):
        request = key.request("openai", "/chat/completions", f"gpt-4o-{number}", "", model, stream=False)
        key.claim(ledger, windows, request)
    assert max(len(key._requests), len(key._claims)) <= MOST_CLAIMS


def test_end_users_are_not_kept() -> None:
    key, ledger, windows = caller(), Ledger(None, "worker", 60), windows_at(JUST_BEFORE_MIDNIGHT)  # type: ignore[arg-type]
    model = catalogue.find("openai", "gpt-4o", date(2025, 11, 24))
    assert model is not None
    key.claim(ledger, windows, key.request("openai", "/chat/completions", "gpt-4o", "user-hash", model, stream=False))
    assert not key._requests and not key._claims
