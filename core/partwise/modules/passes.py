"""What a model needs for each of its passes: over a whole batch, the prefill of a prompt, and one decode step.

Training, evaluation and the prefill read a batch from its beginning, with `batch_flow`. The prefill also fills states
and ends with `start_decoding`. Each decode step reads one token per row, with `decode_step_flow`, and ends with
`Decoding.advance`; `extend_flow` is for several tokens per row, such as the next chunk of a long prompt. Prompts are
padded on the left and training rows on the right; both are handled here.

Shapes: B batch, T positions, M positions of the memory, C width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from partwise.data.batch import Batch

from .carried import Carried
from .flow import Flow
from .states import Decoding, State


def token_positions(tokens: Tensor, padding: Tensor | None = None, documents: Tensor | None = None) -> Tensor:
    """Position of each token in its own text, counted from 0: int64, [T], or [B, T] with padding or documents.

    Args:
        tokens: [B, T]; their ids do not matter.
        padding: [B, T] bool, False where there is no token; padding on the left has position 0.
        documents: [B, T] int, which of several packed documents a token belongs to; each counts from 0.
    """
    positions = torch.arange(tokens.shape[1], device=tokens.device)
    if padding is not None:
        positions = (padding.cumsum(1) - 1).clamp_min(0)
    if documents is not None:
        first = torch.ones_like(documents, dtype=torch.bool)
        first[:, 1:] = documents[:, 1:] != documents[:, :-1]
        positions = positions - (positions * first).cummax(1).values
    return positions


def batch_flow(batch: Batch, memory: Tensor | None = None, carried: Carried | None = None) -> Flow:
    """The flow of a batch that is read from its beginning: in training, in evaluation, and for the prefill.

    Args:
        memory: [B, M, C], an encoder's output for `batch.source`.
        carried: what an encoder's layers have left behind for the loss; None begins with nothing.
    """
    return Flow(
        positions=token_positions(batch.tokens, batch.padding, batch.documents),
        padding=batch.padding,
        documents=batch.documents,
        memory=memory,
        memory_padding=batch.source_padding,
        tokens=batch.tokens,
        carried=carried or Carried(),
    )


def start_decoding(prompt: Batch, states: list[State], room: int, memory: Tensor | None = None) -> Decoding:
    """The decoding of a model after the prefill, which read `prompt` into `states`.

    Args:
        prompt: padded on the left, if at all.
        states: one per layer.
        room: number of tokens that the states can hold.
        memory: [B, M, C], an encoder's output for `prompt.source`.
    """
    length = prompt.tokens.shape[1]
    padding = positions = None
    if prompt.padding is not None:
        padding = torch.ones(len(prompt.tokens), room, dtype=torch.bool, device=prompt.tokens.device)
        padding[:, :length] = prompt.padding
        positions = prompt.padding.sum(1)
    return Decoding(states, length, room, padding, positions, memory, prompt.source_padding)


def decode_step_flow(decoding: Decoding, tokens: Tensor) -> Flow:
    """The flow of one more token per row, tokens [B]: T is 1, and the tokens of `decoding` come before."""
    start, device = decoding.length, tokens.device
    positions = torch.tensor([start], device=device) if decoding.positions is None else decoding.positions[:, None]
    padding = None if decoding.padding is None else decoding.padding[:, : start + 1]
    return Flow(
        positions=positions,
        start=start,
        padding=padding,
        memory=decoding.memory,
        memory_padding=decoding.memory_padding,
        tokens=tokens[:, None],
    )


def extend_flow(decoding: Decoding, tokens: Tensor) -> Flow:
    """The flow of more tokens per row, tokens [B, T], after those of `decoding`, whose padding says which are none."""
    start, T, device = decoding.length, tokens.shape[1], tokens.device
    positions = torch.arange(start, start + T, device=device)
    padding = None if decoding.padding is None else decoding.padding[:, : start + T]
    if decoding.positions is not None:
        counted = torch.arange(T, device=device) if padding is None else padding[:, start:].cumsum(1) - 1
        positions = (decoding.positions[:, None] + counted).clamp_min(0)
    return Flow(
        positions=positions,
        start=start,
        padding=padding,
        memory=decoding.memory,
        memory_padding=decoding.memory_padding,
        tokens=tokens,
    )
