"""The socket of an open page: who may open it, what it is told, when it is told, and when it is cut off."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.conf import settings
from django.test import Client

from budgets import feed, keyspace
from tenants.models import Membership, User
from tests.support.fernhill import Fernhill, founded, usd
from tests.support.sockets import Socket
from tests.support.valkey import ValkeyServer
from tokonomics.console import live
from tokonomics.console.consumer import GONE
from tokonomics.console.routing import is_ours, sockets

pytestmark = pytest.mark.django_db(transaction=True)

ORIGIN = [(b"origin", b"http://testserver"), (b"host", b"testserver")]
ONE_KEY = (("support-bot", "500", None),)
Opened = Callable[..., Any]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds of the clockwork made tenths."""
    monkeypatch.setattr(live, "EVERY", 0.1)
    monkeypatch.setattr(live, "BEAT", 0.5)
    monkeypatch.setattr(live, "RECHECK", 0.2)


@pytest.fixture
async def fernhill(store: ValkeyServer, quick: None) -> AsyncIterator[Fernhill]:
    layer = get_channel_layer()
    yield await sync_to_async(_counted)()
    if (ours := layer._layers.pop(asyncio.get_running_loop(), None)) is not None:
        await ours.flush()  # those of this loop alone: budgets.feed has a loop of its own


def _counted() -> Fernhill:
    made = founded(cap="49", keys=ONE_KEY)
    made.count()
    return made


def _cookie_of(user: User) -> list[tuple[bytes, bytes]]:
    client = Client()
    client.force_login(user)
    return [(b"cookie", f"{settings.SESSION_COOKIE_NAME}={client.session.session_key}".encode())]


async def opened(
    user: User | None, path: str = "/t/fernhill-labs/live/?view=overview", headers: list[Any] = ORIGIN
) -> tuple[Socket, bool, Any]:
    cookies = await sync_to_async(_cookie_of)(user) if user is not None else []
    socket = Socket(sockets, path, headers=[*headers, *cookies])
    connected, code = await socket.connect(timeout=5)
    return socket, connected, code


async def told(socket: Socket, timeout: float = 5) -> dict[str, Any]:
    return json.loads(await socket.receive_text(timeout))


