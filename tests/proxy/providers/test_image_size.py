"""The size of an inline image is read off its first bytes, or not claimed at all."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.providers.image_size import base64_image_size, data_url_size
from tests.proxy.providers.images import jpeg, png, webp

GIF = base64.b64encode(b"GIF89a\x01\x00\x01\x00" + bytes(80)).decode()


@pytest.mark.parametrize(
    "data",
    [
        png(1234, 777),
        jpeg(1234, 777),
        jpeg(1234, 777, metadata=2),
        webp(b"VP8X", 1234, 777),
        webp(b"VP8L", 1234, 777),
        webp(b"VP8 ", 1234, 777),
    ],
)
def test_the_size_is_read(data):
    assert base64_image_size(data) == (1234, 777)
    assert data_url_size(f"data:image/whatever;base64,{data}") == (1234, 777)


@pytest.mark.parametrize(
    "data",
    [
        "", "x", "!!!!", GIF, png(0, 7), png(7, 0), png(9, 9)[:20], jpeg(9, 9, metadata=9), jpeg(0, 0),
        png(5, 5)[:8] + "\n" + png(5, 5)[8:], png(5, 5)[:8] + "-" + png(5, 5)[8:], "=" * 64,
    ],
)  # fmt: skip
def test_a_size_that_is_not_certain_is_not_claimed(data):
    assert base64_image_size(data) is None


@pytest.mark.parametrize("url", ["https://example.org/a.png", "data:image/png," + png(5, 5), "data:", ""])
def test_only_inline_base64_has_a_size(url):
    assert data_url_size(url) is None


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFFxxxxWEBPVP8L"]))
def test_any_bytes_give_a_size_or_none(data, magic):
    size = base64_image_size(base64.b64encode(magic + data).decode())
    assert size is None or (size.width > 0 and size.height > 0)
