"""A terminal for commands to write to, where a test looks at what they wrote."""

from __future__ import annotations

import io
import sys
from typing import Literal

import pytest


class Terminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


def terminal_in(monkeypatch: pytest.MonkeyPatch, name: Literal["stdout", "stderr"]) -> Terminal:
    """Makes a stream of this process a terminal. (Not a fixture: pytest sets its own between set-up and test.)"""
    stream = Terminal()
    monkeypatch.setattr(sys, name, stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    for variable in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(variable, raising=False)
    return stream
