"""`partwise generate --draft`: a small run that proposes tokens, and how many of them were accepted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from partwise.errors import InputError

from .output import write

if TYPE_CHECKING:
    from partwise.decoding import Draft
    from partwise.workflow.reopening import Reopened


def check(draft: str | None, tokens: int | None, prompt_file: str | None, compiled: bool | None) -> None:
    """
    Raises:
        InputError: options that do not go together.
    """
    if draft is None:
        if tokens is not None:
            raise InputError("--draft-tokens is for a draft; name its run with --draft")
    elif prompt_file is not None:
        raise InputError(
            "--draft does not go with --prompts: a draft writes one text at a time, and --prompts many side by side; "
            "leave one out"
        )
    elif compiled:
        raise InputError(
            "--draft does not go with --compile, which compiles steps of one token, where a draft has several read at "
            "once; leave one out"
        )


def opened(reopened: Reopened, place: Path, tokens: int | None, device: str) -> Draft:
    """The run in a directory as a draft.

    Raises:
        InputError: it is no run, or cannot be a draft of this one.
    """
    from partwise import workflow

    small = workflow.reopen(place, device)
    for change in small.changes():
        write(f"note: since the draft was trained, {change}", err=True)
    return workflow.draft_of(reopened, small, tokens)


def tell(draft: Draft | None) -> None:
    """Says what the draft was worth, on standard error."""
    if draft is not None and draft.proposed:
        share = 100 * draft.accepted / draft.proposed
        write(
            f"note: {draft.accepted:,} of {draft.proposed:,} tokens of the draft were accepted ({share:.0f} %)",
            err=True,
        )


__all__ = ["check", "opened", "tell"]
