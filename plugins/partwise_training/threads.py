"""How many CPU threads compute, which decides the last bits of what they add up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def computing(threads: int | None) -> Iterator[None]:
    """Within it that many threads compute; None: as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(before if threads is None else threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
