"""Predicting several tokens at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from annotated_types import Ge, Le
from pydantic import NonNegativeFloat

from partwise import PartError, use
from partwise.parts import ObjectivePart, ObjectiveSite, WidthSite, slots

if TYPE_CHECKING:
    from partwise_objectives.multi_token import ChainedTokens, ParallelTokens

_BLOCK: Any = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 4}}


class MultiToken(ObjectivePart):
    """Every position also predicts tokens further on, each through a layer of its own; evaluation leaves them out."""

    name = "multi_token"
    formulas = (
        r"\mathcal{L} = \mathcal{L}_1 + \frac{\lambda}{n} \sum_{k=1}^{n} \mathcal{L}_{1+k}",
        r"\mathcal{L}_{1+k} = -\frac{1}{T} \sum_{t} \log P_k(w_{t+1+k} \mid w_1, \ldots, w_t)",
    )
    reads = frozenset({"sequence"})

    further: Annotated[int, Ge(1), Le(64)] = 1
    """Tokens that are predicted beside the next one."""
    form: Literal["parallel", "chained"] = "parallel"
    """parallel: each layer reads the model's vectors (Gloeckle et al. 2024, arXiv:2404.19737). chained: it reads those
    of the one before and the token that this one predicted (DeepSeek-V3, arXiv:2412.19437, section 2.2)."""
    block: slots.Block = _BLOCK
    """The layer of each further token; its attention knows no positions unless it has some of its own."""
    norm: slots.Norm = use("rms_norm")
    """Norm of what a layer reads, in the chained form, and of what it gives, before the head."""
    weight: NonNegativeFloat = 1.0
    """Weight of their mean loss beside that of the next token."""

    def build(self, site: ObjectiveSite) -> ParallelTokens | ChainedTokens:
        from partwise_objectives.multi_token import ChainedTokens, ParallelTokens

        if self.further >= site.context:
            raise PartError(
                f"further {self.further} asks for tokens that no text of {site.context} has: beside the next one, at "
                f"most {site.context - 1} follow its first; lower further, or raise the model's context"
            )
        layers = [self.block.assemble(place) for place in site.further_layers(self.further)]
        kind = ParallelTokens if self.form == "parallel" else ChainedTokens
        return kind(layers, lambda: self.norm.assemble(WidthSite(site.width)), site.width, self.weight)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        attention = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}}
        yield cls()
        yield cls.model_validate(
            {"further": 2, "form": "chained", "block": attention, "weight": 0.3, "norm": "layer_norm"}
        )
