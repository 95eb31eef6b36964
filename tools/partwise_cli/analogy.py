"""`partwise analogy`: king - man + woman."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from . import options
from .neighbours import count, described, show_words, words_of
from .output import heading, print_json
from .runs import directory_of

if TYPE_CHECKING:
    from partwise.workflow.reopening import Weights


@click.command("analogy")
@options.run
@click.argument("word", metavar="KING")
@click.argument("minus", metavar="MAN")
@click.argument("plus", metavar="WOMAN")
@count
@options.weights
@options.as_json
def command(run: str, word: str, minus: str, plus: str, count: int, weights: Weights, as_json: bool) -> None:
    """Compute with words: KING - MAN + WOMAN.

    In words: KING is to MAN as what is to WOMAN? The order is that of the sum, so that `analogy RUN paris france italy`
    asks for the capital of Italy. The vectors are those that a trained run has learned, each brought to length 1. The
    answers are the words whose vectors point most nearly where the sum does, by cosine; the three words themselves are
    left out.

    \b
    Examples:
      partwise analogy runs/word-vectors-kinship-1f0c2d3e4b-s0 king man woman
      partwise analogy runs/word-vectors-kinship-1f0c2d3e4b-s0 paris france italy --count 3
    """
    words = words_of(run, weights)
    found = words.analogy(word, minus, plus, count)
    if as_json:
        asked = {"run": str(directory_of(run)), "word": word, "minus": minus, "plus": plus}
        print_json({**asked, "answers": described(found)})
        return
    heading(f"{word} - {minus} + {plus}")
    show_words(found)
