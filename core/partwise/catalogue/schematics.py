"""Schematics of parts that build a module: built small, run once, and drawn as data flowed through it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from partwise.parts.kinds import (
    BlockPart,
    FeedForwardPart,
    MixerPart,
    ModelPart,
    NormPart,
    ResidualPart,
    ScorePart,
)
from partwise.parts.part import Part
from partwise.rendering.lines import Panel, Series, panels
from partwise.rendering.svg import Style
from partwise.testing import build, numbers
from partwise.testing.cases import examples, fits
from partwise.testing.probes import probe

from .dataflow import Flowing, flowing
from .diagram import can_be_drawn, diagram
from .drawn import Figure

DRAWN = (BlockPart, FeedForwardPart, MixerPart, ModelPart, NormPart, ResidualPart, ScorePart)
"""Kinds whose modules are drawn, each as what it does with its input."""
MOST = 6
"""Settings that are tried, until one can be drawn."""
REACH = 4.0
"""Activations are drawn from the one to the other side of zero."""


def schematic(part: type[Part], one: Part) -> Iterator[Figure]:
    """How data flow through what a setting of a part builds, and the curve of each activation in it."""
    if not issubclass(part, DRAWN):
        return
    chosen = ((one, site) for one in (one, *examples(part)) for site in part.sites().values() if fits(one, site))
    flows = filter(can_be_drawn, (_flow(*pair) for pair in islice(chosen, MOST)))
    # A residual's defaults may leave out what it is for: factors of 1, and nothing that is dropped.
    flow = (
        max(flows, key=lambda one: len(one.nodes), default=None)
        if issubclass(part, ResidualPart)
        else next(flows, None)
    )
    if flow is None:
        return
    caption = "How data flow through it, seen by running a small one: boxes are modules, the rest operations."
    yield Figure(diagram(flow, f"Schematic of {part.name}", caption), caption, "schematic")
    if issubclass(part, FeedForwardPart | NormPart):
        yield from _activations(flow)


def _flow(one: Part, site: Any) -> Flowing:
    module = build(one, site)
    if isinstance(one, ResidualPart):
        return _joined(module, one.build_ends(site), numbers(1, 4, site.width))
    call = probe(one, site, rows=1, length=6)
    given = ["query", "key"] if isinstance(one, ScorePart) else ["x", "memory"]
    names = [key for key, value in vars(call.batch).items() if value is not None] if call.batch else given
    children = dict(_layers(module) if isinstance(one, ModelPart) else _children(module))
    inputs = {name: x for name, x in zip(names, call.inputs, strict=False) if x.dtype != torch.bool}  # not masks
    return flowing(module, lambda: call(module), inputs, children)


def _children(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, child in module.named_children():
        if isinstance(child, nn.ModuleList | nn.ModuleDict):
            yield from ((f"{name}.{inner}", one) for inner, one in child.named_children())
        else:
            yield name, child


def _layers(module: nn.Module, before: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The children of a model; of those that hold a list of layers, the layers."""
    for name, child in module.named_children():
        if isinstance(child, nn.ModuleList):
            yield from ((f"{before}block {index}", one) for index, one in child.named_children())
        elif any(isinstance(one, nn.ModuleList) for one in child.children()):
            yield from _layers(child, "" if name == "stack" else f"{name} ")
        else:
            yield before + name, child


class Branch(nn.Module):
    """What stands for a mixer or a feed-forward."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x)


def _joined(joint: Any, ends: Any, x: Tensor) -> Flowing:
    """A branch, and how it joins the stream."""
    branch = Branch()

    def call() -> Tensor:
        stream = x if ends is None else ends.open(x)
        written: Tensor = joint.write(stream, branch(joint.read(stream)))
        return written if ends is None else ends.close(written)

    return flowing(branch, call, {"stream": x}, {"f": branch})


def _activations(flow: Flowing) -> Iterator[Figure]:
    """Curves of those operations that change each number by itself."""
    x = torch.linspace(-REACH, REACH, 161)
    lines = dict[str, list[tuple[float, float]]]()
    for node in flow.nodes:
        if node.function is None or node.label[0] in "+×−÷" or node.label in lines:
            continue
        try:
            y, moved = node.function(x), node.function(x.flip(0)).flip(0)
        except (RuntimeError, TypeError, ValueError, IndexError):
            continue
        by_itself = y.shape == x.shape and y.is_floating_point() and bool(torch.allclose(y, moved, atol=1e-6))
        if by_itself and bool(y.isfinite().all()):
            lines[node.label] = list(zip(x.tolist(), y.tolist(), strict=True))
    if lines:
        series = tuple(
            Series(name, Style.of(index), tuple(line)) for index, (name, line) in enumerate(lines.items(), -1)
        )
        caption = "What becomes of each number: the activation, drawn from the module's own function."
        keys = [(one.name, one.style) for one in series]
        drawing = panels("Activation", caption, [Panel("gives", series, "of a number")], 1, 210, keys)
        yield Figure(drawing, caption)


__all__ = ["schematic"]
