"""What every module must hold, whatever its kind. Each check raises AssertionError in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from partwise import Part
from partwise.assembly import materialise

from .probes import Probe, build, probe, shaken


def close(one: Tensor, other: Tensor, what: str, rtol: float = 1e-4, atol: float = 1e-5) -> None:
    """Fails with `what` and by how much, unless the tensors are equal up to rounding."""
    assert one.shape == other.shape, f"{what}: shapes {tuple(one.shape)} and {tuple(other.shape)}"
    assert torch.allclose(one, other, rtol, atol), f"{what}: they differ by up to {(one - other).abs().max():.3g}"


def check_same_seed_gives_the_same_weights(part: Part, site: Any) -> None:
    """Weights are a function of the seed, and of nothing that was drawn before."""
    first = build(part, site, seed=7)
    torch.rand(3)
    second = build(part, site, seed=7)
    _equal_tensors(first, second, "two builds from one seed")


def check_meta_equals_direct(part: Part, site: Any) -> None:
    """Built on the meta device and materialised, it is what it is when built at once.

    Memory is filled with NaN before `reset_parameters` runs: nothing may be left as it was found.
    """
    with _memory_full_of_nonsense():
        assembled = build(part, site, seed=3)
    for name, tensor in _tensors(assembled):
        assert tensor.device.type == "cpu", f"{name} is still on the meta device"
        filled = not tensor.is_floating_point() or not tensor.isnan().any()
        assert filled, f"no reset_parameters() fills {name}"
    direct = part.build(site)
    constants = {name: buffer.clone() for name, buffer in direct.named_buffers()}
    _equal_tensors(materialise(direct, 3).eval(), assembled, "built directly and by way of the meta device")
    for name, buffer in assembled.named_buffers():
        same = buffer.equal(constants[name])
        assert same, f"buffer {name} is something else after reset_parameters() than the constructor made it"
    call = probe(part, site)
    close(call(assembled), call(direct), "outputs of the two builds", 0, 0)


def check_strict_state_dict(part: Part, site: Any) -> None:
    """Its state dict holds all that it learned."""
    one, other, call = shaken(part, site, seed=1), build(part, site, seed=2), probe(part, site)
    other.load_state_dict(one.state_dict(), strict=True)
    close(call(other), call(one), "output after loading the state dict of another", 0, 0)


def check_gradients(part: Part, site: Any) -> None:
    """A finite gradient reaches every parameter that is not frozen."""
    module, call = shaken(part, site), probe(part, site).of(lambda x: x.requires_grad_())
    output = call(module)
    if output.requires_grad:  # not so where neither input nor weights are numbers
        (output * torch.randn_like(output)).sum().backward()
    for x in call.inputs:
        assert x.grad is None or x.grad.isfinite().all(), "the gradient of the input is not finite"
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, f"no gradient reaches {name}"
            assert parameter.grad.isfinite().all(), f"the gradient of {name} is not finite"


def check_eval_is_deterministic(part: Part, site: Any) -> None:
    """In evaluation mode nothing is random, and nothing is remembered from call to call."""
    module, call = shaken(part, site), probe(part, site)
    first = call(module)
    assert first.isfinite().all(), "the output is not finite"
    torch.rand(3)
    close(call(module), first, "the same input a second time", 0, 0)


def check_inputs_are_not_changed(part: Part, site: Any) -> None:
    """It works on copies."""
    call = probe(part, site)
    before = [x.clone() for x in call.inputs]
    call(shaken(part, site))
    for x, old in zip(call.inputs, before, strict=True):
        assert x.equal(old), "it changes its input in place"


def check_double_precision(part: Part, site: Any) -> None:
    """Cast to float64 it computes in float64, and the same."""
    call = probe(part, site)
    single = call(shaken(part, site))
    double = call.of(Tensor.double)(shaken(part, site).double())
    assert double.dtype == torch.float64, f"float64 in, {double.dtype} out"
    close(double.float(), single, "float64 and float32", 1e-3, 1e-4)


def check_mixed_precision(part: Part, site: Any) -> None:
    """It runs under autocast to bfloat16, forward and backward."""
    module, call = shaken(part, site), probe(part, site)
    with torch.autocast("cpu", torch.bfloat16):
        output = call(module)
    assert output.isfinite().all(), "the output under autocast is not finite"
    if output.requires_grad:
        output.float().sum().backward()
    close(output.float(), call(module), "under autocast and without", 0.1, 0.1)


def check_length_one(part: Part, site: Any) -> None:
    """A single position, and a single row, are sequences like any other."""
    module = shaken(part, site)
    output = probe(part, site, rows=1, length=1)(module)
    assert output.isfinite().all(), "the output for a single position is not finite"


def check_strided_input(part: Part, site: Any) -> None:
    """It does not care how its input lies in memory."""
    module, call = shaken(part, site), probe(part, site)
    strided = call.of(lambda x: x.transpose(0, 1).contiguous().transpose(0, 1))
    close(strided(module), call(module), "an input that is not contiguous")


def check_gradient_formula(part: Part, site: Any) -> None:
    """Its derivatives are those of what it computes (compared with differences, in float64)."""
    module = shaken(part, site).double()
    call = probe(part, site, rows=2, length=3).of(lambda x: x.double().requires_grad_())
    differentiable = [index for index, x in enumerate(call.inputs) if x.requires_grad]
    if differentiable:
        right = torch.autograd.gradcheck(
            lambda *inputs: call.call(module, *inputs), call.inputs, fast_mode=True, raise_exception=False
        )
        assert right, "its gradient is not that of its output"


def check_initializer(part: Part, site: Any) -> None:
    """It draws linear and embedding layers by the seed alone, and leaves what it does not know."""

    def network(seed: int, initializer: Any = None) -> nn.Module:
        layers = [nn.Linear(5, 7), nn.Linear(7, 5, bias=False), nn.Embedding(6, 5), nn.LayerNorm(5), nn.Identity()]
        result = nn.Sequential(*layers)
        result.initializer = initializer
        return materialise(result, seed)

    torch.rand(1)
    with _memory_full_of_nonsense():
        first = network(4, part.assemble(site))
    _equal_tensors(first, network(4, part.assemble(site)), "two first weights from one seed")
    plain, other = network(4), network(5, part.assemble(site))
    for index in range(3):
        assert not first[index].weight.equal(plain[index].weight), (
            f"it leaves a {type(first[index]).__name__} as it was"
        )
        assert not first[index].weight.equal(other[index].weight), "another seed gives the same weights"
        assert first[index].weight.isfinite().all(), f"a {type(first[index]).__name__} is left as memory was found"
    assert first[3].weight.equal(torch.ones(5)), "it draws the gains of a norm"


@contextmanager
def _memory_full_of_nonsense() -> Iterator[None]:
    """Within it, new memory holds NaN (or the largest integer) until something is written there."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def _tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()


def _equal_tensors(one: nn.Module, other: nn.Module, what: str) -> None:
    ones, others = dict(_tensors(one)), dict(_tensors(other))
    assert ones.keys() == others.keys(), f"{what}: other tensors, {sorted(ones.keys() ^ others.keys())}"
    for name, tensor in ones.items():
        assert tensor.equal(others[name]), f"{what}: {name} differs"


__all__ = [name for name in globals() if name.startswith("check_")] + ["Probe"]
