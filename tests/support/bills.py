"""What a provider's bill comes to, by hand: the public prices in USD per million tokens, written here a second time.

Nothing of `budgets.pricing` is used, so that a mistake there cannot hide.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from tests.support.provider import RecordedRequest, Tokens


@dataclass(frozen=True, slots=True)
class Price:
    """USD per 1,000,000 tokens, as the providers print them."""

    input: str
    output: str
    cached: str
    write_5m: str = "0"
    write_1h: str = "0"

    def bill(self, tokens: Tokens) -> int:
        """Nanodollars: a dollar per million tokens is 1,000 nanodollars a token."""
        counts = (
            (tokens.uncached, self.input),
            (tokens.cached, self.cached),
            (tokens.cache_write_5m, self.write_5m),
            (tokens.cache_write_1h, self.write_1h),
            (tokens.output, self.output),
        )
        exact = sum(count * Decimal(price) * 1000 for count, price in counts)
        return int(Decimal(exact).to_integral_value(ROUND_CEILING))


PRICES = {
    "gpt-4o": Price(input="2.50", output="10.00", cached="1.25"),
    "gpt-4o-mini": Price(input="0.15", output="0.60", cached="0.075"),
    "claude-sonnet-4-6": Price(input="3.00", output="15.00", cached="0.30", write_5m="3.75", write_1h="6.00"),
    "claude-haiku-4-5": Price(input="1.00", output="5.00", cached="0.10", write_5m="1.25", write_1h="2.00"),
}


def bill_of(requests: Iterable[RecordedRequest]) -> int:
    """What the provider charges for these, nanodollars: its own count of tokens, of broken-off ones too."""
    return sum(PRICES[request.json()["model"]].bill(request.usage) for request in requests if request.usage is not None)
