"""What a study will run: its variants with their budgets matched, their costs, and the jobs that train them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partwise.errors import InputError, PartwiseError
from partwise.provenance.sources import code_of
from partwise.recipe import LoadedRecipe, Problem, RejectedError
from partwise.recipe.suggestions import did_you_mean
from partwise.runs.identity import result_identity
from partwise.studies import results
from partwise.studies.definition.reading import LoadedStudy
from partwise.studies.definition.variants import Candidate, variants
from partwise.studies.execution.engine import EnginePart
from partwise.studies.execution.jobs import Job
from partwise.workflow.evaluation_files import evaluation_hash

from .costs import QUANTITIES, Costs, Ledger, located
from .matching import match
from .refusals import (
    refuse_metric_per_token,
    refuse_other_questions,
    refuse_seeds,
    refuse_too_many,
    refuse_unmeasurable,
    refuse_unreached,
)

if TYPE_CHECKING:
    from partwise.data import Tokenizer

Say = Callable[[str], None]
MANY_RUNS = 2_000
"""Runs whose listing takes so long that it is announced."""


@dataclass(frozen=True)
class PlannedVariant:
    """A variant with its budget matched, what it costs, and the jobs that train it."""

    name: str
    levels: Mapping[str, str]
    """Factor -> label of its level."""
    loaded: LoadedRecipe
    data_hash: str
    matched: Mapping[str, Any] = field(default_factory=dict)
    """Knob path -> value that was solved for."""
    tuned: Mapping[str, Any] = field(default_factory=dict)
    """Knob path -> value that tuning chose."""
    tokens: str = ""
    """Hash of the tokenizer; variants that share it mean the same by a token."""
    floor: float | None = None
    """What a model reaches that knows only how frequent each token is, in the metric's unit."""
    ledger: Ledger = field(default_factory=Ledger, compare=False, repr=False)

    @property
    def costs(self) -> Costs:
        """Counted when they are first asked for: what only tells how far a study has got needs none."""
        return self.ledger.costs(self.loaded)

    def identity(self, seed: int) -> str:
        """The identity of the run with `seed`."""
        return result_identity(self._resolved, seed, self.data_hash, code_of(self.loaded.recipe))

    @cached_property
    def _resolved(self) -> dict[str, Any]:
        """Read off the recipe once: a study may have thousands of seeds."""
        return self.loaded.recipe.resolved()

    @cached_property
    def _start(self) -> dict[str, Any]:
        """The recipe's start, wherever the job is done."""
        if self.loaded.recipe.start is None:
            return {}
        return {"start": {**self._resolved["start"], "run": str(self.loaded.start_directory().resolve())}}

    @cached_property
    def _directory(self) -> Path:
        return self.loaded.directory_of("data").resolve()

    @cached_property
    def _judges(self) -> dict[str, Path]:
        return {
            name: self.loaded.directory_of("evaluations", name).resolve() for name in self.loaded.recipe.evaluations
        }

    def _judged_by(self, evaluation: str | None) -> str | None:
        if evaluation is None:
            return None
        return evaluation_hash(self.loaded.recipe.evaluations[evaluation], self._judges[evaluation])

    def job(self, seed: int, study: LoadedStudy, metric: results.Metric | None = None) -> Job:
        """The run with `seed`, measured as the study asks unless `metric` says otherwise."""
        engine = study.study.run
        return Job(
            identity=self.identity(seed),
            title=f"{self.name}, seed {seed}",
            recipe={**self._resolved, **self._start, "seed": seed},
            directory=self._directory,
            data=self.loaded.data_directory,
            metric=metric or study.study.metric.asked(),
            judges=self._judges,
            judged_by=self._judged_by(study.study.metric.of_evaluation),
            timeout=engine.timeout,
            memory=None if engine.memory is None else round(engine.memory * 1e9),
            retries=engine.retries,
        )

    def described(self, counted: results.Variant | None = None) -> results.Variant:
        """As the results record it.

        Args:
            counted: an earlier record of the same runs, whose costs need not be counted again.
        """
        costs = counted or self.costs
        return results.Variant(
            name=self.name,
            levels=dict(self.levels),
            parameters=costs.parameters,
            flops_per_token=costs.flops_per_token,
            tokens=costs.tokens,
            matched=dict(self.matched),
            tuned=dict(self.tuned),
            floor=self.floor,
        )


@dataclass(frozen=True)
class Plan:
    """A study whose every variant assembles, and what it takes to run it."""

    study: LoadedStudy
    factors: Mapping[str, list[str]]
    """Labels of each factor's levels, the baseline's first."""
    variants: tuple[PlannedVariant, ...]
    """The base first; not tuned yet."""
    seeds: tuple[int, ...]
    engine: EnginePart
    """What runs the jobs: the study's own engine unless it was replaced."""
    ledger: Ledger = field(default_factory=Ledger, compare=False, repr=False)
    """What anything costs, for those that change a variant further."""

    @property
    def base(self) -> PlannedVariant:
        """The variant that the others are compared with."""
        return self.variants[0]

    @property
    def contrasts(self) -> int:
        """How many variants are compared with the base."""
        return len(self.variants) - 1

    @property
    def tokenizer_varies(self) -> bool:
        """Whether variants differ in their tokenizer, so that no figure per token compares them."""
        return len({one.tokens for one in self.variants}) > 1

    def jobs(self, only: str | None = None) -> list[Job]:
        """Every run, seed by seed, so that a study that ends early has equally many runs of each variant.

        Raises:
            InputError: there is no variant called `only`.
        """
        chosen = [one for one in self.variants if only in (None, one.name)]
        if not chosen:
            names = [one.name for one in self.variants]
            raise InputError(f"no variant {only!r}{did_you_mean(str(only), names)}; there are {', '.join(names)}")
        return [one.job(seed, self.study) for seed in self.seeds for one in chosen]

    def mismatch(self, variant: PlannedVariant) -> dict[str, float]:
        """How much more than the base a variant has of parameters, FLOPs and tokens, as a share of the base's."""
        pairs = {name: (variant.costs.of(name), self.base.costs.of(name)) for name in QUANTITIES}
        return {name: got / base - 1 if base and got is not None else 0.0 for name, (got, base) in pairs.items()}


def make_plan(study: LoadedStudy, seeds: int | None = None, say: Say = lambda line: None) -> Plan:
    """The plan of a study. Reads its data and trains its tokenizers, as training would (into the same cache).

    Args:
        seeds: how many, instead of the study's own.
        say: is given a line on whatever takes long.

    Raises:
        RecipeError: everything that is impossible about any variant.
        InputError: the data or the seeds do not suit the study.
    """
    found = variants(study)
    tokenizers = [one.loaded.recipe.tokenizer.model_dump(mode="json") for one in found.candidates]
    refuse_metric_per_token(study, any(one != tokenizers[0] for one in tokenizers))
    refuse_other_questions(study, [one.loaded.recipe for one in found.candidates])
    refuse_too_many(study.study.seeds if seeds is None else seeds)
    chosen = study.study.every_seed if seeds is None else tuple(range(seeds))
    refuse_seeds(study, chosen)
    ledger = Ledger(say)
    planned = _planned_variants(study, found.candidates, ledger)
    plan = Plan(study, found.factors, planned, chosen, study.study.run, ledger)
    if (runs := len(planned) * len(chosen)) > MANY_RUNS:
        say(f"listing {runs:,} runs")
    # Checked again: one and the same tokenizer, trained on other texts, is another.
    refuse_metric_per_token(study, plan.tokenizer_varies)
    return plan


def _planned_variants(study: LoadedStudy, candidates: list[Candidate], ledger: Ledger) -> tuple[PlannedVariant, ...]:
    planned, problems = list[PlannedVariant](), list[Problem]()
    target: float | None = None
    for one in candidates:
        try:
            planned.append(_planned(study, one, target, ledger))
        except PartwiseError as error:
            note = f"note: in variant {one.name}"
            problems += [_noted(problem, note) for problem in located(error)]
        if one is candidates[0]:
            if problems:
                break  # the others are measured by the base
            target = _target(study, planned[0])
    if problems:
        raise RejectedError(problems)
    return tuple(planned)


def _target(study: LoadedStudy, base: PlannedVariant) -> float | None:
    """What the others are matched to, if they are.

    Raises:
        RecipeError: it cannot be counted.
    """
    matching = study.study.match
    if matching is None:
        return None
    target = base.costs.of(matching.quantity)
    if target is None:
        place = ("match", "quantity")
        told = (
            "the base's FLOPs cannot be counted, so nothing can be matched to them (`partwise inspect` says why); "
            'match "parameters" instead'
        )
        raise RejectedError([Problem(told, study.at(place).mark, place)])
    return target


def _planned(study: LoadedStudy, one: Candidate, target: float | None, ledger: Ledger) -> PlannedVariant:
    from partwise.workflow.evaluations import evaluations_of

    loaded, matched = one.loaded, dict[str, Any]()
    prepared = ledger.prepared(loaded)
    if study.study.match is not None and target is not None:
        loaded, matched = match(loaded, target, study.study.match, study.at(("match", "knob")), ledger)
    prepared = ledger.prepared(loaded) if matched else prepared
    refuse_unreached(study, loaded.recipe)
    refuse_unmeasurable(study, prepared.batches, loaded.recipe.objective)
    evaluations_of(loaded)  # raises if one of them does not suit the model, or is not as it must be
    ledger.quantity(loaded, "parameters")  # raises if a part does not fit with the vocabulary that there is
    tokens = _tokens(loaded, prepared.tokenizer)
    floor = ledger.floor(prepared, tokens, study.study.metric)
    labels, data = one.choice.labels, prepared.data_hash
    return PlannedVariant(one.name, labels, loaded, data, matched, tokens=tokens, floor=floor, ledger=ledger)


def _tokens(loaded: LoadedRecipe, tokenizer: Tokenizer) -> str:
    described = [loaded.recipe.tokenizer.model_dump(mode="json"), tokenizer.to_json()]
    return sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _noted(problem: Problem, note: str) -> Problem:
    return problem if note in problem.notes else replace(problem, notes=(*problem.notes, note))


__all__ = ["Plan", "PlannedVariant", "make_plan"]
