"""A public family: its recipe, and how the settings and tensors of a checkpoint become ours. One JSON file each."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from partwise.errors import InputError
from partwise.recipe.shipped import own_directory

from .config_map import ConfigMap
from .weight_map import WeightEntry, WeightMap

SUFFIX = ".weights.json"


class Family(BaseModel):
    """What `recipes/families/NAME.weights.json` holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    partwise_weights: Literal[1]
    about: str
    model_type: str
    """The `model_type` in config.json."""
    architecture: str
    """The class of transformers."""
    prefix: str = ""
    """What the names of all tensors but the head begin with; checkpoints without the head leave it out."""
    recipe: str
    """Name of the recipe that the settings are applied to."""
    tokenizer: dict[str, Any] | None = None
    """The part that reads the checkpoint's tokenizer; null: such checkpoints cannot be imported as a run yet."""
    config: ConfigMap | None = None
    """null: only the tensors are mapped."""
    tensors: list[WeightEntry]
    ignore: list[str] = []

    @property
    def weights(self) -> WeightMap:
        return WeightMap(self.tensors, self.ignore)


@cache
def families() -> dict[str, Family]:
    """Every family by the name of its file."""
    directory = own_directory() / "families"
    return {
        path.name.removesuffix(SUFFIX): Family.model_validate(json.loads(path.read_text(encoding="utf-8")))
        for path in sorted(directory.glob(f"*{SUFFIX}"))
    }


def family_of(model_type: str) -> Family:
    """The family of checkpoints whose config.json has this `model_type`.

    Raises:
        InputError: there is none, or only its tensors are mapped.
    """
    for family in families().values():
        if family.model_type == model_type and family.config is not None:
            return family
    raise InputError(f"checkpoints of model_type {model_type!r} cannot be imported; those that can be are {known()}")


def known() -> str:
    """The families that can be imported and exported, for messages."""
    return ", ".join(name for name, family in families().items() if family.config is not None)
