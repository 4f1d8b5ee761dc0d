"""The colours of the real stylesheet: WCAG contrast of each pair that the design uses, and how far apart the series of
a chart stay for normal, protan, deutan and tritan sight (CIE76 in Lab)."""

import itertools
import re
from pathlib import Path

import pytest

CSS = (Path(__file__).parents[2] / "static" / "css" / "tokonomics.css").read_text()
TOKENS = re.findall(r"--([\w-]+):\s*light-dark\((#[0-9a-fA-F]{6}),\s*(#[0-9a-fA-F]{6})\)", CSS)
SCHEMES = {
    "light": {name: light for name, light, _ in TOKENS},
    "dark": {name: dark for name, _, dark in TOKENS},
}
PAIRS = [  # foreground, background, least ratio
    *[("ink", "paper", 7), ("ink", "surface", 7), ("ink-2", "paper", 4.5), ("ink-2", "surface", 4.5)],
    *[("ink", "sunken", 7), ("ink-2", "sunken", 4.5), ("act", "paper", 4.5), ("act", "surface", 4.5)],
    *[("on-act", "act", 4.5), ("on-act", "spent", 4.5), ("paper", "wall-ink", 4.5), ("act", "sunken", 4.5)],
    *[("wall", "surface", 4.5), ("wall", "paper", 4.5), ("wall-ink", "wall-soft", 4.5), ("wall-ink", "paper", 4.5)],
    *[("wall-ink", "surface", 4.5), ("wall-ink", "sunken", 4.5), ("warn-ink", "warn-soft", 4.5)],
    *[("warn-ink", "surface", 4.5), ("warn-ink", "paper", 4.5), ("act", "act-soft", 4.5), ("spent", "track", 3)],
    *[
        ("wall", "track", 3),
        ("edge", "surface", 3),
        ("edge", "paper", 3),
        ("focus", "paper", 3),
        ("focus", "surface", 3),
    ],
    *[(f"s{number}", "paper", 3) for number in range(1, 7)],
]
SIGHT = {  # Machado, Oliveira, Fernandes 2009, severity 1.0, on linear RGB
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def linear(colour: str) -> list[float]:
    raw = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in raw]


def luminance(colour: str) -> float:
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear(colour), strict=True))


def ratio(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def lab(rgb: list[float]) -> tuple[float, float, float]:
    rows = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    xyz = [sum(weight * c for weight, c in zip(row, rgb, strict=True)) for row in rows]
    parts = [c / n for c, n in zip(xyz, (0.9505, 1, 1.089), strict=True)]
    f = [t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in parts]
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


def seen(colour: str, matrix: tuple[tuple[float, ...], ...]) -> tuple[float, float, float]:
    light = linear(colour)
    return lab([min(1, max(0, sum(weight * c for weight, c in zip(row, light, strict=True)))) for row in matrix])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("foreground", "background", "least"), PAIRS)
def test_text_and_marks_stand_out(scheme: str, foreground: str, background: str, least: float) -> None:
    colours = SCHEMES[scheme]
    assert ratio(colours[foreground], colours[background]) >= least


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("sight", SIGHT)
def test_series_are_told_apart_by_everyone(scheme: str, sight: str) -> None:
    colours = {number: seen(SCHEMES[scheme][f"s{number}"], SIGHT[sight]) for number in range(1, 7)}
    for one, other in itertools.combinations(colours, 2):
        gap = sum((x - y) ** 2 for x, y in zip(colours[one], colours[other], strict=True)) ** 0.5
        assert gap >= (20 if other - one == 1 else 17), f"s{one} and s{other} are {gap:.0f} apart"


def test_every_colour_token_has_both_schemes() -> None:
    tokens = CSS.split("/* --- Tokens", 1)[1].split("/* --- Tabler", 1)[0]
    colours = re.findall(r"--[\w-]+:\s*(?:light-dark\(|#)", tokens)
    assert len(colours) == len(TOKENS) > 20
