"""The results of a study while it runs: what the pool holds of its plan, and whatever is added to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from partwise.storage.places import place_from

from .definition.baselines import further_baselines
from .directories import StudyDirectories
from .earlier import revised_before, seen_before
from .execution.execute import known_results
from .execution.jobs import Job, JobResult
from .looks import seen_elsewhere
from .planning.plan import Plan, PlannedVariant
from .planning.tuning import Choice, PlannedTrial, going, judged_by, recorded, trials, tuned
from .results import Halving, Look, LookElsewhere, Outcome, Results, Variant
from .stamp import mark_outdated


class ResultsBook:
    """A study's trials, the plan that they lead to, and its runs. A run that is not done yet is waiting."""

    def __init__(
        self,
        plan: Plan,
        where: StudyDirectories,
        earlier: Results | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Args:
            earlier: what an earlier call of the same study left.
            provenance: where the figures come from.

        Raises:
            RecipeError: a value that is tuned does not fit a variant.
        """
        self.trials: tuple[PlannedTrial, ...] = tuple(trials(plan))
        self._where = where
        self._untuned = self._plan = plan
        self._found: dict[str, JobResult] = known_results([job for one in self.trials for job in one.jobs], where.pool)
        self._provenance = dict(provenance or {})
        self._seen: list[int] = []
        self._revised: list[str] = []
        self._elsewhere: list[LookElsewhere] = []
        self._counted = _counted(earlier)
        self._undecided: set[Choice] = set()
        self.settle()
        if provenance is not None:  # it is a study's record, and not only a look at how far it is
            now = self.results()
            self._seen, self._revised = seen_before(earlier, now, where.out), revised_before(earlier, now, where.out)
            self._elsewhere = seen_elsewhere(where, earlier, now)

    @property
    def plan(self) -> Plan:
        """The plan with the best values of the knob that is tuned, for the variants whose trials are all done."""
        return self._plan

    def settle(self) -> None:
        """Makes every choice whose trials are all done, and looks up the runs that have it in the pool."""
        self._undecided = self._waiting()
        decided = [one for one in self.trials if one.choice not in self._undecided]
        self._plan = tuned(self._untuned, decided, self._found)
        self._found |= known_results(self._plan.jobs(), self._where.pool)

    def rounds(self, due: Sequence[PlannedTrial]) -> Iterator[list[Job]]:
        """The jobs of trials, in rounds of which each may be asked for once the one before is done."""
        for rung, still in enumerate(going(due, self._found, *judged_by(self._untuned))):
            yield [one.jobs[rung] for one in still]

    def _waiting(self) -> set[Choice]:
        """The choices that cannot be made yet."""
        rounds = enumerate(going(self.trials, self._found, *judged_by(self._untuned)))
        return {one.choice for rung, still in rounds for one in still if one.jobs[rung].key not in self._found}

    def enter(self, results: Iterable[JobResult]) -> None:
        """Adds what came of jobs."""
        self._found |= {result.key: result for result in results}

    def finish(self, when: str) -> None:
        """Notes when the study ended."""
        self._provenance["finished"] = when

    def save(self) -> None:
        """Writes the results to the study's directory, and first marks a report there that tells of others.

        Raises:
            WorkError: they cannot be written.
        """
        results = self.results()
        mark_outdated(self._where.out, results)
        results.save(self._where.results)

    def outcomes(self) -> list[Outcome]:
        """Every run as it stands now, variant by variant."""
        plan = self._plan
        own = [self._outcome(variant, seed) for variant in plan.variants for seed in plan.seeds]
        return [*own, *plan.foreign.outcomes]

    def results(self) -> Results:
        """The table as it stands now."""
        plan, study = self._plan, self._plan.study.study
        halving = None if study.tune is None else study.tune.halving
        return Results(
            study=study.name,
            about=study.about,
            metric=study.metric.asked(),
            secondary={name: one.asked() for name, one in study.secondary.items()},
            sizes=_each(one.size for one in plan.settings),
            texts=_each(one.text for one in plan.settings),
            design=study.design,
            resolution=study.resolution if study.design == "fractional" else None,
            correction=study.correction,
            baselines=further_baselines(study, plan.names),
            baseline=plan.base.name,
            factors={name: list(labels) for name, labels in plan.factors.items()},
            variants=[*map(self._variant, plan.variants), *plan.foreign.variants],
            seeds=list(plan.seeds),
            outcomes=self.outcomes(),
            trials=recorded(plan, self.trials, self._found),
            halving=None if halving is None else Halving(rungs=list(halving.rungs), keep=halving.keep),
            tuned_knobs=study.tune.recorded() if study.tune else {},
            tokenizer_varies=plan.tokenizer_varies,
            looks=[Look(seeds=look.seeds, alpha=look.alpha) for look in study.looks],
            seen=self._seen,
            revised=self._revised,
            elsewhere=self._elsewhere,
            alpha=study.alpha,
            provenance=dict(self._provenance),
        )

    def _variant(self, one: PlannedVariant) -> Variant:
        found = one.described(self._counted.get(one.identity(self._plan.seeds[0])))
        match = self._plan.study.study.match
        if match is None or match.quantity != "seconds":
            return found
        matched = next(before for before in self._untuned.variants if before.key == one.key)  # what tuning did not time
        return found.model_copy(update={"budget": self._plan.ledger.quantity(matched.loaded, "seconds")})

    def _outcome(self, variant: PlannedVariant, seed: int) -> Outcome:
        name, size, text = variant.key
        identity = variant.identity(seed)
        result = self._found.get(identity)
        if result is None or not self._undecided.isdisjoint({(variant.key, seed), (variant.key, None)}):
            return Outcome(variant=name, size=size, text=text, seed=seed, identity=identity, state="waiting")
        told = {"state", "metric", "stretches", "curve", "seconds", "attempts", "error", "output"}
        facts = result.model_dump(include=told)
        if seed in variant.by_seed:
            facts["tuned"] = dict(variant.by_seed[seed].tuned)
        facts["directory"] = None if result.directory is None else place_from(self._where.out, result.directory)
        if result.state == "done":
            facts |= self._secondary(variant, result)
        return Outcome(variant=name, size=size, text=text, seed=seed, identity=identity, **facts)

    def _secondary(self, variant: PlannedVariant, result: JobResult) -> dict[str, Any]:
        found = {name: result.by(asked) for name, asked in variant.also(self._plan.study).items()}
        figures = {name: one.figure for name, one in found.items() if one is not None and one.figure is not None}
        errors = {name: one.error for name, one in found.items() if one is not None and one.error is not None}
        return {"secondary": figures, "unmeasured": errors}


def _each(names: Iterable[str | None]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name is not None]


def _counted(earlier: Results | None) -> dict[str, Variant]:
    """The records of variants by the identities of their runs, if this version of partwise counted what they cost."""
    if earlier is None or earlier.provenance.get("environment", {}).get("partwise") != version("partwise"):
        return {}
    variants = {variant.key: variant for variant in earlier.variants}
    return {run.identity: variants[run.key] for run in earlier.outcomes if run.key in variants}


__all__ = ["ResultsBook"]
