"""`audit-events/`: who changed what, from what to what."""

from tests.api.conftest import Company


def test_a_change_over_the_api_names_its_token(company: Company) -> None:
    company.api.patch("tenant/", {"monthly_budget_usd": "60"})
    newest = company.api.get("audit-events/").json()["results"][0]
    assert (newest["action"], newest["actor"], newest["address"]) == ("cap.changed", "token terraform", "127.0.0.1")
    assert newest["changes"] == {"amount_usd": ["49.00", "60.00"], "hard": [True, True]}
    assert (newest["target_id"], newest["target"]) == (company.tenant.pk, "budget a month")


def test_filters_and_pages(company: Company) -> None:
    company.api.patch(f"keys/{company.key.pk}/", {"name": "renamed"})
    only = company.api.get(f"audit-events/?action=api_key.changed&target_id={company.key.pk}").json()["results"]
    assert [event["changes"] for event in only] == [{"name": ["support-bot", "renamed"]}]
    every, address = [], "audit-events/?limit=4"
    while address:
        page = company.api.get(address).json()
        every += [event["id"] for event in page["results"]]
        address = page["next"]
    assert len(every) == len(set(every)) == company.tenant.audit_events.count() > 8


def test_no_event_of_before_the_range(company: Company) -> None:
    assert company.api.get("audit-events/?to=2020-01-01").json()["results"] == []
    assert company.api.get("audit-events/?from=2020-01-01").json()["results"] != []


def test_it_is_only_read(company: Company) -> None:
    for method in ("POST", "PATCH", "DELETE", "PUT"):
        assert company.api(method, "audit-events/", {}).status_code == 405
