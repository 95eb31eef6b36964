"""The contract of a part: which checks concern it."""

from __future__ import annotations

from partwise.parts import Part, kinds_of

from . import checks  # noqa: F401 - registers them
from .cases import builds_module
from .registering import EVERY, MODULE, REGISTERED, Check, as_check


def all_checks() -> tuple[Check, ...]:
    """Every registered check, in the order of definition."""
    return tuple(REGISTERED)


def checks_of(part: type[Part]) -> tuple[Check, ...]:
    """The contract of a part: the checks of its kinds, and its own `checks()`."""
    own = (one if isinstance(one, Check) else as_check(one) for one in part.checks())
    return (*(one for one in all_checks() if concerns(one, part)), *own)


def concerns(check: Check, part: type[Part]) -> bool:
    """Whether a check applies to parts of this kind."""
    if EVERY in check.kinds or any(kind.kind in check.kinds for kind in kinds_of(part)):
        return True
    return MODULE in check.kinds and builds_module(part)
