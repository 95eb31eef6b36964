"""Where the report of one setting of a study lies."""

from __future__ import annotations

import re
from hashlib import sha256


def place_of(name: str) -> str:
    """A name for a directory: letters, digits, "-" and "_", and a hash where others were left out."""
    plain = re.sub(r"[^\w-]+", "-", name, flags=re.ASCII).strip("-")
    exact = plain == name.replace(" ", "-")
    return plain if exact and plain else f"{plain}-{sha256(name.encode('utf-8', 'replace')).hexdigest()[:6]}"


__all__ = ["place_of"]
