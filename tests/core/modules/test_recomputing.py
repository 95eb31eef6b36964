"""Activation checkpointing: less is kept for the backward pass, and everything else stays, to the bit."""

from __future__ import annotations

import copy
import gc
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from partwise.assembly import assemble
from partwise.data import Batch
from partwise.modules import Flow, TrainingLoss, causal_flow, layers_of, recompute
from partwise.parts import ModelPart, ModelSite, resolve_part

WIDTH, DEPTH, T = 16, 4, 24
ATTENTION = {"use": "multi_head", "heads": 2}
PLAIN = {"use": "pre_norm", "mixer": ATTENTION, "feedforward": {"use": "gelu", "hidden": 64}, "dropout": 0.2}
EXPERTS = {"use": "experts", "experts": 4, "expert": {"use": "swiglu", "hidden": 8}}
SIGMOID = {**EXPERTS, "router": {"use": "sigmoid", "bias_step": 0.01}}
NOISY = {**EXPERTS, "router": {"use": "top_k", "noise": True}}
FIRST_VALUES = {"use": "value_residual", "learned": True}


def model_of(recomputed: int | None, **knobs: Any) -> Any:
    """A model in training, of whose layers every so many are computed again."""
    settings = {"use": "language_model", "width": WIDTH, "context": T, "blocks": [PLAIN], "depth": DEPTH, **knobs}
    model: Any = assemble(resolve_part(ModelPart, settings), ModelSite(vocabulary=13), seed=3)
    for layer in list(layers_of(model))[::recomputed] if recomputed else ():
        recompute(layer)
    return model.train()


def batch(**others: Tensor) -> Batch:
    ids = torch.randint(0, 13, (3, T + 1), generator=torch.Generator().manual_seed(1))
    return Batch(ids[:, :-1], ids[:, 1:], **others)


def loss_of(model: Any, read: Batch) -> Tensor:
    torch.manual_seed(5)
    hidden = model.hidden(read)
    loss = hidden.head.cross_entropy(hidden.states, read.targets)
    weighted = hidden.flow.carried.weighted()
    return loss if weighted is None else loss + weighted


def left_by(model: Any, read: Batch) -> dict[str, Tensor]:
    """What an update of two batches leaves: loss, gradients and buffers."""
    for _ in range(2):
        loss = loss_of(model, read)
        loss.backward()
    gradients = {name: one.grad for name, one in model.named_parameters() if one.grad is not None}
    return {"loss": loss.detach(), **gradients, **dict(model.named_buffers())}


