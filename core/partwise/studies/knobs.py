"""How knobs are named where room is short."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from partwise.rendering.text import plain


def short_names(paths: Iterable[str]) -> dict[str, str]:
    """Path -> its last name, with as many before it as tell it from the others: `lr`, `optimizer.lr`."""
    every = list(dict.fromkeys(paths))
    return {path: next(tail for tail in _tails(path) if _alone(tail, path, every)) for path in every}


def _tails(path: str) -> list[str]:
    names = path.split(".")
    return [".".join(names[-count:]) for count in range(1, len(names) + 1)]


def _alone(tail: str, path: str, every: list[str]) -> bool:
    return tail == path or not any(other != path and f".{other}".endswith(f".{tail}") for other in every)


def combination_words(values: Mapping[str, Any]) -> str:
    """`lr 0.001, weight_decay 0.1`; of one knob its value alone."""
    if len(values) == 1:
        return plain(next(iter(values.values())))
    names = short_names(values)
    return ", ".join(f"{names[path]} {plain(value)}" for path, value in values.items())


__all__ = ["combination_words", "short_names"]
