"""`partwise generate`: the text that a trained run writes, shown as it is written."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from partwise.errors import InputError

from . import options
from .output import write
from .runs import directory_of
from .text import visible

if TYPE_CHECKING:
    from partwise.parts import SamplerPart
    from partwise.workflow.reopening import Reopened, Weights


@click.command("generate")
@options.run
@click.option(
    "--prompt",
    "prompts",
    multiple=True,
    metavar="TEXT",
    help='Text to continue, or to answer; "-" reads standard input. May be repeated.',
)
@click.option("--tokens", type=options.whole(1), metavar="N", default=200, show_default=True, help="Tokens at most.")
@click.option(
    "--seed",
    type=options.whole(0),
    metavar="N",
    default=0,
    show_default=True,
    help="Seed of the sampler: another seed, another text.",
)
@click.option("--sampler", metavar="NAME|JSON", help="How to choose tokens, in place of the recipe's sampler.")
@options.weights
@options.device
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per prompt, once it is answered.")
def command(
    run: str,
    prompts: tuple[str, ...],
    tokens: int,
    seed: int,
    sampler: str | None,
    weights: Weights,
    device: str,
    as_json: bool,
) -> None:
    """Write text with a trained run.

    A language model continues the prompt; a seq2seq model answers it, in one line. --prompt - reads standard
    input, as one prompt for a language model, and as one prompt a line for a seq2seq model. Control characters
    are shown as escapes (\\x1b); --json has the text as it is.

    \b
    Examples:
      partwise generate runs/gpt-1f0c2d3e4b-s0 --prompt "def "
      partwise generate runs/gpt-1f0c2d3e4b-s0 --sampler '{"use": "top_k", "k": 20}'
      partwise generate runs/transformer-9a8b7c6d5e-s0 --prompt "3 May 2021" --sampler greedy
    """
    from partwise import workflow

    reopened = workflow.reopen(directory_of(run), device, weights)
    for change in reopened.changes():
        write(f"note: since this run was trained, {change}", err=True)
    chosen = _sampler(reopened, sampler) if sampler else None
    answers = reopened.recipe.model.reads == "pair"
    if answers and not prompts:
        raise InputError(
            "this model answers a source: give it one with --prompt TEXT, or lines of them with --prompt -"
        )
    texts = list(_texts(prompts, answers)) or [""]
    for text in texts:
        pieces = workflow.generate(reopened, text, tokens, seed, chosen)
        if as_json:
            write(json.dumps({"prompt": text, "text": "".join(pieces)}))
            continue
        if len(texts) > 1 and not answers:
            write("---")
        if not answers:
            write(visible(text), end="")
        for piece in pieces:
            write(visible(piece).replace("\n", "\\n") if answers else visible(piece), end="")
        write()


def _texts(prompts: tuple[str, ...], answers: bool) -> Iterator[str]:
    for prompt in prompts:
        if prompt != "-":
            yield prompt
        elif answers:
            yield from _standard_input().splitlines()
        else:
            yield _standard_input().removesuffix("\n")


def _standard_input() -> str:
    if sys.stdin is None:
        raise InputError('there is no standard input to read; give the prompt itself in place of "-"')
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        where = f"byte {error.object[error.start]:#04x} at offset {error.start}"
        raise InputError(f"standard input is not UTF-8: {where}") from error


def _sampler(reopened: Reopened, text: str) -> SamplerPart:
    """The sampler that the option names. As with `--set`, an object without "use" changes the recipe's sampler.

    Raises:
        InputError: there is no such sampler, or a knob of it is wrong.
    """
    from partwise.recipe import RejectedError, load

    try:
        return load(reopened.run.recipe, [f"sampler={text}"]).recipe.sampler
    except RejectedError as error:
        lines = [
            line
            for problem in error.problems
            for line in (f"--sampler: {problem.message}", *(f"  {note}" for note in problem.notes))
        ]
        raise InputError("\n".join(lines)) from error
