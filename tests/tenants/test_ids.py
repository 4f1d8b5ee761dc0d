"""Ids: never the same twice, and those of rows in the order of their time."""

from typing import Any

from tenants import ids


def test_dated_ids_are_in_the_order_of_their_seconds_and_never_the_same(monkeypatch: Any) -> None:
    made: list[str] = []
    for second in (0, 1, 61, 62, 1_795_529_586, 1_795_529_587, 4_102_444_800):
        monkeypatch.setattr(ids.time, "time", lambda second=second: second + 0.25)
        made.append(max(ids.dated_id("req", 20) for _ in range(5)))
    assert made == sorted(made), "compared as bytes, as SQLite does"
    monkeypatch.undo()
    many = {ids.dated_id("req", 20) for _ in range(5_000)}
    assert len(many) == 5_000
    assert {len(each) for each in many} == {24}
