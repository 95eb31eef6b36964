"""The language model: one stack of layers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from pydantic import model_validator

from partwise.parts import LayerSite, ModelSite, slots

from .network import UNUSUAL, Layers, Network, fails_around_recurrence

if TYPE_CHECKING:
    from partwise.modules import Initializer
    from partwise_models.language_model import LanguageModel


class LanguageModelPart(Network):
    """A stack of layers in which each position predicts the next token (Bengio et al. 2003; Radford et al. 2018).

    Where the objective sees both ways, so does the stack: an encoder (Devlin et al. 2019).
    """

    name = "language_model"
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
        input = self._input(site)
        stack = self._stack(self.blocks, self.depth, place)
        initializer: Initializer = self.initializer.assemble(replace(place, depth=max(1, len(stack.blocks))))
        head = self._head(site, input)
        return LanguageModel(
            input, stack, head, self.width, self.context, site.vocabulary, initializer, causal=site.causal
        )

    @classmethod
    def examples(cls) -> Iterable[Self]:
        attention = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}}
        recurrence = {"use": "recurrent", "mixer": "gru"}
        return (
            cls.model_validate({"width": 8, "context": 16, "blocks": (attention,), "position": "learned"}),
            cls.model_validate({**UNUSUAL, "blocks": (recurrence, attention), "depth": 3, "position": "rope"}),
        )
