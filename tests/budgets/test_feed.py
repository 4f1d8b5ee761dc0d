"""What tells open pages that there is something new: nothing depends on it, and it costs nothing where it fails."""

import gc
import threading

import pytest
from channels_redis.core import RedisChannelLayer

from budgets import feed


def test_while_redis_is_away_no_thread_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = RedisChannelLayer(hosts=["redis://127.0.0.1:1"])
    monkeypatch.setattr(feed, "get_channel_layer", lambda: nowhere)
    feed.announce("ten_1")
    gc.collect()
    before = threading.active_count()
    gc.disable()
    try:
        for _ in range(10):
            feed.announce("ten_1")
        assert threading.active_count() <= before + 1  # the last one's may be on its way out
    finally:
        gc.enable()
