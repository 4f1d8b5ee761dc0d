"""The table of golden.toml: examples of usage with the cost that was reckoned by hand."""

import tomllib
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, Decimal
from pathlib import Path

from budgets.pricing.catalogue import find
from budgets.pricing.rates import Model, Purpose
from budgets.pricing.usage import Usage

PATH = Path(__file__).parent / "golden.toml"
PER_CALL = {"web_search": "web_searches", "request_fee": ""}
COUNTED_AS = {"character": "characters", "millisecond": "milliseconds"}


@dataclass(frozen=True, slots=True)
class Example:
    """`usd` as published, `nanodollars` as reckoned."""

    provider: str
    name: str
    tier: str
    usage: Usage
    usd: dict[str, str]
    nanodollars: int
    source: str
    as_of: date

    def __str__(self) -> str:
        used = "+".join(f"{count}{name.removesuffix('_tokens')}" for name, count in self.usage.counts().items())
        return f"{self.provider}/{self.name}{'/' + self.tier if self.tier else ''} {used}"

    def model(self) -> Model:
        found = [find(self.provider, self.name, self.as_of, purpose=purpose) for purpose in Purpose]
        (model,) = [each for each in found if each is not None]
        return model

    def by_hand(self) -> int:
        """Once more, from the printed prices alone."""
        exact = Decimal()
        for kind, price in self.usd.items():
            if kind in PER_CALL:
                calls = getattr(self.usage, PER_CALL[kind]) if PER_CALL[kind] else 1
                exact += calls * Decimal(price) * 10**6
            else:
                exact += getattr(self.usage, COUNTED_AS.get(kind, f"{kind}_tokens")) * Decimal(price) * 1_000
        return int(exact.to_integral_value(ROUND_CEILING))


def _examples() -> list[Example]:
    lists = tomllib.loads(PATH.read_text())["list"]
    return [
        Example(
            provider=each["provider"],
            name=each["model"],
            tier=each.get("tier", ""),
            usage=Usage(**example["usage"]),
            usd=each["usd"],
            nanodollars=example["nanodollars"],
            source=each["source"],
            as_of=each["as_of"],
        )
        for each in lists
        for example in each["examples"]
    ]


EXAMPLES = _examples()
