"""Figures of a split, against the definitions written out."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from partwise import InputError
from partwise.data import IGNORED, Batch
from partwise.training import Metrics, evaluate, perplexity


class Unigram(nn.Module):
    """Predicts every token by one table of logits; its dropout would show if it were on."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)
        self.dropout = nn.Dropout(0.9)
        self.seen: list[bool] = []

    def loss(self, batch: Batch) -> Tensor:
        self.seen.append(torch.is_grad_enabled())
        logits = self.dropout(self.logits).expand(*batch.targets.shape, -1)
        return nn.functional.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), reduction="sum")


class Guess(Unigram):
    """The same, and it can be asked for its logits."""

    def forward(self, batch: Batch) -> Tensor:
        return self.logits.expand(*batch.targets.shape, -1)


class Encoded:
    """A split in which a token stands for three bytes."""

    def bits_per_byte(self, nats_per_token: float) -> float | None:
        return nats_per_token / math.log(2) / 3


class FakeBatches:
    def __init__(self, rows: list[list[int]]) -> None:
        self.rows = torch.tensor(rows)
        self.encoded = {"valid": Encoded()}

    def members(self, split: str) -> tuple[str, ...]:
        return ()

    def evaluation(self, split: str, size: int, limit: int | None) -> Iterator[Batch]:
        assert split == "valid"
        for chunk in self.rows.split(size)[:limit]:
            yield Batch(chunk, chunk)


PROBABILITIES = torch.tensor([0.5, 0.25, 0.125, 0.125])
ROWS = [[0, 1, 2], [3, IGNORED, 0], [1, 1, IGNORED]]


def test_loss_is_the_mean_over_scored_tokens_whatever_the_batches() -> None:
    model = Unigram(PROBABILITIES.log())
    expected = sum([1, 2, 3, 3, 1, 2, 2]) * math.log(2) / 7
    for size in (1, 2, 3):
        found = evaluate(model, FakeBatches(ROWS), "valid", size)
        assert found.loss == pytest.approx(expected)
        assert found.tokens == 7
        assert found.perplexity == pytest.approx(2 ** (14 / 7))
        assert found.bits_per_byte == pytest.approx(14 / 7 / 3)


def test_a_limit_stops_after_that_many_batches() -> None:
    found = evaluate(Unigram(PROBABILITIES.log()), FakeBatches(ROWS), "valid", 1, limit=2)
    assert found.tokens == 5
    assert found.loss == pytest.approx((1 + 2 + 3 + 3 + 1) * math.log(2) / 5)


def test_accuracy_is_the_share_of_scored_tokens_that_are_held_most_likely() -> None:
    for size in (1, 2, 3):
        found = evaluate(Guess(PROBABILITIES.log()), FakeBatches(ROWS), "valid", size, accuracy=True)
        assert found.accuracy == 2 / 7  # token 0 stands in two of seven places
        assert found.loss == pytest.approx(2 * math.log(2))
    assert evaluate(Guess(PROBABILITIES.log()), FakeBatches(ROWS), "valid", 1).accuracy is None


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_as_before_and_nothing_is_recorded_for_gradients(training: bool) -> None:
    model = Unigram(PROBABILITIES.log()).train(training)
    evaluate(model, FakeBatches(ROWS), "valid", 2)
    assert model.training is training
    assert model.dropout.training is training
    assert model.seen == [False, False]


def test_the_mode_is_restored_when_a_batch_fails() -> None:
    model = Unigram(PROBABILITIES[:2].log())
    with pytest.raises(IndexError):
        evaluate(model, FakeBatches(ROWS), "valid", 2)
    assert model.training


def test_nothing_random_is_drawn() -> None:
    before = torch.get_rng_state()
    evaluate(Unigram(PROBABILITIES.log()), FakeBatches(ROWS), "valid", 2)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_split_with_nothing_to_score_is_an_input_error() -> None:
    with pytest.raises(InputError, match="valid split holds no token to be scored"):
        evaluate(Unigram(PROBABILITIES.log()), FakeBatches([[IGNORED]]), "valid", 2)


def test_perplexity_of_an_immense_loss_is_infinite() -> None:
    assert perplexity(1e4) == math.inf
    assert perplexity(math.log(7)) == pytest.approx(7)


def test_metrics_are_immutable() -> None:
    with pytest.raises(AttributeError):
        Metrics(1.0, math.e, None, 1).loss = 2.0  # type: ignore[misc]


def test_the_figures_of_the_stretches_have_those_of_the_whole_as_their_mean() -> None:
    rows = torch.randint(4, (140, 3), generator=torch.Generator().manual_seed(0)).tolist()
    rows[7] = [IGNORED, 1, 2]
    found = evaluate(Guess(PROBABILITIES.log()), FakeBatches(rows), "valid", 1, accuracy=True)  # type: ignore[arg-type]
    assert len(found.stretches) == 50
    tokens = [one.tokens for one in found.stretches]
    assert sum(tokens) == found.tokens == 140 * 3 - 1
    for name in ("loss", "bits_per_byte", "accuracy"):
        figures = [getattr(one, name) for one in found.stretches]
        mean = sum(f * n for f, n in zip(figures, tokens, strict=True)) / sum(tokens)
        assert mean == pytest.approx(getattr(found, name), rel=1e-6)
    few = evaluate(Guess(PROBABILITIES.log()), FakeBatches(ROWS), "valid", 2)  # type: ignore[arg-type]
    assert [one.tokens for one in few.stretches] == [5, 2]
    assert few.stretches[0].accuracy is None
