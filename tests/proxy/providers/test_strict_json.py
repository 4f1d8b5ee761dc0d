"""A body is read in the one way that every reader agrees on, or refused."""

import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.providers.base import RequestRefused
from proxy.providers.strict_json import decode
from tests.proxy.providers.support import refusal

BAD = {
    "empty": b"",
    "no json": b"hello",
    "two documents": b"{}{}",
    "trailing comma": b'{"a":1,}',
    "array": b"[]",
    "string": b'"x"',
    "null": b"null",
    "NaN": b'{"a":NaN}',
    "infinity": b'{"a":Infinity}',
    "minus infinity": b'{"a":-Infinity}',
    "overflow to infinity": b'{"a":1e400}',
    "invalid utf-8": b'{"a":"\xff"}',
    "utf-8 surrogate": b'{"a":"\xed\xa0\x80"}',
    "lone surrogate": b'{"a":"\\ud800"}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "utf-16": '{"a":1}'.encode("utf-16"),
    "control character": b'{"a":"\x01"}',
    "nested 300 deep": b'{"a":' + b"[" * 300 + b"]" * 300 + b"}",
    "nested 100,000 deep": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "duplicate": b'{"a":1,"a":2}',
    "duplicate, same value": b'{"a":1,"a":1}',
    "duplicate, escaped": b'{"model":1,"\\u006dodel":2}',
    "duplicate, colon in the key": b'{"a:b":1,"a:b":2}',
    "duplicate, escaped colon in the key": b'{"a:b":1,"a\\u003ab":2}',
    "duplicate hidden by an escaped colon": b'{"a":"\\u003a","b":1,"b":2}',
    "duplicate hidden by an upper-case escaped colon": b'{"a":"\\u003A\\u003a","b":1,"b":2,"c":1,"c":1}',
    "duplicate deep inside": b'{"a":[{"b":{"c":1,"d":{},"c":2}}]}',
    "duplicate spaced": b'{ "a" : 1 ,\n\t"a" : 2 }',
    "duplicate that drops colons": b'{"a":"::::","a":1}',
    "duplicate of an empty key": b'{"":1,"":2}',
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
def test_ambiguous_and_broken_bodies_are_refused(body):
    refused = refusal(decode, body)
    assert (refused.code, refused.status) == ("invalid_json", 400)


def test_a_duplicate_key_is_named():
    assert "'model'" in refusal(decode, b'{"model":1,"x":{},"model":2}').message


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b' {"a" : {"a":{"a":[{"a":1},{"a":1}]}}} ',
        '{"a":": \\u003a \\" : é 🎉","b:":null}'.encode(),
        b'{"a":"\\\\u003a"}',
        b'{"a":' + b"[" * 200 + b"]" * 200 + b"}",
    ],
)
def test_sound_bodies_are_read(body):
    assert decode(body).payload == json.loads(body)


_texts = st.text(st.sampled_from('a:"\\u003\n é🎉'), max_size=6)
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=4),
    max_leaves=15,
)


@settings(deadline=None)
@given(st.dictionaries(_texts, _values, max_size=5), st.booleans(), st.sampled_from([None, 2]))
def test_every_object_without_duplicates_is_read_as_it_is(value, ascii_only, indent):
    body = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    assert decode(body).payload == value
    assert orjson.loads(decode(body).serialised) == value


def _spell(value, draw):
    """JSON in which some objects give a key twice: its spelling, and whether one does."""
    if isinstance(value, list):
        items = [_spell(item, draw) for item in value]
        return "[" + ",".join(text for text, _ in items) + "]", any(twice for _, twice in items)
    if not isinstance(value, dict):
        return json.dumps(value, ensure_ascii=draw(st.booleans())), False
    pairs = list(value.items())
    if pairs and draw(st.integers(0, 3)) == 0:
        pairs.insert(draw(st.integers(0, len(pairs))), (draw(st.sampled_from(pairs))[0], draw(_values)))
    spelled = [(_escape(key, draw), _spell(item, draw)) for key, item in pairs]
    text = "{" + ",".join(f"{key}:{item}" for key, (item, _) in spelled) + "}"
    return text, len(pairs) > len(value) or any(twice for _, (_, twice) in spelled)


def _escape(key, draw):
    """The same key, some characters written as escapes."""
    out = "".join(f"\\u{ord(c):04x}" if ord(c) < 0x10000 and draw(st.booleans()) else json.dumps(c)[1:-1] for c in key)
    return f'"{out}"'


@settings(deadline=None)
@given(st.dictionaries(_texts, _values, max_size=5), st.data())
def test_a_key_given_twice_is_found_at_any_depth_and_in_any_spelling(value, data):
    text, twice = _spell(value, data.draw)
    try:
        decode(text.encode())
        refused = False
    except RequestRefused as exc:
        refused = exc.code == "invalid_json"
    assert refused == twice
