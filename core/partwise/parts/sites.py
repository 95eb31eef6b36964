"""Sites: what the place where a part is fitted already knows, handed down by the parent.

A recipe never repeats these facts; a part receives them when it is built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from partwise.errors import PartError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class WidthSite:
    """Where a norm, or anything that works on one position at a time, is fitted."""

    width: int
    """Features per position, C."""


class ActingPosition(Protocol):
    """What a shared position must say of itself; every `PositionPart` does."""

    @property
    def acts(self) -> frozenset[Any]:
        """In which of the three places it acts: "embed", "rotate", "bias"."""
        ...


class SharedPosition:
    """A model's one position part, which all attentions without one of their own use.

    What rotates or biases works inside attention, whose head shape the model does not know. So each
    attention says here what it needs while it is built, and the model builds the encoder afterwards.
    """

    def __init__(self, part: ActingPosition) -> None:
        self.part = part
        self.shape: tuple[int, int] | None = None

    def serve(self, heads: int, head_width: int) -> None:
        """An attention asks for the shared encoder.

        Raises:
            PartError: another attention asked before, for another shape of heads.
        """
        if not self.part.acts & {"rotate", "bias"}:
            return
        if self.shape not in (None, (heads, head_width)):
            raise PartError(
                f"{heads} heads of width {head_width} cannot share the model's position with "
                f"{self.shape[0]} heads of width {self.shape[1]} in another layer; "
                "give these mixers a position of their own"
            )
        self.shape = (heads, head_width)


class MemoryReaders:
    """Counts the mixers of a decoder that read the encoder's states: each is counted here while it is built."""

    def __init__(self) -> None:
        self.count = 0


@dataclass(frozen=True)
class LayerSite(WidthSite):
    """Where a block, a mixer or a feed-forward is fitted."""

    layer: int = 0
    """Index of the layer in its stack, from 0."""
    depth: int = 1
    """Layers in the stack."""
    context: int = 128
    """Positions the model is built for, T."""
    causal: bool = True
    """Whether a position may see only itself and what came before."""
    memory_width: int | None = None
    """Width of the encoder's states, if the stack has an encoder to look at."""
    memory_readers: MemoryReaders | None = None
    """Where the mixers that read the encoder's states are counted, if somebody wants to know."""
    reads_memory: bool = False
    """Whether the mixer fitted here moves information from the encoder's states (cross-attention)."""
    position: SharedPosition | None = None
    """The model's position part, for attentions that name none of their own."""

    def over_memory(self) -> LayerSite:
        """The same place for a mixer that reads the encoder's states.

        Raises:
            PartError: there is no encoder.
        """
        if self.memory_width is None:
            raise PartError(
                "there is no encoder to attend to here; cross-attention belongs into the decoder of a seq2seq model"
            )
        if self.memory_readers is not None:
            self.memory_readers.count += 1
        return replace(self, reads_memory=True, causal=False, position=None)


@dataclass(frozen=True)
class HeadSite:
    """Where a score is fitted: inside an attention."""

    heads: int
    """Query heads, H."""
    head_width: int
    """Features per head, D."""


@dataclass(frozen=True)
class PositionSite:
    """Where a position encoder is fitted: at the embedding, or inside attention."""

    width: int
    """Width of the embedding, C."""
    context: int
    """Positions the model is built for."""
    heads: int = 1
    """Query heads of the attention it serves; 1 at the embedding."""
    head_width: int = 0
    """Features per head, D; 0 at the embedding."""
    causal: bool = True
    """Whether the attention it serves looks back only."""


@dataclass(frozen=True)
class EmbeddingSite:
    """Where an embedding is fitted."""

    vocabulary: int
    """Number of token ids, V."""
    width: int
    """Width of the model, C."""


@dataclass(frozen=True)
class ModelSite:
    """Where a model is fitted."""

    vocabulary: int
    """Number of token ids, V."""
    end: int = 0
    """Id of the token that ends a text, and begins one."""


@dataclass(frozen=True)
class DataSite:
    """Where a data part is fitted."""

    directory: Path = field(default_factory=Path)
    """Directory that relative file names are relative to: the recipe's own."""


@dataclass(frozen=True)
class TokenizerSite:
    """Where a tokenizer is fitted."""

    texts: Callable[[], Iterable[str]]
    """Yields the training texts, from the start at each call; a long text comes in several pieces."""
    directory: Path = field(default_factory=Path)
    """Directory that relative file names are relative to: the recipe's own."""


@dataclass(frozen=True)
class OptimizerSite:
    """Where an optimizer is fitted."""

    model: nn.Module
    """The module whose parameters it updates."""


@dataclass(frozen=True)
class ScheduleSite:
    """Where a learning-rate schedule is fitted."""

    steps: int
    """Updates in the whole training."""
