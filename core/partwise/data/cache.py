"""The cache directory: where encoded texts and trained tokenizers are kept between runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from partwise.errors import InputError, WorkError

CACHE = "PARTWISE_CACHE"
"""Environment variable that names the cache directory."""


class LostProcessError(WorkError):
    """A process that encodes has died; what was encoded before is kept."""


def cache_directory() -> Path:
    """$PARTWISE_CACHE, else the user's cache directory. It need not exist."""
    if os.environ.get(CACHE):
        return Path(os.environ[CACHE])
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"], "partwise")
    return Path.home() / ".cache" / "partwise"


def made_in_cache(folder: Path) -> Path:
    """`folder`, created with its parents if it does not exist.

    Raises:
        InputError: it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot make the cache directory {folder}: {error.strerror}; name another one in {CACHE}"
        ) from error
    return folder


@contextmanager
def writing_to_cache(folder: Path) -> Iterator[None]:
    """Within it, a failure to write below `folder` becomes a WorkError that names the way out."""
    try:
        yield
    except OSError as error:
        raise WorkError(
            f"cannot write encoded text to {folder}: {error.strerror}; "
            f"make room there, or name another directory in {CACHE}"
        ) from error
