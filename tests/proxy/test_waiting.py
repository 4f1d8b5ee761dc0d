"""Waiting for what others hold: in order, woken at once, bounded, and without a trace of who has gone."""

import asyncio
import time

import pytest

from proxy.waiting import POLL_SECONDS, WaitingRoom

TENANT, WALL = "ten_1", "budget:{ten_1}:2026-11"


class Money:
    """So many holds are free; who asks gets one or does not."""

    def __init__(self, room: WaitingRoom, free: int = 0) -> None:
        self.room, self.free, self.asked = room, free, 0
        self.order: list[str] = []

    async def want(self, name: str, wall: str = WALL) -> bool:
        with self.room.place(TENANT, wall) as place:
            while place is not None and await place.turn():
                self.asked += 1
                if self.free:
                    self.free -= 1
                    self.order.append(name)
                    return True
        return False

    def give_back(self, count: int = 1) -> None:
        self.free += count
        self.room.freed(TENANT)


async def started(*wants: "asyncio.Task[bool]") -> None:
    for _ in range(3 * len(wants) + 3):
        await asyncio.sleep(0)


async def test_who_came_first_goes_first_and_is_woken_at_once() -> None:
    money = Money(WaitingRoom(5, 10))
    waiting = [asyncio.create_task(money.want(name)) for name in "abc"]
    await started(*waiting)
    began = time.monotonic()
    money.give_back()
    assert await waiting[0]
    assert time.monotonic() - began < POLL_SECONDS / 2
    money.give_back(2)
    assert await asyncio.gather(*waiting[1:]) == [True, True]
    assert money.order == ["a", "b", "c"]
    assert (money.room.waiting, money.room.busy(TENANT)) == (0, False)


async def test_what_is_left_over_goes_to_the_next_without_another_call() -> None:
    money = Money(WaitingRoom(5, 10))
    waiting = [asyncio.create_task(money.want(name)) for name in "abcd"]
    await started(*waiting)
    money.give_back(3)
    assert await asyncio.gather(*waiting[:3]) == [True] * 3
    assert not waiting[3].done()
    waiting[3].cancel()
    await asyncio.gather(waiting[3], return_exceptions=True)
    assert money.room.waiting == 0


async def test_what_other_workers_give_back_is_found_by_asking_again() -> None:
    money = Money(WaitingRoom(5, 10))
    waiting = [asyncio.create_task(money.want(name)) for name in "abcdef"]
    await asyncio.sleep(POLL_SECONDS * 3.5)
    assert money.asked <= 4, "the first of the line asks, not all of it"
    money.free = 6
    assert await asyncio.wait_for(asyncio.gather(*waiting), POLL_SECONDS * 4) == [True] * 6
    assert money.order == list("abcdef")


async def test_nobody_waits_longer_than_told() -> None:
    money = Money(WaitingRoom(0.15, 10))
    began = time.monotonic()
    assert await asyncio.gather(money.want("a"), money.want("b")) == [False, False]
    assert 0.14 < time.monotonic() - began < 0.4
    assert not money.room.busy(TENANT)


async def test_one_who_leaves_the_line_lets_the_next_one_go() -> None:
    money = Money(WaitingRoom(5, 10))
    waiting = [asyncio.create_task(money.want(name)) for name in "abc"]
    await started(*waiting)
    waiting[0].cancel()
    waiting[1].cancel()
    await asyncio.gather(*waiting[:2], return_exceptions=True)
    money.give_back()
    assert await asyncio.wait_for(waiting[2], 1)


async def test_so_many_may_wait_and_no_more_and_others_are_not_counted() -> None:
    room = WaitingRoom(5, 2)
    with room.place(TENANT, WALL) as first, room.place(TENANT, "key") as second, room.place(TENANT, WALL) as third:
        assert first is not None and second is not None and third is None
        with room.place("ten_2", WALL) as other:
            assert other is not None
    assert room.waiting == 0


async def test_who_waits_at_one_wall_does_not_stand_before_another() -> None:
    money = Money(WaitingRoom(0.3, 10))
    with money.room.place(TENANT, "key_a"):
        assert money.room.wall_before(TENANT, ["month", "key_a"]) == "key_a"
        assert money.room.wall_before(TENANT, ["month", "key_b"]) == ""
        assert money.room.wall_before("ten_2", ["key_a"]) == ""
        money.free = 1
        assert await money.want("b", "key_b"), "its own line is empty"


@pytest.mark.parametrize("ended", ["granted", "cancelled"])
async def test_a_line_that_is_empty_leaves_nothing_behind(ended: str) -> None:
    money = Money(WaitingRoom(5, 10))
    one = asyncio.create_task(money.want("a"))
    await started(one)
    money.give_back() if ended == "granted" else one.cancel()
    await asyncio.gather(one, return_exceptions=True)
    assert (money.room._lines, money.room._waiting) == ({}, {})
