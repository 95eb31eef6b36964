"""The built-in blocks: how a layer arranges its mixer, feed-forward, norms and residual connections.

Every block with a `cross` slot becomes a decoder layer when that slot holds an attention: it then also
reads the encoder's states.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from annotated_types import Ge, Lt, MinLen
from pydantic import PositiveInt

from partwise import PartError, use
from partwise.parts import BlockPart, LayerSite, slots

if TYPE_CHECKING:
    from torch import nn

    from partwise.modules import Block, Mixer

    from .recurrent import RecurrentBlock
    from .residual import NewNorm, ParallelBlock, PostNormBlock, PreNormBlock, SandwichBlock

    Pieces = tuple[Mixer, Mixer | None, nn.Module | None, NewNorm, float]

Probability = Annotated[float, Ge(0), Lt(1)]


class _Residual(BlockPart):
    """What pre_norm, post_norm and sandwich share."""

    mixer: slots.Mixer
    """What moves information between positions."""
    cross: slots.Mixer | None = None
    """An attention over the encoder's states, for decoders; null means none."""
    feedforward: slots.FeedForward | None = use("gelu")
    """What transforms each position; null leaves the layer without."""
    norm: slots.Norm = use("layer_norm")
    """The norm of each branch, every one with weights of its own."""
    dropout: Probability = 0.0
    """Probability that a feature of a branch's output is dropped in training."""

    known_failures: ClassVar[Mapping[str, str]] = {
        "it_compiles_to_one_graph[1]": "the example holds one of PyTorch's recurrent networks, which it does not trace",
        "it_can_be_exported[1]": "the example holds one of PyTorch's recurrent networks, exported for one length only",
        "it_can_be_mapped_over_parameters[1]": "PyTorch's recurrent networks have no batching rule for vmap",
    }

    def _pieces(self, site: LayerSite) -> Pieces:
        return (
            self.mixer.assemble(site),
            self.cross.assemble(site.over_memory()) if self.cross is not None else None,
            self.feedforward.assemble(site) if self.feedforward is not None else None,
            lambda: self.norm.assemble(site),
            self.dropout,
        )

    @classmethod
    def examples(cls) -> Iterable[Self]:
        multi_head = {"use": "multi_head", "heads": 2}
        return (
            cls.model_validate({"mixer": multi_head}),
            cls.model_validate({"mixer": "gru", "feedforward": "swiglu", "norm": "rms_norm", "dropout": 0.2}),
            cls.model_validate({"mixer": multi_head, "cross": multi_head}),
            cls.model_validate({"mixer": multi_head, "feedforward": None}),
        )


class PreNorm(_Residual):
    """Residual layer that normalises before each branch, x + f(norm(x)) (GPT-2 onward)."""

    name = "pre_norm"

    def build(self, site: LayerSite) -> PreNormBlock:
        from .residual import PreNormBlock

        return PreNormBlock(*self._pieces(site))


class PostNorm(_Residual):
    """Residual layer that normalises after each sum, norm(x + f(x)) (Vaswani et al. 2017)."""

    name = "post_norm"
    keeps_stream = False

    def build(self, site: LayerSite) -> PostNormBlock:
        from .residual import PostNormBlock

        return PostNormBlock(*self._pieces(site))


class Sandwich(_Residual):
    """Residual layer that normalises before and after each branch, x + norm(f(norm(x))) (Ding et al. 2021)."""

    name = "sandwich"

    def build(self, site: LayerSite) -> SandwichBlock:
        from .residual import SandwichBlock

        return SandwichBlock(*self._pieces(site))


class Parallel(BlockPart):
    """Residual layer whose mixer and feed-forward read the same input (GPT-J, GPT-NeoX, PaLM)."""

    name = "parallel"

    mixer: slots.Mixer
    """What moves information between positions."""
    feedforward: slots.FeedForward = use("gelu")
    """What transforms each position."""
    norm: slots.Norm = use("layer_norm")
    """The norm before the branches."""
    shared_norm: bool = False
    """Whether both branches share one norm (GPT-J, PaLM) or have one each (GPT-NeoX)."""
    dropout: Probability = 0.0
    """Probability that a feature of a branch's output is dropped in training."""

    known_failures: ClassVar[Mapping[str, str]] = {
        "it_compiles_to_one_graph[1]": "the example holds one of PyTorch's recurrent networks, which it does not trace",
        "it_can_be_exported[1]": "the example holds one of PyTorch's recurrent networks, exported for one length only",
        "it_can_be_mapped_over_parameters[1]": "PyTorch's recurrent networks have no batching rule for vmap",
    }

    def build(self, site: LayerSite) -> ParallelBlock:
        from .residual import ParallelBlock

        return ParallelBlock(
            mixer=self.mixer.assemble(site),
            feedforward=self.feedforward.assemble(site),
            norm=self.norm.assemble(site),
            feedforward_norm=None if self.shared_norm else self.norm.assemble(site),
            dropout=self.dropout,
        )

    @classmethod
    def examples(cls) -> Iterable[Self]:
        multi_head = {"use": "multi_head", "heads": 2}
        return (
            cls.model_validate({"mixer": multi_head}),
            cls.model_validate(
                {"mixer": "lstm", "feedforward": "relu", "norm": "rms_norm", "shared_norm": True, "dropout": 0.2}
            ),
        )


class Recurrent(BlockPart):
    """Bare recurrent layer, without residual or norm; with `cross`, tanh(W [h; context]) (Luong et al. 2015)."""

    name = "recurrent"
    keeps_stream = False

    mixer: slots.Mixer
    """The recurrence."""
    cross: slots.Mixer | None = None
    """An attention over the encoder's states, for decoders; null means none."""
    dropout: Probability = 0.0
    """Probability that a feature of the output is dropped in training."""

    known_failures: ClassVar[Mapping[str, str]] = {
        "it_compiles_to_one_graph": "the example holds one of PyTorch's recurrent networks, which it does not trace",
        "it_can_be_exported": "the example holds one of PyTorch's recurrent networks, exported for one length only",
        "it_can_be_mapped_over_parameters": "PyTorch's recurrent networks have no batching rule for vmap",
    }

    def build(self, site: LayerSite) -> RecurrentBlock:
        from .recurrent import RecurrentBlock

        cross = self.cross.assemble(site.over_memory()) if self.cross is not None else None
        return RecurrentBlock(self.mixer.assemble(site), cross, site.width, self.dropout)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        additive = {"use": "multi_head", "heads": 1, "score": "additive"}
        return (
            cls.model_validate({"mixer": "rnn"}),
            cls.model_validate({"mixer": "lstm", "cross": additive, "dropout": 0.2}),
        )


class Repeat(BlockPart):
    """A group of layers, repeated: stands for `times` copies of `blocks`, each with weights of its own."""

    name = "repeat"

    times: PositiveInt
    """How often the group is repeated."""
    blocks: Annotated[tuple[slots.Block, ...], MinLen(1)]
    """The layers of the group, in order."""

    def unrolled(self) -> tuple[BlockPart, ...]:
        return tuple(layer for block in self.blocks for layer in block.unrolled()) * self.times

    def build(self, site: LayerSite) -> Block:
        raise PartError("repeat stands for several layers; put it among the `blocks` of a model")

    @classmethod
    def examples(cls) -> Iterable[Self]:
        gru, rnn = ({"use": "recurrent", "mixer": mixer} for mixer in ("gru", "rnn"))
        yield cls.model_validate({"times": 2, "blocks": (gru,)})
        yield cls.model_validate({"times": 3, "blocks": (gru, {"use": "repeat", "times": 2, "blocks": (rnn,)})})


PARTS = (PreNorm, PostNorm, Sandwich, Parallel, Recurrent, Repeat)
