"""How scores become the weights of values: a kind of part that attentions define."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import FiniteFloat

from partwise import Part, Slot

if TYPE_CHECKING:
    from torch import Tensor

    from partwise_attention.weighing import SigmoidWeigher, SinkWeigher, SoftmaxWeigher, TalkingWeigher, Weigher


@dataclass(frozen=True)
class WeighingSite:
    """The site of a weighing, inside an attention."""

    heads: int
    """Query heads, H."""
    context: int
    """Positions that the model is built for."""


class WeighingPart(Part):
    """Turns the scores of a query into the weights of values."""

    kind = "weighing"
    builds_module = True

    def build(self, site: WeighingSite) -> Weigher:
        raise NotImplementedError

    @classmethod
    def sites(cls) -> Mapping[str, Any]:
        return {"attention": WeighingSite(heads=4, context=16)}

    def inputs(self, site: WeighingSite, rows: int, length: int) -> tuple[Tensor, Tensor]:
        import torch

        from partwise.testing import numbers

        seen = torch.ones(length, length + 2, dtype=torch.bool).tril(1)
        return numbers(rows, site.heads, length, length + 2), seen

    @classmethod
    def checks(cls) -> Iterable[Any]:
        from partwise_attention import weighing_checks

        return weighing_checks.ALL


Weighing = Annotated[WeighingPart, Slot()]


class Softmax(WeighingPart):
    """Softmax over the keys that a query sees: weights that add up to one (Vaswani et al. 2017)."""

    name = "softmax"
    formulas = (r"a_{ij} = \frac{\exp(s_{ij})}{\sum_{k} \exp(s_{ik})}",)

    def build(self, site: WeighingSite) -> SoftmaxWeigher:
        from partwise_attention.weighing import SoftmaxWeigher

        return SoftmaxWeigher()


class Sinks(WeighingPart):
    """Softmax with a learned logit per head in its denominator, so that a head may look at nothing (gpt-oss)."""

    name = "sinks"
    formulas = (r"a_{ij} = \frac{\exp(s_{ij})}{\exp(z_h) + \sum_{k} \exp(s_{ik})}",)

    def build(self, site: WeighingSite) -> SinkWeigher:
        from partwise_attention.weighing import SinkWeigher

        return SinkWeigher(site.heads)


class Sigmoid(WeighingPart):
    """Logistic function of each score by itself, so that keys do not compete (Ramapuram et al. 2024)."""

    name = "sigmoid"
    formulas = (r"a_{ij} = \sigma(s_{ij} + b), \quad b = -\log(n)",)

    bias: FiniteFloat | None = None
    """Added to every score; null means -log of the model's context, at which weights begin with a sum of about one."""

    def build(self, site: WeighingSite) -> SigmoidWeigher:
        from partwise_attention.weighing import SigmoidWeigher

        return SigmoidWeigher(-math.log(site.context) if self.bias is None else self.bias)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(bias=-1.0)


class TalkingHeads(WeighingPart):
    """Softmax whose heads exchange their scores before it and their weights after it (Shazeer et al. 2020)."""

    name = "talking_heads"
    formulas = (r"A_g = \sum_{h} P^a_{gh}\, \operatorname{softmax}\left(\sum_{m} P^b_{hm}\, S_m\right)",)

    def build(self, site: WeighingSite) -> TalkingWeigher:
        from partwise_attention.weighing import TalkingWeigher

        return TalkingWeigher(site.heads)
