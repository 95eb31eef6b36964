"""`Study`: the file that people write, validated like a recipe.

Only the base recipe decides what a value means (a part, a number, a patch); `designs` and `variants` find out.
"""

from __future__ import annotations

from math import prod
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt

from partwise.documented import Documented
from partwise.metric_names import judged
from partwise.parts.slot import use
from partwise.recipe.recipe import Name, Version
from partwise.recipe.suggestions import did_you_mean
from partwise.studies import results
from partwise.studies.execution.engine import EngineSlot

MOST_SEEDS = 10_000
"""More than any comparison needs; the runs of more could not be listed in good time."""
_NAMED = Field(json_schema_extra={"propertyNames": {"minLength": 1}})
Text = Annotated[str, Field(min_length=1)]


class _Choices(Documented):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)


class Factor(_Choices):
    """One thing that the study varies."""

    at: str | tuple[str, ...] | None = None
    """Where: `model.position`, `model.blocks.*.norm`, or several such paths; null: each value is a patch."""
    values: tuple[Any, ...] | dict[str, Any] = ()
    """What is put there: parts, numbers, merge patches; as an array, or as an object that gives each a label."""
    baseline: Any = None
    """The value of the base variant; if it is not given, what the base recipe has."""
    off: Any = None
    """What is put there when the factor is left out; for the design leave_one_out."""


OF_A_SPLIT = ("bits_per_byte", "loss", "perplexity", "accuracy")
"""The metrics that are measured on a split."""
TO_A_TARGET = ("steps_to", "tokens_to", "seconds_to")
"""The metrics that say how much training it took to a target."""


def _a_metric(value: str) -> str:
    if value in (*OF_A_SPLIT, *TO_A_TARGET) or judged(value):
        return value
    known = f"{', '.join([*OF_A_SPLIT, *TO_A_TARGET])}, or a figure of one of the recipe's evaluations, NAME.FIGURE"
    raise ValueError(f"unknown metric {value!r}{did_you_mean(value, [*OF_A_SPLIT, *TO_A_TARGET])}; there are {known}")


MetricName = Annotated[
    str,
    Field(json_schema_extra={"anyOf": [{"enum": [*OF_A_SPLIT, *TO_A_TARGET]}, {"pattern": r"^.*\..*$"}]}),
    AfterValidator(_a_metric),
]


class MetricChoice(_Choices):
    """What is compared."""

    name: MetricName = "loss"
    """bits_per_byte is the only one of these that compares tokenizers; loss is in nats per token; accuracy is the share
    of tokens to which the model gives the highest probability. Or a figure of one of the recipe's evaluations, as
    NAME.FIGURE: "cloze.accuracy". Or how much training it took to a `target`: steps_to, tokens_to, seconds_to."""
    target: PositiveFloat | None = None
    """Of steps_to, tokens_to and seconds_to: the value on the valid split that is to be reached while training. A run
    that never reaches it counts as later than any that does."""
    of: Literal["loss", "bits_per_byte"] = "loss"
    """What the target is a value of."""
    split: Literal["train", "valid", "test"] = "valid"
    """The split it is measured on."""
    goal: Literal["min", "max"] | None = None
    """Whether less or more is better; null: more for accuracy, less for the others, as it says for an evaluation's."""
    smallest_effect: PositiveFloat | None = None
    """Smallest difference that matters, in the unit of the metric. Without it nothing can be called equivalent."""
    spread: PositiveFloat | None = None
    """Expected standard deviation between seeds, used for planning until there are runs."""
    context: PositiveInt | None = None
    """Length of the sequences it is measured on, in tokens; null: the model's own context."""
    batches: PositiveInt | None = None
    """Batches it is measured on, spread over the split; null: the whole split."""
    member: str | None = None
    """The member that it is measured on, if the data are a mixture; null: all of them together."""

    @property
    def of_evaluation(self) -> str | None:
        """The name of the evaluation that gives it; None if it is measured on a split."""
        return self.name.partition(".")[0] if judged(self.name) else None

    def asked(self) -> results.Metric:
        """The metric as runs and results record it. The goal of an evaluation's figure is filled in by `load_study`."""
        goal = self.goal or ("max" if self.name == "accuracy" else "min")
        of = self.of if self.name in TO_A_TARGET else None
        return results.Metric(**{**self.model_dump(exclude={"spread"}), "goal": goal, "of": of})


