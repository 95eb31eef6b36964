"""`partwise look`: a page that shows what a model does with one text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from partwise.errors import InputError

from . import options
from .output import print_json, write, write_file
from .text import as_text, in_bytes

if TYPE_CHECKING:
    from partwise.recipe import LoadedRecipe
    from partwise.workflow import Weights


@click.command("look")
@click.argument("subject", metavar="RUN")
@click.option("--prompt", metavar="TEXT", help="What a language model reads; by default a text of its data.")
@click.option("--source", metavar="TEXT", help="What a model of pairs reads; by default an example of its data.")
@click.option("--target", metavar="TEXT", help="With --source: what it is to answer; by default its own answer.")
@click.option(
    "--beside",
    multiple=True,
    metavar="RUN",
    help="Another run or recipe, whose tokens and health are shown, too. At most two.",
)
@click.option(
    "--analogy",
    "analogies",
    nargs=3,
    multiple=True,
    metavar="A B C",
    help="Which is to C as B is to A? Answered by the embeddings. May be repeated.",
)
@click.option(
    "--out", type=options.output, metavar="FILE", help="The page; by default look-NAME.html. - is standard output."
)
@options.overrides
@options.weights
@options.data
@options.device
@options.as_json
def command(
    subject: str,
    prompt: str | None,
    source: str | None,
    target: str | None,
    beside: tuple[str, ...],
    analogies: tuple[tuple[str, str, str], ...],
    out: Path | None,
    overrides: tuple[str, ...],
    weights: Weights,
    data: Path | None,
    device: str,
    as_json: bool,
) -> None:
    """Show what a model does with one text.

    Writes one page for a browser, which loads nothing from anywhere: tokens, attention, embeddings, every module,
    health. RUN is a run, or a recipe, whose model then has its first weights; --set changes a recipe first. --json
    prints the same facts, and writes no page unless --out names one.

    \b
    Examples:
      partwise look runs/gpt-1f0c2d3e4b-s0 --prompt "def look(self):"
      partwise look runs/transformer-9a8b7c6d5e-s0 --source "3 May 2021"
      partwise look gpt --beside runs/char-gpt-0a1b2c3d4e-s0 --prompt "the end"
      partwise look lessons/three-numbers --prompt "the cat sat"
    """
    from partwise.looking import look

    given = {"--prompt": prompt, "--source": source, "--target": target}
    texts = [None if text is None else as_text(text, option) for option, text in given.items()]
    found = look(
        _named(subject, overrides),
        texts[0],
        source=texts[1],
        target=texts[2],
        beside=[_named(other, ()) for other in beside],
        analogies=analogies,
        device=device,
        weights=weights,
        data=data,
        say=lambda line: write(line, err=True),
    )
    place = out if out is not None else None if as_json else Path(f"look-{found.facts.name}.html")
    if place is not None:
        page = found.page()
        write_file(place, page)
        if not as_json and str(place) != "-":
            write(f"page: {place} ({in_bytes(len(page.encode()))})")
    if as_json:
        print_json(found.to_json())
    for note in found.facts.notes:
        write(f"note: {note}", err=True)


def _named(subject: str, overrides: tuple[str, ...]) -> Path | LoadedRecipe:
    """The run or the recipe that is meant; a run comes first.

    Raises:
        PartwiseError: there is neither, or a run is to be changed.
    """
    from partwise.recipe import load

    from .runs import directory_of, is_recipe

    if is_recipe(subject) and not (Path(subject) / "recipe.json").is_file():
        return load(subject, overrides)
    run = directory_of(subject)
    if overrides:
        raise InputError(f"--set changes a recipe, and {run} is a run, which is what it is; leave --set out")
    return run
