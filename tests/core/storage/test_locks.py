"""Locks of the system, seen from another process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from partwise.storage.locks import lock

HOLD = """
import os, sys
from partwise.storage.locks import lock
handle = os.open(sys.argv[1], os.O_RDONLY)
print(lock(handle), flush=True)
sys.stdin.read()
"""


def hold(path: Path) -> subprocess.Popen[str]:
    """A process that holds the lock until its standard input ends."""
    command = [sys.executable, "-c", HOLD, str(path)]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    return other


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")
@pytest.mark.parametrize("kind", ["file", "directory"])
@pytest.mark.parametrize("end", ["ends", "is killed"])
def test_a_lock_is_taken_until_its_process_ends(tmp_path: Path, kind: str, end: str) -> None:
    path = tmp_path / "one"
    path.touch() if kind == "file" else path.mkdir()
    handle = os.open(path, os.O_RDONLY)
    try:
        with hold(path) as other:
            assert lock(handle) == "taken"
            other.kill() if end == "is killed" else other.communicate("")
        assert lock(handle, wait=True) == "held"
    finally:
        os.close(handle)
