"""How rotary frequencies are scaled to read further."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Self

from annotated_types import Ge, MinLen
from pydantic import PositiveFloat, PositiveInt

from partwise import Part, PartError
from partwise.parts import PositionSite

if TYPE_CHECKING:
    from torch import Tensor

    from partwise_positions.scaling import (
        DynamicScaling,
        LinearScaling,
        Llama3Scaling,
        LongRopeScaling,
        Scaling,
        YarnScaling,
    )

Factors = Annotated[tuple[PositiveFloat, ...], MinLen(1)]


class RopeScalingPart(Part):
    """Scales rotary frequencies, so that a model can read further than it was first trained to."""

    kind = "rope_scaling"

    def build(self, site: PositionSite) -> Scaling:
        raise NotImplementedError

    @classmethod
    def sites(cls) -> Mapping[str, PositionSite]:
        """At which the head width is that of the features which turn, two for each frequency."""
        return {"head": PositionSite(width=64, context=64, heads=2, head_width=32)}

    def inputs(self, site: PositionSite, rows: int, length: int) -> tuple[Tensor, Tensor]:
        import torch

        pairs = site.head_width // 2
        return 100 ** (-torch.arange(pairs) / pairs), torch.tensor(200)


class LinearRope(RopeScalingPart):
    """Every rotary frequency divided by one factor (Chen et al. 2023)."""

    name = "linear"
    formulas = (r"\theta'_i = \frac{\theta_i}{s}",)

    factor: PositiveFloat = 2.0
    """How many times further the model should read than it was first trained to."""

    def build(self, site: PositionSite) -> LinearScaling:
        from partwise_positions.scaling import LinearScaling

        return LinearScaling(self.factor)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(factor=4.0)


class Llama3Rope(RopeScalingPart):
    """Slow rotary frequencies divided by a factor, fast ones kept, those between blended (Llama 3.1, 2024)."""

    name = "llama3"
    formulas = (
        r"\theta'_i = k_i\, \theta_i + (1 - k_i) \frac{\theta_i}{s}",
        r"k_i = \operatorname{clamp}\left(\frac{r_i - l}{h - l}, 0, 1\right)",
        r"r_i = \frac{T \theta_i}{2 \pi}",
    )

    factor: PositiveFloat = 8.0
    """How many times further the model should read than it was first trained to."""
    low_frequency_factor: PositiveFloat = 1.0
    """A pair is slow if it makes fewer turns than this within the original context."""
    high_frequency_factor: PositiveFloat = 4.0
    """A pair is fast if it makes more turns than this within the original context."""
    original_context: PositiveInt = 8192
    """Positions the model was first trained on."""

    def build(self, site: PositionSite) -> Llama3Scaling:
        from partwise_positions.scaling import Llama3Scaling

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


class YarnRope(RopeScalingPart):
    """Slow rotary frequencies divided by a factor, fast ones kept, and a temperature (YaRN, Peng et al. 2023)."""

    name = "yarn"
    formulas = (
        r"\theta'_i = k_i\, \theta_i + (1 - k_i) \frac{\theta_i}{s}",
        r"k_i = 1 - \operatorname{clamp}\left(\frac{i - i_f}{i_s - i_f}, 0, 1\right)",
        r"q' = t\, q, \quad k' = t\, k, \quad t = 0.1 \ln(s) + 1",
    )

    factor: Annotated[float, Ge(1)] = 4.0
    """How many times further the model should read than it was first trained to."""
    beta_fast: PositiveFloat = 32.0
    """A pair is fast if it makes more turns than this within the original context."""
    beta_slow: PositiveFloat = 1.0
    """A pair is slow if it makes fewer turns than this within the original context."""
    original_context: PositiveInt = 4096
    """Positions the model was first trained on."""
    attention_factor: PositiveFloat | None = None
    """What queries and keys are multiplied by where they turn; null means 0.1 ln(factor) + 1."""
    truncate: bool = True
    """Count pairs between fast and slow ones from a whole number to a whole number, as the paper's code does."""

    def build(self, site: PositionSite) -> YarnScaling:
        from partwise_positions.scaling import YarnScaling

        if self.beta_slow >= self.beta_fast:
            raise PartError(f"beta_slow {self.beta_slow:g} must be below beta_fast {self.beta_fast:g}")
        attention_factor = self.attention_factor or 0.1 * math.log(self.factor) + 1
        return YarnScaling(
            self.factor, self.beta_fast, self.beta_slow, self.original_context, attention_factor, self.truncate
        )

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return (
            cls(original_context=400),
            cls(factor=2.0, beta_fast=8.0, beta_slow=2.0, original_context=200, attention_factor=1.3, truncate=False),
        )


