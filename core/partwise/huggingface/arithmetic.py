"""Arithmetic on the settings of a config.json, `hidden_size // num_attention_heads`, or on what stands at paths of a
recipe, `model.width // model.blocks.0.mixer.heads`: parsed and computed, never run."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable
from functools import partial
from typing import Any

LONGEST = 200
LARGEST_POWER = 16
_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
}


_INDEX = re.compile(r"(?<=[A-Za-z_])\.([0-9]+)")
"""Of an element within a path; no name for Python's parser, which reads the rest."""


def keys_in(text: str, what: str = "keys of config.json") -> list[str]:
    """The settings that an expression names, each once.

    Args:
        what: what the names are, for messages.

    Raises:
        ValueError: it is no such expression.
    """
    return list(
        dict.fromkeys(_key(node) for node in _leaves(_parsed(text, what)) if not isinstance(node, ast.Constant))
    )


def computed(text: str, value_of: Callable[[str], Any]) -> Any:
    """What the expression comes to, where `value_of` gives the value of a setting.

    Raises:
        ValueError: it is no such expression, or comes to no number.
    """
    try:
        return _computed(_parsed(text), value_of)
    except (ArithmeticError, TypeError) as error:
        raise ValueError(f"{text!r} cannot be computed: {error}") from None


def solved(text: str, key: str, value: float, value_of: Callable[[str], Any]) -> Any:
    """What the setting `key` must be for the expression to come to `value`: the roundest number that does.

    Raises:
        ValueError: there is none.
    """
    try:
        found = _solved(_parsed(text), key, value, value_of)
        for one in (round(found), float(f"{found:.9g}"), float(f"{found:.12g}")):
            if computed(text, partial(_with, key, one, value_of)) == value:
                return one
    except (ArithmeticError, TypeError) as error:
        raise ValueError(f"has no value: {error}") from None
    return found


def _with(key: str, value: Any, value_of: Callable[[str], Any], name: str) -> Any:
    return value if name == key else value_of(name)


def refuse_unsolvable(text: str, key: str) -> None:
    """
    Raises:
        ValueError: `solved` cannot find the setting: it does not stand there once, or in what loses it.
    """
    if key not in keys_in(text):
        raise ValueError(f"{key} must stand once in what is computed from it, so that it can be found again")
    _solved(_parsed(text), key, 2.0, lambda name: 2.0)


def _solved(node: ast.AST, key: str, value: Any, value_of: Callable[[str], Any]) -> Any:
    if isinstance(node, ast.UnaryOp):
        return _solved(node.operand, key, -value, value_of)
    if isinstance(node, ast.Call):
        return _solved(node.args[0], key, math.exp(value), value_of)
    if not isinstance(node, ast.BinOp):
        return value
    left, right = (sum(_is(one, key) for one in _leaves(side)) for side in (node.left, node.right))
    if left + right != 1:
        raise ValueError(f"{key} must stand once in what is computed from it, so that it can be found again")
    other = _computed(node.right if left else node.left, value_of)
    undo = _UNDONE.get((type(node.op), bool(left)))
    if undo is None:
        raise ValueError(f"{key} cannot be found again from what // or % leaves of it")
    return _solved(node.left if left else node.right, key, undo(value, other), value_of)


def _is(node: ast.AST, key: str) -> bool:
    return not isinstance(node, ast.Constant) and _key(node) == key


_UNDONE: dict[tuple[type[ast.AST], bool], Callable[[Any, Any], Any]] = {
    (ast.Add, True): lambda value, other: value - other,
    (ast.Add, False): lambda value, other: value - other,
    (ast.Sub, True): lambda value, other: value + other,
    (ast.Sub, False): lambda value, other: other - value,
    (ast.Mult, True): lambda value, other: value / other,
    (ast.Mult, False): lambda value, other: value / other,
    (ast.Div, True): lambda value, other: value * other,
    (ast.Div, False): lambda value, other: other / value,
    (ast.Pow, True): lambda value, other: value ** (1 / other),
}
"""What undoes an operator whose left side, or right side, is asked for, by the other side."""


def _parsed(text: str, what: str = "keys of config.json") -> ast.AST:
    try:
        if len(text) > LONGEST:
            raise SyntaxError
        tree = ast.parse(_INDEX.sub(r".__\1", text.strip()), mode="eval").body
        list(_leaves(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(
            f"expected {what} and numbers, joined by + - * / // % **, log() and parentheses, got {text[:60]!r}"
        ) from None
    return tree


def _leaves(node: ast.AST) -> list[ast.AST]:
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return [*_leaves(node.left), *_leaves(node.right)]
    if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
        return _leaves(node.operand)
    if isinstance(node, ast.Call) and _is_logarithm(node):
        return _leaves(node.args[0])
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return [node]
    _key(node)
    return [node]


def _is_logarithm(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id == "log" and len(node.args) == 1 and not node.keywords


def _key(node: ast.AST) -> str:
    """`rope_scaling.factor` of a name, or of a chain of names.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        index = node.attr.removeprefix("__")
        return f"{_key(node.value)}.{index if index.isdecimal() else node.attr}"
    raise ValueError


def _computed(node: ast.AST, value_of: Callable[[str], Any]) -> Any:
    if isinstance(node, ast.BinOp):
        left, right = _computed(node.left, value_of), _computed(node.right, value_of)
        if isinstance(node.op, ast.Pow) and abs(right) > LARGEST_POWER:
            raise ArithmeticError(f"a power is at most {LARGEST_POWER}")
        return _OPERATORS[type(node.op)](left, right)
    if isinstance(node, ast.UnaryOp):
        return _OPERATORS[type(node.op)](_computed(node.operand, value_of))
    if isinstance(node, ast.Call):
        return math.log(_computed(node.args[0], value_of))
    if isinstance(node, ast.Constant):
        return node.value
    key = _key(node)
    value = value_of(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{key} is not a number")
    return value
