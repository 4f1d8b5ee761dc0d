"""However an array is cut, its elements come out whole, and only theirs."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.providers.json_array import MAX_ELEMENT, ArrayDecoder, ElementTooLarge

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('ab"\\]}[{,é\n', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('a"\\}]', max_size=3), inner, max_size=3),
    max_leaves=8,
)
_elements = st.lists(st.dictionaries(st.text('a"\\}]', max_size=3), _values, max_size=3), max_size=4)


@settings(deadline=None)
@given(_elements, st.sampled_from([None, 2]), st.lists(st.integers(1, 9)))
def test_the_elements_are_those_of_the_array_wherever_it_is_cut(elements, indent, cuts):
    whole = json.dumps(elements, indent=indent, ensure_ascii=False).encode()
    decoder, found, position = ArrayDecoder(), [], 0
    for cut in [*cuts, len(whole)]:
        found += decoder.feed(whole[position : position + cut])
        position += cut
    assert [json.loads(element) for element in found] == elements
    assert decoder.ended


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([b"[", b"]", b"{", b"}", b'"', b"\\", b",", b"a"]) | st.binary(max_size=4), max_size=30)
)
def test_bytes_of_any_kind_make_no_error_and_the_cuts_no_difference(pieces):
    one, other = ArrayDecoder(), ArrayDecoder()
    found = [element for piece in pieces for element in one.feed(piece)]
    assert other.feed(b"".join(pieces)) == found
    assert one.ended == other.ended


def test_an_array_that_is_cut_short_has_not_ended():
    decoder = ArrayDecoder()
    assert decoder.feed(b'[{"a": "]"}\n,\r\n{"b": [1, 2]}') == [b'{"a": "]"}', b'{"b": [1, 2]}']
    assert not decoder.ended
    decoder.feed(b"\n]\n")
    assert decoder.ended


def test_an_element_of_any_length_is_not_held():
    decoder = ArrayDecoder()
    decoder.feed(b'[{"a":"')
    with pytest.raises(ElementTooLarge):
        for _ in range(MAX_ELEMENT // (1 << 20) + 1):
            decoder.feed(b"x" * (1 << 20))


def test_a_long_string_in_small_pieces_is_read_once():
    """Each byte is looked at once, however many pieces it comes in: 4 MB in 4,096 pieces is done in a moment."""
    decoder = ArrayDecoder()
    decoder.feed(b'[{"a":"')
    for _ in range(4096):
        decoder.feed(b"x" * 1024)
    assert len(decoder.feed(b'"}]')) == 1
