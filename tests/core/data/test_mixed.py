"""Mixtures: each member has its share of the tokens trained on, and each token of each counts once in evaluation."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from partwise import InputError
from partwise.data import IGNORED, Batch, Batches, EncodedSplit, Member, MixedSplit, Split
from partwise.data.mixed import facts_of, members_of, split_of
from partwise.data.mixed_rows import joined

from .test_batches import END, examples, split
from .texts import Bytes
from .texts import stream as a_text


def stream(count: int, token: int, name: Split = "train") -> EncodedSplit:
    """`count` targets of one id, so that a token shows its member."""
    return sized(split(name, tokens=np.array([END, *[token] * count], np.uint16)), count)


def sized(one: EncodedSplit, scored: int) -> EncodedSplit:
    return EncodedSplit(**{**vars(one), "scored_tokens": scored})


def mixture(members: dict[str, EncodedSplit], weights: dict[str, float]) -> MixedSplit:
    total = sum(weights.values())
    shares = {name: weight / total for name, weight in weights.items()}
    return MixedSplit(**facts_of(next(iter(members.values())).name, members), members=members, weights=shares)


def shares(batches: Batches, steps: int, size: int) -> dict[int, float]:
    """Share of the scored tokens that each id has in training."""
    counts: Counter[int] = Counter()
    for step in range(steps):
        targets = batches.train(step, size, seed=3).targets
        counts.update(targets[targets != IGNORED].tolist())
    return {token: count / counts.total() for token, count in counts.items() if token != END}


def test_streams_are_drawn_by_their_weights_whatever_their_sizes() -> None:
    members = {"small": stream(20, 1), "large": stream(5000, 2), "unseen": stream(50, 3)}
    batches = Batches({"train": mixture(members, {"small": 3.0, "large": 1.0, "unseen": 0.0})}, "sequence", 8, END)
    found = shares(batches, steps=200, size=20)
    # 4,000 windows: the standard deviation of a share of 3/4 is 0.007.
    assert found[1] == pytest.approx(0.75, abs=0.03)
    assert found.keys() == {1, 2}


def test_examples_are_drawn_by_their_scored_tokens_not_by_their_number() -> None:
    short = examples([[(True, [1])] for _ in range(30)])
    long = examples([[(False, [9, 9]), (True, [2] * 9)] for _ in range(3)])
    members = {"short": sized(short, 60), "long": sized(long, 30)}
    batches = Batches({"train": mixture(members, {"short": 1.0, "long": 1.0})}, "sequence", 12, END)
    counts: Counter[bool] = Counter()
    for step in range(100):
        batch = batches.train(step, 24, seed=0)
        for row in batch.targets:
            counts[bool((row == 2).any())] += int((row != IGNORED).sum())
    # Long rows are one in six, and have ten tokens each where short ones have two.
    assert counts[True] / counts.total() == pytest.approx(0.5, abs=0.06)
    assert batches.tokens_per_row == pytest.approx(2 * 5 / 6 + 10 / 6)


def test_every_window_of_a_member_can_be_drawn() -> None:
    members = {"one": split("train", tokens=np.arange(12, dtype=np.uint16)), "other": stream(50, 99)}
    members = {name: sized(one, len(one.tokens) - 1) for name, one in members.items()}
    batches = Batches({"train": mixture(members, {"one": 1.0, "other": 9.0})}, "sequence", 4, END)
    rows = torch.cat([batches.train(step, 50, seed=1).tokens for step in range(60)])
    first = {int(row[0]) for row in rows if row[0] != 99}
    # A window has its last target at the end of the text: in 12 tokens 8 of them, as in any stream.
    assert first >= set(range(1, 8))


@given(
    step=st.integers(0, 50),
    sizes=st.tuples(st.integers(1, 5), st.integers(1, 4)),
    weights=st.lists(st.floats(0.01, 100), min_size=3, max_size=3),
)
def test_micro_batches_are_slices_of_a_larger_batch(step: int, sizes: tuple[int, int], weights: list[float]) -> None:
    size, count = sizes
    members = {str(token): stream(10 * token, token) for token in (1, 2, 3)}
    batches = Batches({"train": mixture(members, dict(zip("123", weights, strict=True)))}, "sequence", 4, END)
    whole = batches.train(step, size * count, seed=5)
    parts = [batches.train(step, size, seed=5, micro=micro) for micro in range(count)]
    assert torch.equal(torch.cat([part.tokens for part in parts]), whole.tokens)


def test_as_a_whole_each_token_of_each_member_is_scored_once() -> None:
    members = {"a": stream(10, 1, "valid"), "b": stream(7, 2, "valid")}
    batches = Batches({"valid": mixture(members, {"a": 1.0, "b": 100.0})}, "sequence", 4, END)
    scored = torch.cat([batch.targets[batch.targets != IGNORED] for batch in batches.evaluation("valid", 2)])
    assert Counter(scored.tolist()) == {1: 10, 2: 7}
    alone = torch.cat([batch.targets.flatten() for batch in batches.of_member("valid", "b").evaluation("valid", 9)])
    assert Counter(alone.tolist()) == {2: 7, IGNORED: 1}


def test_pairs_of_several_members_are_padded_to_the_longest() -> None:
    members = {
        "short": sized(examples([[(False, [5]), (True, [6])]]), 2),
        "long": sized(examples([[(False, [7, 7, 7]), (True, [8, 8])]]), 3),
    }
    batches = Batches({"train": mixture(members, {"short": 1.0, "long": 1.0})}, "pair", 6, END)
    batch = next(batch for step in range(20) if (batch := batches.train(step, 8, seed=0)).tokens.shape[1] == 3)
    assert batch.source is not None
    assert batch.source_padding is not None
    assert batch.padding is not None
    short = (batch.source[:, 0] == 5).nonzero().flatten()
    assert len(short)
    for row in short:
        assert batch.source[row].tolist() == [5, END, END]
        assert batch.source_padding[row].tolist() == [True, False, False]
        assert batch.targets[row].tolist() == [6, END, IGNORED]
        assert batch.padding[row].tolist() == [True, True, False]


def test_batches_of_one_length_are_joined_without_padding() -> None:
    one, other = (Batch(torch.full((2, 3), token), torch.full((2, 3), token)) for token in (1, 2))
    whole = joined([one, other], np.array([3, 0, 2, 1]), END)
    assert whole.padding is None
    assert whole.tokens[:, 0].tolist() == [2, 1, 2, 1]


def test_the_epochs_of_a_member_follow_from_its_weight_and_size() -> None:
    members = {"a": stream(100, 1), "b": stream(1000, 2)}
    batches = Batches({"train": mixture(members, {"a": 1.0, "b": 3.0})}, "sequence", 10, END)
    assert batches.epochs(40) == {"a": pytest.approx(1.0), "b": pytest.approx(0.3)}


class Mixed:
    """Data of members."""

    form = "stream"

    def __init__(self, **members: tuple[Any, float]) -> None:
        self.members = {name: Member(data, weight) for name, (data, weight) in members.items()}


def test_a_mixture_within_a_mixture_has_its_weight_divided_among_its_members() -> None:
    inner = Mixed(x=(a_text("x"), 1.0), y=(a_text("x"), 3.0))
    found = members_of(Mixed(a=(a_text("x"), 2.0), b=(inner, 2.0)))  # type: ignore[arg-type]
    assert {name: member.weight for name, member in found.items()} == {"a": 0.5, "b.x": 0.125, "b.y": 0.375}


def test_an_error_names_the_member(tmp_path: Path) -> None:
    def fail(data: Any) -> Any:
        raise InputError("no such file")

    with pytest.raises(InputError, match="member 'a' of the mixture: no such file"):
        split_of(Mixed(a=(a_text("x"), 1.0)), "train", Bytes(), fail)  # type: ignore[arg-type]


def test_a_member_without_anything_to_train_or_evaluate_on_is_named() -> None:
    members = {"a": stream(50, 1), "b": stream(3, 2)}
    with pytest.raises(InputError, match=r"train split of the member 'b' is shorter than a window .* the weight 0"):
        Batches({"train": mixture(members, {"a": 1.0, "b": 1.0})}, "sequence", 8, END)
    Batches({"train": mixture(members, {"a": 1.0, "b": 0.0})}, "sequence", 8, END)
    empty = {"a": stream(50, 1, "valid"), "b": stream(0, 2, "valid")}
    batches = Batches({"valid": mixture(empty, {"a": 1.0, "b": 1.0})}, "sequence", 8, END)
    with pytest.raises(InputError, match="valid split of the member 'b' of the mixture holds no text"):
        batches.evaluation("valid", 2)


def test_weights_of_nothing_but_zeros_are_refused() -> None:
    with pytest.raises(InputError, match="weights of the mixture are all 0"):
        members_of(Mixed(a=(a_text("x"), 0.0)))  # type: ignore[arg-type]
