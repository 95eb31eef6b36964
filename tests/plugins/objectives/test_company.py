"""Skip-gram and CBOW with negative sampling against plain loops, and what they draw against what word2vec draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from partwise import PartError
from partwise.assembly import assemble
from partwise.data import IGNORED, Batch
from partwise.modules import TrainingLoss
from partwise.parts import ModelPart, ModelSite, ObjectivePart, resolve_part
from partwise_objectives.company import noise

V, T, C = 11, 9, 6
COUNTS = torch.tensor([40, 3, 5, 1, 0, 8, 13, 2, 2, 30, 9])


def model(objective: Any, counts: Tensor | None = COUNTS, vocabulary: int = V, **knobs: Any) -> Any:
    part: Any = resolve_part(ObjectivePart, objective)
    settings: Any = {"use": "word_vectors", "width": C, "context": T, **knobs}
    site = ModelSite(vocabulary, objective=part, counts=None if counts is None else lambda: counts)
    network: Any = assemble(resolve_part(ModelPart, settings), site, seed=3)
    with torch.no_grad():
        for index, parameter in enumerate(network.parameters()):
            parameter.add_(0.5 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(index)))
    return network.train()


def batch(rows: int = 3, length: int = T, vocabulary: int = V) -> Batch:
    ids = torch.randint(vocabulary, (rows, length + 1), generator=torch.Generator().manual_seed(1))
    return Batch(ids[:, :-1].contiguous(), ids[:, 1:].contiguous())


def sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def by_hand(network: Any, posed: Batch, wrong: np.ndarray[Any, Any]) -> tuple[float, Any, Any]:
    """The loss of word2vec and its gradients for the two tables, one pair after the other (Mikolov et al. 2013,
    arXiv:1310.4546, equation 4; the update of the reference implementation is the gradient's opposite)."""
    read = network.input.weight.detach().double().numpy()
    told = network.output.weight.detach().double().numpy()
    to_read, to_tell, loss = np.zeros_like(read), np.zeros_like(told), 0.0
    assert posed.around is not None
    for b in range(len(posed.tokens)):
        for t in range(posed.tokens.shape[1]):
            right = int(posed.targets[b, t])
            if right == IGNORED:
                continue
            near = [int(one) for one in posed.around[b, t] if one != IGNORED]
            x = np.mean([read[one] for one in near], axis=0)
            for word, label in [(right, 1.0), *((int(one), 0.0) for one in wrong[b, t] if one != right)]:
                score = float(x @ told[word])
                loss -= np.log(sigmoid(score) if label else sigmoid(-score))
                slope = sigmoid(score) - label
                to_tell[word] += slope * x
                for one in near:
                    to_read[one] += slope * told[word] / len(near)
    return loss, to_read, to_tell


@pytest.mark.parametrize("name", ["skip_gram", "cbow"])
def test_loss_and_gradients_are_those_of_a_plain_loop_over_pairs(name: str) -> None:
    network = model({"use": name, "window": 3, "negatives": 4})
    posed = network.objective.pose(batch(), 7)
    torch.manual_seed(5)
    loss, _ = TrainingLoss(network)(posed)
    loss.backward()
    torch.manual_seed(5)
    share = noise(network.hidden(posed).head)
    wrong = share.multinomial(posed.tokens.numel() * 4, replacement=True).view(*posed.tokens.shape, 4).numpy()
    expected, to_read, to_tell = by_hand(network, posed, wrong)
    np.testing.assert_allclose(loss.item(), expected, rtol=1e-5)
    np.testing.assert_allclose(network.input.weight.grad.numpy(), to_read, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(network.output.weight.grad.numpy(), to_tell, rtol=1e-4, atol=1e-6)


def test_negatives_are_drawn_by_the_power_of_the_counts_and_what_never_occurs_counts_once() -> None:
    head = model("skip_gram").hidden(batch()).head
    powers = np.maximum(COUNTS.numpy(), 1) ** 0.75
    np.testing.assert_allclose(noise(head).numpy(), powers / powers.sum(), rtol=1e-5)


def test_in_evaluation_mode_the_loss_is_what_training_has_on_average() -> None:
    network = model({"use": "skip_gram", "negatives": 3})
    posed = network.objective.pose(batch(), None)
    hidden = network.hidden(posed)
    torch.manual_seed(1)
    drawn = torch.stack([network.objective(hidden, posed).detach() for _ in range(2000)])
    expected = network.objective.eval()(hidden, posed)
    assert abs(drawn.mean() - expected) < 5 * drawn.std() / 2000**0.5


def test_without_negatives_the_loss_is_that_of_a_softmax_over_all_words() -> None:
    network = model({"use": "cbow", "window": 2, "negatives": None})
    posed = network.objective.pose(batch(), 7)
    logits = network(posed).log_softmax(-1)
    scored = [(b, t) for b in range(3) for t in range(T) if posed.targets[b, t] != IGNORED]
    expected = -sum(logits[b, t, posed.targets[b, t]] for b, t in scored)
    torch.testing.assert_close(TrainingLoss(network)(posed)[0], expected)


def distances(posed: Batch) -> list[list[int]]:
    """How far from each position the words stand that it is predicted from, in rows whose tokens all differ."""
    assert posed.around is not None
    found = []
    for row, around in zip(posed.tokens.tolist(), posed.around.tolist(), strict=True):
        places = {token: place for place, token in enumerate(row)}
        found += [[places[one] - here for one in near if one != IGNORED] for here, near in enumerate(around)]
    return found


def test_skip_gram_draws_pairs_as_often_as_a_window_of_random_size_holds_them() -> None:
    window, rows = 4, 300
    network = model({"use": "skip_gram", "window": window}, None, 40)
    ids = torch.stack([torch.randperm(40, generator=torch.Generator().manual_seed(row)) for row in range(rows)])
    drawn = [one for near in distances(network.objective.pose(Batch(ids, ids), 1)) for one in near]
    assert len(drawn) == rows * 40
    # word2vec: for each word a window from 1 to 4, and all that is in it. Away from the ends of a row:
    rng = np.random.default_rng(0)
    pairs = [abs(d) for _ in range(40_000) for b in [rng.integers(1, window + 1)] for d in range(-b, b + 1) if d]
    inner = [abs(one) for place, one in enumerate(drawn) if window <= place % 40 < 40 - window]
    for distance in range(1, window + 1):
        ours, theirs = inner.count(distance) / len(inner), pairs.count(distance) / len(pairs)
        assert abs(ours - theirs) < 5 * (theirs / len(inner) + theirs / len(pairs)) ** 0.5


def test_cbow_reads_all_words_of_a_window_whose_size_is_drawn() -> None:
    window, rows = 3, 300
    network = model({"use": "cbow", "window": window}, None, 40)
    ids = torch.stack([torch.randperm(40, generator=torch.Generator().manual_seed(row)) for row in range(rows)])
    found = distances(network.objective.pose(Batch(ids, ids), 1))
    sizes = []
    for place, near in enumerate(found):
        here = place % 40
        size = max(map(abs, near))
        assert sorted(near) == [d for d in range(-size, size + 1) if d and 0 <= here + d < 40]
        if window <= here < 40 - window:
            sizes.append(size)
    for size in range(1, window + 1):
        assert abs(sizes.count(size) / len(sizes) - 1 / 3) < 5 * (2 / 9 / len(sizes)) ** 0.5


def test_frequent_words_are_left_out_as_often_as_the_paper_says_and_their_neighbours_move_together() -> None:
    counts = torch.full((40,), 10)
    counts[7] = 1000  # a share of 1000 / 1390
    network = model({"use": "skip_gram", "window": 1, "subsample": 0.01}, counts, 40)
    ids = torch.stack([torch.randperm(40, generator=torch.Generator().manual_seed(row)) for row in range(2000)])
    posed = network.objective.pose(Batch(ids, ids), 1)
    kept = (posed.targets == 7).any(1).float()
    expected = (0.01 / (1000 / 1390)) ** 0.5
    assert abs(kept.mean() - expected) < 5 * (expected / len(kept)) ** 0.5
    across = [d for place, near in enumerate(distances(posed)) for d in near if abs(d) == 2]
    assert across, "the two words beside it are neighbours, where it is left out"
    assert all(abs(d) <= 2 for near in distances(posed) for d in near), "only one word is left out"


def test_a_row_of_which_nothing_would_be_left_is_kept_whole() -> None:
    counts = torch.tensor([1_000_000, 1_000_000, 1])
    network = model({"use": "cbow", "window": 2, "subsample": 1e-9}, counts, 3)
    ids = torch.tensor([[0, 1, 0, 1]])
    posed = network.objective.pose(Batch(ids, ids), 3)
    assert posed.targets.tolist() == [[0, 1, 0, 1]]


def test_a_text_of_one_word_has_nothing_to_predict_and_costs_nothing() -> None:
    network = model("skip_gram")
    posed = network.objective.pose(Batch(torch.tensor([[3]]), torch.tensor([[4]])), 1)
    assert posed.targets.tolist() == [[IGNORED]]
    assert TrainingLoss(network)(posed)[0].item() == 0


def test_windows_do_not_reach_into_other_documents_or_padding() -> None:
    ids = torch.arange(10).expand(4, -1)
    documents, padding = (ids >= 4).long(), ids < 8
    network = model({"use": "cbow", "window": 9})
    posed = network.objective.pose(Batch(ids, ids, padding, documents), 2)
    assert posed.around is not None
    for here in range(10):
        near = {int(one) for one in posed.around[:, here].flatten() if one != IGNORED}
        assert near <= (set(range(4)) if here < 4 else set(range(4, 8))) - {here}
        assert bool(near) == (here < 8)


def test_only_a_model_that_reads_what_stands_around_learns_from_it() -> None:
    part: Any = resolve_part(ObjectivePart, "skip_gram")
    settings: Any = {"use": "language_model", "width": 8, "context": T, "blocks": []}
    with pytest.raises(PartError, match="'language_model' does not read; use the model 'word_vectors'"):
        assemble(resolve_part(ModelPart, settings), ModelSite(V, objective=part), seed=0)


def test_frequencies_are_kept_with_the_weights() -> None:
    one = model({"use": "skip_gram", "subsample": 0.05})
    other = model({"use": "skip_gram", "subsample": 0.05}, None)
    assert not one.bias.equal(other.bias)
    other.load_state_dict(one.state_dict())
    torch.testing.assert_close(other.bias, one.bias)
    torch.testing.assert_close(other.objective.kept, one.objective.kept)
