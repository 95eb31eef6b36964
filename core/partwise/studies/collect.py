"""From what the pool holds of a plan's runs to the study's results; whatever is not done yet is waiting."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from partwise.errors import InputError, WorkError
from partwise.wording import many

from .execution.execute import known_results
from .execution.jobs import JobResult
from .planning.plan import Plan
from .planning.tuning import Planned, recorded, trials, tuned
from .results import Look, Outcome, Results
from .validity import FEWEST_SEEDS

RESULTS = "results.json"


class ResultsBook:
    """A study's results as they come: its trials, the plan they lead to, and its runs."""

    def __init__(self, plan: Plan, pool: Path, provenance: Mapping[str, Any] | None = None) -> None:
        self.trials: list[Planned] = trials(plan)
        self.provenance = dict(provenance or {})
        self.seen: list[int] = []
        self.revised: list[str] = []
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
            revised=self.revised,
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
    if earlier is None:
        return []
    counts = {*earlier.seen}
    runs, before = ({one.identity for one in each.outcomes} for each in (now, earlier))
    if before < runs and _told_verdicts(earlier):
        counts.add(len(earlier.seeds))
    return sorted(counts.intersection(range(len(now.seeds))) - {look.seeds for look in now.looks})


def revised_before(earlier: Results | None, now: Results) -> list[str]:
    """What the same study asked otherwise when it told its verdicts: the question must not follow the answer."""
    runs = {one.identity for one in now.outcomes}
    if earlier is None or not any(o.identity in runs for o in earlier.outcomes if o.variant != earlier.baseline):
        return []  # it compares something else, whatever its name
    if not _told_verdicts(earlier):
        return earlier.revised
    before, after = _question(earlier), _question(now)
    changed = [f"{what}: {before[what]}, then {after[what]}" for what in after if before[what] != after[what]]
    names = {variant.name for variant in now.variants}
    dropped = [variant.name for variant in earlier.variants if variant.name not in names]
    if dropped:
        changed.append(f"left out: {', '.join(dropped)}")
    return [*earlier.revised, *(one for one in changed if one not in earlier.revised)]


def _question(results: Results) -> dict[str, str]:
    metric, looks = results.metric, ", ".join(f"{look.seeds} ({look.alpha:g})" for look in results.looks)
    effect = "none" if metric.smallest_effect is None else f"{metric.smallest_effect:g}"
    batches = "all batches" if metric.batches is None else f"{metric.batches} batches"
    return {
        "metric": f"{metric.label} on {batches}",
        "better": "more" if metric.goal == "max" else "less",
        "smallest effect": effect,
        "alpha": f"{results.alpha:g}",
        "looks": looks or "none",
    }


def _told_verdicts(results: Results) -> bool:
    done = all(outcome.state != "waiting" for outcome in results.outcomes)
    return done and len(results.seeds) >= FEWEST_SEEDS


def no_longer_there(earlier: Results | None, now: Results) -> list[str]:
    """In sentences, what results.json holds that the pool does not, so that nobody is surprised by what is run."""
    if earlier is None:
        return []
    states = {outcome.identity: outcome.state for outcome in now.outcomes}
    done = [outcome.identity for outcome in earlier.outcomes if outcome.state == "done"]
    gone = sum(states.get(identity) == "waiting" for identity in done)
    names = {variant.name for variant in now.variants}
    same = [one for one in earlier.outcomes if one.state == "done" and one.variant in names and one.seed in now.seeds]
    other = sum(one.identity not in states for one in same)
    told = []
    if gone:
        told.append(f"{many(gone, 'run')} of {RESULTS} lost from the pool; trained again")
    if other:
        told.append(
            f"{many(other, 'run')} of {RESULTS} made by what has changed since (recipe, data, or the code of parts); "
            "trained anew"
        )
    return told


__all__ = ["RESULTS", "ResultsBook", "earlier_results", "no_longer_there", "revised_before", "seen_before"]
