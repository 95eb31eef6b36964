"""Rotary positions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from annotated_types import Gt, Le
from pydantic import PositiveFloat

from partwise import PartError, Slot
from partwise.parts import PositionPart, PositionSite

from .scaling import DynamicRope, LinearRope, Llama3Rope, LongRope, RopeScalingPart, YarnRope

if TYPE_CHECKING:
    from partwise_positions.rotary import RotaryPositions


class Rope(PositionPart):
    """Rotary positions: queries and keys turn by angles that grow with position (Su et al. 2021)."""

    name = "rope"
    formulas = (
        r"\begin{pmatrix} x'_{i} \\ x'_{i + D/2} \end{pmatrix} = \begin{pmatrix} \cos(p\, \theta_i) & "
        r"-\sin(p\, \theta_i) \\ \sin(p\, \theta_i) & \cos(p\, \theta_i) \end{pmatrix} \begin{pmatrix} "
        r"x_{i} \\ x_{i + D/2} \end{pmatrix}",
        r"\theta_i = b^{-2 i / D}, \quad i = 0, \ldots, D/2 - 1",
    )
    acts = frozenset({"rotate"})
    known_failures: ClassVar[Mapping[str, str]] = {
        "scores_see_distances_only[6]": "dynamic scaling turns longer texts more slowly, wherever two positions stand"
    }

    base: PositiveFloat = 10_000.0
    """Pair i of n turns by base^(-i/n) per position: wavelengths rise from 2 pi towards 2 pi base. Larger reaches
    further."""
    fraction: Annotated[float, Gt(0), Le(1)] = 1.0
    """Share of each head's features that turn, counted from the first; the others have no position (GPT-NeoX: 0.25)."""
    layout: Literal["half", "interleaved"] = "half"
    """Which features make a pair: half takes i and i + D/2 (Llama, GPT-NeoX), interleaved 2i and 2i + 1 (GPT-J)."""
    scaling: Annotated[RopeScalingPart, Slot()] | None = None
    """How frequencies are scaled to read further; null leaves them as they are."""

    def build(self, site: PositionSite) -> RotaryPositions:
        from partwise_positions.rotary import RotaryPositions

        turning = site.head_width * self.fraction
        width = round(turning)
        if width < 2 or width % 2 or abs(turning - width) > 1e-6:
            raise PartError(
                f"rope turns features in pairs, and fraction {self.fraction:g} of head width {site.head_width} is "
                f"{turning:g}; choose heads and fraction such that it is an even number, 2 or more"
            )
        scaling = None if self.scaling is None else self.scaling.assemble(replace(site, head_width=width))
        return RotaryPositions(width, self.base, self.layout, scaling)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return (
            cls(),
            cls(base=500.0, fraction=0.5, layout="interleaved"),
            cls(scaling=LinearRope(factor=4.0)),
            cls(scaling=Llama3Rope(original_context=32)),
            cls(scaling=YarnRope(original_context=8, factor=2.0)),
            cls(scaling=LongRope(short_factor=(1.0, 1.0), long_factor=(1.0, 3.0), original_context=8)),
            cls(scaling=DynamicRope(factor=4.0)),
        )
