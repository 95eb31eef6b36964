"""What a weight map can say of the keys of a config.json: knobs, choices, lists with a value per layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from annotated_types import Ge, MinLen
from pydantic import AfterValidator, BaseModel, ConfigDict, StrictInt, StrictStr, field_validator, model_validator

from .arithmetic import keys_in, refuse_unsolvable


def _a_name(value: str) -> str:
    if not all(segment.strip() == segment != "" for segment in value.split(".")):
        raise ValueError(f"expected names with dots between, got {value!r}")
    return value


def _an_expression(value: str | int) -> str | int:
    if isinstance(value, str):
        keys_in(value)
    elif value < 1:
        raise ValueError(f"expected 1 or more, got {value}")
    return value


Key = Annotated[StrictStr, AfterValidator(_a_name)]
"""A key of config.json: `hidden_size`, `rope_scaling.factor`."""
Place = Annotated[StrictStr, AfterValidator(_a_name)]
"""A path of the recipe: `model.blocks.*.mixer.heads`."""


class Setting(BaseModel):
    """One setting that is a knob of the recipe."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Key
    at: tuple[Place, ...]
    """Paths of the knobs that have its value; none for a setting that only others are computed from."""
    default: Any = None
    """Its value where config.json leaves it out: a value (null, too), or {"computed": "4 * n_embd"}, from other keys.
    A setting without a default must be in config.json. Where config.json says null, the knobs become null, or what is
    computed."""
    computed: dict[Place, StrictStr] = {}
    """Knobs that are computed from it, and from other keys: {"model.logit_factor": "hidden_size ** -0.5"}. Where `at`
    is empty, the first of them gives its value back."""
    rows: StrictStr | None = None
    """Our tensor (`{i}` in its name is a layer) whose rows are the value where the knob is null."""
    replaces: tuple[StrictStr, ...] = ()
    """Knobs beside it that no longer matter once it has a value: `ratio`."""

    @field_validator("default")
    @classmethod
    def _is_a_value_or_computed(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            if set(value) != {"computed"} or not isinstance(value["computed"], str):
                raise ValueError('expected a value, or {"computed": "4 * n_embd"}')
            keys_in(value["computed"])
        return value

    @model_validator(mode="after")
    def _can_be_computed(self) -> Self:
        for expression in self.computed.values():
            keys_in(expression)
        if self.computed and not self.at:
            refuse_unsolvable(next(iter(self.computed.values())), self.key)
        return self

    @property
    def places(self) -> tuple[str, ...]:
        """Paths of all knobs that it decides."""
        return (*self.at, *self.computed)

    @property
    def expression(self) -> str | None:
        """What the default is computed from."""
        return self.default["computed"] if isinstance(self.default, Mapping) else None

    @property
    def has_default(self) -> bool:
        """Whether config.json may leave it out."""
        return "default" in self.model_fields_set


class Case(BaseModel):
    """One way to decide a choice: config.json has `when`, and the recipe has `set`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    when: dict[Key, Any]
    set: dict[Place, Any]
    settings: tuple[Setting, ...] = ()


class LayerCase(BaseModel):
    """What a layer has whose value in the list is `value`; paths begin at the layer: `mixer.window`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: Any
    set: dict[Place, Any] = {}
    settings: tuple[Setting, ...] = ()


class Every(BaseModel):
    """Layer `every`, twice `every` and so on (counted from 1) have `last`; those between them have `others`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    every: Annotated[StrictInt | StrictStr, AfterValidator(_an_expression)]
    """A number, or what it is computed from: `no_rope_layer_interval`."""
    last: Any
    others: Any


class First(BaseModel):
    """As many layers as the setting says have `first`, those after them `others`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: Any
    others: Any
    default: Annotated[StrictInt, Ge(0)] | None = None
    """How many where config.json does not say; null: it must be there."""


class LayerList(BaseModel):
    """A setting with one value for each layer, `layer_types`; or one that says how many of the first have one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Key
    cases: Annotated[tuple[LayerCase, ...], MinLen(1)]
    blocks: Place = "model.blocks"
    """The pattern of layers in the recipe."""
    depth: Place = "model.depth"
    """The number of layers in the recipe."""
    counts: First | None = None
    """For a setting that is a number of layers, not a list: `first_k_dense_replace`."""
    default: tuple[Any, ...] | Every | None = None
    """The list where config.json has none, or null: repeated until there are as many as layers. null: it must be there.
    """


__all__ = ["Case", "Every", "First", "Key", "LayerCase", "LayerList", "Place", "Setting"]
