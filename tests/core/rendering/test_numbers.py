"""Numbers, as reports print them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partwise.rendering import numbers

M = numbers.MINUS


@pytest.mark.parametrize(
    ("value", "spread", "printed"),
    [
        (2.13456, 0.0123, "2.135"),
        (2.13456, 0.00999, "2.135"),
        (2.13456, 0.00994, "2.1346"),
        (2.13456, 0.5, "2.13"),
        (1234.567, 45.6, "1235"),
        (-0.0000321, 0.0000012, f"{M}0.0000321"),
        (2.13456, None, "2.135"),
        (0.00123456, None, "0.001235"),
        (0.0, None, "0.000"),
        (2.1, 0.0, "2.100"),
        (None, 0.1, numbers.NONE),
    ],
)
def test_a_value_is_printed_to_the_second_digit_of_its_uncertainty(
    value: float | None, spread: float | None, printed: str
) -> None:
    assert numbers.with_spread(value, spread) == printed


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e3))
def test_what_is_printed_is_off_by_less_than_the_uncertainty(value: float, spread: float) -> None:
    printed = float(numbers.with_spread(value, spread).replace(M, "-"))
    assert abs(printed - value) <= max(0.051 * spread, 0.5000001 if spread >= 10 else 0)


@pytest.mark.parametrize(
    ("value", "printed"), [(0.031, "+0.03"), (-0.031, f"{M}0.03"), (0.001, "0.00"), (-0.001, "0.00"), (None, "–")]
)
def test_a_difference_has_a_sign_unless_it_is_zero_as_printed(value: float | None, printed: str) -> None:
    assert numbers.signed(value, 2) == printed


@pytest.mark.parametrize(
    ("p", "printed"),
    [(0.0, "<0.001"), (0.00099, "<0.001"), (0.001, "0.001"), (0.0421, "0.042"), (0.0996, "0.10"), (0.994, "0.99"),
     (0.999, ">0.99"), (1.0, "1.00"), (None, "–")],
)  # fmt: skip
def test_a_p_value_is_never_a_plain_zero_and_only_one_when_it_is(p: float | None, printed: str) -> None:
    assert numbers.p_value(p) == printed


@pytest.mark.parametrize(
    ("value", "printed"),
    [(0, "0"), (7, "7"), (999, "999"), (999.6, "1.00 k"), (1000, "1.00 k"), (1_204_224, "1.20 M"), (999_600, "1.00 M"),
     (4.056e11, "406 G"), (2.5e13, "25.0 T"), (3e20, "300 E"), (0.5, "0.500")],
)  # fmt: skip
def test_large_counts_have_three_digits_and_a_prefix(value: float, printed: str) -> None:
    assert numbers.short(value) == printed


@pytest.mark.parametrize(
    ("seconds", "printed"),
    [(0.8412, "0.841 s"), (12.34, "12.3 s"), (99.96, "1 min 40 s"), (245, "4 min 05 s"), (6000, "1 h 40 min"),
     (11_220, "3 h 07 min"), (None, "–")],
)  # fmt: skip
def test_durations_are_read_in_seconds_minutes_or_hours(seconds: float | None, printed: str) -> None:
    assert numbers.duration(seconds) == printed


@pytest.mark.parametrize(
    ("value", "reference", "printed"),
    [(98, 100, f"{M}2.0 %"), (100.04, 100, ""), (350, 100, "+250 %"), (1, 0, ""), (100.06, 100, "+0.1 %")],
)
def test_a_mismatch_of_the_budget_is_stated_in_percent(value: float, reference: float, printed: str) -> None:
    assert numbers.percent_off(value, reference) == printed


def test_every_digit_of_a_count_can_be_shown() -> None:
    assert numbers.exact(1_204_224).replace("\N{NARROW NO-BREAK SPACE}", "") == "1204224"
    assert numbers.exact(7_101_480.48)[-3:] == "480"
    assert numbers.exact(0.25) == "0.25"
