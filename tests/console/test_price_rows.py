"""Prices of models that know no tokens are told in their own units, and are never taken for free."""

from datetime import date

import pytest

from budgets.price_api import priced
from budgets.pricing.catalogue import other_models
from tokonomics.console.price_rows import row_of

TODAY = date(2026, 11, 24)
MODELS = {model.id: model for model in other_models("openai", TODAY)}


@pytest.mark.parametrize(
    ("name", "input_price", "said"),
    [
        ("whisper-1", "", "a minute of sound 0.006"),
        ("gpt-transcribe", "", "a minute of sound 0.0045"),
        ("tts-1-hd", "", "a million characters 30.00"),
        ("gpt-image-2", "5.00", "image output 30.00"),
        ("text-embedding-3-small", "0.02", ""),
    ],
)
def test_a_price_is_told_in_the_unit_that_it_is_charged_in(name: str, input_price: str, said: str) -> None:
    row = row_of("openai", MODELS[name])
    assert row.input.lstrip("$") == input_price
    assert said in ", ".join(row.more).replace("$", "")
    shown = priced("openai", MODELS[name])["price"]
    assert shown["input"] == (input_price or None)
    assert any(amount not in (None, "0.00") for amount in shown.values())


def test_what_cannot_pass_is_not_offered() -> None:
    assert not MODELS.keys() & {"gpt-image-1", "gpt-image-1.5", "chatgpt-image-latest", "gpt-4o-mini-tts"}
