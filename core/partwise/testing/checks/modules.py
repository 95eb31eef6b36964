"""What every module must do, whatever its kind."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from partwise.assembly.build import materialise
from partwise.modules.filling import filled_by_others
from partwise.parts.part import Part
from partwise.testing.cases import family, skeleton_of
from partwise.testing.probes import Probe, build, drawn, loss_of, numbers, probe, seed_torch, shaken, terms_of, weighted
from partwise.testing.registering import MODULE, check
from partwise.testing.violation import close, require, skip, violated


@check(MODULE)
def it_builds_a_module(part: Part, site: Any) -> None:
    """What it builds is an `nn.Module`, every module in it can be reset, and its tensors are registered."""
    module = build(part, site)
    others_fill = filled_by_others(module)
    for path, child in module.named_modules():
        own = [*child.named_parameters(recurse=False), *child.named_buffers(recurse=False)]
        resets = child in others_fill or callable(getattr(child, "reset_parameters", None))
        name = f"{path or 'the module'} ({type(child).__name__})"
        require(resets or not own, f"{name} holds {own[0][0] if own else ''} and has no reset_parameters() to fill it")
        for attribute, value in vars(child).items():
            hidden = isinstance(value, Tensor) and not isinstance(value, nn.Parameter)
            require(not hidden, f"{name} keeps a plain tensor {attribute}: register it as a buffer or a parameter")


@check(MODULE)
def same_seed_gives_the_same_weights(part: Part, site: Any) -> None:
    """Weights are a function of the seed, and of nothing that was drawn before."""
    first = build(part, site, seed=7)
    torch.rand(3)
    second = build(part, site, seed=7)
    _equal_tensors(first, second, "two builds from one seed")


@check(MODULE)
def meta_equals_direct(part: Part, site: Any) -> None:
    """Built on the meta device and then materialised, it equals what is built directly, buffers included."""
    # New memory is full of NaN: nothing may be left as it was found.
    with memory_full_of_nonsense():
        assembled = build(part, site, seed=3)
    for name, tensor in _tensors(assembled):
        require(tensor.device.type == "cpu", f"{name} is still on the meta device")
        filled = not tensor.is_floating_point() or not tensor.isnan().any()
        require(filled, f"no reset_parameters() fills {name}")
    direct: Any = part.build(site)
    constants = {name: buffer.clone() for name, buffer in direct.named_buffers()}
    _equal_tensors(materialise(direct, drawn(3)).eval(), assembled, "built directly and by way of the meta device")
    for name, buffer in assembled.named_buffers():
        same = buffer.equal(constants[name])
        require(same, f"reset_parameters() fills buffer {name} with something other than the constructor does")
    call = probe(part, site)
    close(call(assembled), call(direct), "outputs of the two builds", 0, 0)


@check(MODULE)
def its_state_dict_is_all_it_learned(part: Part, site: Any) -> None:
    """Its state dict loads strictly into another of its kind, which then does the same."""
    one, other, call = shaken(part, site, seed=1), build(part, site, seed=2), probe(part, site)
    other.load_state_dict(one.state_dict(), strict=True)
    close(call(other), call(one), "output after loading the state dict of another", 0, 0)


@check(MODULE)
def its_parameters_are_counted_before_they_are_made(part: Part, site: Any) -> None:
    """The skeleton that `inspect` counts has the parameters that the module has."""
    planned = skeleton_of(part, site)
    built = build(part, site)
    for name, parameter in planned.named_parameters():
        require(name in dict(built.named_parameters()), f"the skeleton has a parameter {name}, the module has not")
        shape = dict(built.named_parameters())[name].shape
        require(shape == parameter.shape, f"{name} is planned as {tuple(parameter.shape)} and built {tuple(shape)}")
    direct: Any = part.build(site)
    counts = [sum(parameter.numel() for parameter in one.parameters()) for one in (planned, built, direct)]
    require(len(set(counts)) == 1, f"planned, assembled and built directly it has {counts} parameters")


@check(MODULE)
def a_gradient_reaches_every_parameter(part: Part, site: Any) -> None:
    """A finite gradient reaches every parameter that is not frozen, in evaluation mode and in training."""
    for mode in (False, True):
        module, call = shaken(part, site).train(mode), probe(part, site).of(lambda x: x.clone().requires_grad_())
        when = "in training " if mode else ""
        for figure in (weighted(module, call), loss_of(module, call), terms_of(module, call)):
            if figure is not None and figure.requires_grad:  # not so where neither input nor weights are numbers
                figure.backward()
        for x in call.inputs:
            require(x.grad is None or x.grad.isfinite().all(), f"{when}the gradient of the input is not finite")
        for name, parameter in module.named_parameters():
            if parameter.requires_grad:
                # Some serve the loss in training only.
                require(parameter.grad is not None or not mode, f"{when}no gradient reaches {name}")
                finite = parameter.grad is None or parameter.grad.isfinite().all()
                require(finite, f"{when}the gradient of {name} is not finite")


@check(MODULE)
def evaluation_is_deterministic(part: Part, site: Any) -> None:
    """In evaluation mode nothing is random, and nothing is remembered from call to call."""
    module, call = shaken(part, site), probe(part, site)
    first = call(module)
    require(first.isfinite().all(), "the output is not finite")
    torch.rand(3)
    close(call(module), first, "the same input a second time", 0, 0)


@check(MODULE)
def inputs_are_not_changed(part: Part, site: Any) -> None:
    """It leaves its inputs as they are, in evaluation and in training, on the way back too."""
    for mode in (False, True):
        call, module = probe(part, site), shaken(part, site).train(mode)
        before = [x.clone() for x in call.inputs]
        output = call(module)
        if output.requires_grad:
            output.sum().backward()
        for index, (x, old) in enumerate(zip(call.inputs, before, strict=True)):
            require(x.equal(old), f"it changes its input {index} in place{' in training' if mode else ''}")


@check(MODULE)
def it_computes_in_float64(part: Part, site: Any) -> None:
    """Cast to float64 it computes in float64, and the same."""
    call = probe(part, site)
    single = call(shaken(part, site))
    double = call.of(Tensor.double)(shaken(part, site).double())
    require(double.dtype == torch.float64, f"float64 in, {double.dtype} out")
    close(double.float(), single, "float64 and float32", 1e-3, 1e-4)


@check(MODULE)
def it_computes_in_bfloat16(part: Part, site: Any) -> None:
    """Cast to bfloat16 it computes in bfloat16, about the same."""
    call, module = probe(part, site), shaken(part, site).bfloat16()
    half = call.of(Tensor.bfloat16)(module)
    # Logits may be given in float32, and tables of positions are kept in it.
    exempt = not any(x.is_floating_point() for x in call.inputs) or family(part) == "position"
    kept = half.dtype == torch.bfloat16 or (exempt and half.dtype == torch.float32)
    require(kept, f"bfloat16 in, {half.dtype} out")
    require(half.isfinite().all(), "in bfloat16 the output is not finite")
    exact = call.of(lambda x: x.bfloat16().float())(module.float())
    close(half.float(), exact, "in bfloat16 and in float32", 0.15, 0.15)


@check(MODULE)
def it_computes_in_mixed_precision(part: Part, site: Any) -> None:
    """Under autocast to bfloat16 it computes about the same, and every parameter gets about the same gradient."""
    for mode in (False, True):
        alike_under_autocast(shaken(part, site).train(mode), probe(part, site))


def alike_under_autocast(module: nn.Module, call: Probe) -> None:
    """A module's output and gradients under autocast are about those that it has without."""
    exact, expected = _learned(module, call)
    output, reached = _learned(module, call, autocast=True)
    require(output.isfinite().all(), "the output under autocast is not finite")
    # Not number by number: a norm makes the rounding of a tiny vector as large as the vector.
    off = float((output - exact).norm() / exact.norm().clamp_min(1e-6))
    require(off < 0.15, f"under autocast and without, outputs differ by {off:.0%} of their size")
    largest = max((float(one.norm()) for one in expected.values()), default=0.0)
    for name, gradient in expected.items():
        if name not in reached:
            violated(f"under autocast no gradient reaches {name}")
        require(reached[name].isfinite().all(), f"under autocast the gradient of {name} is not finite")
        if gradient.norm() > 0.05 * largest:  # one that is zero but for rounding may be anything
            off = _apart(reached[name], gradient)
            if off >= 0.5 and off >= 10 * _apart(_learned(_rounded(module), call)[1][name], gradient):
                violated(f"under autocast the gradient of {name} is another: it is off by {off:.0%}")


