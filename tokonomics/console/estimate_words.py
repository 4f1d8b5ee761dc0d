"""What a dry run says: the verdict, what it can cost, and what that was reckoned from. Pure."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from budgets.pricing.rates import Model
from proxy.estimate import Estimate
from proxy.holding import Basis
from proxy.refusals import Refusal
from tenants import providers
from tokonomics.api.foreseen import Expected, Foreseen, client_body
from tokonomics.console import presentation as show
from tokonomics.console import price_rows

ADMITTED, REFUSED = "It would be admitted now.", "It would be refused now."
AGAIN = "The same request may do better in a moment."
NOT_AGAIN = "Sending the same request again does not help."
# Refusals that are not about what was pasted.
_ELSEWHERE = frozenset({"budget_not_set", "provider_not_configured"})


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    amount: str
    exact: str
    note: str


@dataclass(frozen=True, slots=True)
class Answer:
    """`sentences` say why not, what would help; `client` is the very answer that the app would get."""

    admitted: bool
    headline: str
    sentences: tuple[str, ...]
    figures: tuple[Figure, ...]
    facts: tuple[tuple[str, str], ...]
    code: str = ""
    client: str = ""


def answer_of(seen: Foreseen, endpoint: str) -> Answer:
    made, refusal = seen.made, seen.refusal
    return Answer(
        admitted=refusal is None,
        headline=ADMITTED if refusal is None else REFUSED,
        sentences=tuple(_sentences(seen)),
        figures=tuple(_figures(made, seen.expected)) if made else (),
        facts=tuple(_facts(made)) if made else (),
        code=f"{refusal.body.status} {refusal.body.code}" if refusal else "",
        client=json.dumps(json.loads(client_body(endpoint, refusal)), indent=2) if refusal else "",
    )


def at_field(seen: Foreseen) -> str:
    """The field of the form that a refusal is about: `endpoint`, `body`; empty for none."""
    if seen.refusal is None or seen.refusal.body.code in _ELSEWHERE:
        return ""
    if seen.made is None:
        return "endpoint"
    return "body" if seen.refusal.body.status in (400, 404, 413) else ""


def _sentences(seen: Foreseen) -> Iterator[str]:
    if seen.refusal is not None:
        yield from _why_not(seen.refusal)
    elif seen.made is not None and seen.made.free:
        yield "The provider bills nothing for this endpoint, so nothing is held."


def _why_not(refusal: Refusal) -> Iterator[str]:
    yield refusal.body.message
    if detail := refusal.body.details.get("detail"):
        yield str(detail)
    elif fits := refusal.body.details.get("fits_output_tokens"):
        yield f"With at most {int(fits):,} output tokens it fits at once."
    yield AGAIN if refusal.retry else NOT_AGAIN


def _figures(made: Estimate, expected: Expected | None) -> Iterator[Figure]:
    if made.plan is None:
        return
    most = made.plan.quote.most
    yield Figure("At most", show.exact(most), show.exact(most), "the bound")
    if expected is not None:
        yield Figure("Likely", show.five(expected.cost), show.exact(expected.cost), _learned(expected))
    if made.hold is not None:
        yield Figure("Held meanwhile", show.exact(made.hold), show.exact(made.hold), _held(made, most))


def _learned(expected: Expected) -> str:
    if expected.learned_from == "assumption":
        return f"a guess: {show.tokens(expected.output_tokens)} tokens out"
    whose = "this key" if expected.learned_from == "key" else "the company"
    return f"median of {show.counted(expected.replies, 'reply', 'replies')} of {whose}"


def _held(made: Estimate, most: int) -> str:
    assert made.plan is not None
    if made.plan.basis is Basis.ESTIMATE:
        return "what such requests usually cost"
    if made.hold == most:
        return "until it ends"
    return "a first part; it grows with the stream" if made.plan.basis is Basis.PARTIAL else "money is short"


def _facts(made: Estimate) -> Iterator[tuple[str, str]]:
    provider = made.call.adapter.provider
    if made.parsed is not None:
        yield "Model", f"{made.parsed.model} at {providers.title_of(provider)}"
    if made.plan is None or made.model is None or made.parsed is None:
        return
    row = price_rows.row_of(provider, made.model)
    yield "Input", f"at most {show.tokens(made.plan.quote.input_tokens)} tokens{_rate(row.input)}"
    if made.output_limit:
        replies = f"{made.parsed.choices:,} replies of " if made.parsed.choices > 1 else ""
        given = made.parsed.output_limit is not None
        whose = "" if given else ". It names no limit, so this one is written into it"
        yield "Output", f"{replies}at most {show.tokens(made.output_limit)} tokens{_rate(row.output)}{whose}"
    if row.more:
        yield "Other rates", "; ".join(row.more)
    yield "Price from", _source(made.model, row)


def _rate(rate: str) -> str:
    return f" at {rate} a million" if rate.startswith("$") else f", {rate}" if rate else ""


def _source(model: Model, row: price_rows.Row) -> str:
    whose = f"your own, {row.source}" if row.is_own else f"the list, {model.source}"
    return whose + (f", since {row.since}" if row.since else "")
