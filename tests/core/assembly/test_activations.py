"""What training takes, counted without memory, against a pass that takes it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from partwise.assembly import assemble, skeleton
from partwise.assembly.activations import training_costs
from partwise.data import Batch
from partwise.modules import TrainingLoss, layers_of, recompute
from partwise.parts import ModelPart, ModelSite, resolve_part

WIDTH, HIDDEN, DEPTH, T, V = 32, 64, 3, 24, 20
ATTENTION = {"use": "multi_head", "heads": 2}
LAYER = {"use": "pre_norm", "mixer": ATTENTION, "feedforward": {"use": "gelu", "hidden": HIDDEN}}


def part(**knobs: Any) -> ModelPart:
    settings = {"use": "language_model", "width": WIDTH, "context": T, "blocks": [LAYER], "depth": DEPTH, **knobs}
    return resolve_part(ModelPart, settings)


def row(device: str) -> Batch:
    ids = torch.zeros(1, T, dtype=torch.int64, device=device)
    return Batch(ids, ids.clone())


def kept_on_a_cpu(model: Any) -> int:
    """Bytes of the tensors that a pass keeps, without the weights."""
    own = {one.untyped_storage().data_ptr() for one in (*model.parameters(), *model.buffers())}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = TrainingLoss(model.train())(row("cpu"))
    total = sum(size for address, size in kept.items() if address not in own)
    del loss
    return total


@pytest.mark.parametrize("knobs", [{}, {"position": "rope"}, {"blocks": [{**LAYER, "feedforward": "swiglu"}]}])
def test_activations_are_those_that_a_pass_keeps(knobs: dict[str, Any]) -> None:
    site = ModelSite(vocabulary=V)
    costs = training_costs(skeleton(part(**knobs), site), row("meta"))
    assert costs is not None
    assert costs.activations == pytest.approx(kept_on_a_cpu(assemble(part(**knobs), site, 1)), rel=0.02)
    again = assemble(part(**knobs), site, 1)
    for layer in list(layers_of(again)):
        recompute(layer)
    inputs = kept_on_a_cpu(again)
    assert costs.recomputed_activations == pytest.approx(inputs + (costs.activations - inputs) / DEPTH, rel=0.1)


def test_flops_are_three_forward_passes_and_one_of_the_layers_more() -> None:
    costs = training_costs(skeleton(part(), ModelSite(vocabulary=V)), row("meta"))
    assert costs is not None
    linear = 4 * WIDTH * WIDTH + 2 * WIDTH * HIDDEN
    layers = DEPTH * T * (2 * linear + 2 * 2 * T * WIDTH)
    assert costs.recomputed_flops == layers
    assert costs.flops == 3 * (layers + 2 * T * WIDTH * V)


def test_a_model_whose_work_depends_on_its_data_is_not_counted() -> None:
    experts = {"use": "experts", "experts": 2, "expert": "gelu"}
    model = skeleton(part(blocks=[{**LAYER, "feedforward": experts}]), ModelSite(vocabulary=V))
    layer: Any = next(layers_of(model))
    layer.feedforward.forward = lambda x, flow: x[x > 0].sum() + x
    assert training_costs(model, row("meta")) is None
