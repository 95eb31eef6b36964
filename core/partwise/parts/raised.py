"""What the code of a plugin raised, in words, and where."""

from __future__ import annotations

import re
import traceback
from pathlib import Path


def told_as_raised(error: BaseException, module: str = "") -> str:
    """`raised KeyError: 'heads' (sinks.py:12)`.

    Args:
        module: the place is the innermost in its package, if there is one: that is where its author has to look.
    """
    frames = list(traceback.walk_tb(error.__traceback__))
    package = module.partition(".")[0]
    own = [one for one in frames if str(one[0].f_globals.get("__name__")).partition(".")[0] == package]
    frame, line = (own or frames)[-1]
    text = f"{type(error).__name__}: {error}".strip().splitlines()[0].removesuffix(": ").removesuffix(":")
    return f"raised {text} ({Path(frame.f_code.co_filename).name}:{line})"


def is_of_the_machine(error: BaseException) -> bool:
    """Whether it says something of the machine (its memory, its disk) and nothing of the code."""
    words = re.search("out of memory|can't allocate memory", str(error), re.IGNORECASE)
    return isinstance(error, MemoryError | OSError) or words is not None
