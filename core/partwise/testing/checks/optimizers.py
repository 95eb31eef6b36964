"""What every optimizer must do."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from partwise.parts.part import Part
from partwise.parts.sites import OptimizerSite
from partwise.testing.probes import drawn, seed_torch
from partwise.testing.registering import check
from partwise.testing.violation import gap, require


def _network() -> nn.Module:
    seed_torch(drawn(1))
    network = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.LayerNorm(8), nn.Linear(8, 3))
    network[3].bias.requires_grad_(False)
    return network


def _loss(network: nn.Module, seed: int = 2) -> Tensor:
    x = torch.randn(16, 4, generator=torch.Generator().manual_seed(drawn(seed)))
    return (network(x) - x[:, :3].flip(1)).square().mean()


def _steps(network: nn.Module, optimizer: torch.optim.Optimizer, count: int) -> None:
    for _ in range(count):
        optimizer.zero_grad()
        _loss(network).backward()
        optimizer.step()


@check("optimizer", per="example")
def every_trained_parameter_is_updated_once(part: Any) -> None:
    """It holds each parameter that is trained once, and none that is frozen."""
    network = _network()
    optimizer: Any = part.assemble(OptimizerSite(network))
    held = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    trained = [id(parameter) for parameter in network.parameters() if parameter.requires_grad]
    require(sorted(held) == sorted(trained), "what it updates is not what is trained")
    rates = [group.get("lr") for group in optimizer.param_groups]
    require(None not in rates, "a group of its parameters has no `lr`, which is what schedules scale")
    if "lr" in type(part).model_fields:  # a rate may be called otherwise, or be none of its knobs
        require(part.lr in rates, f"its knob lr is {part.lr:g}, and the rates of its groups are {rates}")
    for update in range(1, 4):
        before = copy.deepcopy(network.state_dict())
        _steps(network, optimizer, 1)
        for name, parameter in network.named_parameters():
            moved = not parameter.equal(before[name])
            right = moved == parameter.requires_grad
            require(right, f"{name} {'moved' if moved else 'did not move'} in update {update}")


@check("optimizer", per="example")
def it_goes_downhill(part: Part) -> None:
    """Repeated updates on one batch lower the loss."""
    network = _network()
    optimizer: Any = part.assemble(OptimizerSite(network))
    before = _loss(network).item()
    _steps(network, optimizer, 80)
    after = _loss(network).item()
    require(after < 0.8 * before, f"after 80 updates the loss went from {before:.3g} to {after:.3g}")


@check("optimizer", per="example")
def it_resumes_exactly(part: Part) -> None:
    """Its state dict is all it remembers: 3 updates, then 3 more by a new optimizer, are 6 updates."""
    network = _network()
    whole = copy.deepcopy(network)
    _steps(whole, part.assemble(OptimizerSite(whole)), 6)
    first: Any = part.assemble(OptimizerSite(network))
    _steps(network, first, 3)
    second: Any = part.assemble(OptimizerSite(network))
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    _steps(network, second, 3)
    for (name, one), other in zip(network.named_parameters(), whole.parameters(), strict=True):
        require(one.equal(other), f"after it was resumed, {name} differs")


@check("optimizer", per="example")
def only_matrices_decay(part: Part) -> None:
    """Where the gradient is zero, only matrices may shrink: weight decay leaves biases and gains alone."""
    network, before = _decayed(part)
    for name, parameter in network.named_parameters():
        still = parameter.ndim > 1 or parameter.equal(before[name])
        require(still, f"without a gradient {name} moved by {gap(parameter, before[name]):.2g}")


@check("optimizer", per="example")
def a_rate_of_zero_moves_nothing(part: Part) -> None:
    """The learning rate scales the whole update, weight decay included: a schedule that has ended ends training."""
    network = _network()
    optimizer: Any = part.assemble(OptimizerSite(network))
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    before = copy.deepcopy(network.state_dict())
    _steps(network, optimizer, 2)
    for name, parameter in network.named_parameters():
        require(parameter.equal(before[name]), f"with a learning rate of 0 {name} moves")


@check("optimizer", per="example")
def weight_decay_leaves_no_matrix_out(part: Part) -> None:
    """Where the gradient is zero, either every matrix that is trained shrinks, or none does."""
    network, before = _decayed(part)
    matrices = {name: one for name, one in network.named_parameters() if one.ndim > 1 and one.requires_grad}
    still = [name for name, one in matrices.items() if one.equal(before[name])]
    require(len(still) in (0, len(matrices)), f"weight decay leaves out {', '.join(still)}")


@check("optimizer", per="example")
def gradients_are_only_read(part: Part) -> None:
    """An update leaves gradients as they are, and a parameter that has none where it is."""
    network = _network()
    optimizer: Any = part.assemble(OptimizerSite(network))
    for _ in range(2):
        optimizer.zero_grad()
        _loss(network).backward()
        left_out = next(network.parameters())
        left_out.grad, kept = None, left_out.detach().clone()
        before = {name: one.grad.clone() for name, one in network.named_parameters() if one.grad is not None}
        optimizer.step()
        require(left_out.equal(kept), "a parameter without a gradient moves")
        for name, parameter in network.named_parameters():
            same = name not in before or (parameter.grad is not None and parameter.grad.equal(before[name]))
            require(same, f"an update changes the gradient of {name} in place")


def _decayed(part: Part) -> tuple[nn.Module, dict[str, Any]]:
    """A network after one update with gradients of zero, which only weight decay moves; and its weights before."""
    network = _network()
    optimizer: Any = part.assemble(OptimizerSite(network))
    before = copy.deepcopy(network.state_dict())
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    return network, before
