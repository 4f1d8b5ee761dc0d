"""The socket of an open page: who may watch, what it is sent, and when it is cut off."""

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import redis
from channels.auth import get_user
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.utils.module_loading import import_string

from budgets import feed
from tenants.database import in_thread
from tenants.models import Membership
from tokonomics.console import live
from tokonomics.console.access import membership_of
from tokonomics.console.live import Update, Watch
from tokonomics.console.live_views import RENDERERS

log = logging.getLogger(__name__)

GONE = 4404  # nothing here for you (any more); the page does not ask again
TRY_LATER = 1013
MOST_PARAMS = 12


class LiveConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels has no types
    """Receives nothing; sends JSON: `at`, `iso`, `parts` (HTML by id, those that changed), `state`, `said`."""

    _membership: Membership | None = None
    _watch: Watch | None = None
    _sender: "asyncio.Task[None] | None" = None
    _group = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        except (redis.RedisError, OSError) as error:
            log.warning("a page's socket ends, for the channel layer cannot be reached: %s", error)
            await send({"type": "websocket.close", "code": TRY_LATER})
        finally:
            await self._stop()

    async def connect(self) -> None:
        """A stranger, a company that does not exist, a view that does not exist: refused alike, before it is opened."""
        params = dict(parse_qsl(self.scope["query_string"].decode("latin-1"))[:MOST_PARAMS])
        name = params.pop("view", "")
        renderer = RENDERERS.get(name)
        membership = await self._look_up()
        if membership is None or renderer is None:
            await self.close()
            return
        self._membership = membership
        self._pending: Update | None = None
        self._news = asyncio.Event()
        self._sent: dict[str, str] = {}
        self._group = feed.group(membership.tenant_id)
        await self.channel_layer.group_add(self._group, self.channel_name)
        await self.accept()
        self._sender = asyncio.create_task(self._send_updates())
        self._watch = live.watch(membership, name, params, renderer, self)

    async def disconnect(self, code: int) -> None:
        await self._stop()

    async def ledger_moved(self, message: Mapping[str, Any]) -> None:
        """From budgets.feed."""
        if self._watch is not None:
            self._watch.nudge()

    # --- As a page of a watch ----------------------------------------------------------------------------------------

    def offer(self, update: Update) -> None:
        """The latest wins: a page that is slow to take its updates misses some, and holds nobody else up."""
        self._pending = update
        self._news.set()

    async def may_still_watch(self) -> bool:
        now = await self._look_up()
        return now is not None and self._membership is not None and now.role == self._membership.role

    async def cut_off(self) -> None:
        await self._stop()
        await self.close(code=GONE)

    # -----------------------------------------------------------------------------------------------------------------

    async def _look_up(self) -> Membership | None:
        """Asked of the database each time: the session may have ended, the person may have been removed."""
        session_key = getattr(self.scope.get("session"), "session_key", None)
        if not session_key:
            return None
        store = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
        user = await get_user({"session": store(session_key)})
        return await in_thread(membership_of, user, self.scope["url_route"]["kwargs"]["slug"])

    async def _send_updates(self) -> None:
        try:
            await self._send_each_update()
        except OSError as gone:
            log.debug("a page left while it was being told: %s", gone)

    async def _send_each_update(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            update = self._pending
            if update is None:
                continue
            parts = {ident: html for ident, html in update.parts.items() if self._sent.get(ident) != html}
            self._sent.update(parts)
            told = {"at": update.at, "iso": update.iso, "parts": parts, "state": update.state, "said": update.said}
            await self.send(text_data=json.dumps(told))

    async def _stop(self) -> None:
        if self._watch is not None:
            live.leave(self._watch, self)
            self._watch = None
        if self._sender is not None:
            self._sender.cancel()
            self._sender = None
        if self._group:
            group, self._group = self._group, ""
            try:
                await self.channel_layer.group_discard(group, self.channel_name)
            except (redis.RedisError, OSError) as error:
                log.warning("a page's socket could not leave its group, which forgets it by itself: %s", error)
