"""Libraries that draw random numbers leave those of the training alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def undisturbed() -> Iterator[None]:
    """After it, Python's random numbers go on as if none had been drawn inside."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)
