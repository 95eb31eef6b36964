"""`fillable`: modules from elsewhere that draw their first weights in their constructors.

partwise builds modules without memory and then asks each to fill its own tensors, by `reset_parameters()`. PyTorch's
own layers can do that; a module that draws its weights in its constructor cannot, unless it is made `fillable`.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import TypeVar

import torch
from torch import Tensor, nn

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def fillable(make: Callable[[], ModuleT]) -> ModuleT:
    """The module that `make` returns, with a `reset_parameters()` that fills it and every module in it.

    It fills them by calling `make` again, and copying the tensors of the module that this returns:

        attention = fillable(partial(nn.MultiheadAttention, width, heads, batch_first=True))
    """
    module = make()
    module.make = make  # type: ignore[assignment]
    module.fills_all_within = True  # type: ignore[assignment]
    module.reset_parameters = MethodType(_refill, module)  # type: ignore[assignment]
    return module


def filled_by_others(module: nn.Module) -> set[nn.Module]:
    """The modules in `module` that need not fill themselves, because they stand inside a fillable one."""
    owners = [child for child in module.modules() if getattr(child, "fills_all_within", False)]
    return {inner for owner in owners for inner in owner.modules() if inner is not owner}


def _refill(module: nn.Module) -> None:
    with torch.device("cpu"), torch.no_grad():
        made: nn.Module = module.make()  # type: ignore[operator]
        for ours, new in zip(_tensors(module), _tensors(made), strict=True):
            if not ours.is_meta:
                ours.copy_(new)


def _tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]
