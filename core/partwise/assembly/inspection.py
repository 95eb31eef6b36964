"""What a model is made of and what it costs, measured on the meta device: no weights are allocated.

FLOPs are those of matrix multiplications, two per multiply-add, as PyTorch's own counter sees them; the
backward pass costs about twice the forward one. Attention is counted with every query over every key, whatever the
mask hides and whichever kernel computes it. So variants of a model are counted alike; a kernel that skips what a
window or causality hides needs fewer FLOPs than are counted.

A module whose work depends on its data (`nonzero`, boolean indexing, `.item()`) has nothing to count on the meta
device. It ends no inspection: parameters are told all the same, and `uncounted` says which module it was, and why.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from partwise.data.batch import IGNORED, Batch
from partwise.errors import PartwiseError
from partwise.modules.protocols import Model
from partwise.modules.states import State, tensors_of
from partwise.parts.kinds import ModelPart
from partwise.parts.sites import ModelSite

from .build import countable, skeleton


@dataclass(frozen=True)
class ModuleRow:
    """One module of the tree, or `count` consecutive ones that are alike."""

    path: str
    level: int
    count: int
    type: str
    detail: str
    """The module's own settings, as its `extra_repr` gives them."""
    output: tuple[int | str, ...] | None
    """Shape of its output, with B and T for batch and positions (M for a source); None if it has no tensor output."""
    weights: dict[str, tuple[int, ...]]
    """Shapes of its own parameters."""
    parameters: int
    """Parameters of all `count` together, with those of the modules within."""


@dataclass(frozen=True)
class Uncounted:
    """A figure that cannot be told, and the module that prevents it."""

    figure: str
    """"FLOPs" or "decode state"."""
    path: str
    """The module, as in `ModuleRow.path`; empty for the model itself."""
    type: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path or 'the model'} ({self.type}): {self.reason}"


@dataclass(frozen=True, repr=False)
class Inspection:
    """The figures of a model."""

    rows: tuple[ModuleRow, ...]
    parameters: int
    vocabulary: int
    context: int
    flops_per_token: float | None
    """Forward FLOPs per token, in a sequence as long as the context; None if they cannot be counted."""
    state_bytes_per_token: float | None
    """Bytes that decoding keeps for each further token, in float32; None if they cannot be counted."""
    state_bytes_fixed: float | None
    """Bytes that decoding keeps whatever the length of the text, in float32; a source is as long as the context. None
    if they cannot be counted."""
    uncounted: tuple[Uncounted, ...] = ()
    """What is None, and why."""
    frozen: int = 0
    """Parameters that training leaves as they are."""

    @property
    def learning(self) -> int:
        """Parameters that training changes."""
        return self.parameters - self.frozen

    def __repr__(self) -> str:
        flops = "FLOPs unknown" if self.flops_per_token is None else f"{self.flops_per_token:.3g} FLOPs per token"
        return f"<model: {self.parameters:,} parameters, {self.vocabulary:,} tokens, context {self.context:,}, {flops}>"


def inspect_model(part: ModelPart, site: ModelSite, built: Model | None = None) -> Inspection:
    """Builds `part` on the meta device and measures it.

    Args:
        built: what has been built of it already, with adapters, say.

    Raises:
        PartError: some part does not fit its place.
    """
    model = skeleton(part, site) if built is None else built
    module = cast(nn.Module, model)
    module.eval()
    with countable():
        kind = cache(_kind)
        shapes, flops, problem = _forward(model, part, kind)
        state = _state_bytes(model, part)
    per_token, fixed = (None, None) if isinstance(state, Uncounted) else state
    return Inspection(
        rows=tuple(_rows(module, shapes, kind)),
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        vocabulary=model.vocabulary,
        context=model.context,
        flops_per_token=None if flops is None else flops / model.context,
        state_bytes_per_token=per_token,
        state_bytes_fixed=fixed,
        uncounted=tuple(one for one in (problem, state) if isinstance(one, Uncounted)),
        frozen=sum(parameter.numel() for parameter in module.parameters() if not parameter.requires_grad),
    )


