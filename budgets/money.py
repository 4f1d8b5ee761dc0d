"""Money as integers: 1 USD is 1,000,000,000 nanodollars. No float comes near an amount.

Amounts that take part in the ledger stay below 2**53, because Redis computes Lua numbers as doubles; the largest cap
that a person can set is therefore $9,000,000.
"""

import re
from decimal import Decimal

NANO = 1_000_000_000
MAX_CAP_USD = 9_000_000
MAX_CAP = MAX_CAP_USD * NANO

_AMOUNT = re.compile(r"^\$?\s*(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d+))?$", re.ASCII)


class InvalidAmount(ValueError):
    """The text is no amount in dollars that a cap can take; the message is a sentence for the person who typed it."""


def parse_usd(text: str | int | Decimal, *, decimals: int = 2, what: str = "the amount") -> int:
    """`1200`, `1,200`, `$1,200.50` -> nanodollars.

    `decimals`: how many are allowed (2 where a person types, 9 on the API). Raises InvalidAmount with a sentence.
    """
    raw = f"{text:f}" if isinstance(text, Decimal) else str(text).strip()
    match = _AMOUNT.match(raw)
    if match is None:
        raise InvalidAmount(f"Enter {what} as an amount in dollars, like 49 or 1,200.00.")
    whole, fraction = match.group(1).replace(",", "").lstrip("0"), (match.group(2) or "").rstrip("0")
    if len(fraction) > decimals:
        raise InvalidAmount(f"Enter {what} with at most {decimals} decimals, like 49 or 1,200.00.")
    if len(whole) > 12 or (nanodollars := int(whole or 0) * NANO + int((fraction + "0" * 9)[:9])) > MAX_CAP:
        raise InvalidAmount(f"Enter {what} of at most ${MAX_CAP_USD:,}.")
    return nanodollars


def format_usd(nanodollars: int) -> str:
    """Exact, for machines and audits: at least two decimals, at most nine, no zeros past two. 49 USD -> `49.00`."""
    sign, (whole, nano) = "-" if nanodollars < 0 else "", divmod(abs(nanodollars), NANO)
    fraction = f"{nano:09d}"
    return f"{sign}{whole}.{fraction[:2]}{fraction[2:].rstrip('0')}"


def ceil_div(numerator: int, denominator: int) -> int:
    """Division rounded up: where a request's cost is rounded, once, toward the payer of the provider's bill."""
    return -(-numerator // denominator)
