"""Statistics of a study: pure functions of its `Results`.

`analyse` is the whole; the others are what planning asks before anything has run. They are imported when first
used, and load numpy and scipy only when called, so that the command line starts fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .findings import Analysis
    from .looks import check_looks
    from .metrics import comparable
    from .power import detectable_effect, seeds_needed
    from .study import analyse

_HOME = {
    "Analysis": "findings",
    "analyse": "study",
    "check_looks": "looks",
    "comparable": "metrics",
    "detectable_effect": "power",
    "seeds_needed": "power",
}

__all__ = ["Analysis", "analyse", "check_looks", "comparable", "detectable_effect", "seeds_needed"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
