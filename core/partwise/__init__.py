"""partwise builds language models part by part from JSON recipes.

Names are imported on first use, so that `import partwise` costs nothing and never imports torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import InputError, PartError, PartwiseError, PluginError, RecipeError, WorkError
    from .parts import Part, Slot, use
    from .plugins import hook

_HOME = {
    "InputError": "errors",
    "Part": "parts",
    "PartError": "errors",
    "PartwiseError": "errors",
    "PluginError": "errors",
    "RecipeError": "errors",
    "Slot": "parts",
    "WorkError": "errors",
    "hook": "plugins",
    "use": "parts",
}

__all__ = [
    "InputError",
    "Part",
    "PartError",
    "PartwiseError",
    "PluginError",
    "RecipeError",
    "Slot",
    "WorkError",
    "hook",
    "use",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        module = import_module(f".{_HOME[name]}", __name__)
        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
