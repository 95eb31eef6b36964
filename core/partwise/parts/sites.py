"""Sites: facts about the place where a part is fitted, handed down by the parent when the part is built.

A recipe never repeats these facts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from partwise.errors import PartError

from .agreement import Agreement

if TYPE_CHECKING:
    from torch import Tensor, nn

    from partwise.modules import Residual


@dataclass(frozen=True)
class WidthSite:
    """The site of a norm, or of anything that works on one position at a time."""

    width: int
    """Features per position, C."""


class ActingPosition(Protocol):
    """What a shared position needs; every `PositionPart` has it."""

    @property
    def acts(self) -> frozenset[Any]:
        """Which of "embed", "rotate" and "bias" it does."""
        ...


class SharedPosition:
    """A model's one position part, used by all attentions that have none of their own.

    Rotations and biases work inside attention, and the model does not know the shape of its heads. So each
    attention registers its shape while it is built, and the model builds an encoder for each shape afterwards.
    """

    def __init__(self, part: ActingPosition) -> None:
        self.part = part
        self.shapes: list[tuple[int, int]] = []
        """Heads and head width of the attentions that use it, each once."""

    def serve(self, heads: int, head_width: int) -> None:
        """Called by an attention that uses the shared encoder."""
        if self.part.acts & {"rotate", "bias"} and (heads, head_width) not in self.shapes:
            self.shapes.append((heads, head_width))


class JoiningResidual(Protocol):
    """What a shared residual needs; every `ResidualPart` has it."""

    @property
    def wide(self) -> bool:
        """Whether the stream is more than one vector per position."""
        ...

    def assemble(self, site: Any) -> Any:
        """The module of one branch."""
        ...


class SharedResidual:
    """A model's one residual part: every block asks it for the joint of each of its branches."""

    def __init__(self, part: JoiningResidual, factor: float = 1.0) -> None:
        self.part = part
        self.factor = factor
        """What each branch is multiplied by before it joins, as the model's parametrisation says."""
        self.branches = 0
        """Joints made so far, in order from the bottom."""

    def join(self, site: LayerSite) -> Residual:
        """How the next branch of the block that is built at `site` joins the stream."""
        self.branches += 1
        built: Residual = self.part.assemble(ResidualSite(site.width, site.layer, site.depth, self.branches - 1))
        if self.factor == 1.0:
            return built
        from partwise.modules import Weighted

        return Weighted(built, self.factor)


class MemoryReaders:
    """Counts the mixers of a decoder that read the encoder's states, as they are built."""

    def __init__(self) -> None:
        self.count = 0


@dataclass(frozen=True)
class LayerSite(WidthSite):
    """The site of a block, a mixer or a feed-forward layer."""

    layer: int = 0
    """Index of the layer in its stack, from 0."""
    depth: int = 1
    """Layers in the stack."""
    context: int = 128
    """Positions that the model is built for, T."""
    causal: bool = True
    """Whether a position may see only itself and earlier ones."""
    memory_width: int | None = None
    """Width of the encoder's states; None if there is no encoder."""
    memory_readers: MemoryReaders | None = None
    """Counter of the mixers that read the encoder's states; None if they are not counted."""
    reads_memory: bool = False
    """Whether the mixer here reads the encoder's states (cross-attention)."""
    position: SharedPosition | None = None
    """The model's position part, for attentions that have none of their own."""
    residual: SharedResidual | None = None
    """How branches join the stream; None where a block is built by itself, and adds them."""
    score_factor: float = 1.0
    """Factor of the scores in an attention, as the model's parametrisation says."""
    agreement: Agreement | None = None
    """What the layers of the stack share; None where a layer is built by itself."""

    def agree(self, what: str, form: str) -> None:
        """Called, while it is built, by what hands something to other layers that must have one form in all.

        Args:
            what: the thing, in the plural, such as "values".
            form: its form here, such as "2 heads of width 8".

        Raises:
            PartError: an earlier layer has another form.
        """
        if self.agreement is not None:
            self.agreement.on(what, form, self.layer)

    def join(self) -> Residual:
        """How the next branch of the block here joins the residual stream; to be asked once per branch, in order."""
        if self.residual is not None:
            return self.residual.join(self)
        from partwise.modules import Add

        return Add()

    @property
    def wide_stream(self) -> bool:
        """Whether the residual stream here is more than one vector per position."""
        return self.residual is not None and self.residual.part.wide

    def over_memory(self) -> LayerSite:
        """The same site for a mixer that reads the encoder's states.

        Raises:
            PartError: there is no encoder.
        """
        if self.memory_width is None:
            raise PartError(
                "there is no encoder to attend to here; cross-attention belongs in the decoder of a seq2seq model"
            )
        if self.memory_readers is not None:
            self.memory_readers.count += 1
        return replace(self, reads_memory=True, causal=False, position=None)


