"""`partwise ablate`: a study from its file to its report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from . import options
from .output import heading, paragraph, print_json, said, show_columns, write
from .text import visible
from .verdicts import notes, secondary, show_reports, show_verdicts

if TYPE_CHECKING:
    from partwise.studies.analysis import Analysis
    from partwise.studies.definition.settings import Setting
    from partwise.studies.directories import StudyDirectories
    from partwise.studies.execution.engine import EnginePart
    from partwise.studies.planning.plan import Plan
    from partwise.studies.results import Outcome, OutcomeState, Results

STATES: tuple[OutcomeState, ...] = ("done", "diverged", "failed", "waiting")


@click.command("ablate")
@click.argument("study", metavar="STUDY")
@click.option("--out", type=options.directory, metavar="DIR", help="Keep the study there, not in studies/NAME.")
@options.data
@click.option("--slots", type=options.whole(1), metavar="N", help="Runs at once, instead of the study's own number.")
@click.option("--seeds", type=options.whole(1), metavar="N", help="Seeds 0 to N - 1, instead of the study's own.")
@click.option("--only", metavar="VARIANT", help="Do only this variant's runs now; the others wait.")
@click.option("--retry-failed", is_flag=True, help="Try again what failed before.")
@click.option(
    "--plan", "planning", is_flag=True, help="Show the runs, their cost and what they can detect; run nothing."
)
@click.option("--status", is_flag=True, help="Show how far the study has got; run nothing.")
@options.as_json
def command(
    study: str,
    out: Path | None,
    data: Path | None,
    slots: int | None,
    seeds: int | None,
    only: str | None,
    retry_failed: bool,
    planning: bool,
    status: bool,
    as_json: bool,
) -> None:
    """Vary a recipe, and find out what each part is worth: a study.

    Every variant is trained on several seeds and compared with the base. The report is one HTML file.

    STUDY is a file, or a name that `partwise recipes` lists. A run that is done, by this study or another one
    beside it, is not done again; if you stop the command at any moment, the same command continues. It exits with 1
    if a run failed. A run that diverged has not failed: it is a result, and counts against its variant.

    \b
    Examples:
      partwise ablate positions --plan
      partwise ablate positions --slots 2
      partwise ablate mine.json --retry-failed
    """
    from .planning import show_plan

    if planning and status:
        raise click.UsageError("--plan shows what is to be done and --status what has been done; give one of them")
    if (planning or status) and (only or retry_failed):
        raise click.UsageError("--plan and --status run nothing; --only and --retry-failed need a study that runs")
    plan, where = _planned(study, out, data, seeds, slots)
    if planning:
        show_plan(plan, where, as_json)
    elif status:
        _show_status(plan, where, as_json)
    else:
        results = _run(plan, where, only, retry_failed)
        _show_end(results, where, _again(study, out, data, seeds), as_json)
        if any(outcome.state == "failed" for outcome in results.outcomes):
            raise click.exceptions.Exit(1)


def _planned(
    study: str, out: Path | None, data: Path | None, seeds: int | None, slots: int | None
) -> tuple[Plan, StudyDirectories]:
    from partwise.studies.definition.reading import load_study
    from partwise.studies.directories import study_directories
    from partwise.studies.earlier import earlier_results
    from partwise.studies.planning.plan import make_plan

    loaded = load_study(study)
    loaded = replace(loaded, base=loaded.base.with_data_in(data))
    where = study_directories(loaded, out)
    earlier_results(where, loaded.study.name)  # raises if they are another study's
    plan = make_plan(loaded, seeds, said)
    return replace(plan, engine=with_slots(plan.engine, slots)), where


def _again(study: str, out: Path | None, data: Path | None, seeds: int | None) -> str:
    """The command that continues this study, as a shell takes it."""
    place = "" if out is None else f" --out {quote(visible(str(out)))}"
    place += "" if data is None else f" --data {quote(visible(str(data)))}"
    return f"partwise ablate {quote(visible(study))}{place}{'' if seeds is None else f' --seeds {seeds}'}"


def with_slots(engine: EnginePart, slots: int | None) -> EnginePart:
    """The engine with as many slots as the option says.

    Raises:
        InputError: it has no slots.
    """
    if slots is None:
        return engine
    if "slots" not in type(engine).model_fields:
        from partwise import InputError

        raise InputError(f"the engine {engine.name!r} has no slots to set")
    return engine.model_copy(update={"slots": slots})


def _run(plan: Plan, where: StudyDirectories, only: str | None, retry_failed: bool) -> Results:
    from partwise.provenance.environment import command_line
    from partwise.studies.ablation import ablate

    from .failures import fail
    from .study_progress import study_watcher

    said(f"study {plan.study.study.name} in {where.out}, runs in {where.pool}")
    try:
        with study_watcher() as watcher:
            return ablate(plan, where, watcher, only, retry_failed, command_line())
    except KeyboardInterrupt:
        fail("\ninterrupted: what is done is kept; the same command continues", 130)


def _show_status(plan: Plan, where: StudyDirectories, as_json: bool) -> None:
    from partwise.studies.earlier import earlier_results
    from partwise.studies.results_book import ResultsBook
    from partwise.studies.stamp import runs_told, stamp_of

    stamp, told = stamp_of(where.out), None
    if stamp is None and not as_json:  # what the figures cost is counted only where they are asked for
        outcomes = ResultsBook(plan, where).outcomes()
    else:
        earlier = earlier_results(where, plan.study.study.name)
        results = ResultsBook(plan, where, earlier, {} if earlier is None else earlier.provenance).results()
        outcomes = results.outcomes
        told = None if stamp is None else {"results": stamp.digest, "current": stamp.tells(results)}
    if as_json:
        print_json({**results.model_dump(mode="json"), "report": told})
        return
    heading(f"{plan.study.study.name} in {where.out}")
    header = ("variant", "done", "diverged", "failed", "waiting")
    for setting in plan.settings:
        if setting.levels:
            write(f"{setting.words.strip()}:")
        show_columns(_states(plan, outcomes, setting), header=header, right=(1, 2, 3, 4), wraps=0)
    if stamp is not None and not stamp.tells(results):
        paragraph(
            f"\nreport: out of date: {where.out / 'report.html'} tells {stamp.words}; now there are results "
            f"{results.digest} ({runs_told(results)}). `partwise ablate` goes on, and writes it again."
        )


def _states(plan: Plan, outcomes: list[Outcome], setting: Setting) -> list[tuple[str, ...]]:
    rows = []
    for variant in plan.variants:
        if variant.setting is not setting:
            continue
        states = [outcome.state for outcome in outcomes if outcome.key == variant.key]
        rows.append((variant.name, *(str(states.count(one)) for one in STATES)))
    return rows


def _show_end(results: Results, where: StudyDirectories, again: str, as_json: bool) -> None:
    from partwise.studies.analysis import analyse
    from partwise.studies.report import write_report

    analysis = analyse(results)
    files = write_report(results, where.out, analysis)
    if as_json:
        print_json({"study": results.study, **_verdicts(analysis), "files": [str(file) for file in files]})
        return
    write()
    show_verdicts(results, analysis)
    failed = [outcome for outcome in results.outcomes if outcome.state == "failed"]
    if failed:
        write(f"\n{len(failed)} of {len(results.outcomes)} runs failed:")
        show_columns([(f"  {one.title}, seed {one.seed}", one.error or "") for one in failed[:20]])
    lost = [(f"  {one.title}, seed {one.seed}, by {name}", why) for one in results.outcomes
            for name, why in one.unmeasured.items()]  # fmt: skip
    if lost:
        write(f"\n{len(lost)} secondary figures could not be measured:")
        show_columns(lost[:20])
    if failed or lost:
        write(f"\nnext:   {again} --retry-failed")
    write()
    show_reports(files)


def _verdicts(analysis: Analysis) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "sentences": analysis.sentences,
        "contrasts": [{**asdict(contrast), "note": contrast.note} for contrast in analysis.contrasts],
        "secondary": secondary(analysis),
        "notes": notes(analysis),
    }