def _learned(module: nn.Module, call: Probe, autocast: bool = False) -> tuple[Tensor, dict[str, Tensor]]:
    """The output, and the gradient of each parameter that one reaches. Autocast is for the forward pass alone."""
    seed_torch(drawn(1))
    module.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        output = call(module)
    if output.requires_grad:
        (output.float() * numbers(*output.shape, seed=3)).sum().backward()
    found = {name: one.grad.clone() for name, one in module.named_parameters() if one.grad is not None}
    return output.detach().float(), found


def _apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm() / other.norm())


def _rounded(module: nn.Module) -> nn.Module:
    """The module with weights as exact as bfloat16's: where these alone lead to other gradients, as where a tiny vector
    is divided by its length, autocast may do so ten times as much: it rounds at every step."""
    rounded = deepcopy(module)
    with torch.no_grad():
        for parameter in rounded.parameters():
            parameter.copy_(parameter.bfloat16())
    return rounded


@check(MODULE)
def it_computes_where_its_input_is(part: Part, site: Any) -> None:
    """Moved to another device it computes there: it makes no tensor on a device of its own choosing."""
    module, call = shaken(part, site), probe(part, site)
    exact = call(module)
    if torch.cuda.is_available():
        there = call.call(module.to("cuda"), *(x.cuda() for x in call.inputs))
        require(there.is_cuda, f"moved to the GPU it gives a tensor on {there.device}")
        close(there.cpu(), exact, "on the GPU and on the CPU", 1e-2, 1e-3)
        return
    try:
        there = call.call(module.to("meta"), *(x.to("meta") for x in call.inputs))
    except (RuntimeError, NotImplementedError) as error:
        if "meta" not in str(error).lower():
            raise
        if "item" in str(error) or "nonzero" in str(error) or "bool" in str(error):
            skip("what it does depends on the values in its tensors, so that this can be checked on a GPU only")
        violated(f"moved to another device it fails: {str(error).strip().splitlines()[0]}")
    require(there.is_meta, f"moved to another device it gives a tensor on {there.device}")
    require(there.shape == exact.shape, f"there its output has shape {tuple(there.shape)}, here {tuple(exact.shape)}")


