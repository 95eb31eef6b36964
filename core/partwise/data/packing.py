"""Best-fit decreasing: which examples share a row.

The longest example comes first, and each goes to the row with the least room in which it fits, or begins a new one.
The outcome depends on the lengths alone (Ding et al. 2024, "Fewer truncations improve language modeling").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Packing:
    """Examples in rows."""

    bounds: Numbers
    """[rows + 1]: row i holds `members[bounds[i] : bounds[i + 1]]`."""
    members: Numbers
    """The number of every example, once."""
    padding: float
    """Share of all rows, each as long as the context, that no token takes."""

    @property
    def rows(self) -> int:
        return len(self.bounds) - 1


def best_fit(lengths: Numbers, context: int) -> Packing:
    """Rows of at most `context` tokens, for examples that are none of them longer."""
    order = np.argsort(-lengths, kind="stable")
    row_of = np.empty(len(lengths), np.int64)
    rows_with: list[list[int]] = [[] for _ in range(context + 1)]  # by the room that is left in them
    rooms = 0  # bit r is set where a row has room for r tokens
    rows = 0
    for index, length in zip(order.tolist(), lengths[order].tolist(), strict=True):
        fitting = rooms >> length
        if fitting:
            room = length + (fitting & -fitting).bit_length() - 1
            row = rows_with[room].pop()
            if not rows_with[room]:
                rooms ^= 1 << room
        else:
            room, row = context, rows
            rows += 1
        row_of[index] = row
        left = room - length
        if left:
            rows_with[left].append(row)
            rooms |= 1 << left
    bounds = np.concatenate(([0], np.bincount(row_of, minlength=rows).cumsum())).astype(np.int64)
    padding = 1 - int(lengths.sum()) / (rows * context) if rows else 0.0
    return Packing(bounds, np.argsort(row_of, kind="stable"), padding)
