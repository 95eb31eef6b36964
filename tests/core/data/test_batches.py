"""Batches: what is in them, that each token counts once, and that nothing but (seed, step, micro) decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from partwise import InputError
from partwise.data import IGNORED, Batch, Batches, Split
from partwise.data.encoded import EncodedSplit

END = 0


def split(name: Split, **arrays: Any) -> EncodedSplit:
    given: dict[str, Any] = {"scored": None, "bounds": None, "cuts": None, **arrays}
    form = "stream" if given["bounds"] is None else "examples"
    return EncodedSplit(
        name=name,
        form=form,  # type: ignore[arg-type]
        scored_tokens=0,
        text_bytes=0,
        unknowns=0,
        lossless=True,
        unknown_bits=None,
        data_hash="",
        **given,
    )


def stream(count: int, name: Split = "train", first: int = 1) -> EncodedSplit:
    """A stream of `count` targets, each another id, so that a token shows its place."""
    return split(name, tokens=np.array([END, *range(first, first + count)], np.uint32))


Pieces = list[tuple[bool, list[int]]]


def examples(rows: list[Pieces], name: Split = "train") -> EncodedSplit:
    """Examples of pieces, laid out by hand."""
    tokens, scored, bounds, cuts = [END], [False], [0], []
    for pieces in rows:
        starts = []
        for flag, ids in pieces:
            starts.append(len(tokens))
            tokens += ids
            scored += [flag] * len(ids)
        cuts.append(starts[1] if [flag for flag, _ in pieces] == [False, True] else -1)
        bounds.append(len(tokens))
        tokens.append(END)
        scored.append(pieces[-1][0])
    return split(
        name,
        tokens=np.array(tokens, np.uint16),
        scored=np.array(scored),
        bounds=np.array(bounds, np.int64),
        cuts=np.array(cuts, np.int64),
    )


def batches(encoded: EncodedSplit, context: int, reads: Any = "sequence") -> Batches:
    return Batches({encoded.name: encoded}, reads, context, END)


def same(one: Batch, other: Batch) -> bool:
    pairs = [(getattr(one, name), getattr(other, name)) for name in vars(one)]
    return all((a is None and b is None) or torch.equal(a, b) for a, b in pairs)


ROWS: list[Pieces] = [[(False, [10 + i, 20 + i][: 1 + i % 2]), (True, list(range(30, 30 + i)))] for i in range(7)]


# --- running text --------------------------------------------------------------------------------------


def test_a_row_is_a_slice_of_the_stream_and_its_targets_are_one_further() -> None:
    batch = batches(stream(50), 8).train(step=3, size=5, seed=0)
    assert batch.tokens.shape == batch.targets.shape == (5, 8)
    assert batch.tokens.dtype == batch.targets.dtype == torch.int64
    assert batch.tokens.is_contiguous()
    assert batch.targets.is_contiguous()
    assert torch.equal(batch.targets, batch.tokens + 1)
    assert (batch.padding, batch.documents, batch.source, batch.source_padding) == (None, None, None, None)
    assert torch.equal(batch.tokens, batch.tokens[:, :1] + torch.arange(8))


def test_every_window_is_drawn_and_about_equally_often() -> None:
    made = batches(stream(12), 8)
    firsts = torch.cat([made.train(step, 40, 1).tokens[:, 0] for step in range(50)])
    counts = torch.bincount(firsts)
    assert len(counts) == 5
    assert counts.min() > 300


@settings(max_examples=150)
@given(count=st.integers(1, 60), context=st.integers(1, 12), size=st.integers(1, 7))
def test_evaluation_scores_every_token_once_after_the_tokens_before_it(count: int, context: int, size: int) -> None:
    scored: list[int] = []
    for batch in batches(stream(count, "valid"), context).evaluation("valid", size):
        assert batch.tokens.shape[0] <= size
        assert batch.tokens.shape[1] == context
        real = batch.targets != IGNORED
        assert torch.equal(batch.tokens[real] + 1, batch.targets[real])
        if batch.padding is None:
            assert real.all()
        else:
            assert torch.equal(batch.padding, real)
            assert (batch.tokens[~real] == END).all()
        scored += batch.targets[real].tolist()
    assert scored == list(range(1, count + 1))


def test_a_limit_spreads_the_windows_over_the_split_always_the_same() -> None:
    made = batches(stream(1000, "valid"), 10)
    limited = [list(made.evaluation("valid", 4, limit=5)) for _ in range(2)]
    assert all(same(one, other) for one, other in zip(*limited, strict=True))
    firsts = [row for batch in limited[0] for row in batch.tokens[:, 0].tolist()]
    assert firsts == list(range(0, 1000, 50))
    assert len(list(made.evaluation("valid", 4, limit=25))) == 25
    assert len(list(made.evaluation("valid", 4, limit=1000))) == 25


# --- addressing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("made_from", "reads"), [(stream(500), "sequence"), (examples(ROWS), "sequence")])
def test_a_batch_depends_on_its_address_alone(made_from: EncodedSplit, reads: str) -> None:
    used, fresh = batches(made_from, 9, reads), batches(made_from, 9, reads)
    for step in range(5):
        used.train(step, 6, seed=1)
    assert same(used.train(5, 6, 1, 2), fresh.train(5, 6, 1, 2))
    addresses = [(5, 1, 0), (6, 1, 0), (5, 2, 0), (5, 1, 1), (1, 5, 0)]
    made = [tuple(fresh.train(step, 6, seed, micro).tokens.flatten().tolist()) for step, seed, micro in addresses]
    assert len(set(made)) == 5


def test_micro_batches_make_up_the_large_batch() -> None:
    made = batches(stream(100_000), 4)
    for step in range(20):
        parts = [made.train(step, 3, seed=7, micro=micro).tokens for micro in range(4)]
        assert torch.equal(torch.cat(parts), made.train(step, 12, seed=7).tokens)


def test_training_and_evaluation_keep_to_their_own_split() -> None:
    both = Batches({"train": stream(100), "valid": stream(100, "valid", first=1000)}, "sequence", 8, END)
    trained = {token for step in range(30) for token in both.train(step, 4, 0).targets.flatten().tolist()}
    assert trained <= set(range(101))
    validated = {token for batch in both.evaluation("valid", 4) for token in batch.targets.flatten().tolist()}
    assert validated - {IGNORED} == set(range(1000, 1100))


# --- examples ------------------------------------------------------------------------------------------


def expected_sequence(pieces: Pieces) -> tuple[list[int], list[int]]:
    ids = [token for _, piece in pieces for token in piece]
    targets = [token if flag else IGNORED for flag, piece in pieces for token in piece]
    return [END, *ids], [*targets, END if pieces[-1][0] else IGNORED]


def expected_pair(pieces: Pieces) -> tuple[list[int], list[int]]:
    (_, _), (_, target) = pieces
    return [END, *target], [*target, END]


def padded(rows: list[list[int]], filler: int) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [filler] * (longest - len(row)) for row in rows])


@pytest.mark.parametrize(("reads", "expected"), [("sequence", expected_sequence), ("pair", expected_pair)])
@pytest.mark.parametrize("size", [1, 3, 7, 20])
def test_rows_of_examples_are_what_a_plain_loop_makes(reads: str, expected: Any, size: int) -> None:
    made = list(batches(examples(ROWS, "valid"), 9, reads).evaluation("valid", size))
    assert [len(batch.tokens) for batch in made] == [len(ROWS[at : at + size]) for at in range(0, 7, size)]
    for index, batch in enumerate(made):
        chosen = ROWS[index * size : (index + 1) * size]
        rows = [expected(pieces) for pieces in chosen]
        assert torch.equal(batch.tokens, padded([tokens for tokens, _ in rows], END))
        assert torch.equal(batch.targets, padded([targets for _, targets in rows], IGNORED))
        lengths = torch.tensor([len(tokens) for tokens, _ in rows])
        mask = torch.arange(batch.tokens.shape[1]) < lengths[:, None]
        assert (batch.padding is None) == bool(mask.all())
        assert batch.padding is None or torch.equal(batch.padding, mask)
        if reads == "pair":
            assert batch.source is not None
            assert torch.equal(batch.source, padded([pieces[0][1] for pieces in chosen], END))
            lengths = torch.tensor([len(pieces[0][1]) for pieces in chosen])
            mask = torch.arange(batch.source.shape[1]) < lengths[:, None]
            assert (batch.source_padding is None) == bool(mask.all())
            assert batch.source_padding is None or torch.equal(batch.source_padding, mask)


def test_only_what_is_asked_for_is_scored_and_an_unscored_end_is_not() -> None:
    row: Pieces = [(False, [1, 2, 3]), (True, [4]), (False, [5]), (True, [6]), (False, [])]
    batch = next(batches(examples([row], "test"), 10).evaluation("test", 1))
    assert batch.tokens.tolist() == [[END, 1, 2, 3, 4, 5, 6]]
    assert batch.targets.tolist() == [[IGNORED, IGNORED, IGNORED, 4, IGNORED, 6, IGNORED]]


@pytest.mark.parametrize("reads", ["sequence", "pair"])
def test_training_draws_every_example_whole(reads: str) -> None:
    made = batches(examples(ROWS), 9, reads)
    expected = {"sequence": expected_sequence, "pair": expected_pair}[reads]
    known = {tuple(token for token in expected(pieces)[1] if token != IGNORED) for pieces in ROWS}
    drawn = set()
    for step in range(20):
        for row in made.train(step, 8, 0).targets.tolist():
            drawn.add(tuple(token for token in row if token != IGNORED))
    assert drawn == known


def test_evaluation_with_a_limit_spreads_over_the_examples() -> None:
    rows: list[Pieces] = [[(False, [1]), (True, [10 + index])] for index in range(100)]
    made = batches(examples(rows, "valid"), 5, "pair")
    firsts = [token for batch in made.evaluation("valid", 5, limit=2) for token in batch.targets[:, 0].tolist()]
    assert firsts == list(range(10, 110, 10))


# --- what does not fit ---------------------------------------------------------------------------------


def test_a_stream_that_has_no_window_is_refused_with_its_size() -> None:
    with pytest.raises(InputError, match=r"train split holds 8 tokens, fewer than a window of context \+ 1 = 9"):
        batches(stream(7), 8)
    assert batches(stream(8), 8).train(0, 2, 0).tokens.tolist() == [[0, *range(1, 8)]] * 2


def test_a_split_with_nothing_in_it_is_refused_before_it_is_needed() -> None:
    with pytest.raises(InputError, match="train split holds no examples"):
        batches(examples([]), 8)
    with pytest.raises(InputError, match="the valid split holds no text to evaluate on"):
        batches(stream(0, "valid"), 8).evaluation("valid", 4)
    with pytest.raises(InputError, match="the test split holds no text"):
        batches(examples([], "test"), 8, "pair").evaluation("test", 4)


def test_a_pair_model_is_refused_running_text_and_what_is_no_pair() -> None:
    with pytest.raises(InputError, match="reads pairs of source and target, and the data is running text; use data"):
        batches(stream(50), 8, "pair")
    with pytest.raises(InputError, match="example 7 of the train split is not a source that is read and a target"):
        batches(examples([*ROWS, [(True, [1])]]), 9, "pair")
    with pytest.raises(InputError, match="example 7 of the train split has no source"):
        batches(examples([*ROWS, [(False, []), (True, [1])]]), 9, "pair")


@pytest.mark.parametrize(
    ("reads", "row", "message"),
    [
        (
            "sequence",
            [(False, [1] * 4), (True, [2] * 5)],
            r"longest example of the valid split \(number 2 of 3\) takes 10",
        ),
        ("pair", [(False, [1] * 10), (True, [2])], r"longest source of the valid split \(number 2 of 3\) takes 10"),
        ("pair", [(False, [1]), (True, [2] * 9)], r"longest target of the valid split \(number 2 of 3\) takes 10"),
    ],
)
def test_examples_longer_than_the_context_are_refused_up_front(reads: str, row: Pieces, message: str) -> None:
    encoded = examples([ROWS[0], row, ROWS[1]], "valid")
    with pytest.raises(InputError, match=rf"{message} tokens, and the model's context is 9; raise the context to 10"):
        batches(encoded, 9, reads)
    assert list(batches(encoded, 10, reads).evaluation("valid", 3))


def test_batches_are_cut_from_the_cache_as_it_is(tmp_path: Path) -> None:
    # End to end, against the texts themselves.
    from partwise.data.encoding import encode
    from partwise.parts import DataSite
    from partwise_data.parts import Reverse

    class Letters:
        vocab_size, end, unknown, unknown_bits, lossless = 27, 26, None, None, True

        def encode(self, text: str) -> list[int]:
            return [ord(letter) - 97 for letter in text]

        def to_json(self) -> dict[str, Any]:
            return {}

    data = Reverse(size=60, valid=20, test=20).build(DataSite())
    encoded = {name: encode(data, Letters(), name, tmp_path) for name in ("train", "valid")}  # type: ignore[arg-type]
    made = Batches(encoded, "pair", 13, 26)  # type: ignore[arg-type]
    sources = []
    for batch in made.evaluation("valid", 6):
        assert batch.source is not None
        for source, target in zip(batch.source.tolist(), batch.targets.tolist(), strict=True):
            text = "".join(chr(97 + token) for token in source if token < 26)
            assert target[: len(text) + 1] == [ord(letter) - 97 for letter in text[::-1]] + [26]
            sources.append(text)
    assert sources == [example.pieces[0].text for example in data.examples("valid")]
    assert made.encoded["valid"].scored_tokens == sum(map(len, sources)) + len(sources)
