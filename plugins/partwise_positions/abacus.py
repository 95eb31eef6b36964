"""Places of digits within their numbers (abacus embeddings, McLeish et al. 2024, arXiv:2405.17399).

Shapes: B batch, T positions, C width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from partwise.modules import Flow, State

from .constant import Constant
from .encoder import Encoder


class DigitPlaces(Encoder):
    """Adds row p of a table [max_positions, C] to the p-th digit of a number, and row 0 to what is no digit.

    In training, all digits of a text are moved by one number, drawn from 0 to `max_offset` for each row of a pass (the
    paper draws one for all), so that rows of the table beyond those of the numbers trained on learn, too.

    Raises:
        ValueError: from `places`, if it was not told which tokens are digits, or is not told the tokens; from `embed`,
            for a place beyond the table. (On a GPU, that fails in the look-up itself.)
    """

    max_positions: int
    parameter_roles: ClassVar[Mapping[str, str]] = {"weight": "embedding"}

    def __init__(
        self, digits: Sequence[int] | None, vocabulary: int, longest: int, width: int, max_offset: int = 0
    ) -> None:
        """
        Args:
            digits: ids of the tokens that are digits; None if they are not known.
            longest: digits of the longest number.
        """
        super().__init__()
        self.max_offset = max_offset
        self.max_positions = longest + max_offset + 1
        self.is_digit = None if digits is None else Constant(partial(_table, tuple(digits), vocabulary))
        self.weight = nn.Parameter(torch.empty(self.max_positions, width))
        self.reset_parameters()

    def places(self, flow: Flow, state: State | None = None) -> Tensor:
        if flow.tokens is not None and flow.tokens.is_meta:  # only shapes and FLOPs are asked for
            return torch.zeros_like(flow.tokens)
        if self.is_digit is None or flow.tokens is None:
            what = "which tokens are digits" if self.is_digit is None else "the ids of the tokens"
            raise ValueError(f"the position abacus counts the digits of numbers, and was not told {what}")
        digit = self.is_digit.values[flow.tokens]
        if flow.present is not None:
            digit = digit & flow.present
        counted = _run_lengths(digit, flow.begins, None if state is None else state["place"])
        if state is not None:
            state["place"].copy_(counted[:, -1])
        elif self.training and self.max_offset:
            counted = counted + digit * torch.randint(self.max_offset + 1, (len(digit), 1), device=digit.device)
        return counted

    def empty_state(self, batch: int, like: Tensor) -> State:
        return {"place": torch.zeros(batch, dtype=torch.int64, device=like.device)}

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        try:
            return x + F.embedding(positions, self.weight)
        except IndexError:
            raise ValueError(
                f"a number of {int(positions.max())} digits is longer than the {self.max_positions - 1} places that "
                "the position abacus knows; shorten it, or train with a larger context"
            ) from None

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=0.02)

    def extra_repr(self) -> str:
        return f"max_positions={self.max_positions}, max_offset={self.max_offset}"


def _table(digits: tuple[int, ...], vocabulary: int) -> Tensor:
    table = torch.zeros(vocabulary, dtype=torch.bool)
    table[list(digits)] = True
    return table


def _run_lengths(true: Tensor, begins: Tensor | None, before: Tensor | None) -> Tensor:
    """How many have been true in a row up to here: bool [B, T] to int64 [B, T], 0 where it is false.

    `begins` [B, T] is true where a row of its own begins, and `before` [B] says how many there were before the first.
    """
    here = torch.arange(1, true.shape[1] + 1, device=true.device).expand_as(true)
    # Counted from the last place that ended a row: itself where it is false, the one before where a row begins.
    last = torch.where(true, 0 if before is None else -before[:, None], here)
    if begins is not None:
        last = torch.where(begins & true, here - 1, last)
    return here - last.cummax(1).values