class Rates(_Choices):
    """A rule by which a knob, usually the learning rate, follows the size."""

    at: Text = "trainer.optimizer.lr"
    """Path of the knob."""
    power: float
    """The knob is the base recipe's own, times (parameters / the base recipe's parameters) to this power: -0.33."""


class Sizes(_Choices):
    """A ladder of sizes: everything is compared at each of them, and whether the difference lasts is the verdict."""

    at: str | tuple[str, ...] | None = None
    """What grows: `model.width`, or several paths that take the same value; null: each value is a patch."""
    values: Annotated[tuple[Any, ...], Field(min_length=2)] | Annotated[dict[str, Any], Field(min_length=2), _NAMED]
    """From small to large; as an array, or as an object that gives each a label."""
    tokens_per_parameter: PositiveFloat | None = None
    """The steps of every size follow from this, by the base variant's parameters; null: the recipe's own steps."""
    flops: Annotated[tuple[PositiveFloat, ...], Field(min_length=2)] | None = None
    """Instead, the training FLOPs of the base variant at each size, from which the steps follow."""
    rates: Rates | None = None
    """How the learning rate follows the size; null: it does not, unless the recipe's parametrisation or the study's
    `tune` sees to it."""


class Matching(_Choices):
    """A budget that every variant is brought to: the base's."""

    quantity: Literal["parameters", "flops", "tokens", "training_flops", "seconds"]
    """Weights, forward FLOPs per token, tokens trained on, FLOPs of the whole training, or seconds of wall time, which
    are measured on this machine by a few updates of each variant."""
    knob: Text
    """Path of the number that is solved for: `model.blocks.*.feedforward.ratio`."""
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """Largest difference that is allowed, as a share of the base's budget."""


class Range(_Choices):
    """Numbers between two ends, of which some are drawn at random."""

    low: float
    """The smallest."""
    high: float
    """The largest."""
    log: bool = False
    """Whether every factor of ten gets as many draws as the next, as suits a learning rate."""
    whole: bool = False
    """Whether only whole numbers are drawn."""


Listed = Annotated[tuple[Any, ...], Field(min_length=2)]
MOST_TRIALS = 1_000
"""Of each variant. More than anyone's search needs; the trials of more could not be listed in good time."""


