"""What a study will run: its variants with their budgets matched, their costs, and the jobs that train them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partwise.errors import InputError, PartwiseError
from partwise.machine import cores
from partwise.provenance.sources import code_of
from partwise.recipe import LoadedRecipe, Problem, RejectedError
from partwise.recipe.suggestions import did_you_mean
from partwise.runs.identity import result_identity
from partwise.studies import results
from partwise.studies.definition.reading import LoadedStudy
from partwise.studies.definition.settings import NOWHERE, Setting
from partwise.studies.definition.variants import Candidate, Variants, changed, variants
from partwise.studies.execution.engine import EnginePart
from partwise.studies.execution.jobs import Asked, Job
from partwise.workflow.evaluation_files import evaluation_hash

from .costs import PASSES, QUANTITIES, Costs, Ledger, located
from .foreign import Expected, ForeignRuns, read_foreign
from .ladder import Rung, on_rung, rung_of
from .matching import match
from .refusals import (
    between,
    refuse_falling,
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
    by_seed: Mapping[int, PlannedVariant] = field(default_factory=dict)
    """Where each seed has a choice of its own: the variant as it was tuned for it."""
    scaled: Mapping[str, Any] = field(default_factory=dict)
    """Knob path -> value that follows from the size."""
    setting: Setting = NOWHERE
    tokens: str = ""
    """Hash of the tokenizer; variants that share it mean the same by a token."""
    floor: float | None = None
    """What a model reaches that knows only how frequent each token is, in the metric's unit."""
    floors: Mapping[str, float | None] = field(default_factory=dict)
    """The same by each secondary metric."""
    ledger: Ledger = field(default_factory=Ledger, compare=False, repr=False)

    @property
    def key(self) -> results.Key:
        return self.name, self.setting.size, self.setting.text

    @property
    def title(self) -> str:
        """`position=rope at width 96 on wiki`."""
        return self.name + self.setting.words

    def called(self, name: str) -> bool:
        """Whether a user who says `name` means this one."""
        return name in (self.name, self.title)

    @property
    def costs(self) -> Costs:
        """Counted when they are first asked for: what only tells how far a study has got needs none."""
        return self.ledger.costs(self.loaded)

    def identity(self, seed: int) -> str:
        """The identity of the run with `seed`."""
        if seed in self.by_seed:
            return self.by_seed[seed].identity(seed)
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

    @cached_property
    def _hashes(self) -> dict[str, str]:
        """Of the evaluations that have been asked for: they read files, and a study may have thousands of seeds."""
        return {}

    def _judged_by(self, evaluation: str | None) -> str | None:
        if evaluation is None:
            return None
        if evaluation not in self._hashes:
            part = self.loaded.recipe.evaluations[evaluation]
            self._hashes[evaluation] = evaluation_hash(part, self._judges[evaluation])
        return self._hashes[evaluation]

    def job(self, seed: int, study: LoadedStudy, metric: results.Metric | None = None) -> Job:
        """The run with `seed`, measured as the study asks; if `metric` says otherwise, by that alone."""
        if seed in self.by_seed:
            return self.by_seed[seed].job(seed, study, metric)
        engine = study.study.run
        return Job(
            identity=self.identity(seed),
            title=f"{self.title}, seed {seed}",
            recipe={**self._resolved, **self._start, "seed": seed},
            directory=self._directory,
            data=self.loaded.data_directory,
            metric=metric or study.study.metric.asked(),
            judges=self._judges,
            judged_by=self._judged_by(study.study.metric.of_evaluation),
            also=[] if metric is not None else list(self.also(study).values()),
            timeout=engine.timeout,
            memory=None if engine.memory is None else round(engine.memory * 1e9),
            retries=engine.retries,
        )

    def also(self, study: LoadedStudy) -> dict[str, Asked]:
        """The study's secondary metrics as this variant is asked for them."""
        return {
            name: Asked(metric=one.asked(), judged_by=self._judged_by(one.of_evaluation))
            for name, one in study.study.secondary.items()
        }

    def described(self, counted: results.Variant | None = None) -> results.Variant:
        """As the results record it.

        Args:
            counted: an earlier record of the same runs, whose costs need not be counted again.
        """
        costs = counted or self.costs
        each = costs.flops_per_token
        return results.Variant(
            name=self.name,
            size=self.setting.size,
            text=self.setting.text,
            levels=dict(self.levels),
            parameters=costs.parameters,
            flops_per_token=costs.flops_per_token,
            tokens=costs.tokens,
            training_flops=None if each is None or not costs.tokens else PASSES * each * costs.tokens,
            matched=dict(self.matched),
            tuned=dict(self.tuned),
            scaled=dict(self.scaled),
            floor=self.floor,
            floors=dict(self.floors),
        )