class LongRope(RopeScalingPart):
    """Each rotary frequency divided by a factor that was searched for, and a temperature (Ding et al. 2024).

    LongRoPE, arXiv:2402.13753, in the form of Phi-3. Which factors apply depends on the model's context, for every text
    alike, so that decoding token by token equals one pass; libraries that look at the length of each text forget, or
    confuse, what they have read when it outgrows the original context.
    """

    name = "longrope"
    formulas = (
        r"\theta'_i = \frac{\theta_i}{\lambda_i}",
        r"q' = t\, q, \quad k' = t\, k, \quad t = \sqrt{1 + \frac{\ln(s)}{\ln(T)}}",
    )

    short_factor: Factors
    """What each pair's frequency is divided by in a model whose context is at most the original one."""
    long_factor: Factors
    """What each pair's frequency is divided by in a model whose context is longer than the original one."""
    original_context: PositiveInt = 4096
    """Positions the model was first trained on."""
    attention_factor: PositiveFloat | None = None
    """What queries and keys are multiplied by where they turn; null means sqrt(1 + ln(s) / ln(original_context)) for a
    context s times the original one, and 1 if it is not longer."""

    def build(self, site: PositionSite) -> LongRopeScaling:
        from partwise_positions.scaling import LongRopeScaling

        for knob in ("short_factor", "long_factor"):
            count = len(getattr(self, knob))
            if 2 * count != site.head_width:
                raise PartError(
                    f"{knob} has {count} numbers, and {site.head_width} features turn; "
                    f"give {site.head_width // 2}, one for each pair"
                )
        longer = site.context / self.original_context
        if longer > 1 and self.original_context == 1 and self.attention_factor is None:
            raise PartError("with original_context 1 there is no attention_factor to compute; give one")
        temperature = math.sqrt(1 + math.log(longer) / math.log(self.original_context)) if longer > 1 else 1.0
        return LongRopeScaling(
            self.long_factor if longer > 1 else self.short_factor, self.attention_factor or temperature
        )

    @classmethod
    def examples(cls) -> Iterable[Self]:
        ones, rising = (1.0,) * 16, tuple(1 + pair / 4 for pair in range(16))
        return (
            cls(short_factor=ones, long_factor=rising, original_context=32),
            cls(short_factor=rising, long_factor=ones, original_context=100, attention_factor=1.2),
        )


class DynamicRope(RopeScalingPart):
    """A larger base for texts longer than the model's context (dynamic NTK scaling, Peng et al. 2023).

    It changes nothing within the context, and so neither training nor writing, which keeps to the context; it acts
    where a longer text is evaluated.
    """

    name = "dynamic"
    formulas = (r"\theta'_i = \theta_i\, \left(\frac{s L}{T} - (s - 1)\right)^{-i / (F - 1)}, \quad L > T",)

    factor: Annotated[float, Ge(1)] = 2.0
    """A text L times as long as the context has its slowest frequency divided by factor (L - 1) + 1."""

    def build(self, site: PositionSite) -> DynamicScaling:
        from partwise_positions.scaling import DynamicScaling

        return DynamicScaling(self.factor, site.context)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(factor=4.0)
