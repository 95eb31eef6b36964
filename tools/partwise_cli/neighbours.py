"""`partwise neighbours`: the words whose vectors lie nearest to that of a word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from . import options
from .output import print_json, show_columns, write
from .runs import directory_of

if TYPE_CHECKING:
    from partwise.looking import WordTable
    from partwise.workflow.reopening import Weights

count = click.option(
    "--count", type=options.whole(1), metavar="N", default=10, show_default=True, help="Words at most."
)


@click.command("neighbours")
@options.run
@click.argument("word", metavar="WORD")
@count
@options.weights
@options.as_json
def command(run: str, word: str, count: int, weights: Weights, as_json: bool) -> None:
    """Show the words that are nearest to a word.

    The words are those of a trained run, by the vectors that it has learned. Nearness is the cosine of the angle
    between two vectors of the model's embedding: 1 for the same direction, 0 for no relation. Any run with a table of
    vectors has neighbours, not only those that were trained for it; of a model with pieces of words as tokens, they are
    pieces.

    \b
    Examples:
      partwise neighbours runs/word-vectors-kinship-1f0c2d3e4b-s0 queen
      partwise neighbours runs/gpt-1f0c2d3e4b-s0 return --count 5
    """
    words = words_of(run, weights)
    found = words.neighbours(word, count)
    if as_json:
        print_json({"run": str(directory_of(run)), "word": word, "neighbours": described(found)})
        return
    show_words(found)


def words_of(run: str, weights: Weights) -> WordTable:
    """The words of a run, with their vectors.

    Raises:
        InputError: there is no such run, or its model has no table of vectors.
    """
    from partwise import workflow
    from partwise.looking import WordTable

    reopened = workflow.reopen(directory_of(run), "cpu", weights)
    for change in reopened.changes():
        write(f"note: since this run was trained, {change}", err=True)
    return WordTable.of(reopened.model, reopened.tokenizer)


def described(found: Sequence[tuple[str, float]]) -> list[dict[str, object]]:
    """Words and cosines, for programs."""
    return [{"word": word, "cosine": cosine} for word, cosine in found]


def show_words(found: Sequence[tuple[str, float]]) -> None:
    """A row for each word, with its cosine."""
    show_columns([(word, f"{cosine:.3f}") for word, cosine in found], header=("word", "cosine"), right=(1,))
