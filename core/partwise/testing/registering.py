"""Checks by kind: `@check("mixer", "block")` above a function makes it part of the contract of those kinds.

A check is a function whose docstring's first line says in plain words what must hold, and which raises
`ContractViolation` where it does not. It is called with what `per` says:

    "site"      (part, site): every example of the part, at every site of its kind where it fits
    "place"     (part, site): every example, at the first site where it fits; for checks that take long
    "example"   (part): every example
    "knob"      (part class, knob name)
    "part"      (part class)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Per = Literal["site", "place", "example", "knob", "part"]
Function = Callable[..., None]

MODULE = "module"
"""In place of a kind: every part that builds an `nn.Module`, whatever its kind."""
EVERY = "part"
"""In place of a kind: every part."""


@dataclass(frozen=True)
class Check:
    """One line of a contract."""

    name: str
    about: str
    kinds: tuple[str, ...]
    per: Per
    slow: bool
    function: Function

    def __call__(self, *subject: Any) -> None:
        self.function(*subject)


REGISTERED: list[Check] = []
"""Every check, in the order of definition; `contract.all_checks` has read all files of them first."""


def check(*kinds: str, per: Per = "site", slow: bool = False) -> Callable[[Function], Function]:
    """Registers the function below it as a check of some kinds (see the module). The function stays what it is.

    Args:
        kinds: names of kinds; `MODULE` or `EVERY` in place of one.
        per: what it is called with.
        slow: whether it takes seconds; slow checks are started first.
    """

    def register(function: Function) -> Function:
        REGISTERED.append(as_check(function, kinds, per, slow))
        return function

    return register


def as_check(function: Function, kinds: tuple[str, ...] = (), per: Per = "site", slow: bool = False) -> Check:
    """A function as a check; what `Part.checks` gives need not be registered."""
    about = " ".join((function.__doc__ or "").strip().split("\n\n")[0].split())
    return Check(function.__name__, about, kinds, per, slow, function)
