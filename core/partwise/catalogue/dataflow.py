"""How data flow through a module, seen by running it once: which of its children and operations read whose results.

Nothing is known of any part: what is drawn is what was computed, whoever wrote it. What only changes a tensor's shape
or type is passed over, and so is what depends on no input, such as masks and positions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_PASSED = frozenset(
    [
        *("__get__", "__getitem__", "bfloat16", "chunk", "clone", "contiguous", "detach", "double"),
        *("dropout", "expand", "expand_as", "flatten", "flip", "float", "int", "long"),
        *("masked_fill", "mT", "movedim", "narrow", "pad", "permute", "pin_memory", "repeat"),
        *("repeat_interleave", "reshape", "roll", "select", "split", "split_with_sizes", "squeeze", "t"),
        *("to", "transpose", "triu", "tril", "type_as", "unbind", "unflatten", "unsqueeze"),
        *("view", "where", "index_select"),
    ]
)
"""Functions whose result is what they read, in another form."""
_JOINED = frozenset(["cat", "stack"])
"""Functions that put tensors side by side."""
_SIGNS = {
    "add": "+",
    "bmm": "matrix product",
    "cat": "side by side",
    "div": "÷",
    "einsum": "matrix product",
    "linear": "linear",
    "matmul": "matrix product",
    "mul": "×",
    "neg": "−",
    "rsub": "−",
    "scaled_dot_product_attention": "attention",
    "stack": "side by side",
    "sub": "−",
    "truediv": "÷",
}


@dataclass(frozen=True)
class Node:
    """An input, a child or an operation."""

    label: str
    about: str
    """The class of a child; empty otherwise."""
    sources: tuple[int, ...]
    """The nodes whose results it reads."""
    function: Callable[[Tensor], Tensor] | None = None
    """What it does to each number, if it is one tensor's function, and looks at nothing else."""

    @property
    def is_child(self) -> bool:
        return bool(self.about)


@dataclass(frozen=True)
class Flowing:
    """The nodes in the order in which they were computed, inputs first; the last is the output."""

    nodes: tuple[Node, ...]


def flowing(
    module: nn.Module, call: Callable[[], Tensor], inputs: Mapping[str, Tensor], children: Mapping[str, nn.Module]
) -> Flowing:
    """One call of a module, in which `children` are single nodes."""
    seen = _Seen(inputs)
    handles = []
    for name, child in children.items():
        handles.append(child.register_forward_pre_hook(seen.enters))
        handles.append(child.register_forward_hook(seen.leaves(name), with_kwargs=True))
    try:
        with torch.no_grad(), seen:
            output = call()
    finally:
        for handle in handles:
            handle.remove()
    return Flowing(tuple(_needed([*seen.nodes, Node("output", "", tuple(seen.sources([output])))])))


class _Seen(TorchFunctionMode):
    """What was called, and by whom each tensor was made."""

    def __init__(self, inputs: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.nodes = [Node(name, "", ()) for name in inputs]
        self.made = {id(tensor): index for index, tensor in enumerate(inputs.values())}
        self.kept: list[Any] = list(inputs.values())  # a tensor that is gone could lend its id to another
        self.within = 0
        self.touched: list[int] = []

    def sources(self, values: Any) -> list[int]:
        return list(dict.fromkeys(self.made[id(one)] for one in _tensors(values) if id(one) in self.made))

    def enters(self, child: nn.Module, args: Any) -> None:
        self.within += 1
        if self.within == 1:
            self.touched = []

    def leaves(self, name: str) -> Any:
        def hook(child: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
            self.within -= 1
            if self.within:
                return output
            if isinstance(output, Tensor):
                output = output.clone()  # an identity gives what it was given
            # What a flow carries, such as an encoder's states, is read within.
            sources = dict.fromkeys([*self.sources([args, kwargs]), *self.touched])
            self._add(Node(name, type(child).__name__, tuple(sources)), output)
            return output

        return hook

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        sources = self.sources([args, kwargs or {}])
        if self.within:
            if _name(func) != "__get__":
                self.touched += sources
            return result
        tensors = [one for one in _tensors(result) if one.dtype != torch.bool]
        name = _name(func)
        if not sources or not tensors or name.startswith("new_") or name.endswith("_like"):
            return result
        if len(sources) == 1 and (name in _PASSED or name in _JOINED):
            self.kept.append(result)
            self.made.update((id(one), sources[0]) for one in tensors if id(one) not in self.made)
        else:
            node = Node(_label(name, args, len(sources)), "", tuple(sources), _alone(func, args, kwargs or {}, sources))
            self._add(node, result)
        return result

    def _add(self, node: Node, output: Any) -> None:
        self.kept.append(output)
        self.made.update((id(one), len(self.nodes)) for one in _tensors(output))
        self.nodes.append(node)


def _name(func: Any) -> str:
    name = getattr(func, "__name__", "?")
    if name == "__get__":
        return name
    bare = name.strip("_")
    plain = bare.removesuffix("_")
    for prefix in ("r", "i"):
        if name.startswith(f"__{prefix}") and bare[1:] in {"add", "mul", "sub", "truediv", "matmul"}:
            plain = bare[1:]
    return "__getitem__" if plain == "getitem" else plain


def _label(name: str, args: Sequence[Any], sources: int) -> str:
    sign = _SIGNS.get(name, name.removesuffix(".default").replace("_", " "))
    if sources == 1 and sign in {"+", "×", "−", "÷"} and len(args) > 1:
        numbers = [one for one in args[:2] if isinstance(one, int | float)]
        return f"{sign} {numbers[0]:.3g}" if numbers else f"{sign} weight"
    return sign


def _alone(func: Any, args: Sequence[Any], kwargs: dict[str, Any], sources: Sequence[int]) -> Any:
    """The function of one number that an activation is."""
    if len(sources) != 1 or not args or not isinstance(args[0], Tensor) or len(_tensors_in([args, kwargs])) != 1:
        return None
    return lambda x: func(x, *args[1:], **kwargs)


def _tensors_in(values: Any) -> list[Tensor]:
    return list(_tensors(values))


def _tensors(values: Any) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, list | tuple):
        for one in values:
            yield from _tensors(one)
    elif isinstance(values, dict):
        yield from _tensors(list(values.values()))


def _needed(nodes: list[Node]) -> Iterator[Node]:
    """The inputs, and those nodes whose results reach the output; numbered anew."""
    needed = {len(nodes) - 1}
    for index in reversed(range(len(nodes))):
        if index in needed:
            needed |= set(nodes[index].sources)
    number = {index: place for place, index in enumerate(sorted(needed))}
    for index in sorted(needed):
        one = nodes[index]
        yield Node(one.label, one.about, tuple(number[source] for source in one.sources), one.function)


__all__ = ["Flowing", "Node", "flowing"]
