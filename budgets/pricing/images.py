"""The most input tokens that one image can be, by the formulas that the providers publish.

OpenAI (developers.openai.com/api/docs/guides/images-vision) has two. Tiles: the image is scaled into 2048 x 2048, then
to 768 px on its short side; it costs a base plus so much per 512 px tile. Patches: it costs a multiple of the 32 px
patches that cover it, up to a budget; from GPT-5.6 on, `auto` and `original` know none. (No page of theirs was found: a
photo of 4032 x 3024 was billed at 14,364 tokens on gpt-6-astra, where gpt-5.5 billed 11,868; one of 9000 x 6000 at some
63,000 on gpt-6.1-sol. huggingface.co/datasets/JOHNISKING/image-token-cost, docs.apiyi.com/en/faq/vision-image-too-
large.) Anthropic (platform.claude.com/docs/en/build-with-claude/vision): about width x height / 750, counted in 28 px
patches, scaled down above a budget that newer models have raised. Google (ai.google.dev/gemini-api/docs/tokens and
/media-resolution): Gemini 3 allots at most 2,240 tokens, at its highest resolution; Gemini 4 takes the same settings,
and is taken for twice that, for its row of the table was not read; the models before them count 258 for each tile of
256 to 768 px, cut by the short side, or in high resolution pan and scan with about 2,300. As of 2026-11-24.

Where the pages are vague the larger reading counts: small images are taken as scaled up, `low` detail as no cheaper on
patch models, `original` detail as possible on every model that may know it. An image of unknown size is the largest
one. The multiplier of a model that we have not seen published is that of the dearest family it could belong to.
"""

from dataclasses import dataclass

from budgets.money import ceil_div
from budgets.pricing.rates import Model

_SQUARE, _SHORT_SIDE, _TILE, _MOST_TILES = 2048, 768, 512, 8
_PATCH, _PATCH_BUDGET, _ORIGINAL_BUDGET = 32, 1_536, 10_000


@dataclass(frozen=True, slots=True)
class _Tiles:
    base: int
    per_tile: int


@dataclass(frozen=True, slots=True)
class _Patches:
    percent: int  # tokens per 100 patches
    budget: int = _PATCH_BUDGET
    open: bool = False  # no budget, unless the detail names one


# The first prefix that fits the canonical id counts.
_OPENAI: tuple[tuple[str, _Tiles | _Patches], ...] = (
    ("gpt-4o-mini", _Tiles(2833, 5667)),
    ("ft:gpt-4o-mini", _Tiles(2833, 5667)),
    ("gpt-4o", _Tiles(85, 170)),
    ("ft:gpt-4o", _Tiles(85, 170)),
    ("chatgpt-4o", _Tiles(85, 170)),
    ("gpt-4-turbo", _Tiles(85, 170)),
    ("gpt-4-vision", _Tiles(85, 170)),
    ("gpt-4.5", _Tiles(85, 170)),
    ("gpt-4.1-mini", _Patches(162)),
    ("gpt-4.1-nano", _Patches(246)),
    ("gpt-4.1", _Tiles(85, 170)),
    ("o4-mini", _Patches(172)),
    ("o1", _Tiles(75, 150)),
    ("o3", _Tiles(75, 150)),
    ("computer-use", _Tiles(65, 129)),
    ("gpt-5-mini", _Patches(162)),
    ("gpt-5-nano", _Patches(246)),
    ("gpt-5.1-codex-mini", _Patches(162)),
    ("gpt-5.1", _Tiles(70, 140)),
    ("gpt-5.2", _Patches(120, _ORIGINAL_BUDGET)),
    ("gpt-5.3", _Patches(120, _ORIGINAL_BUDGET)),
    ("gpt-5.4-mini", _Patches(162, _ORIGINAL_BUDGET)),
    ("gpt-5.4-nano", _Patches(246, _ORIGINAL_BUDGET)),
    ("gpt-5.4", _Patches(120, _ORIGINAL_BUDGET)),
    ("gpt-5.5", _Patches(120, _ORIGINAL_BUDGET)),
    ("gpt-5.6-sol", _Patches(120, _ORIGINAL_BUDGET, open=True)),
    ("gpt-6-astra", _Patches(120, _ORIGINAL_BUDGET, open=True)),
    ("gpt-6-sol", _Patches(120, _ORIGINAL_BUDGET, open=True)),
    ("gpt-6.1-sol", _Patches(120, _ORIGINAL_BUDGET, open=True)),
)
# `gpt-5` itself and its chat and codex variants, not a prefix of what came after it.
_OPENAI_EXACT: dict[str, _Tiles | _Patches] = {"gpt-5": _Tiles(70, 140)}
# For a model whose formula is not known: the dearest of each kind.
_OPENAI_UNKNOWN: tuple[_Tiles | _Patches, ...] = (_Tiles(2833, 5667), _Patches(246, _ORIGINAL_BUDGET, open=True))
_SCALED_DETAIL = ("low", "high")

