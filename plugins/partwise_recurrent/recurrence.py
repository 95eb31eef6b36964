"""Recurrences as mixers: PyTorch's own RNN, GRU and LSTM, with states, padding and packed documents.

Padding is skipped: tokens are gathered, one row per stretch of tokens that belong together, the network runs
over those rows, and its outputs are put back in place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

if TYPE_CHECKING:
    from partwise.flow import Flow, State

Hidden = tuple[Tensor, ...]
"""What a network remembers: (h,), or (h, c) for an LSTM, each [layers * directions, B, features]."""

Read = TypeVar("Read", Tensor, PackedSequence)


class Recurrence(nn.Module):
    """x [B, T, C] to [B, T, C] by `network`, which is batch first and keeps the width.

    A state is {"hidden": [B, layers * C]}, and "cell" beside it for an LSTM. A network that reads both ways has
    none. `forget_bias`, for an LSTM, is the first bias of its forget gates.
    """

    def __init__(self, network: nn.RNN | nn.GRU | nn.LSTM, forget_bias: float | None = None) -> None:
        super().__init__()
        self.network = network
        self.forget_bias = forget_bias
        self.remembers = ("hidden", "cell") if isinstance(network, nn.LSTM) else ("hidden",)
        self.reset_parameters()

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        """Padding comes out as 0, and leaves the state as it was.

        Raises:
            ValueError: a state is given to a network that reads both ways, or together with packed documents.
        """
        self._refuse(flow, state)
        if x.shape[1] == 0:
            return x
        before = self._load(state)
        if is_plain(x, flow):
            y, after = self._run(x, before)
        else:
            y, after = self._run_over_tokens(x, flow, before)
        self._store(after, state)
        return y

    def _refuse(self, flow: Flow, state: State | None) -> None:
        if state is not None and self.network.bidirectional:
            raise ValueError("a recurrence that reads both ways cannot continue from a state: it needs the whole text")
        if state is not None and flow.documents is not None:
            raise ValueError("packed documents are for training; decode one document per row instead")

    def _run(self, x: Read, before: Hidden | None) -> tuple[Read, Hidden]:
        given = None if before is None else before if len(before) == 2 else before[0]
        y, after = self.network(x, given)
        return y, after if isinstance(after, tuple) else (after,)

    def _run_over_tokens(self, x: Tensor, flow: Flow, before: Hidden | None) -> tuple[Tensor, Hidden]:
        present, lengths = stretches(x, flow)
        places = torch.arange(max(1, int(lengths.max())), device=x.device) < lengths[:, None]
        rows = x.new_zeros(*places.shape, x.shape[-1])
        rows[places] = x[present]
        # A packed sequence may not be empty: a row without a token runs over one zero, and is then forgotten.
        packed = pack_padded_sequence(rows, lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False)
        read, after = self._run(packed, before)
        outputs, _ = pad_packed_sequence(read, batch_first=True)
        y = outputs.new_zeros(*x.shape[:2], outputs.shape[-1])
        y[present] = outputs[places]
        if before is not None:
            pairs = zip(before, after, strict=True)
            after = tuple(torch.where(lengths[:, None] > 0, new, old) for old, new in pairs)
        return y, after

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        """Zeros; of the same size however long the text."""
        if self.network.bidirectional:
            return {}
        size = self.network.num_layers * self.network.hidden_size
        return {name: like.new_zeros(batch, size) for name in self.remembers}

    def _load(self, state: State | None) -> Hidden | None:
        if state is None:
            return None
        layers = self.network.num_layers
        return tuple(state[name].unflatten(1, (layers, -1)).transpose(0, 1).contiguous() for name in self.remembers)

    def _store(self, hidden: Hidden, state: State | None) -> None:
        if state is not None:
            for name, value in zip(self.remembers, hidden, strict=True):
                state[name].copy_(value.transpose(0, 1).flatten(1))

    def reset_parameters(self) -> None:
        """Sets the bias of forget gates; the network has drawn all else."""
        if self.forget_bias is None:
            return
        with torch.no_grad():
            for name, weight in self.network.named_parameters():
                if name.startswith("bias_"):
                    # Gates lie in the order input, forget, cell, output; two biases are added up in each.
                    weight.chunk(4)[1].fill_(self.forget_bias if name.startswith("bias_ih") else 0.0)


def is_plain(x: Tensor, flow: Flow) -> bool:
    """Whether every place holds a token, and the tokens of a row belong together."""
    padding = None if flow.padding is None else flow.padding[:, -x.shape[1] :]
    return flow.documents is None and (padding is None or bool(padding.all()))


def stretches(x: Tensor, flow: Flow) -> tuple[Tensor, Tensor]:
    """Which places hold a token, [B, T] bool, and how long the stretches of tokens that belong together are, in order.

    A stretch is a row, and may then be empty; with documents it is a document within a row.
    """
    batch, length = x.shape[:2]
    if flow.padding is None:
        present = torch.ones(batch, length, dtype=torch.bool, device=x.device)
    else:
        present = flow.padding[:, -length:]
    if flow.documents is None:
        return present, present.sum(1)
    rows = torch.arange(batch, device=x.device)[:, None].expand(batch, length)[present]
    documents = flow.documents[:, -length:][present]
    begins = (rows.diff() != 0) | (documents.diff() != 0)
    stretch = torch.cat((begins.new_zeros(min(1, len(rows))), begins)).cumsum(0)
    return present, stretch.bincount(minlength=1)
