"""Every error partwise raises on purpose.

PartwiseError              shown to the user as one screen, never as a traceback
├── InputError             the input was wrong: exit code 2
│   ├── RecipeError        a recipe, with every problem in it at once
│   ├── PartError          a part cannot be built where it stands
│   └── PluginError        a plugin that is needed is broken
└── WorkError              the input was right and the work failed: exit code 1
"""

from __future__ import annotations


class PartwiseError(Exception):
    """Base of all errors meant for the user; `exit_code` is what a command exits with."""

    exit_code = 1


class InputError(PartwiseError):
    """What was given is wrong: a file, an option, a recipe. The message says how to mend it."""

    exit_code = 2


class RecipeError(InputError):
    """A recipe that does not hold; the message is the rendered list of all its problems."""


class _PlacedError(InputError):
    """`path` is filled in on the way up with the part's place in the recipe, for example
    `("model", "blocks", 0, "mixer")`.
    """

    def __init__(self, message: str, path: tuple[str | int, ...] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.path = path

    def __str__(self) -> str:
        if not self.path:
            return self.message
        return f"at {'.'.join(map(str, self.path))}: {self.message}"


class PartError(_PlacedError):
    """A part cannot be built at its place; raise it from `build` with what was given and what is allowed."""


class BuildError(_PlacedError):
    """A part broke while it was built: its `build` raised an error that it did not mean to raise."""


class PluginError(InputError):
    """A plugin that the command needs is broken."""


class WorkError(PartwiseError):
    """The work itself failed: a diverged loss, a full disk, a corrupted file."""
