"""`partwise show`: one run, with its learning curve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import options
from .output import STANDARD_OUTPUT, console, has_colours, heading, print_json, show_columns, write, write_file
from .runs import directory_of
from .text import visible

if TYPE_CHECKING:
    from partwise.runs import Run
    from partwise.runs.afterwards import Afterwards
    from partwise.runs.listing import Listed


@click.command("show")
@options.run
@click.option("--svg", type=options.output, metavar="FILE", help="Draw the curve there; - is standard output.")
@options.as_json
def command(run: str, svg: Path | None, as_json: bool) -> None:
    """Show a run: its state, its figures and its learning curve.

    The curve is also drawn as a picture, learning-curve.svg in the run's directory unless --svg names another file.
    With --svg - the picture is all that is printed.

    \b
    Example:
      partwise show runs/gpt-1f0c2d3e4b-s0
    """
    from partwise.errors import InputError
    from partwise.rendering.learning_curve import as_svg, in_letters, learning_curves
    from partwise.runs import Run
    from partwise.runs.afterwards import kept
    from partwise.runs.listing import listed
    from partwise.storage.atomic import write_text
    from partwise.training import Decoration

    from .figures import before_and_after, comparison, show_judged
    from .runs import described

    directory = directory_of(run)
    found, opened = listed(directory), Run.open(directory)
    rows = opened.rows()
    if as_json:
        before, after = before_and_after(rows)
        judged = [asdict(one) for one in kept(opened)]
        print_json({**described(found), "before": before, "after": after, "judged": judged, "rows": rows})
        return
    curves = learning_curves(rows)
    if svg == STANDARD_OUTPUT:
        if not curves:
            raise InputError(f"{directory} has no curve to draw: {_why_none(found)}")
        write_file(svg, as_svg(found.name, curves))
        return
    heading(f"{found.name}, seed {found.seed}: {state_of(found.state)}, {progress_of(found.step, found.steps)}")
    for line in _history(found, opened):
        write(visible(line))
    show_columns(comparison(*before_and_after(rows)), header=("", "first", "last"), right=(1, 2))
    if afterwards := [(_title(one), one, one.goal) for one in kept(opened)]:
        write("")
        show_judged("judged afterwards", afterwards)
    if not curves:
        write(f"\n{_why_none(found)}: there is no curve to draw")
        return
    write(f"\n{in_letters(curves, min(console().width, 100), colours=has_colours())}")
    if svg is not None:
        write_file(svg, as_svg(found.name, curves))
        write(f"\ncurve: {visible(str(svg))}")
        return
    place, problems = directory / "learning-curve.svg", list[str]()
    Decoration(problems.append)("the picture", lambda: write_text(place, as_svg(found.name, curves)))
    if problems:
        write(f"\n{visible(problems[0])}; --svg names another place", err=True)  # a run of somebody else's
    else:
        write(f"\ncurve: {visible(str(place))}")


def _title(one: Afterwards) -> str:
    return one.name if one.weights == "last" else f"{one.name} (best weights)"


def _history(found: Listed, run: Run) -> Iterator[str]:
    """What it started from, and how it went on."""
    start = run.lock.get("start")
    if found.start is not None and isinstance(start, dict):
        step, place = start.get("step"), start.get("run_then", found.start)
        after = f" after update {step:,}" if isinstance(step, int) else ""
        yield f"started from {place}{after} (weights {str(start.get('sha256'))[:12]})"
    if found.segments:
        ends = ", then ".join(f"{end:,}" for end in (*found.segments, found.steps) if end is not None)
        yield f"updates in {len(found.segments) + 1} segments, to {ends}"


def _why_none(found: Listed) -> str:
    return "it was trained elsewhere" if found.step is None else "no update has been made yet"


def state_of(state: str) -> str:
    """A state in words."""
    return {"stopped": "stopped; the command that started it continues it"}.get(state, state)


def progress_of(step: int | None, steps: int | None) -> str:
    """`step 400 of 600`."""
    return "imported" if step is None else f"step {step}" + (f" of {steps}" if steps else "")
