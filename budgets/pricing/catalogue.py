"""Which model a name means, and what it costs on a day.

`find` is on the path of every request: it answers from a bounded cache. A name is known by equality with an id or alias
of the price data, or by one of them with a date or `-latest` after it. The data's own prefix rules let in more (any
`claude-3-haiku-...`); a variant that we do not know could be dearer than its family, so it is refused instead.
"""

import re
from collections.abc import Iterator
from datetime import date
from functools import lru_cache

from genai_prices.types import (
    ClauseAnd,
    ClauseContains,
    ClauseEndsWith,
    ClauseEquals,
    ClauseOr,
    ClauseStartsWith,
    MatchLogic,
    ModelInfo,
)

from budgets.pricing import media
from budgets.pricing.hours import windows_of
from budgets.pricing.limits import limits_of
from budgets.pricing.rates import Model, Purpose
from budgets.pricing.regions import regions_of
from budgets.pricing.source import PREFIXED, SOURCE, model_infos, read_prices, since

_LONGEST_NAME = 200

# -20250514 and @20250514 (Anthropic), -2024-08-06 (OpenAI), -001, -preview-05-06, -preview-09-2025 (Gemini).
_SAME_MODEL = re.compile(r"-latest|[-@]20\d{6}|-20\d\d-\d\d-\d\d|-\d{3}|-preview-\d\d-(?:\d\d|20\d\d)")
# ft:gpt-4o-2024-08-06:organisation:suffix:id
_FINE_TUNED = re.compile(r"(?:-?(?:\d{4}|20\d\d-\d\d-\d\d|\d\d-\d\d))?:[^:]*:[^:]*:[^:]+")

# Names on the wire that the data covers only by a prefix.
_ALIASES = {"computer-use": ("computer-use-preview",)}


def find(provider: str, model: str, on: date, *, purpose: Purpose = Purpose.TEXT) -> Model | None:
    """The model that a request names, at the prices of the day. A name may begin with the provider and a slash where
    the provider's models are named so here. Azure sells OpenAI's models at OpenAI's prices, and some of its own.

    None for a name that is not known, and for a model without a price for input and output or for another purpose.
    """
    if len(model) > _LONGEST_NAME:
        return None
    return _find(provider, model, on, purpose)


def all_models(provider: str, on: date) -> list[Model]:
    """The models that one can chat with, for `GET /v1/models`, sorted by id: of the three whose limits we keep, those
    that are offered today; of the others all that the price data knows.
    """
    found = (
        _model(provider, info.id, on)
        for info in model_infos(provider)
        if not info.deprecated and (provider in PREFIXED or limits_of(provider, info.id, None).current)
    )
    return sorted((model for model in found if model and model.purpose is Purpose.TEXT), key=lambda model: model.id)


def other_models(provider: str, on: date) -> list[Model]:
    """Those that embed, draw, speak or write down, sorted by id: what is not retired as far as is known."""
    found = (_model(provider, info.id, on) for info in model_infos(provider) if not info.deprecated)
    models = [model for model in found if model and model.purpose is not Purpose.TEXT and media.is_served(model.id)]
    return sorted(models, key=lambda model: model.id)


@lru_cache(maxsize=4096)
def _find(provider: str, name: str, on: date, purpose: Purpose) -> Model | None:
    name = name.lower()
    if provider in PREFIXED:
        name = name.removeprefix(f"{provider}/")
    if provider == "azure" and (sold := _find("openai", name, on, purpose)) is not None:
        return sold
    info = next((each for each in model_infos(provider) if each.is_match(name)), None)
    if info is None or not _certain(info, name):
        return None
    found = _model(provider, info.id, on)
    return found if found is not None and found.purpose is purpose else None


@lru_cache(maxsize=2048)
def _model(provider: str, model_id: str, on: date) -> Model | None:
    info = next(each for each in model_infos(provider) if each.id == model_id)
    prices = read_prices(provider, info, on)
    if prices is None:
        return None
    purpose, standard, tiers = prices
    name = _name_on_the_wire(info) if provider in PREFIXED else model_id
    limits = limits_of(provider, name, info.context_window)
    return Model(
        provider=provider,
        id=name,
        standard=standard,
        tiers=tiers,
        context_window=limits.window,
        max_output_tokens=limits.output if purpose is Purpose.TEXT else 0,
        source=SOURCE,
        priced_on=on,
        purpose=purpose,
        tokenizer="byte_bpe" if provider == "openai" else "unknown",
        window_published=limits.published or (provider in PREFIXED and (limits.listed or bool(info.context_window))),
        output_published=limits.published,
        output_listed=limits.listed,
        since=since(info, on),
        regions=regions_of(provider, model_id),
        hours=tuple(hours for hours, _ in windows_of(info)),
    )


def _certain(info: ModelInfo, name: str) -> bool:
    """Whether the name means this very model, rather than an unknown one of its family."""
    if "-search-" in name:
        return False  # these search the web unasked, for fees that the usage does not name
    if name.startswith("ft:"):
        return any(name.startswith(each) and _FINE_TUNED.fullmatch(name[len(each) :]) for each in _names(info))
    return any(
        name == each or (name.startswith(each) and _SAME_MODEL.fullmatch(name[len(each) :])) for each in _names(info)
    )


def _name_on_the_wire(info: ModelInfo) -> str:
    """`accounts/fireworks/models/glm-5p2` for what the data calls `glm-5p2`."""
    return info.id if info.is_match(info.id) else next(_literals(info.match), info.id)


def _names(info: ModelInfo) -> set[str]:
    return {info.id, *_ALIASES.get(info.id, ()), *(text.lower() for text in _literals(info.match))}


def _literals(clause: MatchLogic) -> Iterator[str]:
    """The texts that a matching rule compares with. Regular expressions are left out: those in use spell dates."""
    if isinstance(clause, ClauseOr | ClauseAnd):
        for each in clause.or_ if isinstance(clause, ClauseOr) else clause.and_:
            yield from _literals(each)
    elif isinstance(clause, ClauseEquals):
        yield clause.equals
    elif isinstance(clause, ClauseStartsWith):
        yield clause.starts_with
    elif isinstance(clause, ClauseEndsWith):
        yield clause.ends_with
    elif isinstance(clause, ClauseContains):
        yield clause.contains