# Claude models of the first resolution: about 1,600 tokens an image at most. Later ones take 2576 px, 4,784 tokens.
_CLAUDE_FIRST_RESOLUTION = (
    "claude-2", "claude-3", "claude-opus-4-0", "claude-opus-4-1", "claude-opus-4-5", "claude-opus-4-6",
    "claude-sonnet-4-", "claude-haiku-4-",
)  # fmt: skip
_CLAUDE_MOST, _CLAUDE_MOST_LATER = 1_700, 5_000

_GEMINI_ALLOTTED = (("gemini-3-", 2_240), ("gemini-3.", 2_240), ("gemini-4-", 4_480))
_GEMINI_TILED = ("gemini-1.5-", "gemini-flash-1.5", "gemini-pro-1.5", "gemini-2.0-", "gemini-2.5-")
_GEMINI_TILE, _GEMINI_PANNED = 258, 2_560


def image_bound(model: Model, *, detail: str = "auto", width: int | None = None, height: int | None = None) -> int:
    """Tokens. `detail` as OpenAI's field has it. A model without a formula here: its context window."""
    size = (width, height) if width and height and min(width, height) > 0 else None
    if model.provider == "openai":
        found = [_openai(formula, detail, size) for formula in _openai_formulas(model.id)]
        tokens = [each for each in found if each is not None]
        return min(max(tokens), model.context_window) if len(tokens) == len(found) else model.context_window
    if model.provider == "anthropic":
        return _claude(model.id, size)
    if model.provider == "gemini":
        return _gemini(model.id, size) or model.context_window
    return model.context_window


def _openai_formulas(model_id: str) -> tuple[_Tiles | _Patches, ...]:
    if exact := _OPENAI_EXACT.get(model_id):
        return (exact,)
    known = next((formula for prefix, formula in _OPENAI if model_id.startswith(prefix)), None)
    return (known,) if known is not None else _OPENAI_UNKNOWN


def _openai(formula: _Tiles | _Patches, detail: str, size: tuple[int, int] | None) -> int | None:
    """None: it may fill the window."""
    if isinstance(formula, _Patches):
        budget = None if formula.open and detail not in _SCALED_DETAIL else formula.budget
        covering = ceil_div(size[0], _PATCH) * ceil_div(size[1], _PATCH) if size is not None else None
        patches = min((each for each in (budget, covering) if each is not None), default=None)
        return ceil_div(patches * formula.percent, 100) if patches is not None else None
    tiles = 0 if detail == "low" else _MOST_TILES if size is None else _tiles(*size)
    return formula.base + tiles * formula.per_tile


def _tiles(width: int, height: int) -> int:
    """512 px tiles after scaling, every rounding upward."""
    long, short = max(width, height), min(width, height)
    if long > _SQUARE:
        long, short = _SQUARE, ceil_div(short * _SQUARE, long)
    long, short = ceil_div(long * _SHORT_SIDE, short), _SHORT_SIDE
    return min(_MOST_TILES, ceil_div(long, _TILE) * ceil_div(short, _TILE))


def _claude(model_id: str, size: tuple[int, int] | None) -> int:
    most = _CLAUDE_MOST if model_id.startswith(_CLAUDE_FIRST_RESOLUTION) else _CLAUDE_MOST_LATER
    if size is None:
        return most
    width, height = size
    return min(most, max(ceil_div(width * height, 750), ceil_div(width, 28) * ceil_div(height, 28)))


def _gemini(model_id: str, size: tuple[int, int] | None) -> int | None:
    allotted = next((most for prefix, most in _GEMINI_ALLOTTED if model_id.startswith(prefix)), None)
    if allotted is not None:
        return allotted
    if size is None or not model_id.startswith(_GEMINI_TILED):
        return None
    width, height = size
    unit = max(256, min(768, min(width, height) * 2 // 3))
    return max(_GEMINI_PANNED, ceil_div(width, unit) * ceil_div(height, unit) * _GEMINI_TILE)
