"""What PyTorch's own tools must be able to do with every module: compile it, and export it."""

from __future__ import annotations

import gc
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any

import torch
from torch import Tensor, nn

from partwise.parts.part import Part
from partwise.testing.cases import family
from partwise.testing.probes import Probe, probe, shaken
from partwise.testing.registering import MODULE, check
from partwise.testing.violation import close, require, skip, violated

LENGTHS = (6, 7, 9, 5)
GRAPHS = 2
"""Most graphs for sequences of any length: one for the first, one for all others."""


@check(MODULE, per="place", slow=True)
def it_compiles_to_one_graph(part: Part, site: Any) -> None:
    """`torch.compile` makes one graph of it (fullgraph), and one more for all other lengths, with the same results."""
    module, graphs = shaken(part, site), list[object]()

    def count(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Any]:
        graphs.append(graph)
        return graph.forward

    calls = [probe(part, site, rows=2, length=length) for length in LENGTHS]
    with _tracing():
        torch._dynamo.reset()
        compiled = torch.compile(calls[0].call, fullgraph=True, backend=count)
        for call in calls:
            try:
                output = compiled(module, *call.inputs)
            except Exception as error:
                violated(f"torch.compile(fullgraph=True) fails: {_first_line(error)}")
            close(output, call(module), f"compiled and not, {call.inputs[0].shape[1:2]} positions")
    require(
        len(graphs) <= GRAPHS,
        f"lengths {LENGTHS} take {len(graphs)} compilations; after the second, none should be needed",
    )


@check(MODULE, per="place", slow=True)
def it_can_be_exported(part: Part, site: Any) -> None:
    """`torch.export` makes one program of it for batches and sequences of any size, with the same results."""
    if family(part) == "objective":
        skip("an objective is for training, and what is exported is a trained model")
    module, small, large = shaken(part, site), probe(part, site, 2, 6), probe(part, site, 3, 9)
    with _tracing(), torch.no_grad():
        try:
            program = torch.export.export(
                _Wrapped(module, small), small.inputs, dynamic_shapes=(_shapes(small, large),), strict=False
            )
            output = program.module()(*large.inputs)
        except Exception as error:
            violated(f"torch.export with dynamic batch and length fails: {_first_line(error)}")
    close(output, large(module), "exported, at another batch and length, and not")


class _Wrapped(nn.Module):
    """The probe's call as a module, which is what is exported."""

    def __init__(self, module: nn.Module, call: Probe) -> None:
        super().__init__()
        self.module, self.call = module, call.call

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.call(self.module, *inputs)


def _shapes(small: Probe, large: Probe) -> tuple[dict[int, Any], ...]:
    """Dynamic in every dimension that a larger probe has larger; the same symbol for the same growth."""
    return tuple(
        {
            index: torch.export.Dim.AUTO
            for index, (n, m) in enumerate(zip(one.shape, other.shape, strict=True))
            if n != m
        }
        for one, other in zip(small.inputs, large.inputs, strict=True)
    )


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]


@contextmanager
def _tracing() -> Iterator[None]:
    """While PyTorch traces: without its warnings and output, and without what costs more than it saves.

    It keeps the shape of every operation's result, in case the operation comes again with the same sizes: in one small
    module with sizes that are symbols that takes a third of the time. Collecting garbage takes a tenth.
    """
    before, collects = logging.root.manager.disable, gc.isenabled()
    logging.disable(logging.CRITICAL)
    gc.disable()
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            with torch._dynamo.config.patch(fake_tensor_cache_enabled=False):
                yield
    finally:
        logging.disable(before)
        if collects:
            gc.enable()
