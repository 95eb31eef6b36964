"""What both models share: the knobs around their layers, and how stacks, inputs and heads are built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Le, Lt
from pydantic import PositiveFloat, PositiveInt

from partwise import PartError, use
from partwise.parts import (
    Agreement,
    BlockPart,
    EmbeddingSite,
    LayerSite,
    ModelPart,
    ModelSite,
    ParametrisationSite,
    PositionSite,
    SharedPosition,
    SharedResidual,
    WidthSite,
    slots,
)

if TYPE_CHECKING:
    from partwise.modules import Block, Embedding, Initializer, Parametrisation
    from partwise_models.stack import Head, Input, Positions, Stack

Probability = Annotated[float, Ge(0), Lt(1)]
Layers = Annotated[int, Ge(1), Le(10_000)]

UNUSUAL: Mapping[str, Any] = {
    "width": 12,
    "context": 12,
    "embedding": "one_hot",
    "tie": False,
    "head_bias": True,
    "logit_cap": 5.0,
    "logit_factor": 0.5,
    "final_norm": "none",
    "initializer": "xavier",
    "embedding_scale": "sqrt_width",
    "embedding_norm": "layer_norm",
    "dropout": 0.2,
}
"""For examples: knobs of `Network` at other values than their defaults. `position`, `residual` and `parametrisation`,
which not every layer and initializer suits, are set beside it."""
MUP: Mapping[str, Any] = {"use": "mup", "base_width": 16}


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
    embedding_norm: slots.Norm | None = None
    """Norm of the embedding, after positions that are added to it (BERT, BLOOM); null means none."""
    residual: slots.Residual = use("add")
    """How the branches of every layer join the residual stream."""
    dropout: Probability = 0.0
    """Probability that a feature of the embedding is dropped in training."""
    final_norm: slots.Norm = use("layer_norm")
    """Norm after the last layer; usually "none" after post_norm or recurrent layers."""
    tie: bool = True
    """Whether the output layer shares the embedding's table (Press & Wolf 2017)."""
    head_bias: bool = False
    """Whether the output layer has a bias."""
    logit_factor: PositiveFloat = 1.0
    """Factor of the logits, before their cap."""
    logit_cap: PositiveFloat | None = None
    """Bounds logits to (-cap, cap) by cap * tanh(logit / cap), as Gemma 2 does; null means no bound."""
    initializer: slots.Initializer = use("normal")
    """How linear and embedding layers get their first weights."""
    parametrisation: slots.Parametrisation = use("standard")
    """How first weights, learning rates, attention and logits follow from width and depth."""

    def _input(self, site: ModelSite) -> Input:
        from partwise_models.stack import Input

        embedding: Embedding = self.embedding.assemble(EmbeddingSite(site.vocabulary, self.width))
        scale = self.width**0.5 if self.embedding_scale == "sqrt_width" else self.embedding_scale
        return Input(embedding, self.width, float(scale))

    def _parametrised(self, depth: int) -> Parametrisation:
        """
        Raises:
            PartError: the initializer scales weights by the width, which is up to the parametrisation.
        """
        if self.parametrisation.sets_weights and self.initializer.by_width:
            raise PartError(
                f"parametrisation {self.parametrisation.name!r} says how first weights shrink with the width, and the "
                f'initializer {self.initializer.name!r} shrinks them, too; use the initializer "normal"',
                ("initializer",),
            )
        return self.parametrisation.assemble(ParametrisationSite(self.width, depth))

    def _initializer(self, depth: int, parametrisation: Parametrisation) -> Initializer:
        site = LayerSite(width=self.width, context=self.context, depth=parametrisation.depth or depth)
        return self.initializer.assemble(site)

    def _head(self, site: ModelSite, input: Input, factor: float) -> Head:
        from partwise_models.stack import Head

        if self.tie and (input.embedding.weight_for_head() is None or input.projection is not None):
            raise PartError(
                f"tie shares the embedding's table with the output, and embedding {self.embedding.name!r} has no "
                f'table of {self.width} features per token to share; set "tie": false'
            )
        scale = self.logit_factor * factor
        return Head(self.width, site.vocabulary, self.tie, self.head_bias, self.logit_cap, scale)

    def _stack(
        self,
        blocks: tuple[BlockPart, ...],
        depth: int | None,
        site: LayerSite,
        parametrisation: Parametrisation,
        model: ModelSite,
    ) -> Stack:
        from partwise_models.stack import Stack

        pattern = _pattern(blocks)
        depth = depth or len(pattern)
        position, residual = SharedPosition(self.position), SharedResidual(self.residual, parametrisation.branch)
        factor = parametrisation.scores
        site = replace(
            site, depth=depth, position=position, residual=residual, score_factor=factor, agreement=Agreement()
        )
        built: list[Block] = []
        places: dict[tuple[int, int], int] = {}
        order = []
        for index in range(depth):
            time, (number, part) = index // len(pattern), pattern[index % len(pattern)]
            if (time, number) not in places:
                places[time, number] = len(built)
                built.append(self._layer(part, replace(site, layer=index)))
            order.append(places[time, number])
        return Stack(
            built,
            order,
            self._positions(position, site, model),
            self.residual.build_ends(site),
            self.final_norm.assemble(WidthSite(self.width)),
            self.dropout,
            None if self.embedding_norm is None else self.embedding_norm.assemble(WidthSite(self.width)),
        )

    def _layer(self, part: BlockPart, site: LayerSite) -> Block:
        """
        Raises:
            PartError: the layer has no residual stream for the model's residual to act on.
        """
        assert site.residual is not None
        before = site.residual.branches
        layer = part.assemble(site)
        if site.residual.branches == before and not self.residual.adds:
            raise PartError(
                f"residual {self.residual.name!r} acts where branches join a stream, and the layer {part.name!r} has "
                'none; use another layer such as "pre_norm", or the residual "add"'
            )
        return layer

    def _positions(self, shared: SharedPosition, site: LayerSite, model: ModelSite) -> Positions:
        from partwise_models.stack import Positions

        part = self.position
        acts_inside = bool(part.acts & {"rotate", "bias"})
        if acts_inside and not shared.shapes:
            raise PartError(
                f"position {part.name!r} acts inside attention, and no layer here has an attention that uses it; "
                "use learned, sinusoidal or none"
            )
        place = PositionSite(
            site.width, site.context, causal=site.causal, vocabulary=model.vocabulary, token_bytes=model.token_bytes
        )
        encoders = [
            part.assemble(replace(place, heads=heads, head_width=head_width))
            for heads, head_width in shared.shapes or [(1, 0)]
        ]
        return Positions(encoders[0], dict(zip(shared.shapes, encoders, strict=True)) if acts_inside else {})


def planned_depth(blocks: tuple[BlockPart, ...], depth: int | None) -> int:
    """Layers that are passed in a stack."""
    return depth or len(_pattern(blocks))


def _pattern(blocks: tuple[BlockPart, ...]) -> list[tuple[int, BlockPart]]:
    """The layers passed in one repetition of the pattern, each with the number of its weights."""
    pattern: list[tuple[int, BlockPart]] = []
    count = 0
    for block in blocks:
        layers = block.unrolled()
        pattern += [(count + index, layers[index]) for index in block.order()]
        count += len(layers)
    return pattern
