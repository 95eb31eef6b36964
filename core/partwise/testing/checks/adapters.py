"""What every adapter must do beside the linear layers of a language model."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from partwise.assembly.adapting import choose_trained, put_adapters
from partwise.assembly.build import assemble
from partwise.data.batch import Batch
from partwise.modules.adapting import adapted_in, merge_adapters
from partwise.parts.kinds import ModelPart
from partwise.parts.part import Part
from partwise.parts.sites import ModelSite
from partwise.parts.slot import resolve_part
from partwise.testing.probes import drawn, tokens
from partwise.testing.registering import check
from partwise.testing.violation import close, require

V, T, UPDATES, RATE = 17, 8, 3, 0.05
_LAYER = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}}
_MODEL = {"use": "language_model", "width": 16, "context": T, "blocks": (_LAYER,), "depth": 2}


@check("adapter", per="example")
def a_fresh_one_changes_nothing(part: Part) -> None:
    """A model gives the same logits and the same loss, bit for bit, before and after it has adapters."""
    plain, adapted = _model(), _adapted(part)
    for mode in (False, True):
        one, other = plain.train(mode), adapted.train(mode)
        require(one(_batch()).equal(other(_batch())), f"logits change {'in training' if mode else 'in evaluation'}")
        require(one.loss(_batch()).equal(other.loss(_batch())), "the loss changes")


@check("adapter", per="example")
def merged_is_as_unmerged(part: Part) -> None:
    """Once it has learned, a model of plain layers with merged weights gives what the adapted one gives."""
    model = _trained(_adapted(part)).eval()
    expected, fresh = model(_batch()).detach(), _model()(_batch()).detach()
    require(not torch.allclose(expected, fresh, atol=1e-4), "nothing has been learned that could be merged")
    names = [name for name, _ in _model().named_parameters()]
    merge_adapters(model)
    require([name for name, _ in model.named_parameters()] == names, "a merged model has other parameters than a plain")
    close(model(_batch()), expected, "merged and unmerged", atol=1e-5, rtol=1e-5)


@check("adapter", per="example")
def only_its_parameters_learn(part: Part) -> None:
    """In training the weights of the model stay as they are, and each of the adapter's parameters changes."""
    before, model = dict(_model().named_parameters()), _adapted(part)
    drawn_first = {name: one.detach().clone() for name, one in model.named_parameters()}
    _trained(model)
    for name, one in model.named_parameters():
        if name in before:
            require(one.equal(before[name]), f"{name}, which is not the adapter's, has changed")
            require(one.grad is None, f"{name}, which is not the adapter's, has a gradient")
        else:
            require(not one.equal(drawn_first[name]), f"the adapter's {name} has not changed in {UPDATES} updates")


def observed(part: Part) -> dict[str, Any]:
    """The layers of a model that it stands beside."""
    return {"beside": [path for path, _ in adapted_in(_adapted(part))]}


def _model() -> Any:
    network: Any = resolve_part(ModelPart, _MODEL)
    return assemble(network, ModelSite(vocabulary=V), drawn(0))


def _adapted(part: Any) -> Any:
    model: nn.Module = _model()
    put_adapters(model, part, drawn(1))
    choose_trained(model, None)
    return model


def _batch() -> Batch:
    ids = tokens(4, T + 1, below=V)
    return Batch(ids[:, :-1], ids[:, 1:])


def _trained(model: Any) -> Any:
    optimizer = torch.optim.Adam([one for one in model.parameters() if one.requires_grad], lr=RATE)
    batch, model = _batch(), model.train()
    for _ in range(UPDATES):
        optimizer.zero_grad()
        loss: Tensor = model.loss(batch) / batch.scored
        loss.backward()
        optimizer.step()
    return model


__all__ = ["observed"]
