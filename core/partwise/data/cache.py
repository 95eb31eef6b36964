"""Where encoded texts are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

from partwise.errors import InputError

CACHE = "PARTWISE_CACHE"
"""Environment variable that names the cache directory."""


def cache_directory() -> Path:
    """Where encoded texts are kept: $PARTWISE_CACHE, else the user's cache directory."""
    if os.environ.get(CACHE):
        return Path(os.environ[CACHE])
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"], "partwise")
    return Path.home() / ".cache" / "partwise"


def made_in_cache(folder: Path) -> Path:
    """`folder`, made if it is not there.

    Raises:
        InputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot make the cache directory {folder}: {error.strerror}; name another one in {CACHE}"
        ) from error
    return folder