@dataclass(frozen=True)
class Plan:
    """A study whose every variant assembles, and what it takes to run it."""

    study: LoadedStudy
    factors: Mapping[str, list[str]]
    """Labels of each factor's levels, the baseline's first."""
    variants: tuple[PlannedVariant, ...]
    """The base first, in a study with sizes or texts at each of them; not tuned yet."""
    seeds: tuple[int, ...]
    engine: EnginePart
    """What runs the jobs: the study's own engine unless it was replaced."""
    ledger: Ledger = field(default_factory=Ledger, compare=False, repr=False)
    """What anything costs, for those that change a variant further."""
    foreign: ForeignRuns = field(default_factory=ForeignRuns)
    """Runs that were trained elsewhere."""

    @property
    def base(self) -> PlannedVariant:
        """The variant that the others are compared with; of several settings, at the first."""
        return self.variants[0]

    def base_of(self, variant: PlannedVariant) -> PlannedVariant:
        """The variant that this one is compared with: the base at its setting."""
        wanted = (self.base.name, *variant.key[1:])
        return next(one for one in self.variants if one.key == wanted)

    @property
    def settings(self) -> list[Setting]:
        """Where the variants are compared; one, without size and text, in a study without such."""
        return [one.setting for one in self.variants if one.name == self.base.name]

    @property
    def names(self) -> list[str]:
        """Of the variants, each once."""
        return list(dict.fromkeys(one.name for one in self.variants))

    @property
    def contrasts(self) -> int:
        """How many variants are compared with the base, each setting counted."""
        return len(self.variants) - len(self.settings) + len(self.foreign.variants)

    @property
    def tokenizer_varies(self) -> bool:
        """Whether variants differ in their tokenizer, so that no figure per token compares them."""
        return len({one.tokens for one in self.variants}) > 1

    def jobs(self, only: str | None = None) -> list[Job]:
        """Every run, seed by seed, so that a study that ends early has equally many runs of each variant.

        Args:
            only: the name of a variant, at all of its settings or, as "base at width 96", at one.

        Raises:
            InputError: there is no variant called `only`.
        """
        chosen = [one for one in self.variants if only is None or one.called(only)]
        if not chosen:
            names = self.names
            raise InputError(f"no variant {only!r}{did_you_mean(str(only), names)}; there are {', '.join(names)}")
        return [one.job(seed, self.study) for seed in self.seeds for one in chosen]

    def mismatch(self, variant: PlannedVariant) -> dict[str, float]:
        """How much more than the base of its setting a variant has of parameters, FLOPs and tokens, as a share."""
        own = self.base_of(variant).costs
        pairs = {name: (variant.costs.of(name), own.of(name)) for name in QUANTITIES}
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
    tokenizers = {one.title: one.loaded.recipe.tokenizer.model_dump(mode="json") for one in found.candidates}
    refuse_metric_per_token(study, between(found.candidates, lambda one: str(tokenizers[one.title])))
    refuse_other_questions(study, [one.loaded.recipe for one in found.candidates])
    refuse_too_many(study.study.seeds if seeds is None else seeds)
    chosen = study.study.every_seed if seeds is None else tuple(range(seeds))
    refuse_seeds(study, chosen)
    ledger = Ledger(say, max(1, cores() // study.study.run.runs_at_once()))
    planned = _planned_variants(study, found, ledger)
    plan = Plan(study, found.factors, planned, chosen, study.study.run, ledger)
    if (runs := len(planned) * len(chosen)) > MANY_RUNS:
        say(f"listing {runs:,} runs")
    # Checked again: one and the same tokenizer, trained on other texts, is another.
    refuse_metric_per_token(study, between(planned, lambda one: one.tokens))
    return replace(plan, foreign=_foreign(plan))


def _foreign(plan: Plan) -> ForeignRuns:
    """What the study's file of runs puts in.

    Raises:
        InputError: it is wrong, or does not suit the study.
    """
    study = plan.study.study
    if study.foreign is None:
        return ForeignRuns()
    directory = Path.cwd() if plan.study.path is None else plan.study.path.parent
    bases = [one for one in plan.variants if one.name == plan.base.name]
    expected = Expected(
        names=plan.names,
        sizes=list(dict.fromkeys(one.setting.size for one in bases if one.setting.size is not None)),
        texts=list(dict.fromkeys(one.setting.text for one in bases if one.setting.text is not None)),
        seeds=plan.seeds,
        secondary=tuple(study.secondary),
        floors={(one.setting.size, one.setting.text): (one.floor, one.floors) for one in bases},
    )
    return read_foreign(directory / study.foreign, study.foreign, expected)


def _planned_variants(study: LoadedStudy, found: Variants, ledger: Ledger) -> tuple[PlannedVariant, ...]:
    planned, problems = list[PlannedVariant](), list[Problem]()
    for setting in found.settings:
        here = [one for one in found.candidates if one.setting is setting]
        before = len(problems)
        planned += _at(study, setting, here, ledger, problems)
        if len(problems) > before and not setting.levels:
            break
    problems = list({(one.message, one.path, one.mark and str(one.mark)): one for one in reversed(problems)}.values())
    if problems:
        raise RejectedError(problems[::-1])
    refuse_falling(study, [one for one in planned if one.name == planned[0].name])
    return tuple(planned)


def _at(
    study: LoadedStudy, setting: Setting, candidates: list[Candidate], ledger: Ledger, problems: list[Problem]
) -> Iterator[PlannedVariant]:
    """The variants at one setting; what is wrong with them is added to `problems`."""
    target, rung = None, Rung()
    for one in candidates:
        first = one is candidates[0]
        try:
            if first:
                plain = changed(study.base, [*setting.text_changes, *one.choice.changes])
                rung = rung_of(study, setting, one.loaded, plain, ledger)
            planned = _planned(study, one, rung, target, ledger)
            if first:
                target = _target(study, planned)
            yield planned
        except PartwiseError as error:
            note = f"note: in variant {one.title}"
            problems += [_noted(problem, note) for problem in located(error)]
            if first:
                return  # the others are measured by the base


def _target(study: LoadedStudy, base: PlannedVariant) -> float | None:
    """What the others are matched to, if they are.

    Raises:
        RecipeError: it cannot be counted.
    """
    matching = study.study.match
    if matching is None:
        return None
    target = base.ledger.quantity(base.loaded, matching.quantity)
    if target is None:
        place = ("match", "quantity")
        if matching.quantity == "seconds":
            told = "the base's trainer does not say how many updates it makes, so that its time cannot be matched"
            raise RejectedError([Problem(told, study.at(place).mark, place)])
        told = (
            "the base's FLOPs cannot be counted, so nothing can be matched to them (`partwise inspect` says why); "
            'match "parameters" instead'
        )
        raise RejectedError([Problem(told, study.at(place).mark, place)])
    return target


def _planned(study: LoadedStudy, one: Candidate, rung: Rung, target: float | None, ledger: Ledger) -> PlannedVariant:
    from partwise import workflow
    from partwise.workflow.evaluations import evaluations_of

    loaded, matched = one.loaded, dict[str, Any]()
    prepared = ledger.prepared(loaded)
    loaded, scaled = on_rung(study, loaded, rung, ledger)
    if scaled:
        workflow.check(loaded)
    if study.study.match is not None and target is not None:
        loaded, matched = match(loaded, target, study.study.match, study.at(("match", "knob")), ledger)
    prepared = ledger.prepared(loaded) if matched else prepared
    refuse_unreached(study, loaded.recipe)
    refuse_unmeasurable(study, prepared.batches, loaded.recipe.objective)
    evaluations_of(loaded)  # raises if one of them does not suit the model, or is not as it must be
    ledger.quantity(loaded, "parameters")  # raises if a part does not fit with the vocabulary that there is
    tokens = _tokens(loaded, prepared.tokenizer)
    return PlannedVariant(
        one.name,
        one.choice.labels,
        loaded,
        prepared.data_hash,
        matched,
        scaled=scaled,
        setting=one.setting,
        tokens=tokens,
        floor=ledger.floor(prepared, tokens, study.study.metric),
        floors={name: ledger.floor(prepared, tokens, metric) for name, metric in study.study.secondary.items()},
        ledger=ledger,
    )


def _tokens(loaded: LoadedRecipe, tokenizer: Tokenizer) -> str:
    described = [loaded.recipe.tokenizer.model_dump(mode="json"), tokenizer.to_json()]
    return sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _noted(problem: Problem, note: str) -> Problem:
    return problem if note in problem.notes else replace(problem, notes=(*problem.notes, note))


__all__ = ["Plan", "PlannedVariant", "make_plan"]
