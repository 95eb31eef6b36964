"""Names of tensors: what a pattern with `{i}` and `{e}` stands for, and which names are near another."""

from __future__ import annotations

import re
from collections.abc import Iterable

from partwise.recipe.suggestions import nearest


def fits(pattern: str, name: str) -> bool:
    """Whether a name is one that a pattern stands for."""
    return _matcher(pattern).fullmatch(name) is not None


def layer_in(pattern: str, name: str) -> str:
    """The number that `{i}` stands for in a name that fits; an empty text where the pattern has none."""
    found = _matcher(pattern).fullmatch(name)
    return found["i"] if found is not None and "i" in found.groupdict() else ""


def layers(pattern: str, names: Iterable[str]) -> list[str]:
    """The numbers that `{i}` stands for among names; one empty text for a pattern without it."""
    if "{i}" not in pattern:
        return [""]
    matcher = _matcher(pattern)
    return sorted({found["i"] for name in names if (found := matcher.fullmatch(name))}, key=int)


def _matcher(pattern: str) -> re.Pattern[str]:
    text = re.escape(pattern).replace(r"\{i\}", r"(?P<i>\d+)", 1).replace(r"\{i\}", r"(?P=i)")
    return re.compile(text.replace(r"\{e\}", r"\d+"))


def number_in(name: str) -> str:
    """The first number in a name: of a layer, if it is one of a layer's."""
    found = re.search(r"\.(\d+)\.", name)
    return found[1] if found else "0"


def near(name: str, known: Iterable[str], where: str) -> str:
    """`; the nearest in the checkpoint are a, b`."""
    likest = nearest(name, [one for one in known if number_in(one) == number_in(name)])[:3]
    return f"; the nearest {where} {'is' if len(likest) == 1 else 'are'} {', '.join(likest)}" if likest else ""


__all__ = ["fits", "layer_in", "layers", "near", "number_in"]
