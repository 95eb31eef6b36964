"""The built-in adapters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from partwise import hook

if TYPE_CHECKING:
    from partwise import Part


@hook
def partwise_parts() -> Iterable[type[Part]]:
    from . import parts

    return parts.PARTS
