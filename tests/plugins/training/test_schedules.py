"""Schedules against their formulas, at the first update, the last, and every edge between."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partwise import PartError
from partwise.parts import SchedulePart, ScheduleSite
from partwise.training import Schedule
from partwise_training import parts

STEPS = 100
WARMED = [
    parts.Constant(warmup=10),
    parts.WarmupCosine(warmup=10),
    parts.Linear(warmup=10),
    parts.InverseSqrt(warmup=10),
    parts.WarmupStableDecay(warmup=10),
]


def schedule(part: SchedulePart, steps: int = STEPS) -> Schedule:
    return part.build(ScheduleSite(steps))


def test_constant_is_one() -> None:
    assert {schedule(parts.Constant())(step) for step in range(STEPS)} == {1.0}


@pytest.mark.parametrize("part", WARMED)
def test_warm_up_rises_in_equal_steps_from_a_tenth_to_one(part: SchedulePart) -> None:
    factors = [schedule(part)(step) for step in range(10)]
    assert factors == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])


def test_cosine_follows_its_formula() -> None:
    found = [schedule(parts.Cosine(floor=0.2))(step) for step in range(STEPS)]
    assert found == pytest.approx([0.2 + 0.8 * (1 + math.cos(math.pi * step / 100)) / 2 for step in range(STEPS)])
    assert found[0] == 1.0
    assert found[50] == pytest.approx(0.6)


def test_warmup_cosine_is_a_cosine_over_what_the_warm_up_leaves() -> None:
    found = schedule(parts.WarmupCosine(warmup=20, floor=0.1))
    assert found(19) == 1.0
    assert found(20) == 1.0
    assert found(60) == pytest.approx(0.55)
    assert found(99) == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi * 79 / 80)) / 2)


def test_linear_falls_in_equal_steps() -> None:
    found = schedule(parts.Linear(warmup=20, floor=0.2))
    assert found(20) == 1.0
    assert found(60) == pytest.approx(0.6)
    assert found(98) - found(99) == pytest.approx(0.8 / 80)
    assert found(99) == pytest.approx(0.2 + 0.8 / 80)


def test_inverse_sqrt_is_the_first_transformers_brought_to_a_peak_of_one() -> None:
    found = [schedule(parts.InverseSqrt(warmup=16))(step) for step in range(STEPS)]
    paper = [min(n**-0.5, n * 16**-1.5) for n in range(1, STEPS + 1)]
    assert found == pytest.approx([rate / max(paper) for rate in paper])
    assert found[63] == pytest.approx(0.5)


def test_warmup_stable_decay_has_its_three_phases() -> None:
    found = [schedule(parts.WarmupStableDecay(warmup=10, decay=0.2, floor=0.5))(step) for step in range(STEPS)]
    assert found[9:81] == [1.0] * 72
    assert found[80:] == pytest.approx([1 - 0.5 * step / 20 for step in range(20)])


@pytest.mark.parametrize("part", [parts.WarmupCosine(warmup=100), parts.Linear(warmup=100), parts.Constant(warmup=100)])
def test_a_warm_up_may_take_the_whole_training(part: SchedulePart) -> None:
    assert schedule(part)(99) == 1.0


@pytest.mark.parametrize("part", WARMED)
def test_a_warm_up_longer_than_the_training_is_refused(part: SchedulePart) -> None:
    with pytest.raises(PartError, match=r"warm-up of 10 .* in 9"):
        schedule(part, steps=9)


def test_warm_up_and_decay_must_fit_together() -> None:
    with pytest.raises(PartError, match=r"a warm-up of 60 updates and a decay over 50 do not fit in 100"):
        schedule(parts.WarmupStableDecay(warmup=60, decay=0.5))


ANY = st.one_of(
    st.builds(parts.Constant, warmup=st.integers(0, 20)),
    st.builds(parts.Cosine, floor=st.floats(0, 0.9)),
    st.builds(parts.WarmupCosine, warmup=st.integers(0, 20), floor=st.floats(0, 0.9)),
    st.builds(parts.Linear, warmup=st.integers(0, 20), floor=st.floats(0, 0.9)),
    st.builds(parts.InverseSqrt, warmup=st.integers(1, 20)),
    st.builds(parts.WarmupStableDecay, warmup=st.integers(0, 10), decay=st.floats(0.01, 0.4), floor=st.floats(0, 0.9)),
)


@given(ANY, st.integers(20, 200))
def test_no_update_is_wasted_on_a_rate_of_zero_and_none_exceeds_the_base(part: SchedulePart, steps: int) -> None:
    factors = [schedule(part, steps)(step) for step in range(steps)]
    assert all(0 < factor <= 1 for factor in factors)
    peak = factors.index(max(factors))
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
