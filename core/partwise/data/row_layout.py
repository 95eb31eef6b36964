"""`RowLayout`: how texts are laid out in the rows of a batch, whatever data they come from. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict

from partwise.documented import Documented
from partwise.errors import PartError


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


def refuse_layout(
    layout: RowLayout, form: Literal["stream", "examples"], reads: Literal["sequence", "pair"], mixed: bool
) -> None:
    """
    Args:
        form: of the data.
        reads: what the model reads.
        mixed: whether the data is a mixture.

    Raises:
        PartError: such data cannot be laid out so for such a model; its path is that of the recipe.
    """
    if mixed and layout.draw == "once":
        raise PartError(
            "rows are drawn once, and a mixture draws each member as often as its weight says; leave rows.draw out",
            ("rows", "draw"),
        )
    if form == "stream" and reads == "pair":
        raise PartError(
            "this model reads pairs of source and target, and the data is running text; "
            'use data of pairs ("dates", "reverse", "pairs" ...), or a model that reads sequences',
            ("data",),
        )
    if form == "stream" and layout.packing is not None:
        raise PartError(
            "rows.packing is for examples, and the data is running text, whose windows are full as they are; "
            'leave it out ("rows": {"documents": "masked"} is what keeps documents apart in a window)',
            ("rows", "packing"),
        )
    if reads == "pair" and layout.packing is not None:
        raise PartError(
            "rows.packing is for models that read sequences, and this one reads pairs of source and target, one in a "
            "row; leave it out, or use a model that reads sequences (language_model), which learns pairs, too",
            ("rows", "packing"),
        )
