"""What a tenant pays in place of the list: prices of its own, and discounts. Pure.

A book is made once for a policy of a key and asked on the way of every request: a name that it was asked before is a
dict's answer. The most exact entry counts alone: the name as the request has it, then the model's own id in the list,
then the whole provider (`*`). Bound and bill read the same rates, so a discount takes as much off both.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from budgets.pricing import catalogue
from budgets.pricing.limits import LONGEST_WINDOW
from budgets.pricing.rates import RATE_KINDS, Model, PriceLadder, Purpose, Rates
from budgets.pricing.source import long_write_of, short_write_of

ANY = "*"
SOURCE = "own price"
WHOLE = 10_000  # hundredths of a percent
_MOST_ANSWERS = 64  # a key asks for few models; a book is one key's, and there may be 100,000 of them
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class OwnPrice:
    """One entry: `rates`, or `free`, or a `discount`.

    model     a model's name, `*` for every one of the provider
    rates     by kind, nanodollars per 1,000,000 tokens (a call for fees); a list without `output` is an embedding's
    discount  hundredths of a percent off every rate of the list; below zero a surcharge
    """

    id: str
    provider: str
    model: str
    since: date
    rates: Mapping[str, int] | None = None
    discount: int = 0
    free: bool = False
    context_window: int | None = None
    max_output_tokens: int | None = None


class PriceBook:
    """All entries of one tenant."""

    def __init__(self, prices: Iterable[OwnPrice]) -> None:
        self._own = {(each.provider, _plain(each.provider, each.model)): each for each in prices}
        self._answers: dict[tuple[str, str, date, Purpose], Model] = {}

    def find(self, provider: str, model: str, on: date, *, purpose: Purpose = Purpose.TEXT) -> Model | None:
        """As `catalogue.find`, at the tenant's own prices."""
        asked = (provider, model, on, purpose)
        if (known := self._answers.get(asked)) is not None:
            return known
        found = self._find(provider, model, on, purpose)
        if found is not None:  # names that mean nothing are not worth remembering
            if len(self._answers) >= _MOST_ANSWERS:
                self._answers.clear()
            self._answers[asked] = found
        return found

    def all_models(self, provider: str, on: date) -> list[Model]:
        """As `catalogue.all_models`, with the tenant's own ones."""
        names = {model.id for model in catalogue.all_models(provider, on)}
        names |= {own.model for own in self._own.values() if own.provider == provider and own.model != ANY}
        found = {model.id: model for name in names if (model := self.find(provider, name, on)) is not None}
        return [found[name] for name in sorted(found)]

    def other_models(self, provider: str, on: date) -> list[Model]:
        """As `catalogue.other_models`, with the tenant's own discounts."""
        listed = catalogue.other_models(provider, on)
        found = (self.find(provider, model.id, on, purpose=model.purpose) for model in listed)
        return [model for model in found if model is not None]

    def _find(self, provider: str, name: str, on: date, purpose: Purpose) -> Model | None:
        if len(name) > _LONGEST_NAME:
            return None
        listed = catalogue.find(provider, name, on, purpose=purpose)
        plain = _plain(provider, name)
        names = (plain, listed.id.lower() if listed is not None else plain, ANY)
        own = next((self._own[provider, each] for each in names if (provider, each) in self._own), None)
        if own is None:
            return listed
        if own.rates is None and not own.free:
            return discounted(listed, own) if listed is not None else None
        return _own_model(own, name, listed, purpose, on)


def _plain(provider: str, name: str) -> str:
    """A name as entries are kept by: in small letters, without the prefix that some providers' models have here."""
    return name.lower().removeprefix(f"{provider}/")


def discounted(listed: Model, own: OwnPrice) -> Model:
    """The listed model at so much less, or more: base, steps and tiers alike, each rate rounded up."""
    parts = WHOLE - own.discount
    return replace(
        listed,
        standard=listed.standard.scaled(parts, WHOLE),
        tiers={name: ladder.scaled(parts, WHOLE) for name, ladder in listed.tiers.items()},
        source=f"{listed.source}, {percent(own.discount)}",
        since=own.since,
        own=own.id,
    )


def percent(discount: int) -> str:
    """`20% off`, `7.5% off`, `10% more`."""
    whole, rest = divmod(abs(discount), 100)
    digits = f"{whole}.{rest:02d}".rstrip("0").rstrip(".")
    return f"{digits}% {'more' if discount < 0 else 'off'}"


def filled(provider: str, given: Mapping[str, int]) -> Rates:
    """A price list of what was given, and of the fallbacks that `source` documents for what was not."""
    plain, short = given.get("input", 0), given.get("cache_write_5m")
    rates = {
        "input": plain,
        "output": plain,
        "cache_read": plain,
        "cache_write_5m": short_write_of(provider, plain) if short is None else short,
        "cache_write_1h": long_write_of(provider, plain, short),
        **({"audio_cache_read": given["audio_input"]} if "audio_input" in given else {}),
    }
    return Rates(**{**rates, **{kind: rate for kind, rate in given.items() if kind in RATE_KINDS}})


def _own_model(own: OwnPrice, name: str, listed: Model | None, purpose: Purpose, on: date) -> Model | None:
    """One flat price list, whatever the length; another service tier than the standard one is not priced."""
    if not _serves(own, purpose, listed):
        return None
    rates = Rates(**dict.fromkeys(RATE_KINDS, 0)) if own.free else filled(own.provider, own.rates or {})
    plain = PriceLadder(rates)
    # What a provider published about its limits stands; what only a list of others says gives way to the tenant's word.
    stands = listed is not None and listed.window_published and not (listed.output_listed and _has_limits(own))
    known = listed if listed is not None and stands else _unlisted(own, name, listed, plain, on)
    return replace(
        known if known.purpose is purpose else replace(known, purpose=purpose, max_output_tokens=0),
        standard=plain,
        tiers={},
        regions={},
        hours=(),
        source=SOURCE,
        since=own.since,
        own=own.id,
        free=own.free,
    )


def _has_limits(own: OwnPrice) -> bool:
    return own.context_window is not None or own.max_output_tokens is not None


def _unlisted(own: OwnPrice, name: str, listed: Model | None, standard: PriceLadder, on: date) -> Model:
    """A model whose limits only the tenant can say, if anybody."""
    of_list = listed.context_window if listed is not None and listed.window_published else 0
    window = max(own.context_window or 0, of_list) or (listed.context_window if listed is not None else LONGEST_WINDOW)
    return Model(
        provider=own.provider,
        id=listed.id if listed is not None else name.removeprefix(f"{own.provider}/"),
        standard=standard,
        context_window=window,
        max_output_tokens=own.max_output_tokens or window,
        source=SOURCE,
        priced_on=on,
        purpose=listed.purpose if listed is not None else Purpose.TEXT,
        tokenizer="byte_bpe" if own.provider == "openai" else "unknown",
        window_published=own.context_window is not None or bool(of_list),
        output_published=own.max_output_tokens is not None,
        limits_own=True,
    )


def _serves(own: OwnPrice, purpose: Purpose, listed: Model | None) -> bool:
    """A model that only the tenant knows takes and gives text; without a rate for output it makes embeddings."""
    if purpose is Purpose.EMBEDDING:
        return True
    if purpose is Purpose.TEXT:
        return own.free or "output" in (own.rates or {})
    return listed is not None
