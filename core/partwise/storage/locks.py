"""Locks of the system on files and directories: they end with the process that holds them, however it ends.

Windows has none of this sort, and some network file systems refuse them; whoever locks there is told so.
"""

from __future__ import annotations

from typing import Literal

Outcome = Literal["held", "taken", "unsupported"]


def lock(handle: int, wait: bool = False) -> Outcome:
    """Locks an open file or directory for this process until `handle` is closed.

    Returns:
        `held`: the lock is ours; `taken`: another process has it (never with `wait`, which waits for it to end);
        `unsupported`: there are no locks here.
    """
    try:
        import fcntl
    except ImportError:
        return "unsupported"
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return "taken"
    except OSError:
        return "unsupported"
    return "held"


__all__ = ["Outcome", "lock"]
