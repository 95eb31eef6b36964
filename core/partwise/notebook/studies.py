"""Studies in Python: run one, and have its verdicts and its tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partwise.errors import InputError

if TYPE_CHECKING:
    import pandas

    from partwise.studies.analysis import Analysis
    from partwise.studies.execution.jobs import Job, JobProgress, JobResult
    from partwise.studies.results import Results

Say = Callable[[str], None]


@dataclass(frozen=True, repr=False)
class StudyResult:
    """What came of a study: its verdicts, its tables and its report."""

    results: Results
    """Which variants and seeds were run, and what was measured."""
    report: Path
    """The report, an HTML file."""

    @cached_property
    def analysis(self) -> Analysis:
        """Every statistic of the study."""
        from partwise.studies.analysis import analyse

        return analyse(self.results)

    @property
    def verdicts(self) -> dict[str, str]:
        """Factor -> its verdict, in a sentence."""
        return dict(self.analysis.sentences)

    def frame(self, table: str = "runs") -> pandas.DataFrame:
        """A table of the study, with the columns that docs/results.md describes; the same as tables/TABLE.csv.

        Args:
            table: "runs", with a row per run; "variants", "contrasts", "effects", "ladder", "trials" or "curves".

        Raises:
            InputError: there is no such table, or pandas is not installed.
        """
        from partwise.studies.tables import table as rows_of

        head, rows = rows_of(table, self.results, self.analysis)
        try:
            import pandas
        except ImportError as error:
            raise InputError("frames need the package pandas: pip install pandas") from error
        return pandas.DataFrame(rows, columns=head)

    def __repr__(self) -> str:
        states = [outcome.state for outcome in self.results.outcomes]
        counts = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
        lines = [*self.verdicts.values(), *(f"note: {note.text}" for note in self.analysis.notes)]
        return "\n".join([f"<study {self.results.study}: {counts}>", *lines])


def study(
    source: str | Path | Mapping[str, Any],
    *,
    seeds: int | None = None,
    out: str | Path | None = None,
    data: str | Path | None = None,
    retry_failed: bool = False,
    say: Say | None = print,
) -> StudyResult:
    """Runs a study, as far as its runs are not done yet, and writes its report.

    Args:
        source: a name, a file, or a dict, whose "base" may be a recipe that was loaded: `gpt.recipe`.
        seeds: use seeds 0 to seeds - 1, in place of the study's own.
        out: directory of the study; by default studies/NAME.
        data: the directory that names of data files are relative to, if they have moved.
        retry_failed: try again what failed before.
        say: called with each line about what is going on; None for silence.

    Raises:
        RecipeError: the study, its base or a variant is wrong.
        PartwiseError: it cannot be run here. A run that fails raises nothing; its row says why.

    >>> result = partwise.study({
    ...     "partwise": 1, "name": "widths", "base": tiny.recipe, "metric": {"batches": 2},
    ...     "factors": {"width": {"at": "model.width", "values": [16, 8]}},
    ... }, seeds=1, say=None)
    >>> result.frame()[["variant", "seed", "state"]]
       variant  seed state
    0     base     0  done
    1  width=8     0  done

    A verdict takes at least three seeds:

    >>> result.verdicts
    {'width': ...}
    """
    from partwise.studies.ablation import ablate
    from partwise.studies.definition.reading import load_study
    from partwise.studies.directories import study_directories
    from partwise.studies.earlier import earlier_results
    from partwise.studies.planning.plan import make_plan
    from partwise.studies.report import write_report

    tell = say or _silent
    loaded = load_study(source)
    loaded = replace(loaded, base=loaded.base.with_data_in(None if data is None else Path(data)))
    where = study_directories(loaded, None if out is None else Path(out))
    earlier_results(where, loaded.study.name)  # raises if they are another study's
    plan = make_plan(loaded, seeds, tell)
    tell(f"study {loaded.study.name} in {where.out}, runs in {where.pool}")
    results = ablate(
        plan, where, _Lines(tell), retry_failed=retry_failed, command=f"partwise.study({loaded.study.name!r})"
    )
    return StudyResult(results, write_report(results, where.out)[0])


class _Lines:
    """A line about what there is to do, and one for each run that has ended."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._all = self._ended = 0

    def note(self, line: str) -> None:
        self._say(line)

    def planned(self, jobs: Sequence[Job], known: Mapping[str, JobResult]) -> None:
        self._all, self._ended = len({job.identity for job in jobs}), len(known)
        self._say(f"{self._all} runs, {self._ended} of them done before")

    def started(self, job: Job) -> None:
        pass

    def progress(self, progress: JobProgress) -> None:
        pass

    def finished(self, job: Job, result: JobResult, again: bool) -> None:
        self._ended += not again
        told = f"{job.metric.label} {result.metric:.4g}" if result.metric is not None else result.error or ""
        self._say(f"[{self._ended}/{self._all}] {job.title}: {result.state}{', tried again' * again}, {told}")


def _silent(line: str) -> None:
    pass


__all__ = ["StudyResult", "study"]
