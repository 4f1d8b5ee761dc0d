"""Prices: found, set, changed and taken away; whose each is, and since when."""

from typing import Any

import pytest
from django.test import Client

from budgets.models import TenantPrice
from budgets.pricing.source import SOURCE
from tenants.models import AuditEvent
from tests.support.fernhill import Fernhill, founded
from tests.support.people import at_desk, text, title
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.django_db
DISCOUNT = {"provider": "openai", "model": "*", "way": "discount", "discount": "20", "note": "Contract of 2026"}


@pytest.fixture
def fernhill(store: ValkeyServer) -> Fernhill:
    return founded(keys=(("app", None, None),))


@pytest.fixture
def page(fernhill: Fernhill) -> str:
    return f"{fernhill.home}prices/"


def saved(owner: Client, page: str, **form: Any) -> TenantPrice:
    done = owner.post(f"{page}new/", {**DISCOUNT, **form}, follow=True)
    assert "Saved." in text(done), text(done)
    return TenantPrice.objects.get()


def test_each_model_with_its_price_its_source_and_date(owner: Client, page: str) -> None:
    said = text(owner.get(f"{page}?q=gpt-4o-mini"))
    assert f"The list is {SOURCE}" in said and "gpt-4o-mini" in said and "$0.15" in said and "$0.60" in said
    assert "claude" not in said
    assert "claude-haiku-4-5" in text(owner.get(f"{page}?provider=anthropic"))
    assert "above 200,000 tokens of input $2.50 in, $15.00 out" in text(owner.get(f"{page}?q=gemini-2.5-pro"))
    assert "kept to US 1.1 times" in text(owner.get(f"{page}?q=claude-opus-4-6"))


def test_a_model_without_a_price_leads_to_setting_one(owner: Client, page: str) -> None:
    said = owner.get(f"{page}?q=gpt-99")
    assert "refused, never taken for free" in text(said) and "model=gpt-99" in said.content.decode()


def test_a_discount_of_a_provider(owner: Client, page: str, fernhill: Fernhill) -> None:
    price = saved(owner, page)
    assert (price.discount, price.rates, price.note) == (2_000, None, "Contract of 2026")
    said = text(owner.get(f"{page}?q=gpt-4o-mini"))
    assert "every model" in said and "20% off the list" in said and "$0.12" in said
    log = text(owner.get(f"{fernhill.home}audit/"))
    assert "set a price of its own for" in log and "20% off" in log


def test_the_lists_rates_are_filled_in_and_the_chosen_way_alone_counts(owner: Client, page: str) -> None:
    form = owner.get(f"{page}new/?provider=openai&model=gpt-4o-mini").content.decode()
    assert 'value="0.15"' in form and 'value="0.60"' in form and 'value="gpt-4o-mini"' in form
    rates = {"rate_input": "0.12", "rate_output": "0.5", "discount": "20"}
    price = saved(owner, page, model="gpt-4o-mini", way="rates", **rates)
    assert (price.rates, price.discount, price.free) == ({"input": 120_000_000, "output": 500_000_000}, 0, False)
    assert "input $0.12, output $0.50" in text(owner.get(page))


def test_it_is_changed_and_taken_away(owner: Client, page: str) -> None:
    price = saved(owner, page, model="gpt-4o")
    changing = owner.get(f"{page}{price.pk}/").content.decode()
    assert 'value="20"' in changing and "Contract of 2026" in changing
    owner.post(f"{page}{price.pk}/", {"way": "free", "discount": "20"})
    price.refresh_from_db()
    assert (price.free, price.discount) == (True, 0)
    assert "Remove your price of gpt-4o at OpenAI (free, on purpose)?" in text(owner.get(f"{page}{price.pk}/remove/"))


def test_a_price_that_is_taken_away_is_gone_once(owner: Client, page: str) -> None:
    price = saved(owner, page)
    for _ in range(2):
        done = owner.post(f"{page}{price.pk}/remove/", follow=True)
        assert done.status_code in (200, 404)
    assert not TenantPrice.objects.exists()
    assert [
        event.action for event in AuditEvent.objects.filter(action__startswith="price.").order_by("created_at")
    ] == [
        "price.set",
        "price.removed",
    ]


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"discount": "twenty"}, "Enter a percentage like 20 or 7.5; -10 is a surcharge."),
        ({"discount": "100"}, "A discount leaves something to pay."),
        ({"discount": ""}, "Give rates, or a discount, or say that it is free"),
        ({"way": ""}, "Choose what it costs."),
        ({"way": "rates", "model": "gpt-4o", "rate_output": "1"}, "Give at least the rate for `input`"),
        ({"way": "rates", "model": "gpt-4o", "rate_input": "1 EUR"}, "Enter the rate of input as an amount in dollars"),
        ({"way": "free"}, "For all models of openai give a discount"),
        ({"model": ""}, "Enter the model's name as requests have it"),
        ({"provider": "opneai"}, "Select a valid choice"),
    ],
)
def test_what_cannot_be_meant_is_said_and_kept(owner: Client, page: str, form: dict[str, str], sentence: str) -> None:
    wrong = owner.post(f"{page}new/", {**DISCOUNT, **form})
    assert sentence in text(wrong) and title(wrong).startswith("Error:")
    assert "Contract of 2026" in wrong.content.decode() and not TenantPrice.objects.exists()


def test_who_may_not_change_them_reads_who_may(fernhill: Fernhill, owner: Client, page: str) -> None:
    saved(owner, page)
    said = owner.get(page).content.decode(), at_desk(fernhill.member("viewer")).get(page).content.decode()
    assert "Set a price" in said[0] and "Set a price" not in said[1] and "/new/" not in said[1]
    assert "can change prices. Ask" in said[1]
