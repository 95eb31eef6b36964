"""`partwise verify`: whether parts hold what their kind promises."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from . import options
from .output import console, heading, paragraph, print_json, write
from .text import visible

if TYPE_CHECKING:
    from partwise.parts.registry import RegisteredPart
    from partwise.testing import Result

WORDS = {"passed": "passed", "skipped": "skipped", "expected": "failed as expected", "failed": "failed"}


@click.command("verify")
@click.argument("parts", metavar="PART...", nargs=-1)
@click.option("--kind", metavar="KIND", help="Its kind, where a name could mean several parts; alone, all of a kind.")
@click.option("--all", "everything", is_flag=True, help="Verify every installed part.")
@click.option(
    "--seed",
    type=options.whole(0),
    default=0,
    show_default=True,
    metavar="N",
    help="Of the random inputs and weights.",
)
@click.option("--jobs", type=options.whole(1), metavar="N", help="Processes; by default one for each core.")
@click.option("--verbose", "-v", is_flag=True, help="Show every check, and why one was skipped.")
@options.as_json
@click.pass_context
def command(
    context: click.Context,
    parts: tuple[str, ...],
    kind: str | None,
    everything: bool,
    seed: int,
    jobs: int | None,
    verbose: bool,
    as_json: bool,
) -> None:
    """Verify that parts hold what their kind promises.

    Runs every line of the contract over every example that a part gives of itself, and says of what fails what was
    violated, in the smallest case that shows it. The exit code is 1 if anything fails that the part does not
    declare.

    \b
    Examples:
      partwise verify acme/sinks
      partwise verify multi_head rope -v
      partwise verify linear --kind schedule
      partwise verify --all --json
    """
    entries = _chosen(parts, kind, everything)
    from partwise.testing import verify_parts

    many = len(entries) > 1
    results = list(watched(verify_parts(entries, seed, jobs or (None if many else 1)), entries))
    results.sort(key=lambda one: (one.kind, one.part))
    if as_json:
        print_json(described(results))
    else:
        _show(results, verbose)
    context.exit(int(any(one.outcome == "failed" for one in results)))


def _chosen(parts: tuple[str, ...], kind: str | None, everything: bool) -> list[RegisteredPart]:
    from partwise import InputError
    from partwise.parts.registry import registry

    if everything and parts:
        raise InputError("--all verifies every part; leave the names out, or --all")
    if parts:
        from partwise.testing import find

        return [find(part, kind) for part in dict.fromkeys(parts)]
    if kind is not None:
        if kind not in registry().kinds():
            raise InputError(f"there is no kind of part {kind!r}\n  kinds: {', '.join(registry().kinds())}")
        return list(registry().entries(registry().kinds()[kind]))
    if not everything:
        raise InputError("say which part to verify, such as `partwise verify multi_head`, or --all")
    return list(registry().entries())


def watched(results: Iterator[Result], entries: list[RegisteredPart]) -> Iterable[Result]:
    """The results, with a bar while they come if there is a terminal to see it."""
    out = console(stderr=True)
    if not sys.stderr.isatty() or out.is_dumb_terminal:
        yield from results
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from partwise.testing import contract_of

    columns = (MofNCompleteColumn(), BarColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=out, transient=True) as bar:
        task = bar.add_task("", total=sum(len(contract_of(entry.part)) for entry in entries))
        for one in results:
            bar.update(task, advance=1, description=visible(f"{one.part} {one.check}"))
            yield one


def described(results: list[Result]) -> dict[str, Any]:
    """Results as JSON."""
    from partwise.testing import counts

    return {"counts": counts(results), "results": [asdict(one) for one in results]}


def _show(results: list[Result], verbose: bool) -> None:
    for (kind, part), group in groupby(results, key=lambda one: (one.kind, one.part)):
        ones = list(group)
        heading(f"{kind} {part}: {_counted(ones)}")
        _show_failures([one for one in ones if one.outcome == "failed"], verbose)
        for one in ones:
            if one.outcome == "failed":
                continue
            if one.outcome == "expected":
                paragraph(f"fails as expected: {one.check} ({one.message})", indent=2)
            elif verbose:
                paragraph(f"{one.outcome}: {one.check}" + (f" ({one.message})" if one.message else ""), indent=2)
    write()
    parts = len({(one.kind, one.part) for one in results})
    write(f"{parts} part{'s' * (parts != 1)}, {len(results)} checks: {_counted(results)}")


def _show_failures(failed: list[Result], verbose: bool) -> None:
    """Checks that fail for one and the same reason (it cannot be built, say) are told of together."""
    from partwise.recipe.suggestions import short_list

    for message in dict.fromkeys(one.message for one in failed):
        same = [one for one in failed if one.message == message]
        names = [one.check for one in same]
        paragraph(f"FAILED {', '.join(names) if verbose else short_list(names)}", indent=2)
        paragraph(message, indent=4)
        if len(same) == 1:
            paragraph(f"It must hold: {same[0].about}", indent=4)
        if verbose and same[0].details:
            paragraph(same[0].details.rstrip(), indent=4)


def _counted(results: list[Result]) -> str:
    """`46 passed, 2 skipped, 0 failed as expected, 0 failed`: all four, so that a suite that skips all is seen to."""
    from partwise.testing import counts

    return ", ".join(f"{count} {WORDS[outcome]}" for outcome, count in counts(results).items())
