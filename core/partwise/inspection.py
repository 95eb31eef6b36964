"""What a model is made of, read off its skeleton on the meta device: no weights are allocated.

FLOPs are those of matrix multiplications, two per multiply-add, as PyTorch's own counter sees them; the
backward pass costs about twice the forward one.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from .assembly import skeleton
from .flow import IGNORED, Batch, State, tensors_of
from .interfaces import Model
from .kinds import ModelPart
from .sites import ModelSite


@dataclass(frozen=True)
class Row:
    """One module of the tree; `count` alike in a row are shown as one."""

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
    """Parameters in it and below, of all `count` together."""


@dataclass(frozen=True)
class Inspection:
    """The figures of a model."""

    rows: tuple[Row, ...]
    parameters: int
    vocabulary: int
    context: int
    flops_per_token: float
    """Forward FLOPs per token, in a sequence as long as the context."""
    state_bytes_per_token: float
    """What decoding must remember for each further token, in float32."""
    state_bytes_fixed: float
    """What decoding must remember however long the text (of a source, as much as the context), in float32."""


def inspect_model(part: ModelPart, site: ModelSite) -> Inspection:
    """Builds `part` on the meta device and measures it.

    Raises:
        PartError: some part does not fit its place.
    """
    model = skeleton(part, site)
    module = cast(nn.Module, model)
    module.eval()
    shapes, flops = _forward(model, part)
    per_token, fixed = _state_bytes(model, part)
    return Inspection(
        rows=tuple(_rows(module, shapes)),
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        vocabulary=model.vocabulary,
        context=model.context,
        flops_per_token=flops / model.context,
        state_bytes_per_token=per_token,
        state_bytes_fixed=fixed,
    )


def _batch(part: ModelPart, rows: int, length: int) -> Batch:
    tokens = torch.zeros(rows, length, dtype=torch.int64, device="meta")
    source = torch.zeros_like(tokens) if part.reads == "pair" else None
    return Batch(tokens, torch.full_like(tokens, IGNORED), source=source)


Shapes = dict[str, tuple[int | str, ...]]


def _forward(model: Model, part: ModelPart) -> tuple[Shapes, int]:
    """Output shape of each module, by path, and the FLOPs of one sequence as long as the context."""
    module = cast(nn.Module, model)
    shapes: Shapes = {}
    # A batch of 1 and the context as length: the length is told apart from equal widths by its place.
    handles = [child.register_forward_hook(_recorder(path, shapes)) for path, child in module.named_modules()]
    try:
        with torch.no_grad(), warnings.catch_warnings(), FlopCounterMode(display=False) as counter:
            warnings.simplefilter("ignore")
            model(_batch(part, 1, model.context))
    finally:
        for handle in handles:
            handle.remove()
    return shapes, counter.get_total_flops()


def _recorder(path: str, shapes: Shapes) -> Any:
    def record(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor) and output.ndim >= 2:
            shapes.setdefault(path, ("B", "T", *output.shape[2:]) if output.ndim == 3 else tuple(output.shape))

    return record


def _state_bytes(model: Model, part: ModelPart) -> tuple[float, float]:
    memory = model.context if part.reads == "pair" else 0

    def measure(length: int) -> int:
        return sum(_bytes(state) for state in model.empty_states(1, length, memory))

    short, long = measure(1), measure(2)
    return long - short, 2 * short - long


def _bytes(state: State) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors_of(state))


def _rows(module: nn.Module, shapes: Shapes) -> list[Row]:
    rows: list[Row] = []
    _collect(module, "", 0, 1, shapes, rows)
    return rows


def _collect(module: nn.Module, path: str, level: int, count: int, shapes: Shapes, rows: list[Row]) -> None:
    own = {name: tuple(weight.shape) for name, weight in module.named_parameters(recurse=False)}
    below = sum(parameter.numel() for parameter in module.parameters())
    kind, detail = type(module).__name__, module.extra_repr()
    rows.append(Row(path, level, count, kind, detail, shapes.get(path), own, below * count))
    children = [(name, child) for name, child in module.named_children() if _worth_showing(child)]
    index = 0
    while index < len(children):
        name, child = children[index]
        alike = 1
        while index + alike < len(children) and _same(child, children[index + alike][1]):
            alike += 1
        _collect(child, f"{path}.{name}" if path else name, level + 1, alike, shapes, rows)
        index += alike


def _worth_showing(module: nn.Module) -> bool:
    return not (isinstance(module, nn.Dropout) and module.p == 0)


def _same(one: nn.Module, other: nn.Module) -> bool:
    """Whether two neighbours are alike in everything but their weights."""
    return str(one) == str(other) and _shape_list(one) == _shape_list(other)


def _shape_list(module: nn.Module) -> list[tuple[str, torch.Size]]:
    return [(name, weight.shape) for name, weight in module.named_parameters()]
