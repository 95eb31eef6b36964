"""What a figure of the catalogue is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup


@dataclass(frozen=True)
class Figure:
    """A drawing and its caption."""

    drawing: Markup
    caption: str
    form: Literal["lines", "schematic", "map"] = "lines"
    """Lines fill the page; a schematic is as large as it is; a map is in between."""


__all__ = ["Figure"]