@check(MODULE)
def a_single_position_is_a_sequence(part: Part, site: Any) -> None:
    """A single position, and a single row, are sequences like any other."""
    module = shaken(part, site)
    output = probe(part, site, rows=1, length=1)(module)
    require(output.isfinite().all(), "the output for a single position is not finite")


@check(MODULE)
def its_input_may_lie_anyhow_in_memory(part: Part, site: Any) -> None:
    """The memory layout of its input makes no difference."""
    module, call = shaken(part, site), probe(part, site)

    def strided(x: Tensor) -> Tensor:
        return x.transpose(0, 1).contiguous().transpose(0, 1) if x.ndim > 1 else x.repeat_interleave(2)[::2]

    close(call.of(strided)(module), call(module), "an input that is not contiguous")


@check(MODULE)
def its_gradient_is_that_of_its_output(part: Part, site: Any) -> None:
    """Its gradients are those of what it computes, in training too (compared with finite differences, in float64)."""
    module = shaken(part, site).double()
    call = probe(part, site, rows=2, length=3).of(lambda x: x.double().requires_grad_())
    if any(x.requires_grad for x in call.inputs):
        right = torch.autograd.gradcheck(
            lambda *inputs: call.call(module, *inputs), call.inputs, fast_mode=True, raise_exception=False
        )
        require(right, "its gradient is not that of its output")
    for mode in (False, True):
        told, found = slopes(module.train(mode), call)
        what = f"{'in training' if mode else 'in evaluation'} the gradient of its parameters and inputs"
        same = abs(told - found) <= 1e-4 * max(1.0, abs(told), abs(found))
        require(same, f"{what} is {told:.4g} in a direction in which its output changes by {found:.4g}")


def slopes(module: nn.Module, call: Probe, size: float = 1e-6) -> tuple[float, float]:
    """How a weighted sum of its output changes in a random direction: by the gradient, and by what it does."""
    moved = [one for one in (*module.parameters(), *call.inputs) if one.requires_grad]
    directions = [numbers(*one.shape, seed=9 + index).double() for index, one in enumerate(moved)]

    def total() -> Tensor:
        seed_torch(drawn(1))
        output = call(module)
        return (output * numbers(*output.shape, seed=3).to(output.dtype)).sum()

    def after(step: float) -> float:
        for one, direction in zip(moved, directions, strict=True):
            one.add_(direction, alpha=step)
        return float(total())

    if not moved:
        return 0.0, 0.0
    gradients = torch.autograd.grad(total(), moved, allow_unused=True)
    told = sum(
        float((one * direction).sum()) for one, direction in zip(gradients, directions, strict=True) if one is not None
    )
    with torch.no_grad():
        here, there = after(size), after(-2 * size)
    return told, (here - there) / (2 * size)


@check(MODULE)
def it_is_a_function_of_its_parameters(part: Part, site: Any) -> None:
    """`functional_call` with another's parameters gives the other's output, and leaves its own alone."""
    one, other, call = shaken(part, site, seed=1), shaken(part, site, seed=2), probe(part, site)
    mine = call(one)
    tensors = {**dict(other.named_parameters()), **dict(other.named_buffers())}  # tied ones once
    theirs = call.call(_Applied(one, tensors), *call.inputs)
    close(theirs, call(other), "called with the parameters of another, and the other", 1e-5, 1e-6)
    close(call(one), mine, "after it was called with the parameters of another", 0, 0)


