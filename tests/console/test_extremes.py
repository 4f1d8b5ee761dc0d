"""Names as long as they may be, amounts as large, many rows: no page scrolls sideways, and nothing leaves its place."""

from datetime import timedelta

import pytest
from playwright.sync_api import Browser

from budgets.money import NANO
from budgets.services import set_key_cap, set_tenant_cap
from budgets.windows import WindowKind
from tenants import services
from tenants.models import Tenant
from tenants.services import Actor
from tests.support import screens
from tests.support.fernhill import Fernhill, founded, usd
from tests.support.pages import signed_in
from tests.support.valkey import ValkeyServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LONG = "customer-support-assistant-for-the-northern-european-markets-and-all-their-shops"
MODEL = "publishers/anthropic/models/claude-opus-4-6-20260915-with-a-very-long-deployment-name-in-eu-west-1"
PAGES = {
    "overview": "",
    "usage": "usage/",
    "request": "usage/{request}/",
    "keys": "keys/",
    "key": "keys/{key}/",
    "key-revoke": "keys/{key}/revoke/",
    "alerts": "alerts/",
    "team": "team/",
    "audit": "audit/",
    "settings": "settings/",
    "providers": "settings/providers/",
    "prices": "prices/?q=claude",
    "estimate": "prices/estimate/",
}
# Words that end beyond an edge of the window, though nothing scrolls: they are cut off.
STRAY = """() => [...document.querySelectorAll("main *, .strip *, .rail *")].filter(each => {
  if (each.children.length || !each.textContent.trim() || !each.getClientRects().length) return false;
  if (each.closest(".sr, pre, .scroll, svg") || getComputedStyle(each).textOverflow === "ellipsis") return false;
  const range = document.createRange();
  range.selectNodeContents(each);
  return range.getBoundingClientRect().right > document.documentElement.clientWidth + 1;
}).map(each => `${each.tagName} ${each.className}: ${each.textContent.trim().slice(0, 60)}`)"""


@pytest.fixture
def fernhill(store: ValkeyServer) -> Fernhill:
    made = founded(keys=((LONG, None, None), ("x" * 80, "8999999.99", "1234567.89")))
    Tenant.objects.filter(pk=made.tenant.pk).update(name=f"The Society for {'W' * 60} and Daughters, Incorporated")
    actor = Actor.of_user(made.owner, "2001:db8:85a3:8d3:1319:8a2e:370:7348")
    set_tenant_cap(tenant=made.tenant, amount=8_999_999 * NANO, actor=actor)
    cap = usd("4000000.123456789")
    set_key_cap(tenant=made.tenant, key_id=made.keys[LONG].pk, window=WindowKind.MONTH, amount=cap, actor=actor)
    for n in range(3):
        made.record(LONG, model=MODEL, cost=usd("1234567.123456789"), at=made.now - timedelta(minutes=n))
    made.count()
    refusal = "Monthly spending limit for this key reached. Contact your administrator. " + "It says very much. " * 8
    made.refuse(LONG, message=refusal, model=MODEL, times=1_234_567, window="month")
    services.set_provider_credential(
        tenant=made.tenant,
        provider="custom",
        name="a-name-of-thirty-two-characters",
        secret="",
        base_url="https://models.internal.fernhill-labs-northern-europe.example/serving/v2/openai-compatible/v1",
        actor=actor,
    )
    services.invite(
        tenant=made.tenant, email=f"{'long.name.' * 6}x@subsidiary.fernhill-labs.example", role="admin", actor=actor
    )
    return made


@pytest.mark.parametrize("width", ["narrow", "wide"])
def test_nothing_breaks_a_page(width: str, browser: Browser, live_server: object, fernhill: Fernhill) -> None:
    request_id = fernhill.tenant.usage_records.order_by("-reserved_at").values_list("pk", flat=True)[0]
    with screens.visit(browser, str(live_server), width=width) as visited:
        signed_in(visited, fernhill.owner)
        for name, path in PAGES.items():
            path = path.format(key=fernhill.keys[LONG].pk, request=request_id)
            visited.page.goto(visited.base + fernhill.home + path, wait_until="load")
            assert (name, visited.overflow(), visited.page.evaluate(STRAY)) == (name, 0, [])
