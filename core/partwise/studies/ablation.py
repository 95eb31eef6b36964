"""A study from its plan to its report: tunes, runs what is not done yet, and writes down all that comes, as it comes.

STUDY/results.json    the table, written anew after every run
STUDY/study.json      the study as it was given
STUDY/report.*        what the table says
STUDY/../pool/        the runs, by identity: shared by all studies beside this one
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from partwise.errors import InputError
from partwise.provenance.environment import now, origin
from partwise.storage.atomic import unwritable, write_json, write_text

from .collect import ResultsBook, earlier_results, no_longer_there, revised_before, seen_before
from .definition.reading import LoadedStudy
from .directories import Places
from .execution.engine import EnginePart
from .execution.execute import Unwatched, Watch, execute
from .execution.jobs import Job, JobProgress, JobResult
from .planning.plan import Plan, Say
from .results import Results


def ablate(
    plan: Plan,
    where: Places,
    watch: Watch | None = None,
    say: Say = lambda line: None,
    only: str | None = None,
    retry_failed: bool = False,
    engine: EnginePart | None = None,
    command: str = "",
) -> Results:
    """Has every run of a study done that is not done yet; killed at any moment and called again, it goes on.

    Args:
        only: a variant's name: only its trials and runs are done, the others wait.
        retry_failed: try again what failed before.
        engine: in place of the study's own.
        command: what was typed, for the record.

    Raises:
        InputError: the directory holds another study, or there is no variant called `only`.
        WorkError: the results cannot be written.
    """
    plan.jobs(only)  # raises if there is no such variant
    earlier = earlier_results(where.out, plan.study.study.name)
    _keep_study(plan.study, where)
    book = ResultsBook(plan, where.pool, _provenance(plan, earlier, command))
    known = book.results()
    book.seen, book.revised = seen_before(earlier, known), revised_before(earlier, known)
    for line in no_longer_there(earlier, known):
        say(line)
    keeper = _Keeper(book, where.results, watch or Unwatched())
    part = engine or plan.study.study.run

    def run(jobs: Sequence[Job]) -> None:
        book.found |= execute(jobs, part.assemble(None), where.pool, keeper, retry_failed)

    trials = [one.job for one in book.trials if only in (None, one.variant.name)]
    if trials:
        say(f"tuning {plan.study.study.tune.at if plan.study.study.tune else ''}: {len(trials)} trials")
        run(trials)
        book.settle()
    for seeds in _stages(plan):
        run([job for job in book.plan.jobs(only) if job.recipe["seed"] in seeds])
        if only is None and len(seeds) < len(plan.seeds) and _decided(book.results()):
            say(f"the look after {len(seeds)} seeds decides every comparison; the study ends here")
            break
    book.provenance["finished"] = now()
    keeper.save()
    return book.results()


def _stages(plan: Plan) -> list[tuple[int, ...]]:
    """The seeds that are done before each declared look; all of them where there is none."""
    counts = [look.seeds for look in plan.study.study.looks if look.seeds < len(plan.seeds)]
    return [plan.seeds[:count] for count in counts] + [plan.seeds]


def _decided(results: Results) -> bool:
    from .analysis.contrasts import compare

    verdicts = [contrast.verdict for contrast in compare(results)]
    return bool(verdicts) and all(verdict in ("better", "worse", "equivalent") for verdict in verdicts)


def _provenance(plan: Plan, earlier: Results | None, command: str) -> dict[str, Any]:
    study = plan.study.study
    found = origin(command)
    if earlier is not None and "started" in earlier.provenance:
        found["started"] = earlier.provenance["started"]
    hashes = {one.name: one.data_hash for one in plan.variants}
    same = len(set(hashes.values())) == 1
    data, recipe = plan.base.data_hash if same else hashes, plan.base.loaded.recipe.resolved()
    return {**found, "data": data, "study": study.model_dump(mode="json"), "recipe": recipe}


def _keep_study(study: LoadedStudy, where: Places) -> None:
    try:
        where.out.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise InputError(f"{where.out} is a file; a study needs a directory") from None
    except OSError as error:
        raise unwritable(where.out, error) from error
    if study.path is not None:
        write_text(where.out / "study.json", study.node.mark.source.text)
    else:
        write_json(where.out / "study.json", study.node.plain())  # as given: a null means something else


class _Keeper:
    """Writes the table down whenever a run has ended, and passes everything on to who is watching."""

    def __init__(self, book: ResultsBook, path: Path, watch: Watch) -> None:
        self._book = book
        self._path = path
        self._watch = watch

    def save(self) -> None:
        self._book.results().save(self._path)

    def planned(self, jobs: Sequence[Job], known: Mapping[str, JobResult]) -> None:
        self._book.found |= known
        self.save()
        self._watch.planned(jobs, known)

    def started(self, job: Job) -> None:
        self._watch.started(job)

    def progress(self, progress: JobProgress) -> None:
        self._watch.progress(progress)

    def finished(self, job: Job, result: JobResult, again: bool) -> None:
        self._book.enter(result)
        self.save()
        self._watch.finished(job, result, again)


__all__ = ["ablate"]