@check(MODULE)
def it_can_be_mapped_over_parameters(part: Part, site: Any) -> None:
    """`vmap` over the stacked parameters of two modules gives the outputs of each (ensembles, per-sample gradients)."""
    ones: list[nn.Module] = [shaken(part, site, seed=seed) for seed in (1, 2)]
    if not list(ones[0].parameters()):
        skip("it has no parameters")
    call = probe(part, site)
    parameters, buffers = torch.func.stack_module_state(ones)

    def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
        return call.call(_Applied(ones[0], {**parameters, **buffers}), *call.inputs)

    try:
        with warnings.catch_warnings():  # that it is slow is no violation
            warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
            mapped = torch.func.vmap(one)(parameters, buffers)
    except (RuntimeError, ValueError, NotImplementedError) as error:
        violated(f"vmap over its parameters fails: {str(error).strip().splitlines()[0][:200]}")
    for index, module in enumerate(ones):
        close(mapped[index], call(module), f"module {index} mapped and by itself", 1e-4, 1e-5)


class _Applied:
    """A module that is called with parameters other than its own, and so are its methods."""

    def __init__(self, module: nn.Module, tensors: dict[str, Tensor]) -> None:
        self._module, self._tensors = module, tensors

    def __call__(self, *inputs: Any) -> Any:
        return torch.func.functional_call(self._module, self._tensors, inputs)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._module, name)
        if not callable(method):
            return method

        def apply(*inputs: Any) -> Any:
            with nn.utils.stateless._reparametrize_module(self._module, self._tensors):
                return method(*inputs)

        return apply


@check("initializer")
def it_draws_what_it_knows(part: Part, site: Any) -> None:
    """It draws the weights of linear and embedding layers from the seed alone, and leaves other layers alone."""

    def network(seed: int, initializer: Any = None) -> Any:
        layers = [nn.Linear(5, 7), nn.Linear(7, 5, bias=False), nn.Embedding(6, 5), nn.LayerNorm(5), nn.Identity()]
        result: Any = nn.Sequential(*layers)
        result.initializer = initializer
        return materialise(result, drawn(seed))

    torch.rand(1)
    with memory_full_of_nonsense():
        first = network(4, part.assemble(site))
    _equal_tensors(first, network(4, part.assemble(site)), "two first weights from one seed")
    plain, other = network(4), network(5, part.assemble(site))
    for index in range(3):
        kind = type(first[index]).__name__
        require(not first[index].weight.equal(plain[index].weight), f"it leaves a {kind} as it was")
        require(not first[index].weight.equal(other[index].weight), "another seed gives the same weights")
        require(first[index].weight.isfinite().all(), f"memory of a {kind} is left unfilled")
    require(first[3].weight.equal(torch.ones(5)), "it draws the gains of a norm")


@check("initializer")
def it_draws_stacked_layers_one_by_one(part: Part, site: Any) -> None:
    """A linear layer marked `stacked` is drawn at the scale of the layers that it stands for, not of the large one."""

    def spread(stacked: list[int] | None) -> float:
        layer: Any = nn.Linear(64, 96, bias=False)
        if stacked:
            layer.stacked = stacked
        network: Any = nn.Sequential(layer)
        network.initializer = part.assemble(site)
        materialise(network, drawn(4))
        return float(layer.weight.detach().std())

    single: Any = nn.Sequential(nn.Linear(64, 32, bias=False))
    single.initializer = part.assemble(site)
    materialise(single, drawn(4))
    expected = float(single[0].weight.detach().std())
    found = spread([32, 32, 32])
    ratio = found / expected
    require(0.9 < ratio < 1.1, f"three layers in one are drawn {ratio:.2f} times as wide as each by itself")


@check("initializer")
def its_draws_do_not_depend_on_those_before(part: Part, site: Any) -> None:
    """The same initialiser draws the same weights for a second model: it counts no calls and keeps no sizes."""
    initializer: Any = part.assemble(site)

    def network(*layers: nn.Module) -> Any:
        result: Any = nn.Sequential(*layers)
        result.initializer = initializer
        return materialise(result, drawn(4))

    first = network(nn.Linear(5, 7), nn.Linear(7, 5))
    network(nn.Embedding(6, 9), nn.Linear(9, 3))
    _equal_tensors(network(nn.Linear(5, 7), nn.Linear(7, 5)), first, "weights drawn after those of another model")


@contextmanager
def memory_full_of_nonsense() -> Iterator[None]:
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
    require(ones.keys() == others.keys(), f"{what}: other tensors, {sorted(ones.keys() ^ others.keys())}")
    for name, tensor in ones.items():
        require(tensor.equal(others[name]), f"{what}: {name} differs")
