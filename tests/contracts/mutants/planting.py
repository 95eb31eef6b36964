"""Planting mistakes: a right part and a wrong one, and the check that must tell them apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from partwise import Part
from partwise.parts.plugins import Plugin, load_plugins
from partwise.parts.registry import Registry, using
from partwise.testing.probes import seeded
from partwise.testing.violation import NotApplicableError

Check = Callable[..., None]


@dataclass(frozen=True)
class Kill:
    """A check, the arguments with which it must pass, those with which it must fail, and the mistake in a word."""

    check: Check
    right: Callable[[], tuple[Any, ...]]
    wrong: Callable[[], tuple[Any, ...]]
    mistake: str

    def __str__(self) -> str:
        return f"{self.mistake}-{self.check.__name__}"


class Kills(list[Kill]):
    """Mistakes, each with the check that must find it."""

    def plant(self, check: Check, mistake: str, right: Callable[[], Any], wrong: Callable[[], Any], *rest: Any) -> None:
        """`check(right(), *rest)` passes, `check(wrong(), *rest)` fails."""
        self.append(Kill(check, lambda: (right(), *rest), lambda: (wrong(), *rest), mistake))


def tell_apart(kill: Kill, seed: int = 0) -> str:
    """The right part passes, and the mistake in the wrong one is found; what is said of it."""
    with seeded(seed):
        kill.check(*kill.right())
        with pytest.raises(Exception) as found:
            kill.check(*kill.wrong())
    assert not isinstance(found.value, NotApplicableError), "the check was skipped"
    return str(found.value).strip().split("\n")[0] or type(found.value).__name__


def registered(*parts: type[Part]) -> Any:
    """Within `with registered(...)`, these parts are found by name beside those that are installed."""

    class Planted:
        def call(self, hook: str) -> tuple[list[Any], Plugin]:
            return list(parts) if hook == "partwise_parts" else [], Plugin("planted", "planted", "partwise", "0")

    return using(Registry([*load_plugins(), Planted()]))
