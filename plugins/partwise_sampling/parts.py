"""The built-in samplers: how a model's logits become tokens.

`temperature`, `top_k`, `top_p`, `min_p`, `typical` and `repetition_penalty` each draw at random from what they leave
of the distribution; `chain` applies several before it draws.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, NonNegativeFloat, PositiveFloat, PositiveInt
from pydantic_core import PydanticCustomError

from partwise import PartError
from partwise.parts import SamplerPart, slots

if TYPE_CHECKING:
    from partwise.decoding import Sampler

    from .beam import BeamSearch
    from .stepwise import Drawing, DrawingAfter, Greedy

Share = Annotated[float, Field(gt=0, le=1)]


def _not_zero(value: Any) -> Any:
    if value == 0:
        raise PydanticCustomError(
            "temperature_zero", 'a temperature of 0 divides by zero; use "greedy" to always take the likeliest token'
        )
    return value


class GreedyChoice(SamplerPart):
    """Always the likeliest token; the same text every time."""

    name = "greedy"
    formulas = (r"w_t = \operatorname{argmax}_v\, z_v",)

    def build(self, site: None) -> Greedy:
        from .stepwise import Greedy

        return Greedy()


class Temperature(SamplerPart):
    """Draws from the distribution with its logits divided by a temperature."""

    name = "temperature"
    formulas = (r"P(v) = \frac{\exp(z_v / \tau)}{\sum_{u} \exp(z_u / \tau)}",)

    temperature: Annotated[float, BeforeValidator(_not_zero), Field(gt=0)] = 1.0
    """1 draws from the model's own distribution; below 1 is bolder on what is likely, above 1 more varied."""

    def build(self, site: None) -> Drawing:
        from . import filters, stepwise

        return stepwise.Drawing(partial(filters.temperature, temperature=self.temperature))

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(temperature=0.8)


class TopK(SamplerPart):
    """Draws from the k likeliest tokens (Fan et al. 2018, arXiv:1805.04833)."""

    name = "top_k"
    formulas = (r"P'(v) \propto \begin{cases} P(v) & P(v) \ge P_{(k)} \\ 0 & \text{else} \end{cases}",)

    k: PositiveInt = 50
    """Tokens that may be drawn; those as likely as the last of them may be, too."""

    def build(self, site: None) -> Drawing:
        from . import filters, stepwise

        return stepwise.Drawing(partial(filters.top_k, k=self.k))

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(k=3)


class TopP(SamplerPart):
    """Nucleus sampling: draws from the fewest tokens that together reach a probability (Holtzman et al. 2020)."""

    name = "top_p"
    formulas = (
        r"P'(v) \propto \begin{cases} P(v) & v \in V_p \\ 0 & \text{else} \end{cases}",
        r"V_p = \text{the smallest set with } \sum_{v \in V_p} P(v) \ge p",
    )

    p: Share = 0.95
    """Probability that the tokens which may be drawn reach together; 1 allows all."""

    def build(self, site: None) -> Drawing:
        from . import filters, stepwise

        return stepwise.Drawing(partial(filters.top_p, p=self.p))

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(p=0.5)


class MinP(SamplerPart):
    """Draws from the tokens not much less likely than the likeliest (Nguyen et al. 2024, arXiv:2407.01082)."""

    name = "min_p"
    formulas = (r"P'(v) \propto \begin{cases} P(v) & P(v) \ge p \max_u P(u) \\ 0 & \text{else} \end{cases}",)

    p: Share = 0.05
    """Least probability of a token that may be drawn, as a share of the likeliest token's."""

    def build(self, site: None) -> Drawing:
        from . import filters, stepwise

        return stepwise.Drawing(partial(filters.min_p, p=self.p))

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(p=0.3)


