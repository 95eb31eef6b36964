"""The built-in samplers: how a model's logits become tokens.

`temperature`, `top_k`, `top_p` and `min_p` each draw at random from what they leave of the distribution;
`chain` applies several before it draws.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BeforeValidator, Field, NonNegativeFloat, PositiveInt
from pydantic_core import PydanticCustomError

from partwise import PartError
from partwise.parts import SamplerPart, slots

if TYPE_CHECKING:
    from partwise.decoding import Sampler

    from .beam import BeamSearch
    from .stepwise import Drawing, Greedy

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

    def build(self, site: None) -> Greedy:
        from .stepwise import Greedy

        return Greedy()


class Temperature(SamplerPart):
    """Draws from the distribution with its logits divided by a temperature."""

    name = "temperature"

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

    p: Share = 0.05
    """Least probability of a token that may be drawn, as a share of the likeliest token's."""

    def build(self, site: None) -> Drawing:
        from . import filters, stepwise

        return stepwise.Drawing(partial(filters.min_p, p=self.p))

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(p=0.3)


class Chain(SamplerPart):
    """Applies the filters of several samplers in order, then draws."""

    name = "chain"

    samplers: Annotated[tuple[slots.Sampler, ...], Field(min_length=1)] = (
        Temperature(temperature=0.8),
        TopP(p=0.95),
    )
    """Samplers that filter: temperature, top_k, top_p, min_p; each sees what the one before has left."""

    def build(self, site: None) -> Drawing:
        from .stepwise import Drawing, FilterChain

        return Drawing(FilterChain([_filter_of(part.name, part.assemble(None)) for part in self.samplers]))

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(samplers=(Temperature(temperature=0.8), TopK(k=5), TopP(p=0.9), MinP(p=0.01)))


class Beam(SamplerPart):
    """Searches for the likeliest text, keeping several beginnings (length normalised as in GNMT, Wu et al. 2016)."""

    name = "beam"

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


def _filter_of(name: str, sampler: Sampler) -> Any:
    """What a sampler of anyone's does to logits: its `filter`, if it has one."""
    try:
        return sampler.filter  # type: ignore[attr-defined]
    except AttributeError:
        raise PartError(
            f"sampler {name!r} does not filter logits, so it cannot be part of a chain; "
            "those that do are temperature, top_k, top_p and min_p"
        ) from None


PARTS = (Beam, Chain, GreedyChoice, MinP, Temperature, TopK, TopP)
