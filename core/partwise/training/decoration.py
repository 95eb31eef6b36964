"""What is only reported never ends a run: figures of speed, trackers, samples, pictures.

Training, and every command that shows something besides its answer, calls these through one `Decoration`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

Result = TypeVar("Result")


class Decoration:
    """Calls what only decorates a piece of work; what fails is said once, in one line, and not called again."""

    def __init__(self, say: Callable[[str], None] = lambda line: None) -> None:
        self._say = say
        self._failed: set[str] = set()

    def __call__(self, what: str, call: Callable[[], Result]) -> Result | None:
        """What `call` returns; None if it fails, or if something called `what` has failed before.

        Args:
            what: its name in the line that tells of the failure: "the sample", "tracker mlflow".
        """
        if what in self._failed:
            return None
        try:
            return call()
        except (Exception, SystemExit) as error:  # a plugin may even try to leave; Ctrl-C still ends the work
            self._failed.add(what)
            with suppress(Exception):
                self._say(f"{what} failed and is left out from now on: {reason(error)}")
            return None

    def failed(self, what: str) -> bool:
        """Whether something called `what` has failed."""
        return what in self._failed


def reason(error: BaseException) -> str:
    """An error in one line."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


__all__ = ["Decoration", "reason"]
