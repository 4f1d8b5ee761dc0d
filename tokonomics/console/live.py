"""Open pages, kept up to date: one look a second at the ledger while somebody watches, drawn again when it has moved.

A page opens a socket at `/t/<slug>/live/?view=overview&...` and gets its own parts as HTML, each with the id of the
element that it replaces; they are made by the templates that made the page. Pages with the same view share the work:
one `Watch` in each process looks and draws for all of them, at most once a second. `ledger.moved` (budgets.feed: rows
were written, requests refused, something was changed) only makes it look at once.
"""

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlencode

from django.db import close_old_connections
from django.template.loader import render_to_string
from django.utils import timezone

from tenants.models import Membership, Tenant
from tokonomics.console import frames
from tokonomics.console import presentation as show
from tokonomics.console.standings import Snapshot

log = logging.getLogger(__name__)

EVERY = 1.0  # seconds between two looks at most, and at least
BEAT = 10.0  # seconds after which a page hears that all is as it was
RECHECK = 5.0  # seconds after which it is asked again whether the watchers may

# Not the threads that the proxy's requests wait for: a page that is slow to draw must hold up no request.
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="live")


@dataclass(frozen=True, slots=True)
class View:
    """What a page looks at. `role`: what a role cannot do is not drawn, so each has drawings of its own."""

    tenant_id: str
    role: str
    name: str
    params: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Update:
    """`parts`: HTML by the id of the element that it replaces. `said`: a sentence for screen readers, which hear it
    when `state` is another than before; `at`: the clock of the drawing, UTC."""

    at: str
    iso: str
    parts: Mapping[str, str] = field(default_factory=dict)
    state: str = ""
    said: str = ""


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a view's renderer gives; the parts of the frame are added to it."""

    parts: Mapping[str, str]
    state: str = ""
    said: str = ""


class Renderer(Protocol):
    """One kind of page. `look` takes the snapshot that `draw` then draws; `signature` adds what else must not have
    moved for the drawing to be left as it is."""

    def look(self, tenant: Tenant, params: Mapping[str, str]) -> Snapshot: ...

    def signature(self, seen: Snapshot) -> Any: ...

    def draw(self, role: str, seen: Snapshot, params: Mapping[str, str]) -> Drawing: ...


class Page(Protocol):
    """A socket, as a watch sees it."""

    def offer(self, update: Update) -> None: ...

    async def may_still_watch(self) -> bool: ...

    async def cut_off(self) -> None: ...


def address(slug: str, view: str, **params: str) -> str:
    """What a page's template names as its socket."""
    return f"/t/{slug}/live/?{urlencode({'view': view, **params})}"


# --- One view, watched -----------------------------------------------------------------------------------------------


class Watch:
    """Looks and draws for all the pages of one view in this process. Lives while it has any."""

    def __init__(self, view: View, renderer: Renderer) -> None:
        self.view, self._renderer = view, renderer
        self.pages: set[Page] = set()
        self._rows_moved = True
        self._signature: Any = None
        self._last: Update | None = None
        self._task: asyncio.Task[None] | None = None

    def join(self, page: Page) -> None:
        self.pages.add(page)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"watch {self.view.name} of {self.view.tenant_id}")
        elif self._last is not None:
            page.offer(self._last)

    def leave(self, page: Page) -> None:
        self.pages.discard(page)
        if not self.pages and self._task is not None:
            self._task.cancel()

    def nudge(self) -> None:
        """Something was written that the counters alone do not tell."""
        self._rows_moved = True

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        said = checked = loop.time()
        while self.pages:
            began = loop.time()
            if began - checked >= RECHECK:
                await self._recheck()
                checked = began
            update = await self._look()
            if update is None and began - said >= BEAT and self._last is not None:
                update = _clock(self._last)
            if update is not None:
                said = began
                for page in tuple(self.pages):
                    page.offer(update)
            # The second is waited out, so that news that comes thick is drawn once.
            await asyncio.sleep(max(EVERY - (loop.time() - began), 0.05))

    async def _look(self) -> Update | None:
        moved, self._rows_moved = self._rows_moved, False
        try:
            update = await asyncio.get_running_loop().run_in_executor(_threads, self._draw_alone, moved)
        except Exception:
            # A page that cannot be drawn now may be in a second; the watch must outlive it, and be seen to have failed.
            log.exception("the %s page of %s could not be drawn", self.view.name, self.view.tenant_id)
            self._rows_moved = True
            return None
        if update is not None:
            self._last = update
        return update

    def _draw_alone(self, rows_moved: bool) -> Update | None:
        """In a thread, whose connection to the database is kept as Django's handler keeps its own."""
        close_old_connections()
        try:
            return self._draw_if_moved(rows_moved)
        finally:
            close_old_connections()

    def _draw_if_moved(self, rows_moved: bool) -> Update | None:
        params = dict(self.view.params)
        tenant = Tenant.objects.get(pk=self.view.tenant_id)
        seen = self._renderer.look(tenant, params)
        signature = (_signature(seen), self._renderer.signature(seen))
        if not rows_moved and signature == self._signature:
            return None
        drawing = self._renderer.draw(self.view.role, seen, params)
        self._signature = signature
        parts = {**frame_parts(tenant, self.view.role, seen), **drawing.parts}
        now = show.at(int(seen.now))
        return Update(f"{now:%H:%M:%S}", f"{now:%Y-%m-%dT%H:%M:%SZ}", parts, drawing.state, drawing.said)

    async def _recheck(self) -> None:
        for page in tuple(self.pages):
            if not await page.may_still_watch():
                self.pages.discard(page)
                await page.cut_off()


def _signature(seen: Snapshot) -> Any:
    """All that a look at Redis tells of money, and who the company is."""
    money = tuple(
        (place, standing.spent, standing.held, standing.refused, standing.cap, standing.hard)
        for place, standing in seen.standings.items()
    )
    return money, seen.stale_since, seen.tenant.suspended_at, seen.tenant.name, seen.windows.day.suffix


def _clock(last: Update) -> Update:
    now = timezone.now()
    return Update(f"{now:%H:%M:%S}", f"{now:%Y-%m-%dT%H:%M:%SZ}", last.parts, last.state, last.said)


def frame_parts(tenant: Tenant, role: str, seen: Snapshot) -> dict[str, str]:
    """What every page has around it: what is left, at the foot of the rail and on a phone's strip."""
    frame = frames.bare(tenant, role, seen)
    left = render_to_string("console/_left.html", {"frame": frame})
    parts = {"left-this-month": f'<div class="rail-foot" id="left-this-month">{left}</div>'}
    if frame.left:
        parts["meter-strip"] = render_to_string("console/_meter.html", {"meter": frame.strip_meter})
    return parts


# --- The watches that are open in this process -----------------------------------------------------------------------

_watches: dict[tuple[int, View], Watch] = {}


def watch(membership: Membership, name: str, params: Mapping[str, str], renderer: Renderer, page: Page) -> Watch:
    """The watch of this view, with the page among its pages. Each event loop has its own."""
    view = View(membership.tenant_id, membership.role, name, tuple(sorted(params.items())))
    key = (id(asyncio.get_running_loop()), view)
    found = _watches.get(key)
    if found is None or not found.pages:
        found = _watches[key] = Watch(view, renderer)
    found.join(page)
    return found


def leave(watched: Watch, page: Page) -> None:
    watched.leave(page)
    key = (id(asyncio.get_running_loop()), watched.view)
    if not watched.pages and _watches.get(key) is watched:
        del _watches[key]
