"""A recurrence as a mixer: one of PyTorch's own networks, with states, padding and packed documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from .segments import Segments

if TYPE_CHECKING:
    from partwise.modules import Flow, State

Network = nn.RNN | nn.GRU | nn.LSTM
Hidden = tuple[Tensor, ...]
"""What a network remembers: (h,), or (h, c) for an LSTM, each [layers, B, C]."""
Read = TypeVar("Read", Tensor, PackedSequence)


class Recurrence(nn.Module):
    """x [B, T, C] to [B, T, C] by `network`, which is batch first and keeps the width.

    A state is {"hidden": [B, layers * C]}, with "cell" beside it for an LSTM.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.remembers = ("hidden", "cell") if isinstance(network, nn.LSTM) else ("hidden",)

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        """Padding comes out as 0 and leaves the state as it was; each packed document begins without memory.

        Raises:
            ValueError: a state is given together with packed documents.
        """
        if state is not None and flow.documents is not None:
            raise ValueError("packed documents are for training; to continue from a state, give each a row of its own")
        if x.shape[1] == 0:
            return x
        segments = Segments.of(x, flow)
        before = self._load(state)
        if segments is None:
            y, after = self._run(x, before)
            self._store(after, state)
            return y
        rows = segments.to_rows(x)
        if before is None:
            return segments.to_batch(self._run_apart(rows, segments))
        outputs, after = self._run_packed(rows, segments.lengths, before)
        self._store(after, state)
        return segments.to_batch(outputs)

    def gates(self, x: Tensor, flow: Flow) -> dict[str, Tensor]:
        from .opened import opened

        segments = Segments.of(x, flow)
        if segments is None:
            return opened(self.network, x)
        found = opened(self.network, segments.to_rows(x))
        return {name: segments.to_batch(gate) for name, gate in found.items()}

    def _run(self, x: Read, before: Hidden | None) -> tuple[Read, Hidden]:
        given = before[0] if before is not None and len(before) == 1 else before
        y, after = self.network(x, given)
        return y, after if isinstance(after, tuple) else (after,)

    def _run_apart(self, rows: Tensor, segments: Segments) -> Tensor:
        """Reads rows that remember nothing; on a CPU by length, since what is read behind a row's end takes its time.
        (On a GPU each position takes its time, however many rows there are.)"""
        if rows.device.type != "cpu":
            return self._run(rows, None)[0]
        read, order = [], []
        for chosen, longest in segments.alike():
            y = self._run(rows[chosen, :longest], None)[0]
            read.append(pad(y, (0, 0, 0, rows.shape[1] - longest)))
            order.append(chosen)
        return torch.cat(read)[torch.cat(order).argsort()]

    def _run_packed(self, rows: Tensor, lengths: Tensor, before: Hidden) -> tuple[Tensor, Hidden]:
        """Remembers the state at each row's last token, which needs a packed sequence: slower on a CPU."""
        # A packed sequence may not be empty: a row without tokens runs over one zero, and is then forgotten.
        packed = pack_padded_sequence(rows, lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False)
        read, after = self._run(packed, before)
        some = lengths[:, None] > 0
        kept = tuple(torch.where(some, new, old) for old, new in zip(before, after, strict=True))
        return pad_packed_sequence(read, batch_first=True)[0], kept

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        """Zeros, of the same size for every length."""
        size = self.network.num_layers * self.network.hidden_size
        return {name: like.new_zeros(batch, size) for name in self.remembers}

    def _load(self, state: State | None) -> Hidden | None:
        if state is None:
            return None
        shape = (-1, self.network.num_layers, self.network.hidden_size)
        return tuple(state[name].view(shape).transpose(0, 1).contiguous() for name in self.remembers)

    def _store(self, hidden: Hidden, state: State | None) -> None:
        if state is not None:
            for name, value in zip(self.remembers, hidden, strict=True):
                state[name].copy_(value.transpose(0, 1).flatten(1))
