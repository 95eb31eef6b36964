"""Figures of parts: they show what the part does, or there is none."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest

from partwise.catalogue import figures
from partwise.parts.registry import Registry, registry

from ..studies.report.pages import parsed
from .conftest import Broken, Demanding, TopTwo


def heights(drawing: str) -> list[list[float]]:
    """Vertical places of each line's points, in the drawing's units."""
    root = parsed(drawing)
    lines = [line for group in root.of_class("series") for line in group.all("polyline")]
    return [[float(point.partition(",")[2]) for point in line["points"].split()] for line in lines]


def part(kind: str, name: str) -> Any:
    return next(one.part for one in registry().entries() if (one.part.kind, one.name) == (kind, name))


def relative(places: list[float], one: float, zero: float) -> list[float]:
    """Places as values, given those of 1 and of 0."""
    return [(zero - place) / (zero - one) for place in places]


def test_a_schedule_is_drawn_as_it_is() -> None:
    figure = figures.figure(part("schedule", "warmup_cosine"))
    assert figure is not None
    whole, short = heights(figure.drawing)
    steps = [*range(0, 1000, 5), 999]
    expected = [
        (step + 1) / 100 if step < 100 else 0.1 + 0.45 * (1 + math.cos(math.pi * (step - 100) / 900)) for step in steps
    ]
    top, bottom = min(whole), max(whole)
    drawn = relative(whole, top, bottom)
    span = max(expected) - min(expected)
    assert drawn == pytest.approx([(value - min(expected)) / span for value in expected], abs=0.01)
    assert len(short) == 21


def test_a_bias_is_drawn_for_each_head() -> None:
    figure = figures.figure(part("position", "alibi"))
    assert figure is not None
    lines = heights(figure.drawing)
    falls = [line[-1] - line[0] for line in lines]
    assert len(lines) == 4
    assert [fall / falls[0] for fall in falls] == pytest.approx([1, 1 / 4, 1 / 16, 1 / 64], abs=0.01)


def test_rotation_is_drawn_as_the_mean_of_cosines() -> None:
    figure = figures.figure(part("position", "rope"))
    assert figure is not None
    angles = [10_000 ** (-2 * pair / 16) for pair in range(8)]
    expected = [sum(math.cos(apart * angle) for angle in angles) / 8 for apart in range(64)]
    first = heights(figure.drawing)[0]
    fall = (first[0] - first[1]) / (expected[0] - expected[1])
    assert [first[0] - (expected[0] - value) * fall for value in expected] == pytest.approx(first, abs=0.6)


def test_what_learns_has_no_figure_and_neither_has_what_does_nothing() -> None:
    for name in ("learned", "abacus", "none"):
        assert figures.figure(part("position", name)) is None
    assert figures.figure(part("norm", "rms_norm")) is None


def test_a_part_of_a_plugin_is_drawn_by_its_kind(installed: Registry) -> None:
    figure = figures.figure(Demanding)
    assert figure is not None
    assert len(heights(figure.drawing)) == 2
    assert "height = 3" in figure.drawing


def test_a_part_that_cannot_be_drawn_has_no_figure(installed: Registry) -> None:
    assert figures.figure(Broken) is None
    assert figures.figure(TopTwo) is None


def test_a_bias_that_is_learned_is_drawn_as_it_is_at_first_and_says_so() -> None:
    figure = figures.figure(part("position", "kerple"))
    assert figure is not None
    assert "as it is drawn at first" in figure.caption
    assert all(after > before for line in heights(figure.drawing) for before, after in pairwise(line[:30]))
