"""Models, bounds and usages for property tests: wilder than any price list, so that nothing rests on today's prices."""

from dataclasses import replace
from datetime import date

from hypothesis import strategies as st

from budgets.pricing.rates import Model, PriceLadder, Rates, Retention, Step
from budgets.pricing.usage import Usage

_RATE = st.one_of(st.integers(1, 9), st.integers(1, 200_000_000_000))
_TOKENS = st.one_of(st.integers(0, 30), st.integers(0, 1_200_000))

rates = st.builds(
    Rates,
    input=_RATE,
    output=_RATE,
    cache_read=_RATE,
    cache_write_5m=_RATE,
    cache_write_1h=_RATE,
    audio_input=_RATE,
    audio_output=st.one_of(st.none(), _RATE),
    audio_cache_read=_RATE,
    web_search=st.integers(1, 50_000_000),
    request_fee=st.one_of(st.just(0), st.integers(1, 50_000_000)),
)


@st.composite
def ladders(draw: st.DrawFn) -> PriceLadder:
    starts = sorted(draw(st.sets(st.integers(0, 1_000_000), max_size=3)))
    return PriceLadder(draw(rates), tuple(Step(start, draw(rates)) for start in starts))


@st.composite
def models(draw: st.DrawFn) -> Model:
    return Model(
        provider=draw(st.sampled_from(["openai", "anthropic", "gemini"])),
        id="a-model",
        standard=draw(ladders()),
        tiers=draw(st.dictionaries(st.sampled_from(["flex", "priority"]), ladders(), max_size=2)),
        context_window=draw(st.integers(1, 1_000_000)),
        max_output_tokens=draw(st.integers(0, 200_000)),
        source="made up",
        priced_on=date(2026, 11, 24),
        window_published=draw(st.booleans()),
    )


@st.composite
def requests(draw: st.DrawFn) -> dict[str, object]:
    """Arguments of `quote`."""
    return {
        "input_tokens": draw(_TOKENS),
        "choices": draw(st.integers(1, 8)),
        "client_limit": draw(st.one_of(st.none(), st.integers(0, 300_000))),
        "default_limit": draw(st.integers(0, 50_000)),
        "floor": draw(st.integers(0, 5_000)),
        "least_output": draw(st.integers(0, 60_000)),
        "extra_output": draw(st.sampled_from([0, 0, 1, 700])),
        "fees": draw(st.sampled_from([0, 0, 1, 10_000_000])),
        "web_searches": draw(st.sampled_from([0, 0, 3])),
        "audio": draw(st.booleans()),
        "service_tier": draw(st.sampled_from(["", "default", "flex", "priority", "auto"])),
        "retention": draw(st.sampled_from(list(Retention))),
        "model_calls": draw(st.sampled_from([1, 1, 4])),
    }


@st.composite
def split(draw: st.DrawFn, total: int, parts: int) -> list[int]:
    """Some of `total` over `parts` counts: all of it, or less; evenly, or all in one."""
    left, counts = draw(st.one_of(st.just(total), st.integers(0, total))), []
    for _ in range(parts - 1):
        counts.append(draw(st.one_of(st.just(left), st.just(0), st.integers(0, left))))
        left -= counts[-1]
    return draw(st.permutations([*counts, left]))


@st.composite
def usages(draw: st.DrawFn, request: dict[str, object], most_input: int, most_output: int, model: Model) -> Usage:
    """A reply within the request's bounds, of the kinds that the request can cause."""
    kinds = ["input_tokens", "cache_read_tokens"]
    if request["retention"] != Retention.NONE:
        kinds.append("cache_write_5m_tokens")
    if request["retention"] == Retention.LONG:
        kinds.append("cache_write_1h_tokens")
    if request["audio"]:
        kinds += ["audio_input_tokens", "audio_cache_read_tokens"]
    usage = Usage(**dict(zip(kinds, draw(split(most_input, len(kinds))), strict=True)))
    speaks = request["audio"] and all(
        each.audio_output is not None
        for ladder in model.ladders("auto")
        for each in (ladder.base, *(step.rates for step in ladder.steps))
    )
    out_kinds = ["output_tokens", "audio_output_tokens"] if speaks else ["output_tokens"]
    usage = replace(usage, **dict(zip(out_kinds, draw(split(most_output, len(out_kinds))), strict=True)))
    return replace(usage, web_searches=draw(st.integers(0, int(str(request["web_searches"])))))