def kept_by(compute: Callable[[], Tensor]) -> int:
    """Bytes of the tensors that a forward pass keeps for the backward one."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = compute()
    total = sum(kept.values())
    del loss
    return total


@pytest.mark.parametrize(
    "knobs",
    [
        pytest.param({}, id="dropout"),
        pytest.param({"blocks": [{**PLAIN, "feedforward": SIGMOID}]}, id="experts whose load is counted"),
        pytest.param({"blocks": [{**PLAIN, "feedforward": NOISY}]}, id="noisy experts with terms"),
        pytest.param(
            {"blocks": [{**PLAIN, "mixer": {**ATTENTION, "values": FIRST_VALUES}}]}, id="values that are shared"
        ),
        pytest.param({"position": "t5_bias"}, id="a learned bias that layers share"),
        pytest.param(
            {"blocks": [{"use": "repeat", "blocks": [PLAIN], "times": 4, "shared": True}]}, id="layers passed twice"
        ),
        pytest.param({"blocks": [{**PLAIN, "mixer": {"use": "lstm"}}], "position": "none"}, id="a recurrence"),
        pytest.param({"residual": "hyper_connections"}, id="a wide stream"),
    ],
)
@pytest.mark.parametrize("every", [1, 3])
def test_losses_gradients_and_buffers_are_the_same_to_the_bit(knobs: dict[str, Any], every: int) -> None:
    documents = (torch.arange(T) >= 9).long().expand(3, T) if "lstm" not in str(knobs) else None
    read = batch() if documents is None else batch(documents=documents)
    plain, again = left_by(model_of(None, **knobs), read), left_by(model_of(every, **knobs), read)
    assert plain.keys() == again.keys()
    assert [name for name, value in plain.items() if not value.equal(again[name])] == []


@pytest.mark.filterwarnings("ignore")
def test_the_compiler_gives_the_same_gradients() -> None:
    found = []
    for every in (None, 1):
        model = model_of(every, blocks=[{**PLAIN, "feedforward": SIGMOID}], depth=2)
        torch.manual_seed(5)
        loss, _ = torch.compile(TrainingLoss(model), backend="eager")(batch())
        loss.backward()
        found.append([loss, *(one.grad for one in model.parameters()), *model.buffers()])
    assert all(map(torch.equal, *found))


def test_what_a_layer_says_is_logged_once() -> None:
    model = model_of(1, blocks=[{**PLAIN, "feedforward": NOISY}])
    hidden = model.hidden(batch())
    terms, reports = (
        {name: len(values) for name, values in told.items()}
        for told in (hidden.flow.carried.terms, hidden.flow.carried.reports)
    )
    (hidden.states.sum() + hidden.flow.carried.weighted()).backward()
    assert terms
    assert set(terms.values()) == set(reports.values()) == {DEPTH}
    assert {name: len(values) for name, values in hidden.flow.carried.terms.items()} == terms
    assert {name: len(values) for name, values in hidden.flow.carried.reports.items()} == reports


def test_a_layer_keeps_its_input_alone() -> None:
    stream = 4 * 3 * T * WIDTH
    of_all, of_half, of_none, deeper = (
        kept_by(partial(loss_of, model_of(every, depth=depth), batch()))
        for every, depth in ((None, DEPTH), (2, DEPTH), (1, DEPTH), (1, DEPTH + 2))
    )
    assert deeper - of_none == 2 * stream
    assert of_none < of_all / 3
    assert of_half == pytest.approx((of_all + of_none) / 2, rel=0.1)


def test_evaluation_decoding_and_copies_are_what_they_were() -> None:
    model, plain = model_of(1), model_of(None)
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for one in model.parameters():
            one.zero_()
    assert left_by(twin, batch())["loss"].equal(left_by(plain, batch())["loss"])
    model, plain = twin.eval(), plain.eval()
    assert kept_by(lambda: loss_of(model, batch())) == kept_by(lambda: loss_of(plain, batch()))
    prompt = batch()
    logits, decoding = model.begin(prompt, T + 1)
    assert logits.equal(plain.begin(prompt, T + 1)[0])
    assert model.step(prompt.tokens[:, 0], decoding).isfinite().all()


def test_a_pass_whose_gradient_nobody_asks_for_is_let_go() -> None:
    model = model_of(1, blocks=[{**PLAIN, "mixer": {**ATTENTION, "values": FIRST_VALUES}}])
    hidden = model.hidden(batch())
    watched = [weakref.ref(one) for one in hidden.flow.shared.values()]
    del hidden
    gc.collect()
    assert watched
    assert all(one() is None for one in watched)


class Twice(nn.Module):
    """Shares its input, and multiplies by what was shared before."""

    def forward(self, x: Tensor, flow: Flow) -> Tensor:
        before = flow.shared.get("x", x)
        flow.share("x", x.sin())
        return x * before.cos()


def test_a_layer_that_is_computed_again_finds_what_it_found_the_first_time() -> None:
    gradients = []
    for again in (False, True):
        layer, flow, x = Twice(), causal_flow(2), torch.tensor([[[0.5], [0.25]]], requires_grad=True)
        if again:
            recompute(layer)
        y = layer(layer(x, flow), flow) + flow.shared["x"]
        y.sum().backward(retain_graph=True)
        y.sum().backward()
        gradients.append(x.grad)
    assert torch.equal(*gradients)


def test_layers_are_the_outermost_in_lists_and_share_weights_or_not() -> None:
    def layer() -> nn.Module:
        return nn.ModuleDict({"a": nn.Linear(2, 2), "experts": nn.ModuleList([nn.Linear(2, 2)])})

    model = nn.ModuleDict({"first": nn.ModuleList([layer(), nn.ReLU(), layer(), layer(), layer()]), "head": layer()})
    layers = model["first"]
    layers[3]["a"].weight = layers[2]["a"].weight
    inside = model["head"]["experts"][0]
    assert list(layers_of(model)) == [layers[0], *layers[2:], inside]
    assert list(layers_of(model, apart=True)) == [layers[0], layers[4], inside]
