"""The vocabulary of this plugin."""

from __future__ import annotations

from partwise import Part

PARTS: tuple[type[Part], ...] = ()
