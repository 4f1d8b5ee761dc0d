"""The database from the event loop: a few threads, whose connections are kept as Django's handler keeps its own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import OperationalError, close_old_connections

P = ParamSpec("P")
T = TypeVar("T")

MOST_WAITING = 1000  # for a thread; a database that does not answer must not fill the memory with questions

_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="database")
_beside = ThreadPoolExecutor(max_workers=2, thread_name_prefix="beside")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call something that asks the database (and the blocking store) without blocking the loop.

    Raises OperationalError when there is no answer within DATABASE_TIMEOUT seconds: what was asked may be done yet.
    """

    def call() -> T:
        close_old_connections()
        try:
            return function(*args, **kwargs)
        finally:
            close_old_connections()

    if _threads._work_queue.qsize() >= MOST_WAITING:
        raise OperationalError("too many questions wait for the database")
    answer = asyncio.get_running_loop().run_in_executor(_threads, call)
    try:
        async with asyncio.timeout(settings.DATABASE_TIMEOUT):
            return await answer
    except TimeoutError as error:
        if not answer.cancelled():
            raise  # the function's own
        raise OperationalError(f"the database did not answer within {settings.DATABASE_TIMEOUT:g} s") from error


async def beside(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call something that may block on neither the database nor the ledger (the broker, the channels), and may take its
    time: in threads of its own, so that it keeps nobody from the database."""
    return await asyncio.get_running_loop().run_in_executor(_beside, lambda: function(*args, **kwargs))
