"""How long kept replies are: each company and mode knows its own, for the model that made them, for a while."""

from collections.abc import AsyncIterator
from datetime import date

import orjson
import pytest

from budgets import keyspace
from budgets.lanes import Lane
from budgets.pricing.catalogue import find
from budgets.pricing.usage import Usage
from proxy.kept import KEPT_SECONDS, Kept, KeptReplies
from proxy.providers.openai_responses import OPENAI_RESPONSES
from tests.proxy.providers.support import meter_for, responses
from tests.support.valkey import ValkeyServer

TODAY = date(2026, 11, 24)
MINI, GPT = find("openai", "gpt-5-mini", TODAY), find("openai", "gpt-4.1", TODAY)
PLACE = ("ten_1", "live")
USAGE = Usage(input_tokens=30, cache_read_tokens=12, output_tokens=8)


@pytest.fixture
async def lane(store: ValkeyServer) -> AsyncIterator[Lane]:
    lane = Lane(store.url, 1.0)
    yield lane
    await lane.aclose()


def answered(reply_id: object) -> object:
    meter = OPENAI_RESPONSES.meter(responses())
    meter.feed_body(orjson.dumps({"id": reply_id, "status": "completed", "usage": {}}))
    return meter


async def test_a_reply_is_found_by_its_company_and_mode_alone(lane: Lane) -> None:
    replies = KeptReplies(lane)
    replies.note(PLACE, MINI, answered("resp_1"), USAGE)  # type: ignore[arg-type]
    assert await replies.find(PLACE, "resp_1") == Kept("gpt-5-mini", 50)
    for place, reply_id in ((PLACE, "resp_2"), (("ten_1", "test"), "resp_1"), (("ten_2", "live"), "resp_1")):
        assert await replies.find(place, reply_id) is None
    left = await lane.command("TTL", keyspace.kept_reply(*PLACE, "resp_1"))
    assert KEPT_SECONDS - 5 <= left <= KEPT_SECONDS


async def test_another_model_counts_the_same_text_otherwise() -> None:
    assert (Kept("gpt-5-mini", 50).tokens_for(MINI), Kept("gpt-5-mini", 50).tokens_for(GPT)) == (50, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("reply_id", ["", None, 5, "x" * 129])
async def test_a_reply_without_a_usable_name_is_not_kept(lane: Lane, reply_id: object) -> None:
    replies = KeptReplies(lane)
    replies.note(PLACE, MINI, answered(reply_id), USAGE)  # type: ignore[arg-type]
    assert await lane.command("DBSIZE") == 0
    assert await replies.find(PLACE, "y" * 129) is None


async def test_replies_of_other_formats_are_not_kept(lane: Lane) -> None:
    KeptReplies(lane).note(PLACE, MINI, meter_for("openai"), USAGE)  # type: ignore[arg-type]
    assert await lane.command("DBSIZE") == 0


async def test_while_redis_is_away_a_reply_is_unknown(lane: Lane, store: ValkeyServer) -> None:
    gone = Lane("redis://127.0.0.1:1", 0.2)
    replies = KeptReplies(gone)
    replies.note(PLACE, MINI, answered("resp_1"), USAGE)  # type: ignore[arg-type]
    assert await replies.find(PLACE, "resp_1") is None
    await gone.aclose()
