"""Rows as a recipe lays them out: documents that are masked, rows drawn once, and examples that share a row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from partwise import InputError
from partwise.data import Batch, Batches, Marks, RowLayout
from partwise.data.encoded import EncodedSplit

from .test_batches import END, Pieces, examples, expected_sequence, same, split, stream

MASKED = RowLayout(documents="masked")
ONCE = RowLayout(draw="once")
PACKED = RowLayout(packing="best_fit")
Texts = list[list[int]]


def texts(rows: Texts, name: Any = "train") -> EncodedSplit:
    """Running text: the end token, then each text with the end token behind it."""
    return split(name, tokens=np.array([END, *(token for row in rows for token in [*row, END])], np.uint16))


def made(encoded: EncodedSplit, context: int, layout: RowLayout, per_update: int | None = None) -> Batches:
    return Batches({encoded.name: encoded}, "sequence", context, END, layout, per_update)


def some_texts(count: int = 40, most: int = 12) -> Texts:
    drawn = np.random.default_rng(3)
    return [drawn.integers(1, 50, drawn.integers(0, most)).tolist() for _ in range(count)]


def cut_apart(row: list[int]) -> list[list[int]]:
    """What is read of each document in a row: a new one begins at each end token."""
    found: list[list[int]] = []
    for token in row:
        if token == END or not found:
            found.append([])
        found[-1].append(token)
    return found


# --- documents -----------------------------------------------------------------------------------------

lists_of_texts = st.lists(st.lists(st.integers(1, 9), max_size=7), min_size=1, max_size=12)


@settings(max_examples=200)
@given(rows=lists_of_texts, context=st.integers(1, 9), size=st.integers(1, 5))
def test_a_document_begins_at_each_end_token_and_padding_begins_none(rows: Texts, context: int, size: int) -> None:
    given = texts(rows, "valid")
    for batch, plain in zip(
        made(given, context, MASKED).evaluation("valid", size),
        made(given, context, RowLayout()).evaluation("valid", size),
        strict=True,
    ):
        assert torch.equal(batch.tokens, plain.tokens)
        assert torch.equal(batch.targets, plain.targets)
        for index, row in enumerate(batch.tokens.tolist()):
            there = [True] * len(row) if batch.padding is None else batch.padding[index].tolist()
            pieces = cut_apart([token for token, real in zip(row, there, strict=True) if real])
            if batch.documents is None:
                assert len(pieces) == 1
                continue
            numbers = batch.documents[index].tolist()
            assert numbers == sorted(numbers)
            found = [sum(real and number == one for number, real in zip(numbers, there, strict=True))
                     for one in sorted({*numbers})]  # fmt: skip
            assert found == [len(piece) for piece in pieces]


def test_a_document_is_predicted_to_its_end_and_the_next_from_its_beginning() -> None:
    batch = next(made(texts([[1, 2], [3]], "valid"), 5, MASKED).evaluation("valid", 1))
    assert batch.tokens.tolist() == [[END, 1, 2, END, 3]]
    assert batch.targets.tolist() == [[1, 2, END, 3, END]]
    assert batch.documents is not None
    assert batch.documents.tolist() == [[1, 1, 1, 2, 2]]


def test_a_token_that_begins_texts_belongs_to_what_it_begins() -> None:
    marks = Marks(end=END, begin=60, ends=(END,), before_prompt=(60,), start=60, before_source=(), after_source=())
    batches = Batches({"valid": texts([[1, 2], [3]], "valid")}, "sequence", 5, marks, MASKED)
    batch = next(batches.evaluation("valid", 1))
    assert batch.tokens.tolist() == [[60, 1, 2, 60, 3]]
    assert batch.documents is not None
    assert batch.documents.tolist() == [[1, 1, 1, 2, 2]]


def test_masked_or_open_the_same_windows_are_drawn() -> None:
    given, seen = texts(some_texts()), 0
    for step in range(10):
        batch, plain = (made(given, 16, layout).train(step, 3, 1) for layout in (MASKED, RowLayout()))
        assert torch.equal(batch.tokens, plain.tokens)
        assert torch.equal(batch.targets, plain.targets)
        assert plain.documents is None
        assert batch.documents is not None
        seen += int(batch.documents.max())
    assert seen > 20


def test_a_batch_without_a_border_has_no_documents() -> None:
    assert made(stream(100), 8, MASKED).train(0, 4, 0).documents is None
    assert next(made(stream(8, "valid"), 8, MASKED).evaluation("valid", 1)).documents is None


# --- once ----------------------------------------------------------------------------------------------


@settings(max_examples=100)
@given(count=st.integers(1, 90), context=st.integers(1, 9), size=st.integers(1, 4), seed=st.integers(0, 5))
def test_running_text_is_read_once_in_each_epoch(count: int, context: int, size: int, seed: int) -> None:
    if count < context:
        return
    batches, windows = made(stream(count), context, ONCE, per_update=size), count // context
    rows = [row for step in range(2 * windows) for row in batches.train(step, size, seed).targets.tolist()]
    for epoch in range(2):
        scored = [token for row in rows[epoch * windows : (epoch + 1) * windows] for token in row]
        assert len({*scored}) == len(scored) == windows * context
        assert max(scored) - min(scored) + 1 == len(scored)  # they lie side by side; fewer than a window is left out


def test_what_fills_no_window_is_another_part_of_the_text_in_another_epoch() -> None:
    batches = made(stream(105), 10, ONCE, per_update=10)
    firsts = {int(batches.train(epoch, 10, 0).tokens.min()) for epoch in range(60)}
    assert firsts == {0, 1, 2, 3, 4, 5}


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    batches = made(stream(640), 10, ONCE, per_update=64)
    orders = [
        tuple((batches.train(epoch, 64, seed).tokens[:, 0] // 10).tolist()) for epoch in (0, 1) for seed in (0, 1)
    ]
    assert len({*orders}) == 4
    assert all(sorted(order) == list(range(64)) for order in orders)
    assert all(order != tuple(range(64)) for order in orders)


@pytest.mark.parametrize("layout", [ONCE, RowLayout(draw="once", packing="best_fit")])
def test_micro_batches_and_processes_share_the_rows_of_an_update(layout: RowLayout) -> None:
    given = stream(300) if layout.packing is None else examples(mixed(40))
    whole, split_up = made(given, 12, layout, 12), made(given, 12, layout, 12)
    for step in (5, 0, 3):
        large = whole.train(step, 12, seed=7).tokens.tolist()
        parts = [row for micro in range(6) for row in split_up.train(step, 2, 7, micro).tokens.tolist()]
        assert [stripped(row) for row in parts] == [stripped(row) for row in large]


def stripped(row: list[int]) -> list[int]:
    while row and row[-1] == END:
        row = row[:-1]
    return row


def test_examples_and_pairs_are_drawn_once_too() -> None:
    rows: list[Pieces] = [[(False, [1]), (True, [10 + index])] for index in range(30)]
    for reads in ("sequence", "pair"):
        batches = Batches({"train": examples(rows)}, reads, 5, END, ONCE, 5)  # type: ignore[arg-type]
        for epoch in range(3):
            found = [token for step in range(6) for row in batches.train(6 * epoch + step, 5, 1).targets.tolist()
                     for token in row if token >= 10]  # fmt: skip
            assert sorted(found) == list(range(10, 40))


def test_a_trainer_that_takes_more_rows_than_it_said_is_told_so() -> None:
    with pytest.raises(
        InputError, match=r"takes 8 of them in an update, where it had announced 4: rows_per_update\(\)"
    ):
        made(stream(100), 8, ONCE, 4).train(0, 4, 0, micro=1)
    with pytest.raises(InputError, match="announced nothing"):
        made(stream(100), 8, ONCE).train(0, 4, 0)


# --- packing -------------------------------------------------------------------------------------------


def mixed(count: int) -> list[Pieces]:
    """Examples of natural lengths: many short ones and a few long ones."""
    drawn = np.random.default_rng(1)
    sizes = np.minimum(1 + drawn.lognormal(1.0, 0.8, (count, 2)).astype(int), 5)
    return [[(False, drawn.integers(1, 50, a).tolist()), (True, drawn.integers(1, 50, b).tolist())] for a, b in sizes]


def read_of(batch: Batch) -> list[tuple[list[int], list[int]]]:
    """The examples in a batch, cut apart by a plain loop: what is read and what must be predicted."""
    found = []
    for index, tokens in enumerate(batch.tokens.tolist()):
        documents = [1] * len(tokens) if batch.documents is None else batch.documents[index].tolist()
        real = [True] * len(tokens) if batch.padding is None else batch.padding[index].tolist()
        for one in sorted({*documents}):
            here = [at for at in range(len(tokens)) if documents[at] == one and real[at]]
            found.append(([tokens[at] for at in here], [int(batch.targets[index, at]) for at in here]))
    return found


pieces = st.tuples(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.lists(st.integers(1, 9), max_size=5))


@settings(max_examples=150)
@given(rows=st.lists(pieces, min_size=1, max_size=25), context=st.integers(10, 24), size=st.integers(1, 4))
def test_each_example_is_once_in_an_epoch_as_it_is_by_itself(rows: Any, context: int, size: int) -> None:
    given_rows: list[Pieces] = [[(False, source), (True, target)] for source, target in rows]
    layout = RowLayout(packing="best_fit", draw="once")
    batches = made(examples(given_rows), context, layout, size)
    assert batches.packing is not None
    found, steps = [], -(-batches.packing.rows // size)
    for step in range(steps):
        batch = batches.train(step, size, seed=2)
        assert batch.tokens.shape[1] <= context
        last = min(size, batches.packing.rows - step * size)
        kept = {name: value[:last] for name, value in vars(batch).items() if value is not None}
        found += read_of(Batch(**kept))
    assert sorted(found) == sorted(expected_sequence(row) for row in given_rows)


def test_packed_rows_of_natural_lengths_are_nearly_full() -> None:
    packing = made(examples(mixed(2000)), 64, PACKED).packing
    assert packing is not None
    assert packing.padding < 0.05
    assert sorted(packing.members.tolist()) == list(range(2000))


def test_labels_take_no_room_and_stay_with_their_examples() -> None:
    rows: list[Pieces] = [[(False, [1, 2]), (True, [3, 4 + index])] for index in range(9)]
    plain = examples(rows)
    arrays = {name: getattr(plain, name) for name in ("tokens", "scored", "bounds", "cuts")}
    labelled = split("train", labels=plain.bounds[1:] - 1, **arrays)
    layout = RowLayout(packing="best_fit", draw="once")
    packed, alone = made(labelled, 12, layout, 3), made(labelled, 12, ONCE, 9)
    assert packed.packing is not None
    assert packed.packing.rows == 3
    assert packed.packing.padding == 0
    assert sorted(read_of(packed.train(0, 3, 0))) == sorted(read_of(alone.train(0, 9, 0)))


def test_evaluation_is_not_packed() -> None:
    rows = mixed(30)
    both = [Batches({"train": examples(rows), "valid": examples(rows, "valid")}, "sequence", 16, END, layout)
            for layout in (PACKED, RowLayout())]  # fmt: skip
    ours, plain = (list(one.evaluation("valid", 4)) for one in both)
    assert all(same(one, other) for one, other in zip(ours, plain, strict=True))


def test_what_cannot_be_packed_is_refused_and_told_why() -> None:
    with pytest.raises(InputError, match=r"rows\.packing is for examples, and the data is running text"):
        made(stream(50), 8, PACKED)
    with pytest.raises(InputError, match=r"rows\.packing is for models that read sequences, and this one reads pairs"):
        Batches({"train": examples(mixed(5))}, "pair", 12, END, PACKED)
