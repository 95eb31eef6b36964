"""Knob types and checks that several attentions share."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Lt

from partwise import PartError

Probability = Annotated[float, Ge(0), Lt(1)]


def equal_heads(width: int, heads: int, or_else: str = "") -> int:
    """Features of each head when `heads` heads divide `width` features among them.

    Raises:
        PartError: the division leaves a remainder; `or_else` adds another way to mend that.
    """
    if width % heads:
        divisors = (number for number in range(1, width + 1) if width % number == 0)
        nearest = min(divisors, key=lambda number: abs(number - heads))
        raise PartError(
            f"heads {heads} does not divide width {width}; the nearest number that does is {nearest}{or_else}"
        )
    return width // heads
