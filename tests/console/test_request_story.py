"""One request's story: how it ended in a sentence, a time line of what is kept, and a bill that adds up."""

import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from budgets.pricing import catalogue, cost
from budgets.pricing.usage import Usage
from tests.console.test_overview import ONE_KEY, page, text_of
from tests.support.fernhill import PRICE, Fernhill, founded, usd
from tests.support.valkey import ValkeyServer
from tokonomics.console.bill import bill_of
from tokonomics.console.request_story import of_record
from tokonomics.console.services import opening

pytestmark = pytest.mark.django_db


@pytest.fixture
def fernhill(store: ValkeyServer) -> Fernhill:
    return founded(keys=ONE_KEY)


def amounts(bill: Any) -> Decimal:
    return sum((Decimal(line.amount.lstrip("$").replace(",", "")) for line in bill.lines), Decimal(0))


def test_a_settled_request_tells_its_cost_and_gives_back_the_rest(client: Client, fernhill: Fernhill) -> None:
    row = fernhill.record("support-bot")
    said = page(client, fernhill, f"usage/{row.pk}/")
    assert "It cost $0.012695 and ended after 6.1 s." in said
    assert "Held" in said and "$0.16384, the most it could cost" in said
    assert "OpenAI answered 200. 2,310 in · 692 out." in said
    assert "$0.012695 is charged, the hold is off." in said
    assert "$0.151145, what the hold had not used." in said
    assert "No prompt and no reply is kept" in said


def test_the_bill_is_at_the_price_that_was_kept_and_adds_up_to_the_nanodollar(fernhill: Fernhill) -> None:
    row = fernhill.record("support-bot")
    bill = bill_of(row)
    assert bill is not None and bill.note == "At the price that was kept with the request."
    assert [(line.kind, line.count, line.rate, line.amount) for line in bill.lines] == [
        ("Input", "2,310", "$2.50 a million", "$0.005775"),
        ("Output", "692", "$10.00 a million", "$0.00692"),
    ]
    assert bill.total == "$0.012695" and amounts(bill) == Decimal("0.012695")


def test_a_bill_finer_than_a_nanodollar_shows_every_digit_and_is_rounded_up_once(fernhill: Fernhill) -> None:
    price = {**PRICE, "input": 150_000_001}
    row = fernhill.record("support-bot", usage={"input_tokens": 3}, price=price, cost=451)
    bill = bill_of(row)
    assert bill is not None
    assert [line.amount for line in bill.lines] == ["$0.000000450000003"]
    assert bill.total == "$0.000000451"


def test_a_cost_that_the_kept_list_alone_does_not_make_is_explained_by_the_list_of_that_day(
    fernhill: Fernhill,
) -> None:
    """A long prompt is on a dearer step: the record keeps the first list only."""
    counts = {"input_tokens": 300_000, "output_tokens": 100}
    model = catalogue.find("gemini", "gemini-2.5-pro", fernhill.now.date())
    assert model is not None and len(model.standard.steps) == 1
    price = {kind: getattr(model.rates, kind) for kind in ("input", "output", "cache_read", "cache_write_5m")}
    price["cache_write_1h"] = model.rates.cache_write_1h
    charged = cost.cost(model, Usage(**counts))
    row = fernhill.record(
        "support-bot", model="gemini-2.5-pro", provider="gemini", usage=counts, price=price, cost=charged
    )
    bill = bill_of(row)
    assert bill is not None and bill.note == "At the price list of that day."
    assert amounts(bill) == Decimal(charged) / 10**9


@pytest.mark.parametrize("given", [
    {"usage": {}},
    {"status": "charged_at_hold"},
    {"cost": 77},
    {"price": {"of": "another time"}, "model": "unknown-model"},
    {"usage": {"input_tokens": 1, "of_another_time": 5}, "cost": 77},
])  # fmt: skip
def test_no_bill_is_shown_rather_than_one_that_does_not_add_up(fernhill: Fernhill, given: dict[str, Any]) -> None:
    assert bill_of(fernhill.record("support-bot", **given)) is None


@pytest.mark.parametrize(("given", "headline", "words"), [
    ({"status": "charged_at_hold", "cost": 163_840_000, "flags": ["usage_missing"]},
     "The provider gave no usage, so the most it could cost was charged: $0.16384.",
     ["$0.16384 is charged: the whole hold."]),
    ({"status": "lease_ended", "cost": 163_840_000},
     "Its worker vanished, so the most it could cost was charged: $0.16384.", ["its worker vanished"]),
    ({"status": "provider_error", "cost": 0, "http_status": 529, "usage": {}},
     "OpenAI answered with an error after 6.1 s. Nothing was charged.", ["Nothing is charged; the hold is off."]),
    ({"status": "not_sent", "cost": 0, "http_status": None, "usage": {}},
     "OpenAI could not be reached. Nothing was charged.", ["No connection to OpenAI could be opened."]),
    ({"cost": 200_000_000, "held": 163_840_000, "flags": ["bound_breach"]},
     "It cost $0.20 and ended after 6.1 s.",
     ["$0.03616 more than was held.", "It cost more than the most that was reckoned."]),
    ({"status": "cut_short", "cost": 9_000_000, "held": 10_000_000, "flags": ["budget_cap_exceeded"], "usage": {}},
     "It was ended after 6.1 s, at the most that it can have cost by then: $0.009.",
     ["all that could be held for it", "did not fit under a cap any more", "Ended by us", "$0.009 is charged"]),
    ({"cost": 20_000_000, "held": 10_000_000, "flags": ["estimate_breach"]},
     "It cost $0.02", ["what such requests usually cost", "has chosen to hold what requests usually cost"]),
    ({"flags": ["corrected"]}, "It cost $0.012695", ["Its worker was thought lost and the hold charged"]),
])  # fmt: skip
def test_every_ending_is_told_in_words(
    client: Client, fernhill: Fernhill, given: dict[str, Any], headline: str, words: list[str]
) -> None:
    row = fernhill.record("support-bot", **given)
    assert of_record(row).headline.startswith(headline)
    said = page(client, fernhill, f"usage/{row.pk}/")
    for word in words:
        assert word.lower() in said.lower()


