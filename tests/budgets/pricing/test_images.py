"""Images: the providers' own examples are met or exceeded, and no image costs more than one of unknown size."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgets.pricing.catalogue import all_models, find
from budgets.pricing.images import image_bound
from budgets.pricing.rates import Model

TODAY = date(2026, 11, 24)
MODELS = [model for provider in ("openai", "anthropic", "gemini") for model in all_models(provider, TODAY)]
SIDES = st.one_of(st.integers(1, 70), st.integers(1, 20_000))


def model(provider: str, name: str) -> Model:
    found = find(provider, name, TODAY)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "detail", "size", "tokens"),
    [
        # OpenAI's own examples: 1024 x 1024 is 765 tokens, 2048 x 4096 is 1105, low detail is 85.
        ("gpt-4o", "high", (1024, 1024), 765),
        ("gpt-4o", "high", (2048, 4096), 1_105),
        ("gpt-4o", "high", (4096, 2048), 1_105),
        ("gpt-4o", "low", (4096, 8192), 85),
        ("gpt-4o", "low", None, 85),
        ("gpt-4o", "auto", None, 85 + 8 * 170),
        ("gpt-4.1", "high", (1024, 1024), 765),
        # gpt-4o-mini multiplies: 2833 + 5667 a tile.
        ("gpt-4o-mini", "high", (1024, 1024), 2_833 + 4 * 5_667),
        ("gpt-4o-mini", "low", None, 2_833),
        ("gpt-4o-mini", "auto", None, 2_833 + 8 * 5_667),
        ("o3", "high", (1024, 1024), 75 + 4 * 150),
        ("gpt-5", "high", (1024, 1024), 70 + 4 * 140),
        # 1024 x 1024 is 1,024 patches: x 1.62, 2.46, 1.72.
        ("gpt-4.1-mini", "high", (1024, 1024), 1_659),
        ("gpt-4.1-nano", "high", (1024, 1024), 2_520),
        ("o4-mini", "auto", (1024, 1024), 1_762),
        # 1800 x 2400 is scaled down to 1,452 patches, of at most 1,536.
        ("gpt-4.1-mini", "high", (1800, 2400), 2_489),
        ("gpt-5-nano", "auto", None, 3_779),
        # Later models: 1.2 x up to 10,000 patches where the detail is `original`.
        ("gpt-6-sol", "auto", (1024, 1024), 1_229),
        ("gpt-5.4", "original", None, 12_000),
        ("gpt-5.5", "auto", (8_000, 8_000), 12_000),
        # From GPT-5.6 on `auto` scales nothing down: a photo of 12 megapixels was billed at 14,364.
        ("gpt-6-astra", "auto", (4_032, 3_024), 14_364),
        ("gpt-6-astra", "auto", (4_096, 512), 2_458),
        ("gpt-6.1-sol", "original", (9_000, 6_000), 63_620),
        ("gpt-6-sol", "high", (9_000, 6_000), 12_000),
        ("gpt-5.6-sol", "auto", None, 1_050_000),
        # A formula that nobody published: the dearest known.
        ("gpt-6-luna", "high", None, 2_833 + 8 * 5_667),
        ("gpt-6-luna", "auto", (9_000, 6_000), 130_420),
        ("gpt-5-pro", "low", (32, 32), 2_833),
    ],
)
def test_openai_images(name: str, detail: str, size: tuple[int, int] | None, tokens: int) -> None:
    width, height = size or (None, None)
    assert image_bound(model("openai", name), detail=detail, width=width, height=height) == tokens


@pytest.mark.parametrize(
    ("name", "size", "published", "most"),
    [
        # Anthropic's table: 200 x 200 is about 54 tokens, 1000 x 1000 about 1,334, 1092 x 1092 about 1,590.
        ("claude-sonnet-4-5", (200, 200), 54, 64),
        ("claude-sonnet-4-5", (1000, 1000), 1_334, 1_334),
        ("claude-sonnet-4-5", (1092, 1092), 1_590, 1_590),
        ("claude-sonnet-4-5", (8000, 8000), 1_600, 1_700),
        ("claude-sonnet-4-5", None, 1_600, 1_700),
        # From Opus 4.7 on: 2576 px on the long side, 4,784 tokens.
        ("claude-opus-4-7", (8000, 8000), 4_784, 5_000),
        ("claude-sonnet-5-5", None, 4_784, 5_000),
    ],
)
def test_claude_images(name: str, size: tuple[int, int] | None, published: int, most: int) -> None:
    width, height = size or (None, None)
    assert published <= image_bound(model("anthropic", name), width=width, height=height) <= most


@pytest.mark.parametrize(
    ("name", "size", "published", "most"),
    [
        # Google's: 258 a tile; 960 x 540 is cut into 3 x 2 tiles of 360 px; high resolution pans with about 2,048 more.
        ("gemini-2.5-flash", (384, 384), 258, 2_560),
        ("gemini-2.5-flash", (960, 540), 6 * 258, 2_560),
        ("gemini-2.5-flash", (3_072, 3_072), 16 * 258, 16 * 258),
        ("gemini-2.0-flash", (10_000, 300), 258, 51 * 2 * 258),
        # Gemini 3: 1,120 as a rule, 2,240 at most.
        ("gemini-3-flash-preview", (10, 10), 1_120, 2_240),
        ("gemini-3.1-pro-preview", None, 2_240, 2_240),
        # Gemini 4 takes the same settings; its column was not read.
        ("gemini-4-argon", (10, 10), 1_120, 4_480),
    ],
)
def test_gemini_images(name: str, size: tuple[int, int] | None, published: int, most: int) -> None:
    width, height = size or (None, None)
    assert published <= image_bound(model("gemini", name), width=width, height=height) <= most


def test_an_image_without_a_formula_is_bounded_by_the_window() -> None:
    later = replace(model("gemini", "gemini-4-argon"), id="gemini-5-krypton")
    assert image_bound(later, width=10, height=10) == later.context_window
    gemini = model("gemini", "gemini-2.5-pro")
    assert image_bound(gemini) == gemini.context_window


@given(st.sampled_from(MODELS), st.sampled_from(["low", "high", "auto", "original"]), SIDES, SIDES)
def test_an_image_of_unknown_size_is_the_largest_one_and_none_is_free(
    any_model: Model, detail: str, width: int, height: int
) -> None:
    known = image_bound(any_model, detail=detail, width=width, height=height)
    assert 0 < known <= image_bound(any_model, detail=detail)
    assert known == image_bound(any_model, detail=detail, width=height, height=width)


@pytest.mark.parametrize(("width", "height"), [(0, 0), (-1, 5), (None, 5), (5, None)])
def test_a_size_that_cannot_be_is_an_unknown_one(width: int | None, height: int | None) -> None:
    gpt = model("openai", "gpt-4o")
    assert image_bound(gpt, width=width, height=height) == image_bound(gpt)
