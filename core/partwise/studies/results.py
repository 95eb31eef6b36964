"""The results of a study's runs: the one table that analysis and reports read, as JSON on disk.

It holds only facts (which variant, which seed, what was measured, what failed). Every statistic is computed from
them each time, so that a report can be rebuilt from this file alone.
"""

from __future__ import annotations

import hashlib
import json
from math import log, sqrt
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator

from partwise.documented import Documented
from partwise.errors import WorkError
from partwise.metric_names import judged
from partwise.storage.atomic import read_json, write_json

OutcomeState = Literal["done", "diverged", "failed", "waiting"]
TrialState = Literal["done", "diverged", "failed", "waiting", "stopped"]
Key = tuple[str, str | None, str | None]
"""The name of a variant, its size and its text."""
Goal = Literal["min", "max"]
Correction = Literal["holm", "fdr"]
Design = Literal["one_at_a_time", "leave_one_out", "grid", "list", "fractional"]
VERSION = 1
"""Of results.json. It counts up when a reader of the one before would misread a field; a new field has a default."""


def at_setting(size: str | None, text: str | None) -> str:
    """` at width 96 on wiki`; nothing in a study without sizes and texts."""
    return ("" if size is None else f" at {size}") + ("" if text is None else f" on {text}")


class _Facts(Documented):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Metric(_Facts):
    """What is compared."""

    name: str
    """`bits_per_byte`, `loss`, `perplexity`, `accuracy`; or a figure of an evaluation, `cloze.accuracy`."""
    split: Literal["train", "valid", "test"]
    """The split it is measured on; an evaluation reads none."""
    goal: Goal
    """Whether less or more is better."""
    smallest_effect: float | None = None
    """Smallest difference that matters, in the metric's unit; None: not declared, so nothing can be equivalent."""
    context: int | None = None
    """Length of the sequences it is measured on, in tokens; None: the model's own context."""
    batches: int | None = None
    """Batches it is measured on, spread over the split; None: the whole split."""
    member: str | None = None
    """The member of a mixture that it is measured on; None: all data."""
    target: float | None = None
    """Of `steps_to`, `tokens_to` and `seconds_to`: the value that is to be reached while training."""
    of: Literal["loss", "bits_per_byte"] | None = None
    """What the target is a value of."""

    @property
    def amount(self) -> str | None:
        """`steps`, `tokens` or `seconds` of a metric that counts those to a target; None of any other."""
        return self.name.removesuffix("_to") if self.target is not None else None

    @property
    def label(self) -> str:
        """For a column heading: `bits per byte (valid)`, `loss (valid, context 256)`, `steps to loss 2 (valid)`."""
        if self.target is not None:
            return f"{self.amount} to {str(self.of).replace('_', ' ')} {self.target:g} ({self.split})"
        if judged(self.name):  # by an evaluation, which reads no split
            return self.name.replace("_", " ")
        length = "" if self.context is None else f", context {self.context}"
        member = "" if self.member is None else f"{self.member}, "
        return f"{self.name.replace('_', ' ')} ({member}{self.split}{length})"


MEASURED = ("name", "split", "context", "batches", "member", "target", "of")
"""The fields of a metric that affect its value."""


def measured_by(metric: Metric) -> tuple[Any, ...]:
    """What of a metric affects its value; equal for metrics that measure the same."""
    return tuple(None if judged(metric.name) and one != "name" else getattr(metric, one) for one in MEASURED)


class Variant(_Facts):
    """One recipe of the study; in a study with sizes or texts, once for each."""

    name: str
    """`base`, `position=rope`, `position=rope, norm=rms_norm`."""
    size: str | None = None
    """Of a study with sizes, the label of its size."""
    text: str | None = None
    """Of a study with several texts, the name of its text."""
    levels: dict[str, str]
    """Factor -> label of its level, for every factor."""
    parameters: int
    """Weights of the model."""
    flops_per_token: float | None = None
    """None if they cannot be counted."""
    tokens: int
    """Tokens that a run is trained on."""
    training_flops: float | None = None
    """Of a whole run, forward and backward: three times the forward FLOPs per token, times the tokens."""
    matched: dict[str, Any] = {}
    """Knob path -> value that was solved for to match the budget."""
    budget: float | None = None
    """Seconds of wall time that a run was expected to take when variants were matched by them, on the machine that
    planned the study; None: they were not."""
    tuned: dict[str, Any] = {}
    """Knob path -> value that tuning chose; the most frequent, where each seed has a choice of its own."""
    scaled: dict[str, Any] = {}
    """Knob path -> value that follows from the size: the steps, the rate."""
    floor: float | None = None
    """What a model reaches that knows only how frequent each token of the metric's split is, in the metric's unit: the
    unigram entropy or, of accuracy, the most frequent token's share. None: not recorded, or the metric has none."""
    floors: dict[str, float | None] = {}
    """The same by each of the study's secondary metrics."""
    source: str | None = None
    """The file that its runs were put in by; they were trained elsewhere, and nothing about them could be checked.
    None: the study trained them."""

    @property
    def key(self) -> Key:
        return self.name, self.size, self.text

    @property
    def title(self) -> str:
        """`position=rope at width 96 on wiki`."""
        return self.name + at_setting(self.size, self.text)

    def by(self, metric: str) -> Variant:
        """The same variant, with the floor of a secondary metric."""
        return self.model_copy(update={"floor": self.floors.get(metric), "floors": {}})


