"""Which modules of a model are blocks, and which are mixers: told by their methods, whoever wrote them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.utils.hooks import RemovableHandle


def blocks_of(model: nn.Module) -> dict[str, nn.Module]:
    """Path -> block, the outermost; a block makes states for a memory, too."""
    return _outermost(model, lambda names: "memory_length" in names)


def mixers_of(model: nn.Module) -> dict[str, nn.Module]:
    """Path -> mixer, the outermost."""
    return _outermost(model, lambda names: names == ["batch", "length", "like"] or len(names) == 3)


def _outermost(model: nn.Module, fits: Any) -> dict[str, nn.Module]:
    found: dict[str, nn.Module] = {}
    for path, module in model.named_modules():
        make = getattr(module, "empty_state", None)
        inside = any(path.startswith(f"{other}.") for other in found)
        if callable(make) and not inside and fits(list(inspect.signature(make).parameters)):
            found[path] = module
    return found


@contextmanager
def hooked() -> Iterator[list[RemovableHandle]]:
    """Removes the hooks that are listed within it."""
    handles: list[RemovableHandle] = []
    try:
        yield handles
    finally:
        for handle in handles:
            handle.remove()


def given(args: tuple[Any, ...], keywords: dict[str, Any], place: int, name: str) -> Any:
    """An argument of a call, however it was passed; None if it was not."""
    return args[place] if len(args) > place else keywords.get(name)
