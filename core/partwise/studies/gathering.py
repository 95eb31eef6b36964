"""From what the pool holds of a plan's runs to the study's results; whatever is not done yet is waiting."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from partwise.errors import InputError, WorkError

from .execute import known_results
from .jobs import JobResult
from .plan import Plan
from .results import Look, Outcome, Results
from .tuning import Planned, recorded, trials, tuned

RESULTS = "results.json"


class Book:
    """A study's results as they come: its trials, the plan they lead to, and its runs."""

    def __init__(self, plan: Plan, pool: Path, provenance: Mapping[str, Any] | None = None) -> None:
        self.trials: list[Planned] = trials(plan)
        self.provenance = dict(provenance or {})
        self.seen: list[int] = []
        self._untuned = plan
        jobs = [one.job for one in self.trials]
        self.found: dict[str, JobResult] = known_results(jobs, pool)
        self._pool = pool
        self.plan = plan
        self.settle()

    def settle(self) -> None:
        """Takes the trials for done, as far as they are: the plan is that of the best values now."""
        finished = {
            name
            for name in (one.variant.name for one in self.trials)
            if all(one.job.identity in self.found for one in self.trials if one.variant.name == name)
        }
        decided = [one for one in self.trials if one.variant.name in finished]
        self.plan = tuned(self._untuned, decided, self.found)
        self.found |= known_results(self.plan.jobs(), self._pool)

    def enter(self, result: JobResult) -> None:
        """Something came of a job."""
        self.found[result.identity] = result

    def results(self) -> Results:
        """The table of now."""
        study = self.plan.study.study
        return Results(
            study=study.name,
            about=study.about,
            metric=study.metric.asked(),
            design=study.design,
            baseline=self.plan.base.name,
            factors={name: list(labels) for name, labels in self.plan.factors.items()},
            variants=[one.described() for one in self.plan.variants],
            seeds=list(self.plan.seeds),
            outcomes=[
                self._outcome(variant.name, seed, variant.identity(seed))
                for variant in self.plan.variants
                for seed in self.plan.seeds
            ],
            trials=recorded(self.trials, self.found),
            tuned_knob=study.tune.at if study.tune else None,
            tokenizer_varies=self.plan.tokenizer_varies,
            looks=[Look(seeds=look.seeds, alpha=look.alpha) for look in study.looks],
            seen=self.seen,
            alpha=study.alpha,
            provenance=self.provenance,
        )

    def _outcome(self, variant: str, seed: int, identity: str) -> Outcome:
        result = self.found.get(identity)
        if result is None:
            return Outcome(variant=variant, seed=seed, identity=identity, state="waiting")
        told = result.model_dump(include={"state", "metric", "curve", "seconds", "attempts", "error", "output"})
        place = None if result.directory is None else str(result.directory)
        return Outcome(variant=variant, seed=seed, identity=identity, directory=place, **told)


def earlier_results(out: Path, name: str) -> Results | None:
    """The results that a study's directory holds already.

    Raises:
        InputError: they are another study's.
        WorkError: they are damaged.
    """
    if not (out / RESULTS).exists():
        return None
    try:
        found = Results.load(out / RESULTS)
    except WorkError as error:
        raise WorkError(f"{error}; delete it: it is written anew from the runs, which are kept beside it") from error
    if found.study != name:
        raise InputError(f"{out} holds the study {found.study!r}, and this is {name!r}; name another directory (--out)")
    return found


def seen_before(earlier: Results | None, now: Results) -> list[int]:
    """The numbers of seeds, fewer than there are now, after which the same study told its verdicts."""
    from .analysis.paired import FEWEST_PAIRS

    if earlier is None:
        return []
    counts = {*earlier.seen}
    runs, before = ({one.identity for one in each.outcomes} for each in (now, earlier))
    if before < runs and all(one.state != "waiting" for one in earlier.outcomes):
        counts.add(len(earlier.seeds))
    return sorted(counts.intersection(range(FEWEST_PAIRS, len(now.seeds))) - {look.seeds for look in now.looks})


__all__ = ["RESULTS", "Book", "earlier_results", "seen_before"]
