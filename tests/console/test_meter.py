"""The budget meter: exact geometry of each state, and what it says to those who do not see it."""

import itertools
import re
from xml.etree import ElementTree

import pytest
from django.template.loader import render_to_string

from budgets.money import NANO
from tests.support.readings import MONTH, SENT, STATES, at, reading, usd
from tokonomics.console.meter import Meter, Size, meter
from tokonomics.console.reading import Reading, State, Threshold

ALL = dict(STATES)


def draw(of: Reading, size: Size | str = Size.PAGE) -> Meter:
    return meter(of, size, label="Budget for November 2026", ident="m")


def svg(of: Reading, size: Size | str = Size.PAGE) -> ElementTree.Element:
    return ElementTree.fromstring(render_to_string("console/_meter.html", {"meter": draw(of, size)}))


def test_the_geometry_of_the_overviews_meter() -> None:
    m = draw(reading("842.17", "6.38", in_flight=4, thresholds=SENT))
    assert m.track.width == "80.000%"
    assert m.spent.width == "56.144%"
    assert m.held is not None and (m.held.x, m.held.width) == ("56.144%", "0.426%")
    assert m.wall_x == "80.000%" and m.hard and not m.stopping
    assert m.ghost is not None and m.ghost.x2 == "91.312%" and not m.ghost.arrow
    assert [(tick.x, tick.on) for tick in m.ticks] == [("40.000%", True), ("64.000%", False), ("76.000%", False)]
    assert (m.height, m.bar_y, m.bar_height) == (133, 34, 52)
    assert m.cap_label is not None and m.cap_label.text == "Cap $1,200"
    assert [(label.text, label.note) for label in m.labels] == [
        ("50%", " · e-mail sent 16 Nov"),
        ("80%", ""),
        ("95%", ""),
        ("about $1,370", ""),
        ("without the cap", ""),
    ]


@pytest.mark.parametrize(("size", "height"), [("page", 52), ("inline", 32), ("row", 8)])
def test_three_sizes(size: str, height: int) -> None:
    assert draw(ALL["Quiet"], size).bar_height == height


def test_a_row_ends_at_its_cap_and_carries_no_words() -> None:
    m = draw(reading("318.42", "2.10", "500"), Size.ROW)
    assert (m.track.width, m.spent.width, m.wall_x) == ("100.000%", "63.684%", "100.000%")
    assert (m.labels, m.ticks, m.cap_label, m.ghost, m.height) == ((), (), None, None, 14)
    assert m.wall_dx == -3


def test_row_walls_are_ink_until_they_block() -> None:
    assert "m-post" in render_to_string("console/_meter.html", {"meter": draw(reading("10", cap="49"), "row")})
    blocked = render_to_string("console/_meter.html", {"meter": draw(ALL["Blocked"], "row")})
    assert "m-wall" in blocked and "m-post" not in blocked


def test_the_axis_ends_between_a_quarter_and_six_tenths_past_the_cap() -> None:
    assert draw(reading("1", cap="100", settled_requests=0)).wall_x == "80.000%"
    near = draw(reading("700", cap="1000", now=at(16)))  # forecast 1,400 x 1.05 = 1,470
    assert near.wall_x == "68.027%"
    far = draw(ALL["Far past the cap"])
    assert far.wall_x == "62.500%" and far.ghost is not None and far.ghost.arrow


def test_past_a_hard_cap_the_forecast_says_what_the_cap_saves_and_else_the_date() -> None:
    texts = lambda of: [label.text for label in draw(of).labels][-2:]  # noqa: E731
    assert texts(ALL["Ahead of the cap"]) == ["about $1,370", "without the cap"]
    assert texts(ALL["Soft, ahead"]) == ["about $1,370", "by 30 Nov"]
    assert texts(ALL["Quiet"]) == ["about $30", "by 30 Nov"]


def test_no_forecast_is_drawn_before_it_is_known_nor_behind_a_wall_that_stops() -> None:
    for name in ("Too early to say", "Blocked", "Ledger out of reach", "A cap of 0"):
        assert draw(ALL[name]).ghost is None, name


def test_past_a_soft_budget_is_amber_and_the_gate_is_dashed() -> None:
    root = svg(ALL["Over, soft"])
    kinds = [element.get("class") for element in root.iter()]
    assert "m-over" in kinds and "m-gate" in kinds and "m-wall" not in kinds
    m = draw(reading("60", "0", "50", hard=False, settled_requests=0))
    assert (m.spent.width, m.over and m.over.x, m.over and m.over.width) == ("79.365%", "79.365%", "15.873%")


def test_a_cap_of_zero_is_a_wall_at_the_left_edge() -> None:
    m = draw(ALL["A cap of 0"])
    assert (m.wall_x, m.track.width, m.spent.width, m.stopping) == ("0.000%", "0.000%", "0.000%", True)
    assert m.cap_label is not None
    assert (m.cap_label.text, m.cap_label.anchor) == ("Cap $0.00, everything is refused", "start")


