"""What one event loop needs to serve requests: its lane to Redis, the ledger on it, what is in flight, the way out."""

import asyncio
import logging
import os
import socket
from weakref import WeakKeyDictionary

from django.conf import settings

from alerts import tasks
from budgets import feed
from budgets.clockwork import Clockwork
from budgets.inflight import InFlight
from budgets.ledger import Ledger
from budgets.reach import open_lane
from budgets.refusals import Tally
from proxy import metrics
from proxy.admission import Admission
from proxy.estimates import Estimates
from proxy.kept import KeptReplies
from proxy.upstream import Upstream

log = logging.getLogger(__name__)

REFUSALS_SECONDS = 0.5


class Engine:
    """Started by the first request or by the server's lifespan, stopped with it."""

    def __init__(self) -> None:
        self.lane = open_lane(settings.REDIS_URL, settings.LEDGER_TIMEOUT, settings.REDIS_WAITAOF)
        owner = f"{socket.gethostname()}:{os.getpid()}"
        self.ledger = Ledger(self.lane, owner, settings.LEDGER_LEASE_SECONDS)
        self.inflight = InFlight(
            self.ledger,
            confirmed=metrics.numbers.settle.observe,
            most_undrained=settings.MOST_UNDRAINED,
        )
        self.clockwork = Clockwork(self.ledger, self.inflight, nudge=_nudge)
        self.admission = Admission(self.ledger, self.inflight, settings.HELD_WAIT_SECONDS, settings.HELD_WAITERS)
        self.estimates = Estimates()
        self.kept = KeptReplies(self.lane)
        self.upstream = Upstream()
        self.tally = Tally(self.lane)
        self.clockwork.start()
        self._telling = asyncio.create_task(self._tell_of_refusals())
        self._measuring = asyncio.create_task(self._publish_metrics())

    async def _tell_of_refusals(self) -> None:
        while True:
            await asyncio.sleep(REFUSALS_SECONDS)
            refused = self.tally.flush(self.ledger.windows().day.first_day)
            self.inflight.journaled(refused)  # a first refusal by a cap is a line of the journal too
            try:
                for tenant_id in refused:
                    if not await feed.tell(tenant_id):
                        break  # whoever has a page open sees it at the page's own next look
            except Exception:
                # A page that is not told sees it by itself; the counting must go on whatever the channel layer says.
                log.exception("the pages were not told of refusals")

    async def _publish_metrics(self) -> None:
        while True:
            standing, numbers = self.inflight.standing(), metrics.numbers
            numbers.gauges["open_holds"] = standing.open
            numbers.gauges["held_waiting"] = self.admission.room.waiting
            numbers.gauges["unconfirmed_settles"] = standing.unconfirmed
            numbers.gauges["undrained_settles"] = standing.undrained
            numbers.gauges["lane_connected"] = int(self.lane.connected)
            numbers.gauges["tasks"] = len(asyncio.all_tasks())
            numbers.journal_lag, numbers.lane_opened = standing.journal_lag, self.lane.opened
            try:
                await asyncio.to_thread(metrics.publish)
            except OSError as error:  # a full disk stops nothing but this
                log.warning("the metrics cannot be left in %s: %s", metrics.folder(), error)
            await asyncio.sleep(metrics.PUBLISH_SECONDS)

    async def aclose(self) -> None:
        self._telling.cancel()
        self._measuring.cancel()
        self.tally.flush(self.ledger.windows().day.first_day)
        await self.clockwork.stop()
        await self.upstream.aclose()
        await self.lane.aclose()
        metrics.withdraw()


_engines: WeakKeyDictionary[asyncio.AbstractEventLoop, Engine] = WeakKeyDictionary()


def engine() -> Engine:
    """The engine of the running loop."""
    loop = asyncio.get_running_loop()
    if (running := _engines.get(loop)) is None:
        running = _engines[loop] = Engine()
    return running


async def close() -> None:
    """Stop the engine of the running loop, if it ever started."""
    if (running := _engines.pop(asyncio.get_running_loop(), None)) is not None:
        await running.aclose()


def _nudge(tenant_ids: list[str]) -> None:
    """Runs in a thread: publishing to the broker blocks."""
    tasks.drain.apply_async((tenant_ids,), retry=False, ignore_result=True)
