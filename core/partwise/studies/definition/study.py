"""`Study`: the file that people write, validated as recipes are.

What a value means (a part, a number, a patch) only the base recipe can tell; `designs` and `variants` find out.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt

from partwise.parts.slot import use
from partwise.recipe.recipe import Name, Version
from partwise.studies import results
from partwise.studies.execution.engine import EngineSlot

_NAMED = Field(json_schema_extra={"propertyNames": {"minLength": 1}})
Text = Annotated[str, Field(min_length=1)]
Design = Literal["one_at_a_time", "leave_one_out", "grid", "list"]


class _Choices(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, validate_default=True, use_attribute_docstrings=True
    )


class Factor(_Choices):
    """One thing that the study varies."""

    at: str | tuple[str, ...] | None = None
    """Where: `model.position`, `model.blocks.*.norm`, or several such places; null: each value is a patch."""
    values: tuple[Any, ...] | dict[str, Any] = ()
    """What stands there: parts, numbers, merge patches; as an array, or as an object that gives each a label."""
    baseline: Any = None
    """The value of the base variant; if it is not written, what the base recipe has."""
    off: Any = None
    """What stands there when the factor is left out; for the design leave_one_out."""


class MetricChoice(_Choices):
    """What is compared."""

    name: Literal["bits_per_byte", "loss", "perplexity", "accuracy"] = "loss"
    """bits_per_byte is the one figure that compares tokenizers; loss is in nats per token; accuracy is the share of
    tokens that the model holds most likely."""
    split: Literal["train", "valid", "test"] = "valid"
    """The texts it is measured on."""
    goal: Literal["min", "max"] | None = None
    """Whether less is better, or more; null: more of accuracy, less of the others."""
    smallest_effect: PositiveFloat | None = None
    """Smallest difference that matters, in the metric's unit. Without it nothing can be called equivalent."""
    spread: PositiveFloat | None = None
    """Standard deviation between seeds that is expected, to plan with until there are runs."""
    context: PositiveInt | None = None
    """Length of the sequences it is measured on, in tokens; null: the model's own context."""
    batches: PositiveInt | None = None
    """Batches it is measured on, spread over the split; null: the whole split."""

    def asked(self) -> results.Metric:
        """As runs and results know it."""
        goal = self.goal or ("max" if self.name == "accuracy" else "min")
        return results.Metric(**{**self.model_dump(exclude={"spread"}), "goal": goal})


class Matching(_Choices):
    """A budget that every variant is brought to: that of the base."""

    quantity: Literal["parameters", "flops", "tokens"]
    """Weights, forward FLOPs per token, or tokens trained on."""
    knob: Text
    """Path of the number that is solved for: `model.blocks.*.feedforward.ratio`."""
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """Largest difference that is allowed, as a share of the base's."""


class Tuning(_Choices):
    """A knob whose best value is searched for each variant by itself, the base included, on the valid split."""

    at: Text
    """Path of the knob: `trainer.optimizer.lr`."""
    values: Annotated[tuple[Any, ...], Field(min_length=2)]
    """What is tried, for every variant alike."""
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] = (1000,)
    """Seeds of the trials; none may be one of the study's."""


class DeclaredLook(_Choices):
    """A moment, declared beforehand, at which the results may be looked at and the study be ended."""

    seeds: PositiveInt
    """Seeds that every variant has finished by then."""
    alpha: Annotated[float, Field(gt=0, lt=1)]
    """Share of the error rate that is spent on it."""


class Study(_Choices):
    """A study: one JSON file that says which recipe is varied, in what, how often, and what is compared."""

    partwise: Version
    """Version of the format."""
    name: Name
    """Short name; the study is filed under it. Letters, digits, ".", "_" and "-"."""
    about: str = ""
    """What the study asks, for people."""
    base: Text | dict[str, Any]
    """The recipe that is varied: a name, a file relative to this one, or a recipe (which may extend one)."""
    factors: Annotated[dict[str, Factor], _NAMED] = {}
    """What is varied, by name."""
    variants: Annotated[dict[str, dict[str, Any]], _NAMED] = {}
    """For the design list: merge patches of the base, by name."""
    design: Design = "one_at_a_time"
    """Which combinations are run: one factor changed; one left out; all combinations; or the listed variants."""
    seeds: PositiveInt | Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] = 5
    """How many (0, 1, 2 ...), or which."""
    metric: MetricChoice = MetricChoice()
    """What is compared."""
    match: Matching | None = None
    """A budget that all variants share."""
    tune: Tuning | None = None
    """A knob that is tuned for every variant."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Chance of calling anything better or worse in a study in which nothing is."""
    looks: tuple[DeclaredLook, ...] = ()
    """Declared looks, in order; their alphas add up to at most `alpha`."""
    run: EngineSlot = use("local")
    """What runs the runs."""

    @property
    def every_seed(self) -> tuple[int, ...]:
        """The seeds, one by one."""
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds
