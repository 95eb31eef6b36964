"""Reading a prompt in chunks: no pass holds more than a chunk of it, so that a long one needs little memory.

Without chunks a bias or a mask of T x T numbers may be written out, and whatever a layer computes exists for all T
positions at once. Each chunk sees what is before it through the states, which is what they are for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from torch import Tensor

from partwise.data.batch import Batch
from partwise.errors import WorkError
from partwise.modules.protocols import Extends, Model
from partwise.modules.states import Decoding

CHUNK = 2048
"""Tokens of a prompt that are read at once, unless told otherwise: more are hardly faster, and need more memory."""


def read_prompt(model: Model, prompt: Batch, room: int, chunk: int = CHUNK) -> tuple[Tensor, Decoding]:
    """`model.begin(prompt, room)`, in passes over `chunk` tokens at most.

    A model that cannot `extend`, and a prompt of packed documents, is read at once.

    Raises:
        WorkError: logits are no numbers, as after a training that diverged.
    """
    logits, decoding = _read(model, prompt, room, chunk)
    if bool(logits.isnan().any()):
        raise WorkError(
            "the model's logits are no numbers (NaN), so that no token can be chosen: its training diverged, or its "
            "weights are damaged"
        )
    return logits, decoding


def _read(model: Model, prompt: Batch, room: int, chunk: int) -> tuple[Tensor, Decoding]:
    T = prompt.tokens.shape[1]
    if chunk >= T or prompt.documents is not None or not hasattr(model, "extend"):
        return model.begin(prompt, room)
    logits, decoding = model.begin(_first(prompt, chunk), room)
    if prompt.padding is not None and decoding.padding is not None:
        decoding.padding[:, :T] = prompt.padding
    for start in range(chunk, T, chunk):
        logits = cast(Extends, model).extend(prompt.tokens[:, start : start + chunk], decoding)[:, -1]
    return logits, decoding


def _first(prompt: Batch, count: int) -> Batch:
    padding = None if prompt.padding is None else prompt.padding[:, :count]
    return replace(prompt, tokens=prompt.tokens[:, :count], targets=prompt.targets[:, :count], padding=padding)


__all__ = ["CHUNK", "read_prompt"]
