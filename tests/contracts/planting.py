"""Planting mistakes: a right part and a wrong one, and the check that must tell them apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from partwise import Part
from partwise.plugins import Plugin, load_plugins
from partwise.registry import Registry, using

Check = Callable[..., None]
DIRECTORY = object()
"""Stands for an empty directory among the arguments of a check."""


@dataclass(frozen=True)
class Kill:
    """A check, the arguments with which it must pass, those with which it must fail, and why, in a word."""

    check: Check
    right: Callable[[], tuple[Any, ...]]
    wrong: Callable[[], tuple[Any, ...]]
    mistake: str

    def __str__(self) -> str:
        return f"{self.check.__name__}-{self.mistake}"


class Kills(list[Kill]):
    """Mistakes, each with the check that must find it."""

    def plant(self, check: Check, mistake: str, right: Callable[[], Any], wrong: Callable[[], Any], *rest: Any) -> None:
        """`check(right(), *rest)` passes, `check(wrong(), *rest)` fails."""
        self.append(Kill(check, lambda: (right(), *rest), lambda: (wrong(), *rest), mistake))

    def each(self) -> pytest.MarkDecorator:
        return pytest.mark.parametrize("kill", self, ids=str)


def tell_apart(kill: Kill, directory: Path, found: tuple[type[Exception], ...] = (AssertionError,)) -> None:
    """The right part passes, and the mistake in the wrong one is found."""
    kill.check(*_arguments(kill.right(), directory / "right"))
    with pytest.raises(found):
        kill.check(*_arguments(kill.wrong(), directory / "wrong"))


def _arguments(given: tuple[Any, ...], directory: Path) -> Iterator[Any]:
    return (directory if argument is DIRECTORY else argument for argument in given)


def registered(*parts: type[Part]) -> Any:
    """Within `with registered(...)`, these parts are found by name beside those that are installed."""

    class Planted:
        def call(self, hook: str) -> tuple[list[Any], Plugin]:
            return list(parts) if hook == "partwise_parts" else [], Plugin("planted", "planted", "partwise", "0")

    return using(Registry([*load_plugins(), Planted()]))