@dataclass(frozen=True)
class RouterSite(WidthSite):
    """The site of a router, in a layer of experts."""

    experts: int
    """Number of experts, E."""
    layer: int = 0
    """Index of the layer in its stack, from 0."""
    causal: bool = True
    """Whether a position may depend only on itself and earlier ones."""


@dataclass(frozen=True)
class ResidualSite(WidthSite):
    """The site of a residual connection: where one branch of a layer joins the stream."""

    layer: int
    """Index of the layer in its stack, from 0."""
    depth: int
    """Layers in the stack."""
    branch: int
    """Index of the branch among all of the stack, from 0."""


@dataclass(frozen=True)
class HeadSite:
    """The site of a score, inside an attention."""

    heads: int
    """Query heads, H."""
    head_width: int
    """Features per head, D."""
    factor: float = 1.0
    """Factor of the scores, beside the score's own scale: see `LayerSite.score_factor`."""


@dataclass(frozen=True)
class ParametrisationSite(WidthSite):
    """The site of a parametrisation: a model."""

    depth: int
    """Layers of the model."""


@dataclass(frozen=True)
class PositionSite:
    """The site of a position encoder: at the embedding, or inside attention."""

    width: int
    """Width of the embedding, C."""
    context: int
    """Positions that the model is built for."""
    heads: int = 1
    """Query heads of the attention; 1 at the embedding."""
    head_width: int = 0
    """Features per head, D; 0 at the embedding."""
    causal: bool = True
    """Whether the attention only looks back."""
    vocabulary: int = 0
    """Number of token ids, V; 0 where nothing is known of them."""
    token_bytes: Callable[[int], bytes] | None = None
    """See `ModelSite.token_bytes`."""


@dataclass(frozen=True)
class EmbeddingSite:
    """The site of an embedding."""

    vocabulary: int
    """Number of token ids, V."""
    width: int
    """Width of the model, C."""


@dataclass(frozen=True)
class ModelSite:
    """The site of a model."""

    vocabulary: int
    """Number of token ids, V."""
    end: int = 0
    """Id of the token that ends a text and, unless the tokenizer has another for that, begins one."""
    objective: ObjectiveFacts | None = None
    """The recipe's objective; None where a model is built by itself, to predict the next token."""
    token_bytes: Callable[[int], bytes] | None = None
    """UTF-8 bytes that a token id adds to a text, b"" for special ones; None as long as there is no tokenizer."""
    counts: Callable[[], Tensor] | None = None
    """[V] int64, how often each token stands in the texts to train on, counted when it is called; None where these are
    not at hand. What is made of it belongs in a buffer, which is saved with the weights."""

    @property
    def causal(self) -> bool:
        """Whether a position may see only itself and earlier ones: the objective says so."""
        return self.objective is None or self.objective.causal


class ObjectiveFacts(Protocol):
    """What a model's site tells of its objective; every `ObjectivePart` has it."""

    @property
    def name(self) -> str: ...

    @property
    def causal(self) -> bool:
        """Whether a position may see only itself and earlier ones."""
        ...

    @property
    def reads(self) -> frozenset[Any]:
        """The models that it suits: "sequence", "pair" or both."""
        ...

    @property
    def around(self) -> bool:
        """Whether it predicts a token from those around it, which the model must read (`Batch.around`)."""
        ...

    def reserves(self) -> tuple[str, ...]:
        """Names of the special tokens that it adds to the vocabulary."""
        ...

    def assemble(self, site: Any) -> Any:
        """Its module."""
        ...


@dataclass(frozen=True)
class DataSite:
    """The site of a data part."""

    directory: Path = field(default_factory=Path)
    """Directory that file names are relative to: the recipe's own."""


@dataclass(frozen=True)
class TokenizerSite:
    """The site of a tokenizer."""

    texts: Callable[[], Iterable[str]]
    """Yields the training texts, from the start at each call; a long text is yielded in several pieces."""
    directory: Path = field(default_factory=Path)
    """Directory that file names are relative to: the recipe's own."""
    say: Callable[[str], None] = lambda line: None
    """To be called with a line about what is going on that people should know."""


@dataclass(frozen=True)
class EvaluationSite:
    """The site of an evaluation: beside a trained model."""

    context: int = 16
    """Longest sequence that the model is trained on, in tokens."""
    directory: Path = field(default_factory=Path)
    """Directory that file names are relative to: the recipe's own, or that of the file that lists the evaluations."""


@dataclass(frozen=True)
class AdapterSite:
    """The site of an adapter: beside a linear layer."""

    inputs: int
    outputs: tuple[int, ...]
    """Outputs of each of the layers that it consists of: one, unless several of the same input are joined."""


@dataclass(frozen=True)
class OptimizerSite:
    """The site of an optimizer."""

    model: nn.Module
    """The module whose parameters it updates."""


@dataclass(frozen=True)
class ScheduleSite:
    """The site of a learning-rate schedule."""

    steps: int
    """Updates in the whole training."""
