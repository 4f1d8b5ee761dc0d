"""JSON that is kept takes the memory of its text."""

import tracemalloc

import orjson

from budgets import compact


def test_what_is_kept_is_no_longer_than_its_text() -> None:
    document = {"status": "settled", "http": 200, "usage": {"input_tokens": 7, "output_tokens": 3}}
    tracemalloc.start()
    try:
        kept = [compact.dumps(document) for _ in range(1000)]
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert orjson.loads(kept[0]) == document
    assert size / 1000 < len(kept[0]) + 64, "bytes each, with the object's head and its place in the list"