class Halving(_Choices):
    """That trials begin with little training, and after each rung only the better share of them goes on."""

    rungs: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1, max_length=10)] = (0.1, 0.3)
    """Shares of a trial's updates at which trials are compared, rising. Schedules stay those of the whole training."""
    keep: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of the combinations that goes on from each rung, rounded; at least one does."""


class Tuning(_Choices):
    """Knobs whose best values are found for each variant separately, the base included, on the valid split.

    Either one knob (`at`, `values`), or several (`knobs`). Every variant has the same trials, and in each of its runs
    the values that trials with another seed have chosen for this run alone.
    """

    at: Text | None = None
    """Path of the knob, if it is one: `trainer.optimizer.lr`."""
    values: Listed | None = None
    """The values of the one knob."""
    knobs: Annotated[dict[str, Listed | Range], _NAMED] = {}
    """Path of each knob -> its values as an array, or the range they are drawn from, {"low": 1e-4, "high": 1e-2, "log":
    true}."""
    draws: Annotated[int, Field(ge=2, le=MOST_TRIALS)] | None = None
    """How many combinations are drawn at random; null: all combinations of the listed values are tried."""
    draws_seed: NonNegativeInt = 0
    """What the draws follow from. The first draws stay the same when more are asked for."""
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] | None = None
    """null: each seed of the study has trials of its own, so that chance choices are part of what seeds scatter. A list
    of other seeds: all runs of a variant share one choice, by the mean over these; intervals are widened for it."""

    halving: Halving | None = None
    """null: every trial is trained to its end. An object, {} at its shortest: those that are behind are stopped."""

    @property
    def by_path(self) -> dict[str, tuple[Any, ...] | Range]:
        """The knobs, however they were written: path -> what is tried."""
        return {self.at: self.values} if self.at is not None and self.values is not None else dict(self.knobs)

    @property
    def combinations(self) -> int | None:
        """How many there are to choose from; None where a range has no end of them."""
        listed = [of for of in self.by_path.values() if not isinstance(of, Range)]
        return prod(map(len, listed)) if len(listed) == len(self.by_path) else None

    def trials(self, seeds: int) -> int:
        """Of each variant, in a study of so many seeds."""
        return (self.draws or self.combinations or 0) * (seeds if self.seeds is None else len(self.seeds))

    def recorded(self) -> dict[str, results.Drawn | None]:
        """The knobs as results record them."""
        return {
            path: results.Drawn(**of.model_dump()) if isinstance(of, Range) else None
            for path, of in self.by_path.items()
        }


class DeclaredLook(_Choices):
    """A point, declared beforehand, at which the results may be looked at and the study may end."""

    seeds: PositiveInt
    """Seeds that every variant has finished by then."""
    alpha: Annotated[float, Field(gt=0, lt=1)]
    """Share of the error rate that is spent on it."""


class Study(_Choices):
    """A study: one JSON file that says which recipe is varied, how, on how many seeds, and what is compared."""

    partwise: Version
    """Version of the format."""
    name: Name
    """Short name; the study is stored under it. Letters, digits, ".", "_" and "-"."""
    about: str = ""
    """What the study asks, for its readers."""
    base: Text | dict[str, Any]
    """The recipe that is varied: a name, a file relative to this one, or a recipe (which may extend one)."""
    factors: Annotated[dict[str, Factor], _NAMED] = {}
    """What is varied: name -> factor."""
    variants: Annotated[dict[str, dict[str, Any]], _NAMED] = {}
    """For the design list: name -> merge patch of the base."""
    design: results.Design = "one_at_a_time"
    """Which combinations are run: one factor changed, one left out, all combinations, the listed variants, or a
    fraction of all combinations of two values each."""
    resolution: Literal[3, 4, 5] = 4
    """Of the design fractional: with 3 a main effect may be that of two other factors together, with 4 only
    interactions of two factors may be each other's, with 5 these are told apart, too. The higher, the more runs."""
    baselines: Annotated[tuple[Text, ...], Field(min_length=1)] | Literal["all"] | None = None
    """Further variants that all others are compared with, by name; "all" for every pair of variants. All of these
    comparisons share the error rate."""
    correction: results.Correction = "holm"
    """Over all comparisons: holm keeps the chance of calling anything different where nothing is; fdr, for screening
    many, the share of what is called different that is not (Benjamini-Hochberg)."""
    seeds: (
        Annotated[PositiveInt, Field(le=MOST_SEEDS)]
        | Annotated[tuple[NonNegativeInt, ...], Field(min_length=1, max_length=MOST_SEEDS)]
    ) = 5
    """How many seeds (0, 1, 2 ...), or a list of them."""
    metric: MetricChoice = MetricChoice()
    """What is compared: the verdicts are about it."""
    secondary: Annotated[dict[str, MetricChoice], _NAMED] = {}
    """What else is measured: name -> metric. Each is a family of tests of its own, after the primary one."""
    sizes: Sizes | None = None
    """A ladder of sizes."""
    texts: Annotated[dict[str, dict[str, Any]], _NAMED] = {}
    """Several data sets: name -> merge patch of the base, usually of its data."""
    foreign: Text | None = None
    """A CSV file, relative to this one, of runs that were trained elsewhere, of variants of their own."""
    match: Matching | None = None
    """A budget that all variants share."""
    tune: Tuning | None = None
    """Knobs that are tuned for every variant."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Chance of calling anything better or worse in a study where nothing is."""
    looks: tuple[DeclaredLook, ...] = ()
    """Declared looks, in order; their alphas add up to at most `alpha`."""
    run: EngineSlot = use("local")
    """The engine that does the runs."""

    @property
    def metrics(self) -> dict[tuple[str, ...], MetricChoice]:
        """All that is measured, by its place in the file; the primary first."""
        return {("metric",): self.metric, **{("secondary", name): one for name, one in self.secondary.items()}}

    @property
    def every_seed(self) -> tuple[int, ...]:
        """The seeds, listed."""
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds
