"""Blocks whose branches are added to a stream."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from partwise import PartError, use
from partwise.parts import BlockPart, LayerSite, slots

from .shared import MULTI_HEAD, Probability, fails_around_recurrence

if TYPE_CHECKING:
    from torch import nn

    from partwise.modules import Mixer
    from partwise_blocks.branches import NewJoint, NewNorm
    from partwise_blocks.output_norm import OutputNormBlock
    from partwise_blocks.parallel import ParallelBlock
    from partwise_blocks.post_norm import PostNormBlock
    from partwise_blocks.pre_norm import PreNormBlock
    from partwise_blocks.sandwich import SandwichBlock

    Pieces = tuple[Mixer, Mixer | None, nn.Module | None, NewNorm, NewJoint, float]


class _Residual(BlockPart):
    """Base of pre_norm, post_norm, sandwich and output_norm."""

    mixer: slots.Mixer
    """What moves information between positions, such as an attention."""
    cross: slots.Mixer | None = None
    """An attention over the encoder's states, for decoders; null means none."""
    feedforward: slots.FeedForward | None = use("gelu")
    """What transforms each position on its own; null leaves it out."""
    norm: slots.Norm = use("layer_norm")
    """The norm of each branch; every branch has one with weights of its own."""
    dropout: Probability = 0.0
    """Probability that a feature of a branch's output is dropped in training."""

    known_failures = fails_around_recurrence("[1]")

    def _pieces(self, site: LayerSite) -> Pieces:
        return (
            self.mixer.assemble(site),
            self.cross.assemble(site.over_memory()) if self.cross is not None else None,
            self.feedforward.assemble(site) if self.feedforward is not None else None,
            lambda: self.norm.assemble(site),
            site.join,
            self.dropout,
        )

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return (
            cls.model_validate({"mixer": MULTI_HEAD}),
            cls.model_validate({"mixer": "gru", "feedforward": "swiglu", "norm": "rms_norm", "dropout": 0.2}),
            cls.model_validate({"mixer": MULTI_HEAD, "cross": MULTI_HEAD}),
            cls.model_validate({"mixer": MULTI_HEAD, "feedforward": None}),
        )


class PreNorm(_Residual):
    """Residual layer that normalises before each branch, x + f(norm(x)) (Radford et al. 2019; Xiong et al. 2020)."""

    name = "pre_norm"
    formulas = (
        r"h = x + \operatorname{mixer}(\operatorname{norm}_1(x))",
        r"y = h + \operatorname{feedforward}(\operatorname{norm}_2(h))",
    )

    def build(self, site: LayerSite) -> PreNormBlock:
        from partwise_blocks.pre_norm import PreNormBlock

        return PreNormBlock(*self._pieces(site))


class PostNorm(_Residual):
    """Residual layer that normalises after each sum, norm(x + f(x)) (Vaswani et al. 2017)."""

    name = "post_norm"
    formulas = (
        r"h = \operatorname{norm}_1(x + \operatorname{mixer}(x))",
        r"y = \operatorname{norm}_2(h + \operatorname{feedforward}(h))",
    )
    keeps_stream = False

    def build(self, site: LayerSite) -> PostNormBlock:
        from partwise_blocks.post_norm import PostNormBlock

        if site.wide_stream:
            raise PartError(
                "post_norm normalises the sum of stream and branch, and the model's residual keeps several streams; "
                'use pre_norm or sandwich, or a residual of one stream such as "add"'
            )
        return PostNormBlock(*self._pieces(site))


class Sandwich(_Residual):
    """Residual layer that normalises before and after each branch, x + norm(f(norm(x))) (Ding et al. 2021)."""

    name = "sandwich"
    formulas = (
        r"h = x + \operatorname{norm}_2(\operatorname{mixer}(\operatorname{norm}_1(x)))",
        r"y = h + \operatorname{norm}_4(\operatorname{feedforward}(\operatorname{norm}_3(h)))",
    )

    def build(self, site: LayerSite) -> SandwichBlock:
        from partwise_blocks.sandwich import SandwichBlock

        return SandwichBlock(*self._pieces(site))


class OutputNorm(_Residual):
    """Residual layer that normalises what each branch adds, and nothing else, x + norm(f(x)) (OLMo 2, 2024)."""

    name = "output_norm"
    formulas = (
        r"h = x + \operatorname{norm}_1(\operatorname{mixer}(x))",
        r"y = h + \operatorname{norm}_2(\operatorname{feedforward}(h))",
    )

    def build(self, site: LayerSite) -> OutputNormBlock:
        from partwise_blocks.output_norm import OutputNormBlock

        return OutputNormBlock(*self._pieces(site))


class Parallel(BlockPart):
    """Residual layer whose mixer and feed-forward read the same input (Wang & Komatsuzaki 2021; GPT-NeoX, PaLM)."""

    name = "parallel"
    formulas = (
        r"y = x + \operatorname{mixer}(\operatorname{norm}_1(x)) + "
        r"\operatorname{feedforward}(\operatorname{norm}_2(x))",
    )

    mixer: slots.Mixer
    """What moves information between positions, such as an attention."""
    feedforward: slots.FeedForward = use("gelu")
    """What transforms each position on its own."""
    norm: slots.Norm = use("layer_norm")
    """The norm in front of the branches."""
    shared_norm: bool = False
    """Whether both branches share one norm (GPT-J, PaLM) or have one each (GPT-NeoX)."""
    dropout: Probability = 0.0
    """Probability that a feature of a branch's output is dropped in training."""

    known_failures = fails_around_recurrence("[1]")

    def build(self, site: LayerSite) -> ParallelBlock:
        from partwise_blocks.parallel import ParallelBlock

        return ParallelBlock(
            mixer=self.mixer.assemble(site),
            feedforward=self.feedforward.assemble(site),
            norm=self.norm.assemble(site),
            feedforward_norm=None if self.shared_norm else self.norm.assemble(site),
            join=site.join(),
            dropout=self.dropout,
        )

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return (
            cls.model_validate({"mixer": MULTI_HEAD}),
            cls.model_validate(
                {"mixer": "lstm", "feedforward": "relu", "norm": "rms_norm", "shared_norm": True, "dropout": 0.2}
            ),
        )