class Figure(_Facts):
    """What a run came to by one metric."""

    value: float
    """After training."""
    stretches: list[tuple[int, float]] = []
    """See `Outcome.stretches`."""


class Drawn(_Facts):
    """The range that the values of a tuned knob were drawn from."""

    low: float
    """The smallest."""
    high: float
    """The largest."""
    log: bool = False
    """Whether every factor of ten got as many draws as the next."""
    whole: bool = False
    """Whether only whole numbers were drawn."""


class Halving(_Facts):
    """That only the better share of the trials goes on from each rung."""

    rungs: list[float]
    """Shares of a trial's updates."""
    keep: float
    """Share of the combinations that goes on, rounded."""


class Trial(_Facts):
    """One tuning run. It is not compared; it only serves to choose the values of the knobs."""

    variant: str
    """Name of its variant."""
    size: str | None = None
    """See `Variant`."""
    text: str | None = None
    """See `Variant`."""
    values: dict[str, Any]
    """Knob path -> the value that was tried."""
    seed: int
    """The seed that it was trained with; none of the study's."""
    chooses: int | None = None
    """The seed of the study whose run has the values that this trial and its rivals choose; None: all runs have."""
    state: TrialState
    """See `Outcome`; `stopped`: behind its rivals at a rung, and not trained further."""
    rungs: list[tuple[int, float]] = []
    """(updates, the study's metric on the valid split) at each rung that it has come to."""
    metric: float | None = None
    """The study's metric on the valid split; None unless done."""
    seconds: float | None = None
    """Wall time; None if it is not known."""
    training_flops: float | None = None
    """See `Variant`."""

    @property
    def key(self) -> Key:
        return self.variant, self.size, self.text


class SharedChoice(_Facts):
    """That all runs of a variant have values that one choice by trials gave them."""

    seeds: int
    """Of the trials."""
    among: int
    """Combinations of values to choose from."""

    def widening(self, runs: int) -> float:
        """By what factor an interval over so many seeds is wider, for what another choice could have made of it.

        The best of `among` trials that scatter as runs do is better than it should be by up to the root of
        2 ln(among); the bound on what that does to a difference was checked by simulation.
        """
        return sqrt(1 + (1 + log(self.among)) / 2 * runs / self.seeds)


class Outcome(_Facts):
    """One run."""

    variant: str
    """Name of its variant."""
    seed: int
    """The seed that it was trained with."""
    identity: str
    """Hash of what was trained; equal for identical runs."""
    size: str | None = None
    """See `Variant`."""
    text: str | None = None
    """See `Variant`."""
    state: OutcomeState
    """`waiting`: still to come. One that diverged came to no finite figure; it has not failed."""
    tuned: dict[str, Any] = {}
    """Knob path -> value that tuning chose for this run alone; empty where all runs of a variant share one choice."""
    metric: float | None = None
    """The study's metric after training; None unless done, and where a target was never reached."""
    secondary: dict[str, Figure] = {}
    """What it came to by the study's secondary metrics; empty unless done."""
    unmeasured: dict[str, str] = {}
    """Secondary metrics by which it could not be measured, and why."""
    stretches: list[tuple[int, float]] = []
    """(scored tokens, metric) of up to 50 consecutive stretches of the text that the metric is measured on. Weighted by
    the tokens, their mean is the metric; empty where it was not recorded."""
    curve: list[tuple[int, float]] = []
    """(step, metric) of the evaluations during training, in order."""
    seconds: float | None = None
    """Wall time."""
    attempts: int = 1
    """How often it was tried."""
    error: str | None = None
    """Why it failed, in one line: `timed out after 600 s`, `killed by signal 9`, `out of memory` ..."""
    output: str | None = None
    """The end of what a failed run wrote."""
    directory: str | None = None
    """Where it was trained, from the study's directory, if the study can see that disk."""

    @property
    def key(self) -> Key:
        return self.variant, self.size, self.text

    @property
    def title(self) -> str:
        """Of its variant: `position=rope at width 96 on wiki`."""
        return self.variant + at_setting(self.size, self.text)

    def by(self, name: str, metric: Metric) -> Outcome:
        """The same run as a secondary metric judges it: without a figure if it never reached the metric's target,
        diverged if it came to no finite figure, failed if it could not be measured."""
        blank: dict[str, Any] = {"metric": None, "stretches": [], "curve": [], "secondary": {}, "unmeasured": {}}
        found = self.secondary.get(name)
        if found is not None and self.state == "done":
            return self.model_copy(update={**blank, "metric": found.value, "stretches": found.stretches})
        if name in self.unmeasured:
            return self.model_copy(update={**blank, "state": "failed", "error": self.unmeasured[name]})
        if self.state != "done" or metric.amount is not None:
            return self.model_copy(update=blank)
        why = f"the trained model came to no finite figure by {name!r}"
        return self.model_copy(update={**blank, "state": "diverged", "error": why})


