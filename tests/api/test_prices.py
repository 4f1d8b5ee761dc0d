"""`prices/`: the models that can be used, and what they cost, said by whom."""

from datetime import UTC, datetime

from budgets.money import parse_usd
from budgets.pricing import catalogue
from tests.api.conftest import Company


def test_the_prices_in_force_with_their_source(company: Company) -> None:
    said = company.api.get("prices/").json()
    today = datetime.now(UTC).date()
    assert said["in_force_on"] == today.isoformat() and said["source"].startswith("genai-prices ")
    by_name = {(price["provider"], price["model"]): price for price in said["results"]}
    assert {provider for provider, _ in by_name} == {"anthropic", "gemini", "openai"}
    model = catalogue.find("openai", "gpt-4o-mini", today)
    assert model is not None
    price = by_name["openai", "gpt-4o-mini"]
    assert parse_usd(price["price"]["input"], decimals=9) == model.rates.input == 150_000_000
    assert parse_usd(price["price"]["output"], decimals=9) == model.rates.output
    assert price["context_window"] == model.context_window and price["max_output_tokens"] == model.max_output_tokens


def test_steps_and_tiers_are_shown(company: Company) -> None:
    results = company.api.get("prices/").json()["results"]
    assert any(price["steps"] for price in results) and any(price["service_tiers"] for price in results)


def test_of_one_provider(company: Company) -> None:
    results = company.api.get("prices/?provider=anthropic").json()["results"]
    assert results and {price["provider"] for price in results} == {"anthropic"}
    assert company.api.get("prices/?provider=acme").json()["error"]["param"] == "provider"
