"""The built-in models, embeddings and initialisers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from annotated_types import Ge, Le, Lt, MinLen
from pydantic import PositiveFloat, PositiveInt, model_validator

from partwise import PartError, use
from partwise.parts import (
    BlockPart,
    EmbeddingPart,
    EmbeddingSite,
    InitializerPart,
    LayerSite,
    MemoryReaders,
    ModelPart,
    ModelSite,
    PositionSite,
    SharedPosition,
    WidthSite,
    slots,
)

if TYPE_CHECKING:
    from partwise.modules import Embedding, Initializer, PositionEncoder

    from .embeddings import DenseEmbedding, OneHotEmbedding
    from .initializers import NormalInitializer, XavierInitializer
    from .language_model import LanguageModel
    from .seq2seq import Seq2Seq
    from .stack import Head, Input, Stack

Probability = Annotated[float, Ge(0), Lt(1)]
Layers = Annotated[int, Ge(1), Le(10_000)]


class Dense(EmbeddingPart):
    """A learned vector per token (Bengio et al. 2003)."""

    name = "dense"

    width: PositiveInt | None = None
    """Features per token; if not the model's width, a linear projection follows (Lan et al. 2020). null means it is."""

    def build(self, site: EmbeddingSite) -> DenseEmbedding:
        from .embeddings import DenseEmbedding

        return DenseEmbedding(site.vocabulary, self.width or site.width)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(width=6)


class OneHot(EmbeddingPart):
    """The indicator vector of each token: a 1 at its id, 0 elsewhere. A linear projection to the width follows."""

    name = "one_hot"

    def build(self, site: EmbeddingSite) -> OneHotEmbedding:
        from .embeddings import OneHotEmbedding

        return OneHotEmbedding(site.vocabulary)


class Normal(InitializerPart):
    """Weights from a normal distribution, smaller where a residual branch ends (GPT-2)."""

    name = "normal"

    std: PositiveFloat = 0.02
    """Standard deviation."""
    scale_residual: bool = True
    """Whether layers that end a residual branch are scaled by 1 / sqrt(2 * depth)."""

    def build(self, site: LayerSite) -> NormalInitializer:
        from .initializers import NormalInitializer

        return NormalInitializer(self.std, 2 * site.depth if self.scale_residual else 1)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(std=0.1, scale_residual=False)


class Xavier(InitializerPart):
    """Uniform weights scaled by fan-in and fan-out (Glorot & Bengio 2010)."""

    name = "xavier"

    def build(self, site: LayerSite) -> XavierInitializer:
        from .initializers import XavierInitializer

        return XavierInitializer()


class _Common(ModelPart):
    """The knobs that both models have."""

    width: PositiveInt
    """Features per position, C."""
    context: PositiveInt
    """Longest sequence trained on, in tokens."""
    embedding: slots.Embedding = use("dense")
    """How token ids become vectors."""
    embedding_scale: Literal["sqrt_width"] | PositiveFloat = 1.0
    """Factor of the embedding: a number, or the square root of the width (Vaswani et al. 2017)."""
    position: slots.Position = use("none")
    """How the model knows where a token stands; an attention may have one of its own instead."""
    dropout: Probability = 0.0
    """Probability that a feature of the embedding is dropped in training."""
    final_norm: slots.Norm = use("layer_norm")
    """Norm after the last layer; "none" after post_norm or recurrent layers."""
    tie: bool = True
    """Whether the output layer shares the embedding's table (Press & Wolf 2017)."""
    head_bias: bool = False
    """Whether the output layer has a bias."""
    logit_cap: PositiveFloat | None = None
    """Bounds logits to (-cap, cap) by cap * tanh(logit / cap), as Gemma 2 does; null means no bound."""
    initializer: slots.Initializer = use("normal")
    """How linear and embedding layers get their first weights."""

    def _input(self, site: ModelSite) -> Input:
        from .stack import Input

        embedding: Embedding = self.embedding.assemble(EmbeddingSite(site.vocabulary, self.width))
        scale = self.width**0.5 if self.embedding_scale == "sqrt_width" else self.embedding_scale
        return Input(embedding, self.width, float(scale))

    def _head(self, site: ModelSite, input: Input) -> Head:
        from .stack import Head

        if self.tie and (input.embedding.weight_for_head() is None or input.projection is not None):
            raise PartError(
                f"tie shares the embedding's table with the output, and embedding {self.embedding.name!r} has no "
                f'table of {self.width} features per token to share; set "tie": false'
            )
        return Head(self.width, site.vocabulary, self.tie, self.head_bias, self.logit_cap)

    def _stack(self, blocks: tuple[BlockPart, ...], depth: int | None, site: LayerSite) -> Stack:
        from .stack import Stack

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


