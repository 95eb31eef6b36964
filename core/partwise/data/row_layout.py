"""`RowLayout`: how texts are laid out in the rows of a batch, whatever data they come from. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict

from partwise.documented import Documented


class RowLayout(Documented):
    """How texts are laid out in the rows that a model reads; the same for every data set."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    documents: Literal["open", "masked"] = "open"
    """Whether a token of running text sees the documents before its own in the window. open: it does. masked: every
    document is read by itself, its positions counted from 0; what a layer remembers is reset where one begins."""
    draw: Literal["independent", "once"] = "independent"
    """How training chooses rows. independent: each anew, running text at any place. once: all of them in a new order,
    each once, before any comes again; windows of running text lie side by side."""
    packing: Literal["best_fit"] | None = None
    """How examples share a row in training. best_fit: as many as fit, each read by itself, so that little is padding.
    null: a row for each."""


PLAIN = RowLayout()
"""How texts are laid out unless a recipe says otherwise."""
