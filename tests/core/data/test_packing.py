"""Best-fit decreasing, against a plain loop over all rows."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from partwise.data.packing import best_fit


def plain_best_fit(lengths: list[int], context: int) -> list[int]:
    """The room left in each row."""
    rooms: list[int] = []
    for length in sorted(lengths, reverse=True):
        fitting = [index for index, room in enumerate(rooms) if room >= length]
        if fitting:
            rooms[min(fitting, key=lambda index: rooms[index])] -= length
        else:
            rooms.append(context - length)
    return rooms


@settings(max_examples=200)
@given(context=st.integers(1, 40), data=st.data())
def test_rows_are_those_of_a_plain_loop(context: int, data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(1, context), min_size=1, max_size=60))
    packing = best_fit(np.array(lengths), context)
    rows = [packing.members[start:end].tolist() for start, end in zip(packing.bounds, packing.bounds[1:], strict=False)]
    assert sorted(member for row in rows for member in row) == list(range(len(lengths)))
    used = [sum(lengths[member] for member in row) for row in rows]
    assert max(used) <= context
    assert sorted(context - one for one in used) == sorted(plain_best_fit(lengths, context))
    assert np.isclose(packing.padding, 1 - sum(lengths) / (context * len(rows)))


def test_nothing_is_packed_into_no_rows() -> None:
    assert best_fit(np.zeros(0, np.int64), 8).rows == 0