class LanguageModelPart(_Common):
    """A stack of layers in which each position predicts the next token."""

    name = "language_model"
    known_failures: ClassVar[Mapping[str, str]] = {
        "it_compiles_to_one_graph[1]": "the example holds one of PyTorch's recurrent networks, which it does not trace",
        "it_can_be_exported[1]": "the example holds one of PyTorch's recurrent networks, exported for one length only",
        "it_can_be_mapped_over_parameters[1]": "PyTorch's recurrent networks have no batching rule for vmap",
    }
    reads = "sequence"

    blocks: tuple[slots.Block, ...]
    """The layers' pattern, cycled until there are `depth` layers. None at all, [], makes a bigram model."""
    depth: Layers | None = None
    """Number of layers; null means the pattern once."""

    @model_validator(mode="after")
    def _has_layers_to_repeat(self) -> Self:
        if self.depth is not None and not self.blocks:
            raise ValueError(
                f"depth {self.depth} needs at least one layer in blocks; leave depth out for a bigram model"
            )
        return self

    def build(self, site: ModelSite) -> LanguageModel:
        from .language_model import LanguageModel

        place = LayerSite(width=self.width, context=self.context)
        input = self._input(site)
        stack = self._stack(self.blocks, self.depth, place)
        initializer: Initializer = self.initializer.assemble(replace(place, depth=max(1, len(stack.blocks))))
        return LanguageModel(input, stack, self._head(site, input), self.context, site.vocabulary, initializer)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        attention = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}}
        recurrence = {"use": "recurrent", "mixer": "gru"}
        return (
            cls.model_validate({"width": 8, "context": 16, "blocks": (attention,), "position": "learned"}),
            cls.model_validate(
                {
                    "width": 12,
                    "context": 12,
                    "blocks": (recurrence, attention),
                    "depth": 3,
                    "position": "rope",
                    "embedding": "one_hot",
                    "tie": False,
                    "head_bias": True,
                    "logit_cap": 5.0,
                    "final_norm": "none",
                    "initializer": "xavier",
                    "embedding_scale": "sqrt_width",
                    "dropout": 0.2,
                }
            ),
        )


class Seq2SeqPart(_Common):
    """An encoder that reads a source and a decoder that writes a target (Sutskever et al. 2014)."""

    name = "seq2seq"
    known_failures: ClassVar[Mapping[str, str]] = {
        "it_compiles_to_one_graph[1]": "the example holds one of PyTorch's recurrent networks, which it does not trace",
        "it_can_be_exported[1]": "the example holds one of PyTorch's recurrent networks, exported for one length only",
        "it_is_a_function_of_its_parameters[0]": "functional_call cannot put back a module that stands in two places",
        "it_can_be_mapped_over_parameters[0]": "functional_call cannot put back a module that stands in two places",
        "it_can_be_mapped_over_parameters[1]": "PyTorch's recurrent networks have no batching rule for vmap",
    }
    reads = "pair"

    encoder: Annotated[tuple[slots.Block, ...], MinLen(1)]
    """The encoder layers' pattern; they see the whole source."""
    encoder_depth: Layers | None = None
    """Number of encoder layers; null means the pattern once."""
    decoder: Annotated[tuple[slots.Block, ...], MinLen(1)]
    """The decoder layers' pattern; give them a `cross` attention to see the encoder's states."""
    decoder_depth: Layers | None = None
    """Number of decoder layers; null means the pattern once."""
    share_embedding: bool = True
    """Whether encoder and decoder use one embedding."""

    def build(self, site: ModelSite) -> Seq2Seq:
        from .seq2seq import Seq2Seq

        place = LayerSite(width=self.width, context=self.context)
        encoder_input = self._input(site)
        decoder_input = encoder_input if self.share_embedding else self._input(site)
        encoder = self._stack(self.encoder, self.encoder_depth, replace(place, causal=False))
        readers = MemoryReaders()
        over_memory = replace(place, memory_width=self.width, memory_readers=readers)
        decoder = self._stack(self.decoder, self.decoder_depth, over_memory)
        if readers.count == 0:
            raise PartError(
                "no layer of the decoder reads the encoder's states, so that the source would change nothing; give one "
                'or more an attention over them, such as "cross": {"use": "multi_head", "heads": 4}'
            )
        layers = max(len(encoder.blocks), len(decoder.blocks))  # each stack has a residual stream of its own
        return Seq2Seq(
            encoder_input,
            encoder,
            decoder_input,
            decoder,
            self._head(site, decoder_input),
            self.context,
            site.vocabulary,
            self.initializer.assemble(replace(place, depth=layers)),
        )

    @classmethod
    def examples(cls) -> Iterable[Self]:
        attention = {"use": "multi_head", "heads": 2}
        return (
            cls.model_validate(
                {
                    "width": 8,
                    "context": 16,
                    "position": "sinusoidal",
                    "encoder": ({"use": "post_norm", "mixer": attention},),
                    "decoder": ({"use": "post_norm", "mixer": attention, "cross": attention},),
                    "encoder_depth": 2,
                    "decoder_depth": 2,
                }
            ),
            cls.model_validate(
                {
                    "width": 12,
                    "context": 12,
                    "encoder": ({"use": "recurrent", "mixer": {"use": "lstm", "bidirectional": True}},),
                    "decoder": ({"use": "recurrent", "mixer": "lstm", "cross": attention},),
                    "embedding": "one_hot",
                    "share_embedding": False,
                    "tie": False,
                    "head_bias": True,
                    "logit_cap": 5.0,
                    "final_norm": "none",
                    "initializer": "xavier",
                    "embedding_scale": "sqrt_width",
                    "dropout": 0.2,
                }
            ),
        )


PARTS = (Dense, OneHot, Normal, Xavier, LanguageModelPart, Seq2SeqPart)
