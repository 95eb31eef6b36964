"""Which part of a model was the first to give something that is not finite."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Culprit:
    """A module, and what of it is not finite."""

    path: str
    what: str


def first_not_finite(model: nn.Module, compute: Callable[[], object]) -> Culprit | None:
    """The module whose output is the first that is not finite while `compute` runs the model, innermost first.

    If all outputs are finite and gradients are there that are not, the module they went wrong at: in the backward
    pass everything before it is spoilt too, so it is the last in the order of the forward pass.
    """
    found: list[Culprit] = []
    order: list[str] = []

    def watch(path: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            order.append(path)
            if not found and not _finite(_tensors(output)):
                spoilt = not _finite(module.parameters(recurse=False))
                found.append(Culprit(path, "weights" if spoilt else "output"))

        return hook

    # The model itself is left out: it is not finite once any part of it is not.
    handles = [child.register_forward_hook(watch(path)) for path, child in model.named_modules() if path]
    try:
        compute()
    finally:
        for handle in handles:
            handle.remove()
    if found:
        return found[0]
    for path in reversed(order):
        gradients = (weight.grad for weight in model.get_submodule(path).parameters(recurse=False))
        if not _finite(gradient for gradient in gradients if gradient is not None):
            return Culprit(path, "gradient")
    return None


def in_words(culprit: Culprit | None, recipe: Mapping[str, Any]) -> str:
    """`the output of model.blocks.2.mixer (multi_head) was the first that was not finite`; `recipe` is the model's."""
    if culprit is None:
        return "every part's output was finite, so it arose in the loss itself"
    place, name = _place(culprit.path, recipe)
    inside = f"{name}, in its module {culprit.path}" if name else f"module {culprit.path}"
    return f"the {culprit.what} of {place} ({inside}) {_VERBS[culprit.what]} the first not to be finite"


_VERBS = {"output": "was", "gradient": "was", "weights": "were"}


def _place(path: str, recipe: Mapping[str, Any]) -> tuple[str, str]:
    """Where a module's part stands in the recipe, with the layer's own number, and the part's name.

    Modules are called after the knobs that hold their parts; a step that no knob is called is the part's own
    affair. A pattern of layers is repeated to the model's depth.
    """
    node: Any = recipe
    words, name = ["model"], str(recipe.get("use", ""))
    for step in path.split("."):
        if isinstance(node, Mapping) and isinstance(node.get(step), Mapping | list | tuple):
            node = node[step]
        elif isinstance(node, list | tuple) and node and step.isdigit():
            node = node[int(step) % len(node)]
        else:
            continue
        words.append(step)
        if isinstance(node, Mapping):
            name = str(node.get("use", name))
    return ".".join(words), name


def _tensors(output: Any) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, Mapping):
        yield from _tensors(list(output.values()))
    elif isinstance(output, list | tuple):
        for one in output:
            yield from _tensors(one)


def _finite(tensors: Iterable[Tensor]) -> bool:
    with torch.no_grad():
        return all(bool(_own(one).isfinite().all()) for one in tensors if one.is_floating_point())


def _own(tensor: Tensor) -> Tensor:
    """This process's share of a tensor that several hold: to look at another's, all would have to look at once."""
    from torch.distributed.tensor import DTensor

    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
