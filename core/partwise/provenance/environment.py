"""Where a study's figures come from: the command, the environment, and the revision of the code."""

from __future__ import annotations

import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from partwise.machine import cores
from partwise.parts.registry import registry

LIBRARIES = ("partwise", "torch", "numpy", "pydantic", "scipy", "statsmodels")
MOST_DIFF = 100_000
"""Characters of a diff that are kept."""
PATIENCE = 20.0
"""Seconds that git may take."""


def origin(command: str = "") -> dict[str, Any]:
    """All that is known before anything has run; `command` is what the user typed."""
    return {"command": command, "started": now(), "environment": environment(), "git": revision()}


def now() -> str:
    """The time, to the second, in UTC: `2025-03-01T12:00:00+00:00`."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def environment() -> dict[str, Any]:
    """Versions, machine and plugins."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cores": cores(),
        **{name: found for name in LIBRARIES if (found := _version(name)) is not None},
        "plugins": sorted(str(plugin) for plugin in registry().plugins if not plugin.builtin),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def revision(directory: Path | None = None) -> dict[str, Any] | None:
    """The git revision of a directory (by default the current one) with its uncommitted changes; None outside of git.

    Untracked files are named but not shown.
    """
    head = _git(directory, "rev-parse", "HEAD")
    if head is None:
        return None
    diff = _git(directory, "diff", "HEAD", "--no-color", "--no-ext-diff") or ""
    unknown = (_git(directory, "ls-files", "--others", "--exclude-standard") or "").splitlines()
    cut = f"\n... {len(diff) - MOST_DIFF} more characters" if len(diff) > MOST_DIFF else ""
    return {
        "revision": head.strip(),
        "dirty": bool(diff or unknown),
        "diff": diff[:MOST_DIFF] + cut,
        "untracked": unknown[:100],
    }


def _git(directory: Path | None, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *words],
            cwd=directory,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):  # no git, or a directory that does not respond
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def command_line() -> str:
    """The command as typed, quoted for a shell."""
    from shlex import join

    return join(["partwise", *sys.argv[1:]])


__all__ = ["command_line", "environment", "now", "origin", "revision"]