def test_moments_stand_in_order_and_one_whose_time_is_not_kept_claims_none(fernhill: Fernhill) -> None:
    story = of_record(fernhill.record("support-bot"))
    times = [moment.at for moment in story.moments if moment.at is not None]
    assert times == sorted(times) and len(times) == 3
    assert [moment.title for moment in story.moments if moment.at is None] == ["Sent", "Given back"]


def test_how_it_was_reckoned_and_at_whose_price_is_told(client: Client, fernhill: Fernhill) -> None:
    row = fernhill.record(
        "support-bot",
        bound={"input": 1_812, "output": 16_384, "choices": 2},
        price_source="genai-prices 0.2.3, 20% off",
        price_since=date(2026, 3, 1),
        request_id="rq_4nVq8sJ0eYc2uBf6",
        first_byte_ms=420,
        service_tier="priority",
    )
    for asked in (row.pk, "rq_4nVq8sJ0eYc2uBf6"):
        said = page(client, fernhill, f"usage/{asked}/")
        assert "At most 1,812 tokens of input and 16,384 of output in each of 2 choices, at genai-prices" in said
        assert "rq_4nVq8sJ0eYc2uBf6" in said and "20% off, since 1 Mar 2026" in said and "priority" in said
    times = [moment.at for moment in of_record(row).moments if moment.at is not None]
    assert times == sorted(times) and len(times) == 4


@pytest.mark.parametrize(
    ("bound", "words"),
    [
        ({"input": 0, "output": 0, "choices": 1, "characters": 4_096}, "4,096 characters, at genai-prices"),
        ({"input": 0, "output": 0, "choices": 1, "milliseconds": 8_000}, "At most 8.0 s of sound, at genai-prices"),
        ({"input": 154, "output": 1_756, "choices": 1}, "At most 154 tokens of input and 1,756 of output, at genai"),
    ],
)
def test_what_knows_no_tokens_is_reckoned_in_its_own_unit(
    client: Client, fernhill: Fernhill, bound: dict[str, int], words: str
) -> None:
    row = fernhill.record("support-bot", bound=bound, price_source="genai-prices")
    assert words in page(client, fernhill, f"usage/{row.pk}/")


def test_a_refused_request_is_cut_at_the_wall_with_what_would_have_fitted(client: Client, fernhill: Fernhill) -> None:
    message = (
        "Monthly spending limit reached. Contact your administrator. This request could cost up to $14.20 and $9.10 is "
        "left. With at most 3,100 output tokens it fits."
    )
    refused = fernhill.refuse("support-bot", scope="tenant", reason="request_too_large", message=message)
    client.force_login(fernhill.owner)
    answer = client.get(f"{fernhill.home}usage/{refused.request_id}/")
    said = text_of(answer)
    assert "It was refused by the monthly cap." in said
    assert "The same request with at most 3,100 output tokens." in said
    assert "No provider was called and nothing was charged." in said
    assert 'class="is-wall"' in answer.content.decode()


def test_a_request_in_flight_says_what_is_held_for_it(client: Client, fernhill: Fernhill) -> None:
    fernhill.count()
    hold = fernhill.hold("support-bot", usd("2.10"))
    assert "It is in flight, and $2.10 is held for it until it ends." in page(client, fernhill, f"usage/{hold}/")


def test_a_request_of_another_company_does_not_exist(client: Client, fernhill: Fernhill) -> None:
    row = fernhill.record("support-bot")
    refused = fernhill.refuse("support-bot")
    fernhill.count()
    hold = fernhill.hold("support-bot", usd("1"))
    with opening(name="Bracken", owner=fernhill.owner):
        pass
    client.force_login(fernhill.owner)
    for known in (row.pk, refused.request_id, hold):
        assert client.get(f"/t/bracken/usage/{known}/").status_code == 404
        assert client.get(f"{fernhill.home}usage/{known}/").status_code == 200
    assert client.get(f"{fernhill.home}usage/req_unknown/").status_code == 404


def test_ids_can_be_copied_and_times_are_exact(client: Client, fernhill: Fernhill) -> None:
    row = fernhill.record("support-bot", at=fernhill.now - timedelta(days=1))
    client.force_login(fernhill.owner)
    body = client.get(f"{fernhill.home}usage/{row.pk}/").content.decode()
    copied = re.findall(r"data-copy>([^<]+)<", body)
    assert copied == [row.pk, row.pk, row.api_key_id]
    assert f'datetime="{row.reserved_at:%Y-%m-%dT%H:%M:%S}' in body
