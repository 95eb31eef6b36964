"""Looking inside from Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from partwise.looking import Look, Looked
    from partwise.workflow import Weights


def look(
    of: Looked,
    prompt: str | None = None,
    *,
    source: str | None = None,
    target: str | None = None,
    beside: Sequence[Looked] = (),
    analogies: Sequence[tuple[str, str, str]] = (),
    weights: Weights = "last",
    device: str = "auto",
    say: Callable[[str], None] | None = print,
) -> Look:
    """What a model does with one text: tokens, attention, embeddings, every module, health. In a notebook it is shown.

    Args:
        of: an opened run, its directory, or a recipe in any form, whose model then has its first weights.
        prompt: what a language model reads; the beginning of a text of its data unless given.
        source: what a model of pairs reads; an example of its data unless given.
        target: what it is to answer; its own answer unless given.
        beside: at most two other runs or recipes, whose tokens and health are shown, too.
        analogies: triples of words: which is to the third as the second is to the first?
        weights: "last", or "best" for those with the lowest validation loss.
        device: "cpu", "cuda", or "auto" for the best there is.
        say: called with a line before anything that takes a while; None for silence.

    Raises:
        PartwiseError: there is no such run or recipe, or the text is not what its model reads.

    >>> found = partwise.look("runs/tiny", "the dog")
    >>> found
    <look at tiny: 8 tokens, 0 heads in 0 maps>
    >>> found.facts.trace.sampled[0].likeliest[0]
    Guess(token=Token(id=..., label=..., bytes=...), probability=...)
    """
    from partwise.looking import look as look_inside

    return look_inside(
        of,
        prompt,
        source=source,
        target=target,
        beside=beside,
        analogies=analogies,
        device=device,
        weights=weights,
        say=say or _silent,
    )


def _silent(line: str) -> None:
    pass


__all__ = ["look"]