def batch_without_content(part: ModelPart, length: int) -> Batch:
    """One row of so many tokens on the meta device."""
    tokens = torch.zeros(1, length, dtype=torch.int64, device="meta")
    source = torch.zeros_like(tokens) if part.reads == "pair" else None
    return Batch(tokens, torch.full_like(tokens, IGNORED), source=source)


Shapes = dict[str, tuple[int | str, ...]]
Kind = Callable[[nn.Module], str]
"""What a module has in common with those that are like it."""


def _forward(model: Model, part: ModelPart, kind: Kind) -> tuple[Shapes, int | None, Uncounted | None]:
    """Output shape of each module that was reached, by path; and the FLOPs of one sequence as long as the context, or
    what prevents counting them.

    Of consecutive layers that are alike only the first is run, and its FLOPs count for each of them: a model of 126
    layers takes hardly longer than one of two. If that fails (the first is never called, say), all are run.
    """
    shapes: Shapes = {}
    repeats = list(_repeats(cast(nn.Module, model), kind))
    flops, problem = _run(model, part, shapes, repeats)
    if problem is not None and repeats:
        flops, problem = _run(model, part, shapes, [])
    return shapes, flops, problem


def _run(
    model: Model, part: ModelPart, shapes: Shapes, repeats: list[tuple[str, list[nn.Module]]]
) -> tuple[int | None, Uncounted | None]:
    """Runs one sequence through the model; adds to `shapes`, and gives the FLOPs or what prevents counting them."""
    module = cast(nn.Module, model)
    within: list[str] = []
    idle = {child for _, copies in repeats for copy in copies for child in copy.modules()}
    idle -= {child for first, _ in repeats for child in module.get_submodule(first).modules()}
    watched = ((path, child) for path, child in module.named_modules() if child not in idle)
    handles = [handle for path, child in watched for handle in _recorder(path, child, shapes, within)]
    times: dict[nn.Module, int] = {}
    handles += [handle for first, copies in repeats for handle in _run_once(module.get_submodule(first), copies, times)]
    try:
        with torch.no_grad(), warnings.catch_warnings(), FlopCounterMode(display=False) as counter:
            warnings.simplefilter("ignore")
            model(batch_without_content(part, model.context))
    except Exception as error:
        return None, _uncounted("FLOPs", module, within[-1] if within else "", error)
    finally:
        for handle in handles:
            handle.remove()
        for _, copies in repeats:
            for copy in copies:
                del copy.forward
    flops = counter.get_total_flops()
    by_module = counter.get_flop_counts()
    for first, copies in repeats:
        once = sum(by_module.get(f"{type(module).__name__}.{first}", {}).values())
        used = sum(times.get(copy, 0) for copy in copies)
        flops += once * used // max(1, times.get(module.get_submodule(first), 0))  # layers may be passed several times
    return flops, None


def _uncounted(figure: str, module: nn.Module, path: str, error: Exception) -> Uncounted:
    """
    Raises:
        Exception: the error itself, if it is about the model and not about counting.
    """
    text = str(error)
    if isinstance(error, PartwiseError) or "overflow" in text.lower():
        raise error
    first = text.strip().partition("\n")[0] or type(error).__name__
    if re.search("meta (tensor|device)|register_meta", text, re.IGNORECASE):
        # PyTorch's own text advises on writing operators.
        operator = re.search(r"aten::\w+|(torch|Tensor)\.\w+\(\)", text)
        first = "its work depends on the data" + (f" ({operator[0]})" if operator else "")
    return Uncounted(figure, path, type(module.get_submodule(path)).__name__, first)


