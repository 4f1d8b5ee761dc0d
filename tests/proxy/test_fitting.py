"""What a refusal says would fit: as little as a client may want that names its limit, and no less than is of use."""

from datetime import date
from typing import Any

import pytest

from budgets.claims import Counter
from budgets.ledger_errors import CapExceeded
from budgets.windows import windows_of
from proxy.estimates import Estimates
from proxy.fitting import LEAST_OFFER, fit_of
from proxy.holding import plan_of
from proxy.providers.bounds import quote_of
from proxy.providers.openai_chat import OPENAI_CHAT
from proxy.refusals import Fit
from tests.proxy.providers.support import openai
from tests.proxy.test_holding import GPT, caller

MONTH = windows_of(date(2026, 11, 24)).month
CAP = 1_000_000_000


def fit(left_for: int, *, held: int = 0, **fields: Any) -> Fit:
    """Where what is left affords this request so many output tokens, and `held` more if nothing were in flight."""
    assert GPT is not None
    parsed, policy = openai(**fields), caller()
    quote = quote_of(parsed, GPT, default_limit=16_384, floor=256)
    plan = plan_of(OPENAI_CHAT, policy, parsed, {}, GPT, quote, Estimates())
    counter = Counter("tenant", MONTH, "budget:{t}:2026-11", CAP, True)
    error = CapExceeded(counter, spent=CAP - quote.at(left_for) - held, held=held, cap=CAP, held_only=bool(held))
    return fit_of(error, policy, parsed, GPT, plan)


@pytest.mark.parametrize(("left_for", "offered"), [(900, 900), (255, 255), (LEAST_OFFER, LEAST_OFFER), (31, 0), (0, 0)])
def test_who_names_a_limit_is_offered_the_last_of_a_budget(left_for: int, offered: int) -> None:
    found = fit(left_for, max_tokens=1024)
    assert (found.output_tokens, found.useful) == (offered, left_for > 255 or offered > 0)


def test_who_names_none_is_not_sent_below_the_least_limit_of_its_company() -> None:
    assert fit(255).output_tokens == 0


def test_a_short_limit_that_does_not_fit_is_not_made_shorter_still() -> None:
    assert fit(9, max_tokens=10).output_tokens == 0


def test_beside_what_others_hold_little_is_no_offer() -> None:
    """Who waits may get all of it."""
    assert fit(255, held=CAP // 10, max_tokens=1024).output_tokens == 0
    assert fit(256, held=CAP // 10, max_tokens=1024).output_tokens == 256
