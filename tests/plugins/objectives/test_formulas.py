"""Each objective against a plain loop over positions and logits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from partwise import PartError
from partwise.assembly import assemble
from partwise.data import IGNORED, Batch
from partwise.modules import TrainingLoss
from partwise.parts import ModelPart, ModelSite, ObjectivePart, resolve_part

V, T = 11, 9
MIXER: dict[str, Any] = {"use": "multi_head", "heads": 2, "values": "value_residual"}
LAYER = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}}


def model(objective: Any, vocabulary: int = V, layer: Any = LAYER) -> Any:
    part = resolve_part(ObjectivePart, objective)
    settings = {"use": "language_model", "width": 8, "context": T, "position": "learned", "blocks": [layer]}
    site = ModelSite(vocabulary, objective=part)  # type: ignore[arg-type]
    network = assemble(resolve_part(ModelPart, settings), site, seed=3)  # type: ignore[arg-type]
    with torch.no_grad():
        for index, parameter in enumerate(network.parameters()):
            noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(index))
            parameter.add_(0.3 * noise)
    return network.train()  # type: ignore[attr-defined]


def batch(rows: int = 3) -> Batch:
    ids = torch.randint(V, (rows, T + 1), generator=torch.Generator().manual_seed(1))
    return Batch(ids[:, :-1].contiguous(), ids[:, 1:].contiguous())


def nats(logits: Tensor, target: Tensor) -> Tensor:
    return -logits.log_softmax(-1)[target]


def test_further_tokens_in_parallel_are_predicted_from_layers_of_their_own() -> None:
    network, given = model({"use": "multi_token", "further": 2, "block": LAYER, "weight": 0.25}), batch()
    loss, figures = TrainingLoss(network)(given)
    hidden, objective = network.hidden(given), network.objective
    next_token = sum(
        nats(hidden.head.logits(hidden.states[b, t]), given.targets[b, t]) for b in range(3) for t in range(T)
    )
    means = []
    for ahead in (1, 2):
        x = objective.norms[ahead - 1](objective.layers[ahead - 1](hidden.states, hidden.flow))
        found = [
            nats(hidden.head.logits(x[b, t]), given.targets[b, t + ahead]) for b in range(3) for t in range(T - ahead)
        ]
        means.append(torch.stack(found).mean())
    further = torch.stack(means).mean()
    torch.testing.assert_close(loss, next_token + 0.25 * further * 3 * T)
    torch.testing.assert_close(figures["loss"], next_token)
    torch.testing.assert_close(figures["further_tokens"], further * 3 * T)


def test_a_chain_of_further_tokens_reads_each_token_before_it_predicts_the_next() -> None:
    """DeepSeek-V3, equations 21 to 25, position by position."""
    network, given = model({"use": "multi_token", "further": 2, "block": LAYER, "form": "chained"}), batch()
    loss, _ = TrainingLoss(network)(given)
    hidden, objective = network.hidden(given), network.objective
    expected = torch.zeros(())
    x = hidden.states
    for k in (1, 2):
        pairs = torch.zeros(3, T, 16)
        for b in range(3):
            for t in range(T):
                token = given.tokens[b, t + k] if t + k < T else torch.tensor(0)
                embedded = network.input.embedding.weight[token]
                pairs[b, t] = torch.cat((objective.state_norms[k - 1](x[b, t]), objective.token_norms[k - 1](embedded)))
        x = objective.layers[k - 1](objective.projections[k - 1](pairs), hidden.flow)
        y = objective.norms[k - 1](x)
        found = [nats(hidden.head.logits(y[b, t]), given.targets[b, t + k]) for b in range(3) for t in range(T - k)]
        expected = expected + torch.stack(found).mean() / 2
    torch.testing.assert_close(loss, network.loss(given) + expected * 3 * T)


def test_further_tokens_that_no_text_has_are_refused() -> None:
    model({"use": "multi_token", "further": T - 1, "block": LAYER})
    with pytest.raises(PartError, match=f"no text of {T} has: beside the next one, at most {T - 1} follow"):
        model({"use": "multi_token", "further": T, "block": LAYER})


@pytest.mark.parametrize("form", ["parallel", "chained"])
def test_layers_of_an_objective_share_nothing_with_those_of_the_model(form: str) -> None:
    """Their first values are their own: those of the model have another shape here."""
    inner, outer = ({"use": "pre_norm", "mixer": MIXER | {"heads": heads}} for heads in (1, 2))
    network = model({"use": "multi_token", "further": 2, "block": inner, "form": form}, layer=outer)
    loss, _ = TrainingLoss(network)(batch())
    assert loss.isfinite()


def test_in_training_every_update_hides_other_tokens_and_evaluation_always_the_same() -> None:
    objective, given = model("masked", V + 1).objective, batch(rows=40)
    first, second = objective.pose(given, 1), objective.pose(given, 2)
    assert not first.tokens.equal(second.tokens)
    assert objective.pose(given, None).tokens.equal(objective.pose(given, None).tokens)


def test_of_the_tokens_drawn_eight_in_ten_become_the_mask() -> None:
    objective = model("masked", V + 1).objective
    ids = torch.randint(V, (200, 101), generator=torch.Generator().manual_seed(2))
    posed = objective.pose(Batch(ids[:, :-1], ids[:, 1:]), 4)
    drawn = posed.targets != IGNORED
    assert drawn.float().mean().item() == pytest.approx(0.15, abs=0.01)
    assert (posed.tokens[drawn] == V).float().mean().item() == pytest.approx(0.8, abs=0.02)
    kept = 0.1 + 0.1 / V  # a random token may be the one that stood there
    assert (posed.tokens[drawn] == posed.targets[drawn]).float().mean().item() == pytest.approx(kept, abs=0.02)
    assert posed.tokens[~drawn].equal(ids[:, :-1][~drawn])


def test_a_mask_that_the_tokenizer_has_adds_none_and_any_token_may_stand_for_another() -> None:
    part = {"use": "masked", "mask": 3, "rate": 0.9, "random": 0.9, "kept": 0.0}
    objective, given = model(part).objective, batch(rows=200)
    posed = objective.pose(given, 1)
    hidden = posed.targets != IGNORED
    assert (posed.tokens[hidden] == 3).float().mean() == pytest.approx(0.1 + 0.9 / V, abs=0.03)
    assert set(posed.tokens[hidden].tolist()) == set(range(V))
    with pytest.raises(PartError, match="mask 11 is no id of the vocabulary, which has 11"):
        model({"use": "masked", "mask": V})


def test_a_masked_model_sees_both_ways_and_its_loss_is_that_of_what_is_hidden() -> None:
    network, given = model("masked", V + 1), batch()
    posed = network.objective.pose(given, 1)
    logits = network(posed)
    expected = sum(
        nats(logits[b, t], posed.targets[b, t]) for b in range(3) for t in range(T) if posed.targets[b, t] != IGNORED
    )
    torch.testing.assert_close(TrainingLoss(network)(posed)[0], expected)
    changed = posed.tokens.clone()
    changed[:, -1] = (changed[:, -1] + 1) % V
    assert not torch.allclose(network(Batch(changed, posed.targets))[:, 0], logits[:, 0]), "the first sees the last"


@pytest.mark.parametrize("share", [0.25, 0.7])
def test_of_a_prefix_nothing_is_scored_and_of_the_rest_everything(share: float) -> None:
    posed = model({"use": "prefix", "share": share}).objective.pose(batch(), None)
    first = int(share * T)
    assert (posed.targets[:, :first] == IGNORED).all()
    assert posed.targets[:, first:].equal(batch().targets[:, first:])


def test_prefixes_that_are_drawn_are_of_all_lengths() -> None:
    posed = model("prefix").objective.pose(batch(rows=400), 3)
    lengths = (posed.targets == IGNORED).sum(1)
    counts = lengths.bincount(minlength=T)
    assert len(counts) == T
    assert (counts > 20).all()


def test_documents_that_share_a_row_do_not_foretell_each_other() -> None:
    block = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}}
    for form in ("parallel", "chained"):
        network = model({"use": "multi_token", "further": 2, "form": form, "block": block})
        given = batch(1)
        documents = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1, 1]])
        network.objective.weight = 1.0
        packed = TrainingLoss(network)(replace(given, documents=documents))[1]["further_tokens"] / T
        sums, counts = [0.0, 0.0], [0, 0]
        for start, end in ((0, 4), (4, T)):
            alone = Batch(given.tokens[:, start:end], given.targets[:, start:end])
            for further in (1, 2):
                ahead = further - 1
                count = end - start - further
                network_of = _mean_of(network, alone, ahead)
                sums[ahead] += network_of * count
                counts[ahead] += count
        expected = sum(total / count for total, count in zip(sums, counts, strict=True)) / 2
        torch.testing.assert_close(packed, torch.as_tensor(expected), rtol=1e-5, atol=1e-6)


def _mean_of(network: Any, given: Batch, ahead: int) -> Any:
    """The mean loss of the token that is so many further than the next but one, by a text that is all alone."""
    hidden, objective = network.hidden(given), network.objective
    x = list(objective.vectors(hidden, given))[ahead]
    length = given.tokens.shape[1] - ahead - 1
    logits = hidden.head.logits(objective.norms[ahead](x))
    return torch.stack([nats(logits[0, t], given.targets[0, t + ahead + 1]) for t in range(length)]).mean()


def test_each_document_of_a_row_has_a_prefix_of_its_own() -> None:
    objective = model({"use": "prefix", "share": 0.5}).objective
    given = replace(batch(1), documents=torch.tensor([[3, 3, 3, 3, 7, 7, 7, 7, 7]]))
    scored = objective.pose(given, None).targets != IGNORED
    assert scored.tolist() == [[False, False, True, True, False, False, True, True, True]]
