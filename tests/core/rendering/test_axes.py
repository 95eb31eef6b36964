"""Axes: round ticks, and scales with room for all that is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partwise.rendering.axes import reach_of, scale, tick_labels, ticks


@given(st.floats(-1e9, 1e9), st.floats(1e-9, 1e9))
def test_ticks_are_round_within_the_ends_and_neither_few_nor_many(low: float, reach: float) -> None:
    high = low + reach
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        return
    places = ticks(low, high)
    assert all(low - 1e-6 * reach <= place <= high + 1e-6 * reach for place in places)
    assert 2 <= len(places) <= 9
    assert len(tick_labels(places)) == len(places)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [(0, 1, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]), (-0.052, 0.031, ["−0.04", "−0.02", "0.00", "0.02"]),
     (0, 20_000, ["0", "5 k", "10 k", "15 k", "20 k"]), (0, 600, ["0", "100", "200", "300", "400", "500", "600"])],
)  # fmt: skip
def test_tick_labels_have_the_decimals_of_their_step(low: float, high: float, labels: list[str]) -> None:
    assert tick_labels(ticks(low, high)) == labels


@pytest.mark.parametrize("values", [[], [2.5], [2.5, 2.5], [0.0], [-1e-300], [1e300, -1e300], [1.0, 1.0 + 1e-16]])
def test_a_scale_has_room_for_whatever_there_is(values: list[float]) -> None:
    along = scale(values, 100, 500)
    assert all(100 <= along(value) <= 500 for value in values)


def test_only_a_few_far_extents_are_cut_off() -> None:
    assert reach_of([1, 2, 3, 40]) == 3
    assert reach_of([1, 2, 3, 17]) == 17
    assert reach_of([1, 40, 50]) == 50, "they are not few"
    assert reach_of([1, 40]) == 40
    assert reach_of([0, 0, 0, 5], least=0.01) == 0.01
    assert reach_of([]) == 0
