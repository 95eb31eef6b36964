"""`Writing`: how texts are written, whichever they are and however many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from partwise.errors import InputError
from partwise.modules.protocols import Model

from .prefill import CHUNK
from .sampler import Sampler


@dataclass
class Draft:
    """A small model that proposes tokens to the one that writes, which reads them in one pass, and accepts those that
    it might have written (speculative decoding)."""

    model: Model
    tokens: int = 4
    """How many to propose at once."""
    proposed: int = 0
    """Tokens that it has proposed so far."""
    accepted: int = 0
    """Tokens of these that were written."""


@dataclass(frozen=True)
class Writing:
    """How texts are written, and how what they begin with is read."""

    sampler: Sampler
    """Chooses the tokens."""
    limit: int
    """Most tokens to write in a text."""
    stop: Sequence[str] = ()
    """Strings before the first of which a text ends; nothing of it is shown. The prompt may contain them."""
    ends: Sequence[int] = ()
    """Ids that end a text beside those that always do."""
    pairs: bool = False
    """Whether a prompt is a source, and the text its target."""
    special: bool = False
    """Whether the names of special tokens in a prompt are those tokens; otherwise they are text."""
    chunk: int = CHUNK
    """Tokens of a prompt that are read at once; fewer need less memory."""
    draft: Draft | None = None
    """What proposes tokens, if anything does: texts as likely as without it, in fewer passes, one text at a time."""

    def __post_init__(self) -> None:
        """
        Raises:
            InputError: fewer than no tokens are asked for; there is one stop string in place of several.
        """
        if self.limit < 0:
            raise InputError(f"a text has 0 tokens or more, not {self.limit}")
        if isinstance(self.stop, str):  # which would be strings of a character each
            raise InputError(f"stop is a list of strings, not one; write stop=[{self.stop!r}]")


def device_of(model: Model) -> torch.device:
    """Where a model is; the CPU if it has no weights."""
    first = next(iter(model.parameters()), None)
    return torch.device("cpu") if first is None else first.device


__all__ = ["Draft", "Writing", "device_of"]
