"""A study from its plan to its results: tunes, trains what is not trained yet, and saves every result as it comes.

STUDY/results.json    the results, written after every run
STUDY/study.json      the study as it was given
STUDY/../pool/        the runs, by identity; all studies side by side share them
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from partwise.errors import InputError
from partwise.provenance.environment import now, origin
from partwise.rendering.text import flat
from partwise.storage.atomic import unwritable, write_json, write_text
from partwise.wording import joined, many

from .directories import StudyDirectories
from .earlier import earlier_results, no_longer_there
from .execution.execute import Unwatched, Watch, execute
from .execution.jobs import Job, JobProgress, JobResult
from .planning.plan import Plan
from .results import Results
from .results_book import ResultsBook


def ablate(
    plan: Plan,
    where: StudyDirectories,
    watch: Watch | None = None,
    only: str | None = None,
    retry_failed: bool = False,
    command: str = "",
) -> Results:
    """Does every run of a study that is not done yet; killed at any moment and called again, it continues.

    Args:
        only: the name of a variant: only its trials and runs are done, the others wait.
        retry_failed: try again what failed before.
        command: what the user typed, for the record.

    Raises:
        InputError: the directory holds another study, or there is no variant called `only`.
        WorkError: the results cannot be written.
    """
    from .analysis.notes import history

    plan.jobs(only)  # raises if there is no such variant
    earlier = earlier_results(where, plan.study.study.name)
    _save_study(plan, where)
    book = ResultsBook(plan, where, earlier, _provenance(plan, earlier, command))
    saving = _SavingWatch(book, watch or Unwatched())
    for sentence in no_longer_there(earlier, book.results()):
        saving.note(sentence)

    if any(outcome.state == "waiting" for outcome in book.results().outcomes):
        for note in history(book.results()):
            saving.note(f"note: {note.text}")

    def run(jobs: Sequence[Job]) -> None:
        execute(jobs, plan.engine.assemble(None), where.pool, saving, retry_failed)

    ahead = [one for one in book.trials if only is None or one.variant.called(only)]
    for seeds in _stages(plan):
        due = [one for one in ahead if one.chooses is None or one.chooses in seeds]
        ahead = [one for one in ahead if one not in due]
        if due:
            saving.note(f"tuning {joined(due[0].values)}: {len(due)} trials")
            for number, jobs in enumerate(book.rounds(due)):
                if number:
                    saving.note(f"{many(len(jobs), 'trial')} of {len(due)} go on")
                run(jobs)
            book.settle()
        run([job for job in book.plan.jobs(only) if job.recipe["seed"] in seeds])
        if only is None and len(seeds) < len(plan.seeds) and _decided(book.results()):
            saving.note(f"the look after {len(seeds)} seeds decides every comparison; the study ends here")
            break
    book.finish(now())
    book.save()
    return book.results()


def _stages(plan: Plan) -> list[tuple[int, ...]]:
    """The seeds that are done by each declared look; all of them if none is declared."""
    counts = [look.seeds for look in plan.study.study.looks if look.seeds < len(plan.seeds)]
    return [plan.seeds[:count] for count in counts] + [plan.seeds]


def _decided(results: Results) -> bool:
    from .analysis.compare import compare

    verdicts = [contrast.verdict for contrast in compare(results).primary]
    return bool(verdicts) and all(verdict in ("better", "worse", "equivalent") for verdict in verdicts)


def _provenance(plan: Plan, earlier: Results | None, command: str) -> dict[str, Any]:
    found = origin(command)
    if earlier is not None and "started" in earlier.provenance:
        found["started"] = earlier.provenance["started"]
    hashes = {one.title: one.data_hash for one in plan.variants}
    same = len(set(hashes.values())) == 1
    return {
        **found,
        "data": plan.base.data_hash if same else hashes,
        "study": plan.study.study.model_dump(mode="json"),
        **_recipes(plan),
        **_foreign(plan),
    }


def _recipes(plan: Plan) -> dict[str, Any]:
    """The base's recipe and, in a study with sizes or texts, how it differs at the settings after the first."""
    first, *others = [one for one in plan.variants if one.name == plan.base.name]
    facts = {"recipe": first.loaded.recipe.resolved()}
    if not others:
        return facts
    written = dict(flat(facts["recipe"]))
    differing = {
        one.title: {path: text for path, text in flat(one.loaded.recipe.resolved()) if written.get(path) != text}
        for one in others
    }
    return {**facts, f"the recipe above is {first.title}; otherwise": differing}


def _foreign(plan: Plan) -> dict[str, Any]:
    """The file of runs that were trained elsewhere."""
    file = plan.study.study.foreign
    return {} if file is None else {"foreign": {"file": file, "sha256": plan.foreign.digest}}


def _save_study(plan: Plan, where: StudyDirectories) -> None:
    try:
        where.out.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise InputError(f"{where.out} is a file; a study needs a directory") from None
    except OSError as error:
        raise unwritable(where.out, error) from error
    if plan.study.path is not None:
        write_text(where.out / "study.json", plan.study.node.mark.source.text)
    else:
        write_json(where.out / "study.json", plan.study.node.plain())  # as given: a null means something else


class _SavingWatch:
    """Enters every result into the book and saves it, then passes everything on to another watch."""

    def __init__(self, book: ResultsBook, watch: Watch) -> None:
        self._book = book
        self._watch = watch

    def note(self, line: str) -> None:
        self._watch.note(line)

    def planned(self, jobs: Sequence[Job], known: Mapping[str, JobResult]) -> None:
        self._book.enter(known.values())
        self._book.save()
        self._watch.planned(jobs, known)

    def started(self, job: Job) -> None:
        self._watch.started(job)

    def progress(self, progress: JobProgress) -> None:
        self._watch.progress(progress)

    def finished(self, job: Job, result: JobResult, again: bool) -> None:
        self._book.enter([result])
        self._book.save()
        self._watch.finished(job, result, again)


__all__ = ["ablate"]
