"""`Flow`: what every layer may need to know about a forward pass besides the activations.

Shapes: B batch, T positions of this pass, S positions so far (cached ones and these), M positions of the
memory, C width, H heads, D head width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import pad

from .apart import Apart, apart
from .bias import Bias
from .carried import Carried
from .masks import Hides, Mask, Visibility
from .properties import cached_property

if TYPE_CHECKING:
    from .position import PositionEncoder

LONG = 256
"""Tokens from which on attention over documents that are rows of their own is cheaper than with a mask over all."""


def _nothing_carried() -> Carried:
    # A class as the factory of a field is more than torch.compile can trace.
    return Carried()


@dataclass(frozen=True)
class Flow:
    """The facts of one forward pass: where its tokens stand, and what they may look at.

    A model makes one by `batch_flow` or `decode_step_flow` and passes it to every layer.
    """

    positions: Tensor
    """Position of each token in its text, int64, [T] or [B, T]."""
    start: int = 0
    """Number of tokens that the states already hold; this pass begins at that index."""
    padding: Tensor | None = None
    """[B, S] bool, True where there is a token and False where there is padding; None: no padding."""
    documents: Tensor | None = None
    """[B, S] int, which of several packed documents a token belongs to; tokens see only their own document."""
    memory: Tensor | None = None
    """[B, M, C], the encoder's output, for cross-attention."""
    memory_padding: Tensor | None = None
    """[B, M] bool, True where the memory holds a token; None: no padding."""
    encoder: PositionEncoder | None = None
    """The position encoder that acts inside attention."""
    angles: tuple[Tensor, ...] | None = None
    """`encoder.angles` of these positions, computed once per pass."""
    bias: Bias | None = None
    """What `encoder` adds to attention scores, computed once per pass."""
    tokens: Tensor | None = None
    """[B, T], the ids of this pass; None where a module is tried without any."""
    unmasked_padding: Tensor | None = None
    """[B, T] bool, as `padding`, where a model left that out because no token can look there; see `counted`."""
    by_shape: Mapping[tuple[int, int], Flow] = field(default_factory=dict, repr=False, compare=False)
    """This flow for each shape of heads, by heads and head width, where several share one position part."""
    carried: Carried = field(default_factory=_nothing_carried, repr=False, compare=False)
    """What the modules of this pass leave behind; `share`, `add_term` and `report` write it."""
    _masks: dict[Visibility, Mask] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def length(self) -> int:
        """T, the tokens of this pass."""
        return self.positions.shape[-1]

    @cached_property
    def end(self) -> int:
        """S, the tokens so far, those of this pass included."""
        return self.start + self.length

    @property
    def shared(self) -> Mapping[str, Tensor]:
        """What earlier layers of this pass have shared, by name."""
        return self.carried.shared

    def share(self, name: str, value: Tensor) -> None:
        """Hands `value` to later layers of this pass, as `shared[name]`; a later value takes its place.

        In cached decoding it holds the positions of this pass only: whoever needs earlier ones keeps them in its state.
        """
        self.carried.shared[name] = value

    def add_term(self, name: str, value: Tensor, weight: float) -> None:
        """Adds `weight * value` to the training loss; `value`, a scalar, is a mean in nats per token.

        Evaluation leaves terms out. Layers may add terms of one name: all of them count, and their mean is logged.

        Raises:
            ValueError: `value` is no scalar, or the name is that of a figure of training.
        """
        self.carried.add_term(name, value, weight)

    def report(self, name: str, value: Tensor) -> None:
        """Logs `value`, a scalar, with the figures of an update, as a mean over layers and tokens; it teaches nothing.

        Raises:
            ValueError: `value` is no scalar, or the name is that of a figure of training.
        """
        self.carried.report(name, value)

    @cached_property
    def present(self) -> Tensor | None:
        """[B, T] bool, True where this pass has a token and False where it has padding; None: no padding."""
        return None if self.padding is None else self.padding[:, self.start :]

    @cached_property
    def counted(self) -> Tensor | None:
        """[B, T] bool, True where this pass has a token, also where masks need not know; None: everywhere."""
        return self.present if self.unmasked_padding is None else self.unmasked_padding

    @cached_property
    def begins(self) -> Tensor | None:
        """[B, T] bool, True where a packed document begins: nothing before it may be remembered. None: no documents."""
        if self.documents is None:
            return None
        changes = self.documents[:, 1:] != self.documents[:, :-1]
        return pad(changes, (1, 0), value=True)[:, self.start : self.end]

    @cached_property
    def segments(self) -> Tensor | None:
        """[B, T] int64, how many documents have begun in this pass up to here; 0: the one in the state goes on. None:
        no documents."""
        return None if self.begins is None else self.begins.cumsum(1)

    def clear_padding(self, x: Tensor) -> Tensor:
        """x [B, T, ...] with zeros where there is padding; nothing of the padding gets through, not even NaN."""
        if self.present is None:
            return x
        return torch.where(self.present.view(*self.present.shape, *[1] * (x.ndim - 2)), x, 0)

    def placed_by(self, encoder: PositionEncoder) -> Flow:
        """The same pass with `encoder` acting inside attention: its angles and bias computed for these positions."""
        # Offsets between indices will do: within one text they equal the offsets between positions.
        table = encoder.bias_table(torch.arange(1 - self.end, self.length, device=self.positions.device))
        bias = None if table is None else Bias(table, self.length)
        return replace(self, encoder=encoder, angles=encoder.angles(self.positions), bias=bias)

    def placed_by_all(self, encoders: Mapping[tuple[int, int], PositionEncoder]) -> Flow:
        """The same pass with an encoder for each shape of heads, by heads and head width."""
        placed = {shape: self.placed_by(encoder) for shape, encoder in encoders.items()}
        first = next(iter(placed.values()))
        return first if len(placed) == 1 else replace(first, by_shape=placed)

    def for_heads(self, heads: int, head_width: int) -> Flow:
        """This flow for an attention of that shape, which uses the position part of the model."""
        return self.by_shape.get((heads, head_width), self)

    def as_found(self) -> Flow:
        """The same pass as it stands now, for a layer that is computed again: what that leaves behind is not kept."""
        return self._found(Carried(shared=dict(self.shared)))

    def _found(self, carried: Carried) -> Flow:
        shapes = {shape: flow._found(carried) for shape, flow in self.by_shape.items()}
        found = replace(
            self, carried=carried, by_shape=shapes, bias=None if self.bias is None else self.bias.as_found()
        )
        found._masks.update(self._masks)
        return found

    def mask(self, visibility: Visibility) -> Mask:
        """Which of the tokens so far each token of this pass sees: [T, S]. Layers of equal visibility share it."""
        if visibility not in self._masks:
            by_row = self.documents if self.padding is None else self.padding
            self._masks[visibility] = Mask(
                rule=visibility.rule(self.start, self.padding, self.documents),
                hides=self._hidden_from(visibility),
                queries=self.length,
                keys=self.end,
                rows=None if by_row is None else by_row.shape[0],
                device=self.positions.device,
                visibility=visibility,
                apart=self._apart,
            )
        return self._masks[visibility]

    @cached_property
    def _apart(self) -> Apart | None:
        if self.documents is None or self.length < LONG or self.start:
            return None
        if self.positions.device.type != "cpu" or torch.compiler.is_compiling():
            return None  # a compiled graph has one shape, and a GPU has FlexAttention
        return apart(self.documents, self.padding)

    @cached_property
    def memory_mask(self) -> Mask:
        """Which tokens of the memory each token of this pass sees, [T, M]: all but padding."""
        padding = self.memory_padding
        if padding is None:
            return Mask(lambda row, head, query, key: key >= 0, "nothing", self.length, 0, None, self.positions.device)
        return Mask(
            rule=lambda row, head, query, key: padding[row, key],
            hides="more",
            queries=self.length,
            keys=padding.shape[1],
            rows=padding.shape[0],
            device=self.positions.device,
        )

    def _hidden_from(self, visibility: Visibility) -> Hides:
        hidden = visibility.hides(self.end)
        if hidden == "more" or self.padding is not None or self.documents is not None:
            return "more"
        if self.length == 1:  # a single token is the last so far and sees all of them
            return "nothing"
        return "more" if hidden == "future" and self.start else hidden

    def rotate(self, heads: Tensor) -> Tensor:
        """Queries or keys [B, H, T, D], rotated to their positions; unchanged if no encoder rotates."""
        if self.encoder is None or self.angles is None:
            return heads
        return self.encoder.rotate(heads, self.angles)


def causal_flow(length: int, device: torch.device | str = "cpu") -> Flow:
    """The flow of `length` tokens from position 0, without padding, documents or memory; for tests and notebooks."""
    return Flow(positions=torch.arange(length, device=device))