class Typical(SamplerPart):
    """Draws from the tokens whose surprise is about what is expected of the next one (Meister et al. 2022).

    Locally typical sampling, arXiv:2202.00666.
    """

    name = "typical"
    formulas = (
        r"P'(v) \propto \begin{cases} P(v) & v \in V_p \\ 0 & \text{else} \end{cases}",
        r"V_p = \text{the tokens of least } |{-\log P(v)} - \mathcal{H}| \text{ with } \sum_{v \in V_p} "
        r"P(v) \ge p",
    )
    known_failures: ClassVar[Mapping[str, str]] = {
        "its_filter_keeps_the_likeliest": "the likeliest token may be far less surprising than is typical"
    }

    p: Share = 0.95
    """Probability that the tokens which may be drawn reach together, most typical first; 1 allows all."""

    def build(self, site: None) -> Drawing:
        from . import filters, stepwise

        return stepwise.Drawing(partial(filters.typical, p=self.p))

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(p=0.3)


class RepetitionPenalty(SamplerPart):
    """Draws tokens of the text so far, prompt included, less often than the model would (CTRL, Keskar et al. 2019).

    Penalised sampling, arXiv:1909.05858, section 4.1; the paper takes the likeliest token after it, which here is a
    `chain` with `top_k` and `k` 1. The text is as much of it as the model reads: what has left its context is not
    penalised.
    """

    name = "repetition_penalty"
    formulas = (
        r"z'_v = \begin{cases} z_v / \theta & z_v > 0 \\ z_v\, \theta & z_v \le 0 \end{cases} \quad "
        r"\text{for each } v \text{ in the text}",
    )

    penalty: PositiveFloat = 1.2
    """What positive logits of those tokens are divided by, and negative ones multiplied by; 1 changes nothing."""

    def build(self, site: None) -> DrawingAfter:
        from . import filters, stepwise

        return stepwise.DrawingAfter(partial(filters.repetition_penalty, penalty=self.penalty))

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(penalty=1.1)


class Chain(SamplerPart):
    """Applies the filters of several samplers in order, then draws."""

    name = "chain"
    formulas = (r"z' = (f_n \circ \cdots \circ f_1)(z), \quad w_t \sim \operatorname{softmax}(z')",)

    samplers: Annotated[tuple[slots.Sampler, ...], Field(min_length=1)] = (
        Temperature(temperature=0.8),
        TopP(p=0.95),
    )
    """Samplers that filter: greedy, temperature, top_k, top_p, min_p, typical, repetition_penalty; each sees what the
    one before has left."""

    def build(self, site: None) -> Drawing | DrawingAfter:
        from . import stepwise

        samplers = [_filtering(part.name, part.assemble(None)) for part in self.samplers]
        if all(hasattr(sampler, "filter") for sampler in samplers):
            return stepwise.Drawing(stepwise.FilterChain([sampler.filter for sampler in samplers]))
        filters = [
            stepwise.whatever_the_text(sampler.filter) if hasattr(sampler, "filter") else sampler.filter_after
            for sampler in samplers
        ]
        return stepwise.DrawingAfter(stepwise.FilterChainAfter(filters))

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(samplers=(Temperature(temperature=0.8), TopK(k=5), TopP(p=0.9), MinP(p=0.01)))
        yield cls(samplers=(RepetitionPenalty(penalty=1.1), TopK(k=3)))


class Beam(SamplerPart):
    """Searches for the likeliest text, keeping several beginnings (length normalised as in GNMT, Wu et al. 2016)."""

    name = "beam"
    formulas = (r"\operatorname{score}(y) = \frac{\log P(y \mid x)}{\left((5 + |y|) / 6\right)^{\alpha}}",)

    width: PositiveInt = 4
    """Beginnings kept in each row; 1 is greedy."""
    length_penalty: NonNegativeFloat = 0.6
    """Power of the length that a text's log-probability is divided by; 0 favours short texts."""

    def build(self, site: None) -> BeamSearch:
        from .beam import BeamSearch

        return BeamSearch(self.width, self.length_penalty)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(width=2, length_penalty=1.0)


def _filtering(name: str, sampler: Sampler) -> Any:
    """A sampler of anyone's, if it filters logits: alone, or after the text so far."""
    if hasattr(sampler, "filter") or hasattr(sampler, "filter_after"):
        return sampler
    raise PartError(
        f"sampler {name!r} does not filter logits, so it cannot be part of a chain; "
        "those that do are greedy, temperature, top_k, top_p, min_p, typical and repetition_penalty"
    )


PARTS = (Beam, Chain, GreedyChoice, MinP, RepetitionPenalty, Temperature, TopK, TopP, Typical)
