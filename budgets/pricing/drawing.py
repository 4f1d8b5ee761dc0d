"""The most tokens of pictures that OpenAI's image models bill: of one that they draw, and of one that they are shown.

As of 2026-11-24.
- gpt-image-2 draws by the formula of OpenAI's price calculator, whose code community.openai.com/t/1382699 tells
  (2026-06-05; four values that the calculator showed, t/1379464, and one billed reply agree; the guide gives none): a
  grid of q by q x short / long, rounded, times (2,000,000 + pixels) / 4,000,000, with q 16, 48 or 96 by quality.
  gpt-image-2.5 bills the same for `low` (1024x1024: 196 tokens: Comfy-Org/docs, 2026-09-12); of its others no token
  counts were found, so they are taken for twice the formula, and `xhigh`, `max` and `auto`, which may be one of them,
  have no bound.
- gpt-image-1: 272 to 6,240 tokens by size and quality (developers.openai.com/api/docs/guides/image-generation).
  gpt-image-1-mini is only published in dollars a picture (developers.openai.com/api/docs/models/gpt-image-1-mini): half
  a tenth of a cent more, at $8 per 1,000,000.
- gpt-image-1.5 and chatgpt-image-latest bill the text that they think before they draw, to which no limit is published.
- A partial picture of a stream adds 100 tokens.
- A picture shown is covered by patches of 32 px, 1,536 at most (gpt-image-2: 1,450 tokens for 3840x2160, 1,024 for
  1024x1024; gpt-image-2.5 bills that one like it, and of larger ones is taken for twice), or by tiles of 512 px after
  scaling its short side to 512, base 65 and 129 each, with 6,240 more for high fidelity. It also adds some text.
"""

import re

from budgets.money import ceil_div

AUTO = "auto"
PARTIAL_PICTURE = 100
TEXT_WITH_A_PICTURE = 1_024

_SIZE = re.compile(r"([1-9]\d{1,3})x([1-9]\d{1,3})")
_MOST_EDGE, _MOST_PIXELS, _LEAST_PIXELS, _STEP, _MOST_RATIO = 3_840, 8_294_400, 655_360, 16, 3
_LARGEST_SQUARE = (2_880, 2_880)
_LARGEST_OF_OLD = 1_024 * 1_536
_GRID = {"low": 16, "medium": 48, "high": 96}
_BY_SIZE = {
    "gpt-image-1": {
        "low": {"1024x1024": 272, "1024x1536": 408, "1536x1024": 400},
        "medium": {"1024x1024": 1_056, "1024x1536": 1_584, "1536x1024": 1_568},
        "high": {"1024x1024": 4_160, "1024x1536": 6_240, "1536x1024": 6_208},
    },
    "gpt-image-1-mini": {
        "low": {"1024x1024": 688, "1024x1536": 813, "1536x1024": 813},
        "medium": {"1024x1024": 1_438, "1024x1536": 1_938, "1536x1024": 1_938},
        "high": {"1024x1024": 4_563, "1024x1536": 6_563, "1536x1024": 6_563},
    },
}
_NEWER = "gpt-image-2."
_SHOWN_PATCHES, _SHOWN_TILES, _HIGH_FIDELITY = 2_048, 65 + 8 * 129, 6_240


class NotDrawn(ValueError):
    """What no model draws, or what has no bound; the message says which field, and why."""

    def __init__(self, field: str, reason: str, *, unbounded: bool = True) -> None:
        super().__init__(reason)
        self.field, self.unbounded = field, unbounded


def drawn(model: str, size: str, quality: str) -> int:
    """The most tokens of one picture. `size` like `1024x1024`; both may be `auto`. Raises NotDrawn."""
    if table := _table(model):
        return _from_table(table, size, quality)
    if not model.startswith("gpt-image-2"):
        raise NotDrawn("model", f"`{model}` bills text that it thinks before it draws, without a published limit.")
    newer = model.startswith(_NEWER)
    if quality not in _GRID and (newer or quality != AUTO):
        raise NotDrawn("quality", "How many tokens this quality takes is not published; use low, medium or high.")
    grid = _GRID.get(quality, max(_GRID.values()))
    return _by_formula(grid, *_LARGEST_SQUARE if size == AUTO else pixels(size)) * (2 if newer else 1)


def shown(model: str, *, high_fidelity: bool) -> int:
    """The most tokens of one picture that goes in."""
    if not model.startswith("gpt-image-1"):
        return _SHOWN_PATCHES * (2 if model.startswith(_NEWER) else 1)
    return _SHOWN_TILES + (_HIGH_FIDELITY if high_fidelity else 0)


def most_pixels(model: str, size: str) -> int:
    """Of one picture. Raises NotDrawn."""
    width, height = _LARGEST_SQUARE if size == AUTO else pixels(size)
    return min(width * height, _LARGEST_OF_OLD) if _table(model) else width * height


def pixels(size: str) -> tuple[int, int]:
    """Width and height. Raises NotDrawn for what the models do not draw."""
    given = _SIZE.fullmatch(size)
    if given is None:
        raise NotDrawn("size", "`size` must be like 1024x1024.", unbounded=False)
    width, height = int(given[1]), int(given[2])
    long, short = max(width, height), min(width, height)
    if long > _MOST_EDGE or long > short * _MOST_RATIO or width % _STEP or height % _STEP:
        raise NotDrawn("size", "No image model draws this size.", unbounded=False)
    if not _LEAST_PIXELS <= width * height <= _MOST_PIXELS:
        raise NotDrawn("size", "No image model draws this size.", unbounded=False)
    return width, height


def _by_formula(grid: int, width: int, height: int) -> int:
    long, short = max(width, height), min(width, height)
    rows = (2 * grid * short + long) // (2 * long)  # to the nearest
    return ceil_div(grid * rows * (2_000_000 + width * height), 4_000_000)


def _table(model: str) -> dict[str, dict[str, int]] | None:
    """Of `gpt-image-1` and its mini, also by a dated name; not of what came after them."""
    name = re.sub(r"-20\d\d-\d\d-\d\d$", "", model)
    return _BY_SIZE.get(name)


def _from_table(table: dict[str, dict[str, int]], size: str, quality: str) -> int:
    rows = list(table.values()) if quality == AUTO else [table.get(quality, {})]
    counts = [count for row in rows for name, count in row.items() if size in (AUTO, name)]
    if not counts:
        raise NotDrawn("size", "This model draws 1024x1024, 1024x1536 and 1536x1024 in low, medium and high quality.")
    return max(counts)