class Look(_Facts):
    """A point, declared beforehand, at which the results are looked at."""

    seeds: int
    """Seeds finished per variant by then."""
    alpha: float
    """Share of the error rate that is spent on it."""


class LookElsewhere(_Facts):
    """Verdicts that another study gave, on runs that it shares with this one, before this one gave its own."""

    study: str
    """Its name."""
    seeds: int
    """How many seeds of this study it had looked at."""
    variants: list[str]
    """This study's names of what it had looked at beside the baseline, with their settings where it has such."""
    changed: list[str] = []
    """What it asked otherwise: `metric: loss (valid), then accuracy (valid)`."""


class Results(_Facts):
    """A study and its results."""

    partwise_results: Literal[1] = 1
    """Version of the format."""
    study: str
    """Name of the study."""
    about: str = ""
    """What it asks."""
    metric: Metric
    """The primary one: the verdicts are about it."""
    secondary: dict[str, Metric] = {}
    """Name -> what else is measured."""
    sizes: list[str] = []
    """Labels of the ladder, from small to large; empty without one."""
    texts: list[str] = []
    """Names of the data sets; empty if there is one, the base's."""
    design: Design
    """Which combinations of levels were run."""
    resolution: int | None = None
    """Of a fractional design."""
    correction: Correction = "holm"
    """Over all comparisons: the chance that anything is found where nothing is (Holm), or the share of what is found
    that is expected to be false (Benjamini-Hochberg)."""
    baselines: list[str] = []
    """Names of further variants that all the others are compared with, in order."""
    baseline: str
    """Name of the base variant."""
    factors: dict[str, list[str]]
    """Factor -> labels of its levels, the baseline's first."""
    variants: list[Variant]
    """The baseline first; in a study with sizes or texts, at each of them."""
    seeds: list[int]
    """In the study's order: a look takes the first of them."""
    outcomes: list[Outcome]
    """One per variant, size, text and seed."""
    trials: list[Trial] = []
    """The runs of tuning."""
    halving: Halving | None = None
    """How trials were stopped that were behind; None: all were trained to their end."""
    tuned_knobs: dict[str, Drawn | None] = {}
    """Path of each knob that was tuned -> the range it was drawn from; None where its values were listed."""
    tokenizer_varies: bool = False
    """Whether variants differ in their tokenizer; if so, only bits per byte compares them."""
    looks: list[Look] = []
    """The declared looks, in order."""
    seen: list[int] = []
    """Numbers of seeds at which verdicts were given, without being declared, before more seeds were added."""
    revised: list[str] = []
    """What has changed in the question since verdicts were given: `smallest effect: 0.02, then 0.05`."""
    elsewhere: list[LookElsewhere] = []
    """Verdicts that other studies had given on these runs before this one gave its own."""
    alpha: float = 0.05
    """Chance of calling anything better or worse in a study where nothing is."""
    chosen_by: SharedChoice | None = Field(default=None, exclude=True)
    """How a metric's results without trials were tuned; see `shared_choice`."""
    provenance: dict[str, Any] = {}
    """`command`, `git` (revision, dirty diff), `environment`, `data` (hash), `started`, `finished` ..."""

    @model_validator(mode="before")
    @classmethod
    def _of_one_knob(cls, facts: Any) -> Any:
        """Results of version 1 may name one knob, and in each trial its value."""
        if not isinstance(facts, dict) or "tuned_knob" not in facts:
            return facts
        facts, knob = dict(facts), facts["tuned_knob"]
        del facts["tuned_knob"]
        if knob is None:
            return facts
        trials = [
            {**{key: of for key, of in one.items() if key != "value"}, "values": {knob: one["value"]}}
            if isinstance(one, dict) and "value" in one else one
            for one in facts.get("trials", [])
        ]  # fmt: skip
        return {**facts, "tuned_knobs": {knob: None}, "trials": trials}

    @property
    def digest(self) -> str:
        """Ten digits that change with anything that a report says of the runs, but not with when or where they ran, nor
        with what a later version of partwise could have said of them and does not."""
        facts = self.model_dump(
            mode="json", exclude_defaults=True, exclude={"provenance": True, "outcomes": {"__all__": {"directory"}}}
        )
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:10]

    def at(self, size: str | None = None, text: str | None = None, metric: str | None = None) -> Results:
        """What one size, one text and one metric by themselves have to say: an ordinary study's results.

        Args:
            size, text: their names; None where the study has none.
            metric: name of a secondary metric; None: the primary one.
        """
        of = self if metric is None else self.by(metric)
        return of.model_copy(
            update={
                "sizes": [],
                "texts": [],
                "secondary": {},
                "variants": [one for one in of.variants if (one.size, one.text) == (size, text)],
                "outcomes": [one for one in of.outcomes if (one.size, one.text) == (size, text)],
                "trials": [one for one in of.trials if (one.size, one.text) == (size, text)],
            }
        )

    def by(self, metric: str) -> Results:
        """The same study as one of its secondary metrics judges it. Trials are left out: another metric chose."""
        return self.model_copy(
            update={
                "metric": self.secondary[metric],
                "secondary": {},
                "variants": [one.by(metric) for one in self.variants],
                "outcomes": [one.by(metric, self.secondary[metric]) for one in self.outcomes],
                "trials": [],
                "chosen_by": self.shared_choice,
            }
        )

    @property
    def shared_choice(self) -> SharedChoice | None:
        """How the values that all runs of a variant share were chosen; None: none are tuned, or by each seed alone."""
        shared = [one for one in self.trials if one.chooses is None]
        if not shared:
            return self.chosen_by
        rivals = [one.values for one in shared if one.key == shared[0].key and one.seed == shared[0].seed]
        return SharedChoice(seeds=len({one.seed for one in shared}), among=len(rivals))

    @property
    def settings(self) -> list[tuple[str | None, str | None]]:
        """(size, text) of every place in which the study compares its variants; one, of Nones, without such."""
        sizes: list[str | None] = [*self.sizes] or [None]
        texts: list[str | None] = [*self.texts] or [None]
        return [(size, text) for size in sizes for text in texts]

    @property
    def slices(self) -> list[Results]:
        """What each setting has to say by the primary metric, in the order of `settings`."""
        return [self.at(*setting) for setting in self.settings]

    def against(self, key: Key) -> Key:
        """The baseline that a variant is compared with: the one at its size and on its text."""
        return self.baseline, *key[1:]

    def values(self, variant: str) -> dict[int, float]:
        """Seed -> metric, for the runs of the variant that are done; of a slice (`at`), in a study that has several."""
        return {
            outcome.seed: outcome.metric
            for outcome in self.of(variant)
            if outcome.state == "done" and outcome.metric is not None
        }

    def of(self, variant: str) -> list[Outcome]:
        """The runs of the variant, ordered by seed; of a slice (`at`), in a study that has several."""
        if len(self.settings) > 1:
            raise ValueError(f"{variant} has runs at {len(self.settings)} settings; ask one of them: results.at(...)")
        return sorted((o for o in self.outcomes if o.variant == variant), key=lambda outcome: outcome.seed)

    def save(self, path: Path) -> None:
        """Writes the file, whole or not at all.

        Raises:
            WorkError: it cannot be written.
        """
        write_json(path, self.model_dump(mode="json"))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what `save` wrote.

        Raises:
            InputError, WorkError: there is no such file, or it does not hold results.
        """
        facts = read_json(path)
        version = facts.get("partwise_results") if isinstance(facts, dict) else None
        if isinstance(version, int) and version > VERSION:
            raise WorkError(
                f"{path} holds results of version {version}, and this partwise reads version {VERSION}; update partwise"
            )
        try:
            return cls.model_validate(facts)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            reason = f"{where}: {first['msg']}" if where else first["msg"]
            raise WorkError(f"{path} holds no results of a study, or is damaged: {reason}") from error


__all__ = [
    "Correction",
    "Design",
    "Drawn",
    "Figure",
    "Goal",
    "Halving",
    "Key",
    "Look",
    "LookElsewhere",
    "Metric",
    "Outcome",
    "OutcomeState",
    "Results",
    "SharedChoice",
    "Trial",
    "TrialState",
    "Variant",
    "at_setting",
    "measured_by",
]
