"""Optimizers against their formulas, written out over several steps in float64."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from partwise import PartError
from partwise.parts import OptimizerPart, OptimizerSite
from partwise_training import parts
from partwise_training.optimizers import decay_groups

STEPS = 5


class Mixed(nn.Module):
    """A matrix, a vector, a table, a frozen matrix, and a scalar."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.embedding = nn.Embedding(4, 3)
        self.norm = nn.LayerNorm(3)
        self.frozen = nn.Parameter(torch.ones(2, 2), requires_grad=False)
        self.gain = nn.Parameter(torch.tensor(0.5))


def gradients(model: nn.Module, step: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(step)
    return {
        name: torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def follow(part: OptimizerPart, formula: Callable[..., Tensor]) -> None:
    """Runs the optimizer and the formula side by side: formula(w, g, decay, memory, n) gives the new w."""
    model = Mixed().double()
    optimizer = part.build(OptimizerSite(model))
    expected = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    memory: dict[str, dict[str, Tensor]] = {name: {} for name in expected}
    for step in range(1, STEPS + 1):
        found = gradients(model, step)
        for name, parameter in model.named_parameters():
            if name in found:
                parameter.grad = found[name].clone()
                decay = part.weight_decay if parameter.ndim >= 2 else 0.0
                expected[name] = formula(expected[name], found[name], decay, memory[name], step)
        optimizer.step()
        for name, parameter in model.named_parameters():
            assert torch.allclose(parameter, expected[name], rtol=1e-9, atol=1e-12), (name, step)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_follows_its_formula(nesterov: bool) -> None:
    def formula(w: Tensor, g: Tensor, decay: float, memory: dict[str, Tensor], n: int) -> Tensor:
        g = g + decay * w
        memory["v"] = 0.9 * memory["v"] + g if "v" in memory else g
        return w - 0.05 * (g + 0.9 * memory["v"] if nesterov else memory["v"])

    follow(parts.Sgd(lr=0.05, momentum=0.9, nesterov=nesterov, weight_decay=0.1), formula)


def test_sgd_without_momentum_is_plain_descent() -> None:
    follow(parts.Sgd(lr=0.1), lambda w, g, decay, memory, n: w - 0.1 * g)


def moments(g: Tensor, memory: dict[str, Tensor], n: int, betas: tuple[float, float], eps: float) -> Tensor:
    """m / (sqrt(v) + eps), both corrected for their start at zero."""
    memory["m"] = betas[0] * memory.get("m", torch.zeros_like(g)) + (1 - betas[0]) * g
    memory["v"] = betas[1] * memory.get("v", torch.zeros_like(g)) + (1 - betas[1]) * g**2
    return (memory["m"] / (1 - betas[0] ** n)) / ((memory["v"] / (1 - betas[1] ** n)).sqrt() + eps)


def test_adam_adds_the_decay_to_the_gradient() -> None:
    follow(
        parts.Adam(lr=0.01, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1),
        lambda w, g, decay, memory, n: w - 0.01 * moments(g + decay * w, memory, n, (0.8, 0.95), 1e-3),
    )


def test_adamw_takes_the_decay_off_the_weights() -> None:
    follow(
        parts.AdamW(lr=0.01, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1),
        lambda w, g, decay, memory, n: w - 0.01 * decay * w - 0.01 * moments(g, memory, n, (0.8, 0.95), 1e-3),
    )


def test_lion_steps_by_the_sign_of_an_interpolation() -> None:
    def formula(w: Tensor, g: Tensor, decay: float, memory: dict[str, Tensor], n: int) -> Tensor:
        m = memory.get("m", torch.zeros_like(g))
        memory["m"] = 0.95 * m + 0.05 * g
        return w - 0.01 * ((0.8 * m + 0.2 * g).sign() + decay * w)

    follow(parts.Lion(lr=0.01, betas=(0.8, 0.95), weight_decay=0.3), formula)


def test_only_matrices_decay() -> None:
    model = Mixed()
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = decay_groups(model, 0.3)
    found = {names[id(parameter)]: group["weight_decay"] for group in groups for parameter in group["params"]}
    assert found == {
        "linear.weight": 0.3,
        "embedding.weight": 0.3,
        "linear.bias": 0.0,
        "norm.weight": 0.0,
        "norm.bias": 0.0,
        "gain": 0.0,
    }


def test_tied_weights_are_updated_once() -> None:
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    model[1].weight = model[0].weight
    assert [len(group["params"]) for group in decay_groups(model, 0.1)] == [1]


def test_a_model_with_nothing_to_train_is_refused() -> None:
    with pytest.raises(PartError, match="no parameters to train"):
        parts.AdamW().build(OptimizerSite(nn.Linear(2, 2).requires_grad_(False)))


@pytest.mark.parametrize("part", [parts.Sgd(), parts.Adam(), parts.AdamW()])
def test_fused_kernels_are_asked_for_where_they_apply(part: OptimizerPart) -> None:
    on_cpu = part.build(OptimizerSite(nn.Linear(2, 2)))
    elsewhere = part.build(OptimizerSite(nn.Linear(2, 2, device="meta")))
    assert all(group["fused"] is True for group in on_cpu.param_groups)
    assert not any(group["fused"] for group in elsewhere.param_groups)


@pytest.mark.parametrize("part", [parts.Adam(), parts.AdamW(), parts.Lion(), parts.Sgd(momentum=0.9)])
def test_a_parameter_without_a_gradient_stays(part: OptimizerPart) -> None:
    model = nn.Linear(2, 2)
    model.weight.grad = torch.ones(2, 2)
    before = model.bias.detach().clone()
    part.build(OptimizerSite(model)).step()
    assert torch.equal(model.bias, before)


def test_nesterov_needs_momentum() -> None:
    with pytest.raises(ValidationError, match="nesterov needs a momentum above 0"):
        parts.Sgd(nesterov=True)


def by_role(part: OptimizerPart, model: nn.Module) -> dict[str, tuple[float, float]]:
    """Rate and decay of each parameter."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = part.build(OptimizerSite(model)).param_groups
    return {names[id(one)]: (group["lr"], group["weight_decay"]) for group in groups for one in group["params"]}


@pytest.mark.parametrize("kind", [parts.Sgd, parts.Adam, parts.AdamW, parts.Lion])
def test_roles_have_rates_and_decays_of_their_own(kind: type[parts.ByRole]) -> None:
    part = kind(lr=0.5, weight_decay=0.3, rates={"embedding": 0.1, "vector": 2.0}, decays={"embedding": 0.0})
    assert by_role(part, Mixed()) == {
        "linear.weight": (0.5, 0.3),
        "embedding.weight": (0.05, 0.0),
        "linear.bias": (1.0, 0.0),
        "norm.weight": (1.0, 0.0),
        "norm.bias": (1.0, 0.0),
        "gain": (1.0, 0.0),
    }
    groups = part.build(OptimizerSite(Mixed())).param_groups
    assert groups[0]["name"] == "matrix", "what has the rate of the schedule comes first: it is logged as lr"


def test_a_role_that_the_model_does_not_have_is_refused() -> None:
    with pytest.raises(PartError, match="no parameters of the role 'router'; its roles are embedding, matrix, vector"):
        parts.AdamW(rates={"router": 0.1}).build(OptimizerSite(Mixed()))


def test_without_roles_there_are_the_two_groups_of_decay() -> None:
    groups = parts.AdamW().build(OptimizerSite(Mixed())).param_groups
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    assert not any("name" in group for group in groups)


def test_ademamix_adds_a_slow_momentum_that_warms_up() -> None:
    def formula(w: Tensor, g: Tensor, decay: float, memory: dict[str, Tensor], n: int) -> Tensor:
        first, second, third, alpha, warmup = 0.8, 0.95, 0.99, 2.0, 4
        share = min(1.0, n / warmup)
        life = (1 - share) * math.log(0.5) / math.log(first) + share * math.log(0.5) / math.log(third)
        slow = 0.5 ** (1 / life)
        memory["slow"] = slow * memory.get("slow", torch.zeros_like(g)) + (1 - slow) * g
        memory["m"] = first * memory.get("m", torch.zeros_like(g)) + (1 - first) * g
        memory["v"] = second * memory.get("v", torch.zeros_like(g)) + (1 - second) * g**2
        mixed = memory["m"] / (1 - first**n) + alpha * share * memory["slow"]
        return w - 0.01 * (mixed / ((memory["v"] / (1 - second**n)).sqrt() + 1e-3) + decay * w)

    part = parts.AdEMAMix(lr=0.01, betas=(0.8, 0.95, 0.99), alpha=2.0, warmup=4, eps=1e-3, weight_decay=0.1)
    follow(part, formula)


def test_schedule_free_takes_gradients_between_a_point_and_its_average() -> None:
    weights: list[float] = []

    def formula(y: Tensor, g: Tensor, decay: float, memory: dict[str, Tensor], n: int) -> Tensor:
        z, x = memory.get("z", y), memory.get("x", y)
        rate = 0.01 * math.sqrt(1 - 0.95**n) * min(1.0, n / 3)
        if len(weights) < n:
            weights.append(rate**2)
        memory["v"] = 0.95 * memory.get("v", torch.zeros_like(g)) + 0.05 * g**2
        memory["z"] = z - rate * g / (memory["v"].sqrt() + 1e-3) - rate * decay * y
        memory["x"] = x + rate**2 / sum(weights) * (memory["z"] - x)
        return 0.2 * memory["z"] + 0.8 * memory["x"]

    follow(parts.ScheduleFree(lr=0.01, betas=(0.8, 0.95), warmup=3, eps=1e-3, weight_decay=0.1), formula)


def test_adafactor_keeps_rows_and_columns() -> None:
    def formula(w: Tensor, g: Tensor, decay: float, memory: dict[str, Tensor], n: int) -> Tensor:
        kept, tiny = 1 - n**-0.8, torch.finfo(torch.float64).eps
        size = max(1e-3, float(w.square().mean().sqrt())) * min(0.05, n**-0.5)
        w = w - 0.05 * decay * w
        square = g**2
        if g.ndim < 2:
            memory["v"] = kept * memory.get("v", torch.zeros_like(g)) + (1 - kept) * square
            scaled = g / memory["v"].clamp(min=tiny**2).sqrt()
        else:
            rows, columns = square.mean(1, keepdim=True), square.mean(0, keepdim=True)
            memory["r"] = kept * memory.get("r", torch.zeros_like(rows)) + (1 - kept) * rows
            memory["c"] = kept * memory.get("c", torch.zeros_like(columns)) + (1 - kept) * columns
            scaled = g / (memory["r"] @ memory["c"] / memory["r"].mean()).sqrt()
        return w - size * scaled / max(1.0, float(scaled.square().mean().sqrt()))

    follow(parts.Adafactor(lr=0.05, weight_decay=0.1), formula)


def polynomial(matrix: Tensor, steps: int) -> Tensor:
    """Newton-Schulz by the singular values alone: each goes through the odd polynomial."""
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    s = s / (matrix.norm() + 1e-7)
    for _ in range(steps):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return u @ torch.diag(s) @ v


@pytest.mark.parametrize("size", ["shape", "adam"])
@pytest.mark.parametrize("nesterov", [True, False])
def test_muon_orthogonalises_the_momentum_of_matrices(size: str, nesterov: bool) -> None:
    part = parts.Muon.model_validate(
        {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1, "size": size, "nesterov": nesterov}
    )
    model = Mixed().double()
    optimizer = part.build(OptimizerSite(model))
    w, kept = model.linear.weight.detach().clone(), torch.zeros(2, 3, dtype=torch.float64)
    for step in range(1, STEPS + 1):
        for name, gradient in gradients(model, step).items():
            model.get_parameter(name).grad = gradient
        g = gradients(model, step)["linear.weight"]
        kept = 0.9 * kept + g
        scale = 1.0 if size == "shape" else 0.2 * 3**0.5
        w = w - 0.05 * 0.1 * w - 0.05 * scale * polynomial(g + 0.9 * kept if nesterov else kept, 5)
        optimizer.step()
        assert torch.allclose(model.linear.weight, w, rtol=1e-9, atol=1e-12)


def test_muon_leaves_the_rest_to_its_other_optimizer() -> None:
    one, other = Mixed(), Mixed()
    other.load_state_dict(one.state_dict())
    muon = parts.Muon(others=parts.AdamW(lr=0.01)).build(OptimizerSite(one))
    adamw = parts.AdamW(lr=0.01).build(OptimizerSite(other))
    for step in range(1, STEPS + 1):
        for model, optimizer in ((one, muon), (other, adamw)):
            for name, gradient in gradients(model, step).items():
                model.get_parameter(name).grad = gradient
            optimizer.step()
    for name, weight in one.named_parameters():
        assert weight.equal(other.get_parameter(name)) == (name != "linear.weight"), name


def test_muon_takes_layers_that_are_one_matrix_apart() -> None:
    torch.manual_seed(0)
    stacked = nn.Linear(4, 6, bias=False)
    apart = nn.ModuleList([nn.Linear(4, 3, bias=False), nn.Linear(4, 3, bias=False)])
    stacked.stacked = [3, 3]
    gradient = torch.randn(6, 4)
    for layer, rows, grad in zip(apart, stacked.weight.split(3), gradient.split(3), strict=True):
        layer.weight.data.copy_(rows)
        layer.weight.grad = grad.clone()
    stacked.weight.grad = gradient
    for model in (stacked, apart):
        parts.Muon().build(OptimizerSite(model)).step()
    assert torch.allclose(stacked.weight, torch.cat([layer.weight for layer in apart]), atol=1e-6)


def test_muon_needs_a_hidden_matrix() -> None:
    with pytest.raises(PartError, match="has none that are trained"):
        parts.Muon().build(OptimizerSite(nn.Embedding(3, 2)))
