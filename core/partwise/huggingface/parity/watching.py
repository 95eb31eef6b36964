"""What modules read and give during a pass, kept by hooks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

Side = Literal["input", "output"]


@dataclass(frozen=True)
class Moment:
    """What one module has read, or given, in one call."""

    module: str
    side: Side
    call: int
    """How often the module had been called before, in this pass."""
    value: Tensor


@contextmanager
def watching(model: nn.Module, names: Iterable[str], join: bool) -> Iterator[list[Moment]]:
    """Fills the list, in the order of the pass, while it is open.

    Args:
        join: whether a module that gives several tensors gives pieces of one, side by side; otherwise the first is
            what it gives, and the others are what it says besides.
    """
    moments: list[Moment] = []
    handles = []
    for name in names:
        module = model.get_submodule(name)
        handles += _hooked(name, module, moments, join)
    try:
        yield moments
    finally:
        for handle in handles:
            handle.remove()


def _hooked(name: str, module: nn.Module, moments: list[Moment], join: bool) -> list[Any]:
    calls = 0

    def before(_: nn.Module, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        value = _first([named.get("hidden_states"), *given, *named.values()])
        if value is not None:
            moments.append(Moment(name, "input", calls, value.detach().clone()))

    def after(_: nn.Module, given: Any, result: Any) -> None:
        nonlocal calls
        pieces = [one for one in result if _is_features(one)] if isinstance(result, list | tuple) else []
        value = torch.cat(pieces, -1) if join and len(pieces) > 1 and _alike(pieces) else _first([result, *pieces])
        if value is not None:
            moments.append(Moment(name, "output", calls, value.detach().clone()))
        calls += 1

    return [module.register_forward_pre_hook(before, with_kwargs=True), module.register_forward_hook(after)]


def _first(values: Iterable[Any]) -> Tensor | None:
    return next((value for value in values if _is_features(value)), None)


def _is_features(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.ndim >= 2


def _alike(pieces: list[Tensor]) -> bool:
    return all(piece.shape[:-1] == pieces[0].shape[:-1] for piece in pieces)