async def told_until(socket: Socket, what: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    async with asyncio.timeout(8):
        while True:
            update = await told(socket)
            if what(update):
                return update


# --- Who -------------------------------------------------------------------------------------------------------------


async def test_strangers_unknown_companies_and_unknown_views_are_refused_alike(fernhill: Fernhill) -> None:
    stranger = await User.objects.acreate(email="stranger@else.example")
    asked = {
        "nobody signed in": (None, "/t/fernhill-labs/live/?view=overview"),
        "a stranger": (stranger, "/t/fernhill-labs/live/?view=overview"),
        "no such company": (stranger, "/t/no-such-company/live/?view=overview"),
        "no such company, as an owner": (fernhill.owner, "/t/no-such-company/live/?view=overview"),
        "no such view": (fernhill.owner, "/t/fernhill-labs/live/?view=nonsense"),
        "no such path": (fernhill.owner, "/t/fernhill-labs/elsewhere/"),
    }
    answers = {}
    for who, (user, path) in asked.items():
        _, connected, code = await opened(user, path)
        answers[who] = (connected, code)
    assert set(answers.values()) == {(False, 1000)}, answers


async def test_a_page_of_another_site_opens_nothing(fernhill: Fernhill) -> None:
    for headers in (
        [(b"origin", b"https://evil.example"), (b"host", b"testserver")],
        [(b"origin", b"http://testserver.evil.example"), (b"host", b"testserver")],
        [(b"host", b"testserver")],
    ):
        _, connected, _ = await opened(fernhill.owner, headers=headers)
        assert not connected


@pytest.mark.parametrize(("origin", "host", "ours"), [
    ("http://testserver", "testserver", True),
    ("https://testserver:8443", "testserver:8443", True),
    ("https://app.example", "testserver", True),  # trusted for CSRF
    ("http://testserver", "other", False),
    ("null", "testserver", False),
    ("", "", False),
    ("http://[", "testserver", False),
])  # fmt: skip
def test_the_origin_must_be_the_host_that_is_asked(settings: Any, origin: str, host: str, ours: bool) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://app.example"]
    settings.ALLOWED_HOSTS = ["testserver", "other"]
    assert is_ours(origin, host) is ours


async def test_a_member_who_is_removed_is_cut_off(fernhill: Fernhill) -> None:
    viewer = await sync_to_async(fernhill.member)("viewer")
    socket, connected, _ = await opened(viewer)
    assert connected
    await told(socket)
    await Membership.objects.filter(user=viewer).adelete()
    assert await _closing(socket) == GONE


async def test_a_role_that_changes_gets_a_page_of_its_own(fernhill: Fernhill) -> None:
    viewer = await sync_to_async(fernhill.member)("viewer")
    socket, _, _ = await opened(viewer)
    first = await told(socket)
    assert "change</a>" not in first["parts"]["now"], "a viewer changes no cap"
    await Membership.objects.filter(user=viewer).aupdate(role="admin")
    assert await _closing(socket) == GONE


async def test_who_logs_out_is_cut_off(fernhill: Fernhill) -> None:
    client = Client()
    await sync_to_async(client.force_login)(fernhill.owner)
    key = client.session.session_key
    cookie = (b"cookie", f"{settings.SESSION_COOKIE_NAME}={key}".encode())
    socket = Socket(sockets, "/t/fernhill-labs/live/?view=overview", headers=[*ORIGIN, cookie])
    assert (await socket.connect(timeout=5))[0]
    await told(socket)
    await sync_to_async(client.logout)()
    assert await _closing(socket) == GONE


async def _closing(socket: Socket) -> int:
    async with asyncio.timeout(8):
        while True:
            output = await socket.receive_output(5)
            if output["type"] == "websocket.close":
                await socket.wait()
                return int(output["code"])


# --- What ------------------------------------------------------------------------------------------------------------


async def test_an_open_page_is_told_of_spend_within_a_second_without_any_message(fernhill: Fernhill) -> None:
    """The counters in Redis are looked at while somebody watches: what is held moves too."""
    socket, _, _ = await opened(fernhill.owner)
    first = await told(socket)
    assert {"now", "band-box", "by-day", "by-who", "requests", "left-this-month"} <= set(first["parts"])
    await sync_to_async(fernhill.hold)("support-bot", usd("2.10"))
    update = await told_until(socket, lambda update: "now" in update["parts"])
    assert "$2.10" in update["parts"]["now"] and "by 1 request in flight" in update["parts"]["now"]
    assert "In flight" in update["parts"]["requests"]
    assert "$46.90" in update["parts"]["left-this-month"]
    await socket.disconnect()


async def test_rows_that_the_drain_writes_arrive_with_its_message(fernhill: Fernhill) -> None:
    socket, _, _ = await opened(fernhill.owner)
    await told(socket)
    row = await sync_to_async(fernhill.record)("support-bot", cost=usd("0.01"))
    await sync_to_async(feed.announce)(fernhill.tenant.pk)
    update = await told_until(socket, lambda update: "requests" in update["parts"])
    assert row.pk in update["parts"]["requests"]
    await socket.disconnect()


async def test_news_of_another_company_is_not_heard(fernhill: Fernhill) -> None:
    socket, _, _ = await opened(fernhill.owner)
    await told(socket)
    await get_channel_layer().group_send(feed.group("ten_other"), {"type": "ledger.moved"})
    update = await told(socket, timeout=5)
    assert update["parts"] == {}, "only the clock goes on"
    await socket.disconnect()


async def test_what_has_not_changed_is_not_sent_again(fernhill: Fernhill) -> None:
    socket, _, _ = await opened(fernhill.owner)
    await told(socket)
    await sync_to_async(feed.announce)(fernhill.tenant.pk)
    update = await told(socket)
    assert set(update["parts"]) <= {"now", "requests"}, "the chart, the keys and the rail are as they were"
    await socket.disconnect()


async def test_a_storm_of_news_is_drawn_once_an_interval(fernhill: Fernhill, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    once = live.Watch._draw_if_moved
    monkeypatch.setattr(live.Watch, "_draw_if_moved", lambda watch, moved: drawn.append(moved) or once(watch, moved))
    socket, _, _ = await opened(fernhill.owner)
    await told(socket)
    drawn.clear()
    loop = asyncio.get_running_loop()
    began = loop.time()
    while loop.time() - began < 1.0:
        await get_channel_layer().group_send(feed.group(fernhill.tenant.pk), {"type": "ledger.moved"})
    assert len(drawn) <= 12, "a tenth of a second each, at most"
    await socket.disconnect()


async def test_pages_with_the_same_view_share_one_look(fernhill: Fernhill) -> None:
    sockets_of = [(await opened(fernhill.owner))[0] for _ in range(3)]
    for socket in sockets_of:
        await told(socket)
    assert len(live._watches) == 1
    (watched,) = live._watches.values()
    assert len(watched.pages) == 3
    for socket in sockets_of:
        await socket.disconnect()
    assert live._watches == {}, "nobody watches: nothing is looked at"


async def test_state_is_told_so_that_only_its_change_is_spoken(fernhill: Fernhill) -> None:
    socket, _, _ = await opened(fernhill.owner)
    assert (await told(socket))["state"] == "quiet"
    await sync_to_async(fernhill.record)("support-bot", cost=usd("49"))
    await sync_to_async(fernhill.count)()
    update = await told_until(socket, lambda update: update["state"] == "blocked")
    assert update["said"].startswith("The cap is reached. Requests are blocked until 1 ")
    await socket.disconnect()


async def test_test_money_and_stacks_are_views_of_their_own(fernhill: Fernhill) -> None:
    socket, _, _ = await opened(fernhill.owner, "/t/fernhill-labs/live/?view=overview&mode=test&by=model")
    parts = (await told(socket))["parts"]
    assert "$10.00" in parts["now"] and "By model" in parts["by-who"]
    await socket.disconnect()


async def test_a_quiet_page_hears_that_the_link_stands(fernhill: Fernhill) -> None:
    socket, _, _ = await opened(fernhill.owner)
    await told(socket)
    update = await told(socket, timeout=3)
    assert update["parts"] == {} and len(update["at"]) == 8
    await socket.disconnect()


# --- When something is wrong -----------------------------------------------------------------------------------------


async def test_without_redis_the_socket_ends_in_order_and_is_not_an_error(
    fernhill: Fernhill, store: ValkeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    socket, _, _ = await opened(fernhill.owner)
    await told(socket)
    store.stop()
    assert await _closing(socket) == 1013
    assert "the channel layer cannot be reached" in caplog.text


async def test_a_view_that_cannot_be_drawn_is_logged_and_tried_again(
    fernhill: Fernhill, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    once, failures = live.Watch._draw_if_moved, iter([True])

    def stumble(watch: live.Watch, moved: bool) -> Any:
        if next(failures, False):
            raise RuntimeError("stumbled")
        return once(watch, moved)

    monkeypatch.setattr(live.Watch, "_draw_if_moved", stumble)
    socket, _, _ = await opened(fernhill.owner)
    assert "now" in (await told(socket))["parts"]
    assert "could not be drawn" in caplog.text
    await socket.disconnect()


async def test_the_group_is_left_with_the_page(fernhill: Fernhill, store: ValkeyServer) -> None:
    socket, _, _ = await opened(fernhill.owner)
    await told(socket)
    name = f"live:group:{feed.group(fernhill.tenant.pk)}"
    assert await sync_to_async(store.cli)("ZCARD", name) == 1
    await socket.disconnect()
    assert await sync_to_async(store.cli)("ZCARD", name) == 0
    assert await sync_to_async(store.cli)("EXISTS", keyspace.holds(fernhill.tenant.pk)) == 0


# --- Other pages -----------------------------------------------------------------------------------------------------


async def test_the_usage_page_counts_what_is_new_and_moves_no_row(fernhill: Fernhill) -> None:
    row = await sync_to_async(fernhill.record)("support-bot")
    since = f"{int(row.reserved_at.timestamp()) * 1_000_000 + row.reserved_at.microsecond}~{row.pk}"
    path = f"/t/fernhill-labs/live/?view=usage&model=gpt-4o&since={since}"
    socket, connected, _ = await opened(fernhill.owner, path)
    assert connected
    assert "new" not in (await told(socket))["parts"]["newer"].replace('id="newer"', "")
    later = {"at": row.reserved_at.replace(microsecond=row.reserved_at.microsecond // 2)}
    await sync_to_async(fernhill.record)("support-bot", **later)
    await sync_to_async(_later)(fernhill, row, 3)
    await sync_to_async(feed.announce)(fernhill.tenant.pk)
    update = await told_until(socket, lambda update: "newer" in update["parts"])
    assert "3 new" in update["parts"]["newer"] and "model=gpt-4o" in update["parts"]["newer"]
    await socket.disconnect()


def _later(fernhill: Fernhill, row: Any, count: int) -> None:
    for n in range(count):
        fernhill.record("support-bot", at=row.reserved_at + timedelta(seconds=n + 1))
    fernhill.record("support-bot", at=row.reserved_at + timedelta(seconds=9), model="gpt-4o-mini")


async def test_waiting_for_the_first_request_turns_into_it(fernhill: Fernhill) -> None:
    socket, _, _ = await opened(fernhill.owner, "/t/fernhill-labs/live/?view=onboarding")
    first = (await told(socket))["parts"]
    assert "Waiting for your first test request." in first["arrived-test"]
    row = await sync_to_async(fernhill.record)("sandbox")
    await sync_to_async(feed.announce)(fernhill.tenant.pk)
    update = await told_until(socket, lambda update: "arrived-test" in update["parts"])
    assert "Waiting" not in update["parts"]["arrived-test"] and row.pk in update["parts"]["arrived-test"]
    assert "arrived-live" not in update["parts"]
    await socket.disconnect()
