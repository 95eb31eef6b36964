"""The language model: one stack of layers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from pydantic import model_validator

from partwise.parts import LayerSite, ModelSite, slots

from .network import MUP, UNUSUAL, Layers, Network, fails_around_recurrence, planned_depth

if TYPE_CHECKING:
    from partwise_models.language_model import LanguageModel


class LanguageModelPart(Network):
    """A stack of layers in which each position predicts the next token (Bengio et al. 2003; Radford et al. 2018).

    Where the objective sees both ways, so does the stack: an encoder (Devlin et al. 2019).
    """

    name = "language_model"
    formulas = (
        r"P(w_1, \ldots, w_T) = \prod_{t=1}^{T} P(w_t \mid w_1, \ldots, w_{t-1})",
        r"P(w \mid w_1, \ldots, w_{t-1}) = \operatorname{softmax}(W \operatorname{norm}(h_{t-1}))_w",
    )
    known_failures = fails_around_recurrence("[1]")
    reads = "sequence"

    blocks: tuple[slots.Block, ...]
    """The pattern of layers, repeated until there are `depth` of them. An empty pattern, [], makes a bigram model."""
    depth: Layers | None = None
    """Number of layers; null means one pattern."""

    @model_validator(mode="after")
    def _has_layers_to_repeat(self) -> Self:
        if self.depth is not None and not self.blocks:
            raise ValueError(
                f"depth {self.depth} needs at least one layer in blocks; leave depth out for a bigram model"
            )
        return self

    def build(self, site: ModelSite) -> LanguageModel:
        from partwise_models.language_model import LanguageModel

        place = LayerSite(width=self.width, context=self.context, causal=site.causal)
        depth = planned_depth(self.blocks, self.depth)
        parametrisation = self._parametrised(max(1, depth))
        input = self._input(site)
        stack = self._stack(self.blocks, depth, place, parametrisation, site)
        return LanguageModel(
            input,
            stack,
            self._head(site, input, parametrisation.logits),
            self.width,
            self.context,
            site.vocabulary,
            self._initializer(max(1, len(stack.blocks)), parametrisation),
            parametrisation,
            causal=site.causal,
        )

    @classmethod
    def examples(cls) -> Iterable[Self]:
        attention = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}}
        recurrence = {"use": "recurrent", "mixer": "gru"}
        plain = {"width": 8, "context": 16, "blocks": (attention,), "position": "learned"}
        return (
            cls.model_validate({**plain, "parametrisation": MUP, "residual": {"use": "scaled", "branch": 0.5}}),
            cls.model_validate({**UNUSUAL, "blocks": (recurrence, attention), "depth": 3, "position": "rope"}),
        )