def _recorder(path: str, module: nn.Module, shapes: Shapes, within: list[str]) -> Iterator[Any]:
    """Hooks that note the shape of a module's output, and in `within` the modules that are being run."""

    def enter(module: nn.Module, inputs: Any) -> None:
        within.append(path)

    def leave(module: nn.Module, inputs: Any, output: Any) -> None:
        while within and within.pop() != path:
            pass
        if isinstance(output, torch.Tensor) and output.ndim >= 2:
            shapes.setdefault(path, ("B", "T", *output.shape[2:]) if output.ndim == 3 else ("B", *output.shape[1:]))

    yield module.register_forward_pre_hook(enter)
    yield module.register_forward_hook(leave)


def _repeats(module: nn.Module, kind: Kind) -> Iterator[tuple[str, list[nn.Module]]]:
    """Outermost consecutive layers that are alike: the path of the first, and the others."""

    def within(parent: nn.Module, path: str) -> Iterator[tuple[str, list[nn.Module]]]:
        for name, group in _grouped(parent, kind):
            place = f"{path}.{name}" if path else name
            if len(group) > 1:
                yield place, group[1:]
            else:
                yield from within(group[0], place)

    return within(module, "")


def _run_once(first: nn.Module, copies: list[nn.Module], times: dict[nn.Module, int]) -> list[Any]:
    """Makes `copies` return what `first` returned, and counts in `times` how often each is called; gives the hooks to
    remove afterwards."""
    given: list[Any] = []

    def keep(module: nn.Module, inputs: Any, output: Any) -> None:
        times[module] = times.get(module, 0) + 1
        given.append(output)

    def again(copy: nn.Module) -> Any:
        times[copy] = times.get(copy, 0) + 1
        return given[-1]

    def standing_in(copy: nn.Module) -> Callable[..., Any]:
        return lambda *inputs, **named: again(copy)

    for copy in copies:
        copy.forward = standing_in(copy)
    return [first.register_forward_hook(keep)]


def _grouped(module: nn.Module, kind: Kind) -> Iterator[tuple[str, list[nn.Module]]]:
    """The children of a module, each with its name and with those that follow it in a list and are like it."""
    children = list(module.named_children())
    index = 0
    while index < len(children):
        name, child = children[index]
        alike = [child]
        while (
            name.isdigit()
            and index + len(alike) < len(children)
            and kind(child) == kind(children[index + len(alike)][1])
        ):
            alike.append(children[index + len(alike)][1])
        yield name, alike
        index += len(alike)


def _state_bytes(model: Model, part: ModelPart) -> tuple[float, float] | Uncounted:
    memory = model.context if part.reads == "pair" else 0

    def measure(length: int) -> int:
        return sum(_bytes(state) for state in model.empty_states(1, length, memory))

    try:
        short, long = measure(1), measure(2)
    except Exception as error:
        return _uncounted("decode state", cast(nn.Module, model), "", error)
    return long - short, 2 * short - long


def _bytes(state: State) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors_of(state))


def _rows(module: nn.Module, shapes: Shapes, kind: Kind) -> list[ModuleRow]:
    rows: list[ModuleRow] = []
    _collect(module, "", 0, 1, shapes, kind, rows)
    return rows


def _collect(
    module: nn.Module, path: str, level: int, count: int, shapes: Shapes, kind: Kind, rows: list[ModuleRow]
) -> None:
    own = {name: tuple(weight.shape) for name, weight in module.named_parameters(recurse=False)}
    below = sum(parameter.numel() for parameter in module.parameters())
    named, detail = type(module).__name__, module.extra_repr()
    rows.append(ModuleRow(path, level, count, named, detail, shapes.get(path), own, below * count))
    for name, group in _grouped(module, kind):
        inner = f"{path}.{name}" if path else name
        if (
            not any(True for _ in group[0].parameters())
            and inner not in shapes
            and not any(True for _ in group[0].buffers())
        ):
            continue  # a helper that is never called as a module, such as one that adds a branch to the stream
        _collect(group[0], inner, level + 1, len(group), shapes, kind, rows)


def _kind(module: nn.Module) -> str:
    """All that two neighbours must have in common to be alike: everything but their weights."""
    return f"{module}{[(name, tuple(weight.shape)) for name, weight in module.named_parameters()]}"
