"""Rotary positions, and how their frequencies are scaled to read further."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Literal, Self

from annotated_types import Gt, Le
from pydantic import PositiveFloat, PositiveInt

from partwise import Part, PartError, Slot
from partwise.parts import PositionPart, PositionSite

if TYPE_CHECKING:
    from torch import Tensor

    from partwise_positions.frequencies import LinearScaling, Llama3Scaling, Scaling
    from partwise_positions.rotary import RotaryPositions


class RopeScalingPart(Part):
    """Scales rotary frequencies, so that a model can read further than it was first trained to."""

    kind = "rope_scaling"

    def build(self, site: PositionSite) -> Scaling:
        raise NotImplementedError

    @classmethod
    def sites(cls) -> Mapping[str, PositionSite]:
        return PositionPart.sites()

    def inputs(self, site: PositionSite, rows: int, length: int) -> tuple[Tensor]:
        import torch

        return (1.0 / 100 ** torch.linspace(0, 1, 16),)


class LinearRope(RopeScalingPart):
    """Every rotary frequency divided by one factor (Chen et al. 2023)."""

    name = "linear"

    factor: PositiveFloat = 2.0
    """How many times further the model should read than it was first trained to."""

    def build(self, site: PositionSite) -> LinearScaling:
        from partwise_positions.frequencies import LinearScaling

        return LinearScaling(self.factor)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(factor=4.0)


class Llama3Rope(RopeScalingPart):
    """Slow rotary frequencies divided by a factor, fast ones kept, those between blended (Llama 3.1, 2024)."""

    name = "llama3"

    factor: PositiveFloat = 8.0
    """How many times further the model should read than it was first trained to."""
    low_frequency_factor: PositiveFloat = 1.0
    """A pair is slow if it makes fewer turns than this within the original context."""
    high_frequency_factor: PositiveFloat = 4.0
    """A pair is fast if it makes more turns than this within the original context."""
    original_context: PositiveInt = 8192
    """Positions the model was first trained on."""

    def build(self, site: PositionSite) -> Llama3Scaling:
        from partwise_positions.frequencies import Llama3Scaling

        if self.low_frequency_factor >= self.high_frequency_factor:
            raise PartError(
                f"low_frequency_factor {self.low_frequency_factor:g} must be below "
                f"high_frequency_factor {self.high_frequency_factor:g}"
            )
        return Llama3Scaling(self.factor, self.low_frequency_factor, self.high_frequency_factor, self.original_context)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return (
            cls(original_context=64),
            cls(factor=4.0, low_frequency_factor=0.5, high_frequency_factor=8.0, original_context=32),
        )


class Rope(PositionPart):
    """Rotary positions: queries and keys turn by angles that grow with position (Su et al. 2021)."""

    name = "rope"
    acts = frozenset({"rotate"})

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
        scaling = None if self.scaling is None else self.scaling.assemble(site)
        return RotaryPositions(width, self.base, self.layout, scaling)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return (
            cls(),
            cls(base=500.0, fraction=0.5, layout="interleaved"),
            cls(scaling=LinearRope(factor=4.0)),
            cls(scaling=Llama3Rope(original_context=32)),
        )