def test_without_a_budget_it_is_a_dashed_outline_not_an_empty_bar() -> None:
    root = svg(ALL["No budget yet"])
    assert root.get("role") == "img" and root.get("aria-label") == "Budget for November 2026: No budget is set yet"
    assert [element.get("class") for element in root] == ["m-empty", None]


def test_out_of_reach_it_keeps_the_last_figures_in_grey_with_the_time() -> None:
    root = svg(ALL["Ledger out of reach"])
    assert "meter-stale" in (root.get("class") or "")
    assert (root.get("aria-valuetext") or "").startswith("Last known before 10:41:12 UTC: $31.40 spent")
    spent = next(element for element in root if element.get("class") == "m-spent")
    assert spent.get("width") != "0.000%"


def test_what_is_held_is_always_to_be_seen_and_never_over_the_wall() -> None:
    tiny = draw(reading("1199.80", "0.10", settled_requests=0))
    assert tiny.held is not None and tiny.held.width == "0.007%"
    assert (tiny.held_least_x, tiny.held_dx) == ("79.993%", -8)  # eight pixels that end where it ends
    young = draw(reading("1", "0.10", settled_requests=0))
    assert (young.held_least_x, young.held_dx) == ("0.066%", 0)  # eight pixels that begin where it begins


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Ahead of the cap", "$842.17 spent, $6.38 held by requests in flight, $351.45 remaining of $1,200.00"),
        (
            "Blocked",
            "$48.97 spent, $0.00 held by requests in flight, $0.03 remaining of $49.00. "
            "The cap is reached; requests are blocked",
        ),
        (
            "Over, soft",
            "$55.20 spent, $0.40 held by requests in flight, $6.20 over the budget of $49.00. Nothing is blocked",
        ),
    ],
)
def test_it_says_the_whole_sentence(name: str, text: str) -> None:
    root = svg(ALL[name])
    assert root.get("role") == "meter"
    assert root.get("aria-valuetext") == text
    assert float(root.get("aria-valuenow") or -1) <= float(root.get("aria-valuemax") or -1)


@pytest.mark.parametrize("size", list(Size))
@pytest.mark.parametrize("name", ALL)
def test_it_is_well_formed_without_styles_and_stays_inside(name: str, size: Size) -> None:
    text = render_to_string("console/_meter.html", {"meter": draw(ALL[name], size)})
    root = ElementTree.fromstring(text)
    assert "style" not in text and "None" not in text
    for element in root.iter():
        for value in (element.get("x"), element.get("x1"), element.get("x2"), element.get("width")):
            if value and value.endswith("%"):
                assert re.fullmatch(r"\d{1,3}(\.\d{1,3})?%", value), value
                assert float(value[:-1]) <= 100, (name, value)


@pytest.mark.parametrize(
    "percents", [(50, 80, 95), (80, 85, 90, 95), tuple(range(5, 100, 5)), (1, 99), (), (94, 95, 96)]
)
@pytest.mark.parametrize("spent", ["0.5", "52", "81", "86", "96"])
def test_labels_never_touch_on_a_phone(percents: tuple[int, ...], spent: str) -> None:
    m = draw(reading(spent, cap="100", thresholds=tuple(Threshold(percent) for percent in percents), now=at(20)))
    assert len(m.ticks) == len(percents)
    shown = sorted((float(label.x[:-1]) * 3.3, len(label.text) * 7 + 6) for label in m.labels if label.text[-1] == "%")
    for (left, wide), (right, broad) in itertools.pairwise(shown):  # pixels, on a page that leaves it 330
        assert right - left >= (wide + broad) / 2


def test_a_forecast_beside_a_threshold_goes_one_line_lower() -> None:
    beside = draw(reading("480", "2", "1000", now=at(19)))
    labels = {label.text: label.y for label in beside.labels}
    assert labels["about $800"] == labels["80%"] + 17
    clear = draw(ALL["Ahead of the cap"])
    labels = {label.text: label.y for label in clear.labels}
    assert labels["about $1,370"] == labels["80%"]


def test_a_note_is_dropped_where_it_would_cover_another_label() -> None:
    close = (Threshold(40), Threshold(60, note="e-mail to the whole of finance sent 16 Nov"), Threshold(75))
    m = draw(reading("62", cap="100", thresholds=close, settled_requests=0))
    assert all(label.note == "" for label in m.labels)


def test_amounts_near_the_largest_cap_draw_exactly() -> None:
    m = draw(Reading(window=MONTH, now=at(2), spent=9_000_000 * NANO - 1, cap=9_000_000 * NANO))
    assert m.spent.width == "79.999%" and m.state == State.NEARLY
    assert usd("9000000") == 9_000_000 * NANO
