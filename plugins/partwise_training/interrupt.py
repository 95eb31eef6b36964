"""Ctrl-C, and the SIGTERM with which clusters announce the end, that wait for a good moment."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_USUAL: dict[signal.Signals, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


@contextmanager
def postponed_interrupt() -> Iterator[Callable[[], bool]]:
    """Within the block, a first Ctrl-C or SIGTERM only makes the yielded function return True; a second one of the
    same interrupts at once. (A study passes on as Ctrl-C what a cluster has told every process by SIGTERM.)

    An interrupt in the middle of an update would leave some weights changed and others not. A signal that does
    something else already (in a thread, under a tool that handles it) is left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    asked: set[int] = set()

    def note(number: int, frame: FrameType | None) -> None:
        if number in asked:
            raise KeyboardInterrupt
        asked.add(number)

    ours = [number for number, usual in _USUAL.items() if signal.getsignal(number) is usual]
    for number in ours:
        signal.signal(number, note)
    try:
        yield lambda: bool(asked)
    finally:
        for number in ours:
            signal.signal(number, _USUAL[number])
