"""`partwise data`: what a recipe's data holds."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options
from .output import heading, paragraph, print_json, said, show_columns, write
from .text import figure, in_bytes

if TYPE_CHECKING:
    from partwise.data import Split
    from partwise.workflow import DataReport, MemberPlan
    from partwise.workflow.surveying import Lengths, SplitReport, TextSample

SPLITS = ("train", "valid", "test")
WIDTH = 400
"""Characters of a sample that are shown."""


@click.command("data")
@options.recipe
@options.overrides
@options.data
@click.option("--split", "splits", multiple=True, type=click.Choice(SPLITS), help="Only this split; may be repeated.")
@click.option(
    "--samples", type=options.whole(0), default=2, show_default=True, metavar="N", help="Texts to show of each split."
)
@options.as_json
def command(
    recipe: str, overrides: tuple[str, ...], data: Path | None, splits: tuple[Split, ...], samples: int, as_json: bool
) -> None:
    """Show what a recipe's data holds.

    Of each split: how many texts, bytes and tokens, how long they are beside the model's context, which are repeated,
    what was left out, and a few texts as the model reads them. The data is read and encoded for it, as for training,
    which then finds it done. The exit code is 2 if the model cannot be trained on it.

    \b
    Examples:
      partwise data gpt
      partwise data gpt --set 'data={"use": "text", "files": ["notes/**/*.md"]}'
      partwise data mine.json --split valid --samples 10
    """
    from partwise import workflow
    from partwise.recipe import load

    loaded = load(recipe, overrides).with_data_in(data)
    wanted: list[Any] = [split for split in SPLITS if split in splits or not splits]
    found = workflow.survey(loaded, wanted, samples, said)
    if as_json:
        print_json({"name": loaded.recipe.name, "data": loaded.recipe.data.name, **asdict(found)})
    else:
        _show(found, loaded.recipe.name, loaded.recipe.data.name)
    if found.problem is not None:
        from partwise import InputError

        raise InputError(f"the model cannot be trained on this: {found.problem}")


def _show(found: DataReport, name: str, data: str) -> None:
    heading(f"{name}: {data}")
    form = "running text, read in windows" if found.form == "stream" else "examples, each read whole"
    write(f"{form} of up to {found.context:,} tokens; {found.vocabulary:,} different tokens\n")
    if not found.members:
        _show_splits(found, found.splits)
    for member, splits in found.members.items():
        heading(f"member {member}")
        _show_splits(found, splits)
        write()
    if found.mixture:
        _show_mixture(found.mixture)


def _show_splits(found: DataReport, splits: dict[Split, SplitReport]) -> None:
    show_columns(_rows(found, splits), header=("", *splits), right=range(1, len(splits) + 1))
    for split, one in splits.items():
        for sample in one.samples:
            write()
            show_sample(sample, split, found.form, one.survey.texts)


def _show_mixture(plan: list[MemberPlan]) -> None:
    """How much of each member the model is trained on."""
    rows = [
        (
            one.name,
            f"{one.share:.1%}",
            f"{one.tokens:,}",
            "-" if one.trained_on is None else f"{one.trained_on:,.0f}",
            "-" if one.epochs is None else f"{one.epochs:.3g}",
        )
        for one in plan
    ]
    show_columns(rows, header=("member", "share", "tokens", "trained on", "epochs"), right=range(1, 5))


def _rows(found: DataReport, splits: dict[Split, SplitReport]) -> list[tuple[str, ...]]:
    """A row for each figure, with a column for each split; figures that are 0 everywhere are left out."""
    reports = splits.values()
    thing = "documents" if found.form == "stream" else "examples"
    rows = [
        (thing, *(f"{one.survey.texts:,}" for one in reports)),
        ("bytes", *(in_bytes(one.survey.bytes) for one in reports)),
        ("tokens", *(f"{one.tokens:,}" for one in reports)),
    ]
    if any(one.scored != one.tokens for one in reports):
        rows.append(("tokens scored", *(f"{one.scored:,}" for one in reports)))
    rows.append(("bytes per token", *(_ratio(one.survey.bytes, one.tokens) for one in reports)))
    if any(one.survey.longest for one in reports):
        rows.append(("longest, in bytes", *(f"{one.survey.longest:,}" for one in reports)))
    for name in dict.fromkeys(name for one in reports for name in one.lengths):
        rows += _lengths(name, [one.lengths.get(name) for one in reports], found.context)
    counts = [_counts(one) for one in reports]
    rows += [
        (name, *(f"{one[name]:,}" if name in one else "-" for one in counts))
        for name in dict.fromkeys(name for one in counts for name in one)
        if any(one.get(name) for one in counts)
    ]
    return rows


def _lengths(name: str, found: list[Lengths | None], context: int) -> list[tuple[str, ...]]:
    """Rows for the lengths of documents, sources ..."""
    return [
        (f"longest {name}, in tokens", *("-" if one is None else f"{one.longest:,}" for one in found)),
        (f"median {name}, in tokens", *("-" if one is None else f"{one.median:,}" for one in found)),
        (f"{name}s beyond {context:,} tokens", *("-" if one is None else f"{one.beyond_context:,}" for one in found)),
    ]


def _counts(one: SplitReport) -> dict[str, int]:
    return {"repeated": one.survey.repeated, "unknown tokens": one.unknown, **one.survey.more}


def _ratio(count: int, of: int) -> str:
    return figure(count / of) if of else "-"


def show_sample(sample: TextSample, split: str, form: str, count: int) -> None:
    """Prints a text of a split."""
    thing = "document" if form == "stream" else "example"
    write(f"{split}, {thing} {sample.number + 1:,} of {count:,} ({sample.tokens:,} tokens):")
    text = " -> ".join(piece.text for piece in sample.pieces)
    cut = len(text) > WIDTH or not sample.whole
    paragraph(text[:WIDTH] + " ..." * cut, indent=2)


__all__ = ["command"]
