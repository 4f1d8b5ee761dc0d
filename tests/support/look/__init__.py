"""Addresses for tests and pictures alone: every state of the meter, every component, every error page."""

from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import include, path

from tests.support.readings import DAY, STATES, reading, usd
from tokonomics.console import errors, words
from tokonomics.console.figures import figures
from tokonomics.console.frame import Band, Frame, Link
from tokonomics.console.meter import Size, meter
from tokonomics.console.reading import Reading

FOLDER = Path(__file__).parent


def frame(month: Reading | None = None, **rest: object) -> Frame:
    given = {
        "tenant_name": "Fernhill Labs",
        "tenant_slug": "fernhill-labs",
        "role": "owner",
        "person": "owner@fernhill.example",
        "active": "overview",
        "month": month or STATES[1][1],
        "counts": {"keys": 7},
        "others": (Link("Bracken and Sons", "/t/bracken-and-sons/"),),
        **rest,
    }
    return Frame(**given)  # type: ignore[arg-type]


def _page(request: HttpRequest, name: str, **context: object) -> HttpResponse:
    template = engines["django"].from_string((FOLDER / name).read_text())
    return HttpResponse(template.render(context, request))


def meters(request: HttpRequest) -> HttpResponse:
    shown = [
        {
            "name": name,
            "headline": words.headline(state),
            "subline": words.subline(state),
            "meter": meter(state, Size.INLINE, label=name, ident=f"m{number}"),
            "row": meter(state, Size.ROW, label=f"{name}, row", ident=f"r{number}"),
            "figures": figures(state),
        }
        for number, (name, state) in enumerate(STATES)
    ]
    return _page(request, "meters.html", shown=shown)


def console(request: HttpRequest) -> HttpResponse:
    month = STATES[1][1]
    blocked = reading("14.99", "0", "15", window=DAY, refusing=True, refused=2914)
    notice = words.key_blocked("nightly-batch", blocked)
    band = Band(
        notice.title, notice.text, (Link("See the refusals", "#"), Link("Raise for today", "#", main=True)), more=2
    )
    keys = [
        ("support-bot", reading("318.42", "2.10", "500"), ""),
        ("search-rerank", reading("201.96", "0", None), ""),
        ("nightly-batch", reading("187.30", "0", "400"), "Blocked today"),
        ("staging", reading("49.98", "0", "50", refusing=True), "Blocked"),
        ("dev-team", reading("84.51", "0.41", "150", hard=False), ""),
    ]
    return _page(
        request,
        "console.html",
        frame=frame(month, band=band),
        headline=words.headline(month),
        meter=meter(month, Size.PAGE, label="Budget for November 2026", ident="budget"),
        figures=figures(month, change_href="#"),
        keys=[
            {
                "name": name,
                "reading": state,
                "chip": chip,
                "n": number,
                "meter": meter(state, Size.ROW, label=f"{name}, month", ident=f"k{number}"),
            }
            for number, (name, state, chip) in enumerate(keys, 1)
        ],
        toggle_on=words.toggle_on(month.cap, month.resets),
        toggle_off=words.toggle_off(month.cap),
        once=words.key_once("playground-2"),
        hint=words.ONCE_HINT,
        confirm=words.confirm_off(usd("1200")),
    )


def too_many(request: HttpRequest) -> HttpResponse:
    return errors._page(request, 429)


def gone(request: HttpRequest) -> HttpResponse:
    request.frame = frame()  # type: ignore[attr-defined]
    return errors.not_found(request)


urlpatterns = [
    path("look/meters/", meters),
    path("look/console/", console),
    path("look/403/", errors.forbidden),
    path("look/404/", gone),
    path("look/429/", too_many),
    path("look/500/", errors.failed),
    path("look/503/", errors.unavailable),
    path("", include("tokonomics.urls")),
]
handler403, handler404, handler500 = errors.forbidden, errors.not_found, errors.failed
