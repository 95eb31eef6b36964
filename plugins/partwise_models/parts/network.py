"""What both models share: the knobs around their layers, and how stacks, inputs and heads are built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Le, Lt
from pydantic import PositiveFloat, PositiveInt

from partwise import PartError, use
from partwise.parts import (
    BlockPart,
    EmbeddingSite,
    LayerSite,
    ModelPart,
    ModelSite,
    PositionSite,
    SharedPosition,
    WidthSite,
    slots,
)

if TYPE_CHECKING:
    from partwise.modules import Embedding, PositionEncoder
    from partwise_models.stack import Head, Input, Stack

Probability = Annotated[float, Ge(0), Lt(1)]
Layers = Annotated[int, Ge(1), Le(10_000)]

UNUSUAL: Mapping[str, Any] = {
    "width": 12,
    "context": 12,
    "embedding": "one_hot",
    "tie": False,
    "head_bias": True,
    "logit_cap": 5.0,
    "final_norm": "none",
    "initializer": "xavier",
    "embedding_scale": "sqrt_width",
    "dropout": 0.2,
}
"""For examples: every knob of `Network` but `position` at another value than its default."""


def fails_around_recurrence(example: str) -> Mapping[str, str]:
    """What a model does not hold in the `example` with one of PyTorch's recurrent networks."""
    return {
        f"it_compiles_to_one_graph{example}": "the example has a recurrent network, which is not traced",
        f"it_can_be_exported{example}": "the example has a recurrent network, exported for one length only",
        f"it_can_be_mapped_over_parameters{example}": "PyTorch's recurrent networks have no batching rule for vmap",
    }


class Network(ModelPart):
    """Base of the models: from embedded tokens through stacks of layers to logits."""

    width: PositiveInt
    """Features per position, C."""
    context: PositiveInt
    """Longest sequence trained on, in tokens."""
    embedding: slots.Embedding = use("dense")
    """How token ids become vectors."""
    embedding_scale: Literal["sqrt_width"] | PositiveFloat = 1.0
    """Factor of the embedding: a number, or the square root of the width (Vaswani et al. 2017)."""
    position: slots.Position = use("none")
    """How the model knows where a token stands; an attention may have a position of its own instead."""
    dropout: Probability = 0.0
    """Probability that a feature of the embedding is dropped in training."""
    final_norm: slots.Norm = use("layer_norm")
    """Norm after the last layer; usually "none" after post_norm or recurrent layers."""
    tie: bool = True
    """Whether the output layer shares the embedding's table (Press & Wolf 2017)."""
    head_bias: bool = False
    """Whether the output layer has a bias."""
    logit_cap: PositiveFloat | None = None
    """Bounds logits to (-cap, cap) by cap * tanh(logit / cap), as Gemma 2 does; null means no bound."""
    initializer: slots.Initializer = use("normal")
    """How linear and embedding layers get their first weights."""

    def _input(self, site: ModelSite) -> Input:
        from partwise_models.stack import Input

        embedding: Embedding = self.embedding.assemble(EmbeddingSite(site.vocabulary, self.width))
        scale = self.width**0.5 if self.embedding_scale == "sqrt_width" else self.embedding_scale
        return Input(embedding, self.width, float(scale))

    def _head(self, site: ModelSite, input: Input) -> Head:
        from partwise_models.stack import Head

        if self.tie and (input.embedding.weight_for_head() is None or input.projection is not None):
            raise PartError(
                f"tie shares the embedding's table with the output, and embedding {self.embedding.name!r} has no "
                f'table of {self.width} features per token to share; set "tie": false'
            )
        return Head(self.width, site.vocabulary, self.tie, self.head_bias, self.logit_cap)

    def _stack(self, blocks: tuple[BlockPart, ...], depth: int | None, site: LayerSite) -> Stack:
        from partwise_models.stack import Stack

        pattern = [layer for block in blocks for layer in block.unrolled()]
        depth = depth or len(pattern)
        shared = SharedPosition(self.position)
        places = [replace(site, layer=index, depth=depth, position=shared) for index in range(depth)]
        built = [pattern[index % len(pattern)].assemble(place) for index, place in enumerate(places)]
        position = self._position(shared, site)
        acts_inside = bool(self.position.acts & {"rotate", "bias"})
        return Stack(built, position, acts_inside, self.final_norm.assemble(WidthSite(self.width)), self.dropout)

    def _position(self, shared: SharedPosition, site: LayerSite) -> PositionEncoder:
        part = self.position
        if part.acts & {"rotate", "bias"} and shared.shape is None:
            raise PartError(
                f"position {part.name!r} acts inside attention, and no layer here has an attention that uses it; "
                "use learned, sinusoidal or none"
            )
        heads, head_width = shared.shape or (1, 0)
        return part.assemble(PositionSite(site.width, site.context, heads, head_width, site.causal))
