"""A public family: its recipe, and how the settings and tensors of a checkpoint become ours. One JSON file each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, PrivateAttr, StrictStr

from partwise.errors import InputError, RecipeError
from partwise.recipe import LoadedRecipe, Node, Problem, RejectedError, find, override_all, read, validate
from partwise.recipe.load import extended, validated
from partwise.recipe.paths import values_at
from partwise.recipe.recipe import Recipe, Version
from partwise.recipe.schema import DIALECT

from .config_map import ConfigMap, flattened, is_like, same, shown
from .layer_lists import with_layer_lists
from .map_file import MARK
from .weight_entry import Constant, TheirPattern, WeightEntry
from .weight_map import WeightMap

SETS = "config.json sets "
"""What messages call the changes that settings make to a recipe."""


class Family(BaseModel):
    """What `recipes/families/NAME.weights.json` holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    partwise_weights: Version
    about: StrictStr
    model_type: StrictStr
    """The `model_type` in config.json."""
    when: dict[StrictStr, Any] = {}
    """Keys of config.json, with dots, and their values in the checkpoints that this map is for, where several maps
    have one `model_type`: the first that fits is taken. A key that is left out has no value, null."""
    architecture: StrictStr
    """The class of transformers."""
    prefix: StrictStr = ""
    """What the names of all tensors but the head begin with; checkpoints without the head leave it out."""
    recipe: StrictStr
    """Name of the recipe that the settings are applied to, or its file, relative to the map's."""
    tokenizer: dict[str, Any] | None = None
    """The part that reads the checkpoint's tokenizer; null: such checkpoints cannot be imported as a run yet."""
    config: ConfigMap | None = None
    """null: only the tensors are mapped."""
    tensors: tuple[WeightEntry, ...]
    ignore: tuple[TheirPattern, ...] = ()
    """Their tensors that hold nothing new: masks, tables of positions."""
    constants: tuple[Constant, ...] = ()
    """Their tensors that hold nothing if they hold one value; where they do not, the checkpoint is refused."""
    copies: dict[TheirPattern, TheirPattern] = {}
    """Their tensors that hold nothing new if they are equal to another of theirs, as tied embeddings are; where they
    are not, the checkpoint is refused. Those that an entry takes are no copies."""
    _file: Path | None = PrivateAttr(None)

    @property
    def weights(self) -> WeightMap:
        return WeightMap(self.tensors, self.ignore, self.constants, self.place, self.copies)

    @property
    def file(self) -> Path | None:
        """The file it was read from."""
        return self._file

    @property
    def place(self) -> str:
        """The name of its file, for messages."""
        return self._file.name if self._file is not None else f"the map of {self.model_type}"

    def is_for(self, config: Mapping[str, Any]) -> bool:
        """Whether a config.json has what `when` asks."""
        flat = flattened(config)
        return all(same(flat.get(key), value) for key, value in self.when.items())

    def recipe_for(self, config: Mapping[str, Any], changes: Sequence[str] = ()) -> LoadedRecipe:
        """The family's recipe with the settings of a config.json, and with more changes.

        Raises:
            InputError: a setting is not in the map, or has a value that it does not know or the recipe cannot have.
        """
        assert self.config is not None
        try:
            return self._recipe_for(self.config, config, changes)
        except RecipeError:
            raise
        except InputError as error:
            raise InputError(f"{error}\nThe map is {self.place}.") from error

    def _recipe_for(self, config_map: ConfigMap, config: Mapping[str, Any], changes: Sequence[str]) -> LoadedRecipe:
        told = config_map.changes(config)
        overrides = [*changes, *config_map.overrides(config)]
        try:
            loaded = self.changed_recipe(overrides)
        except RecipeError as error:
            _refuse_null(told, error)
            raise
        resolved = loaded.recipe.resolved()
        for path, value, key in told:
            found = [one for one in values_at(resolved, path) if not is_like(one, value)]
            if key is not None and found:  # null takes out a knob that cannot be null, which leaves its default
                why = ", which cannot be null" if value is None else ", which something else in the map sets, too"
                raise InputError(f"config.json: {key} is {shown(value)}, but {path} stays {shown(found[0])}{why}")
        if not config_map.layers:
            return loaded
        by_layer = with_layer_lists(config_map, config, loaded, lambda more: self.changed_recipe([*overrides, *more]))
        return self.changed_recipe([*overrides, *by_layer])

    def changed_recipe(self, changes: Sequence[str] = ()) -> LoadedRecipe:
        """The family's recipe with changes.

        Raises:
            RecipeError: there is none, or the changed one does not hold.
        """
        directory = self._file.absolute().parent if self._file is not None else Path.cwd()
        path = find(self.recipe, directory)
        directory = path.absolute().parent
        node = override_all(extended(read(path), path, directory), changes, Recipe, SETS)
        return validated(node, path, directory, changes)


def _refuse_null(told: Sequence[tuple[str, Any, str | None]], error: RecipeError) -> None:
    """
    Raises:
        InputError: the recipe does not hold because a key is null whose knob must have a value.
    """
    problems = error.problems if isinstance(error, RejectedError) else ()
    missing = {".".join(map(str, problem.path)) for problem in problems if problem.path}
    for path, value, key in told:
        if key is not None and value is None and path in missing:
            raise InputError(f"config.json: {key} is null, but {path} cannot be null") from error


def read_map(path: Path) -> tuple[Family, Node]:
    """The map in a file, and where everything in it is written.

    Raises:
        RecipeError: everything that is wrong with it by itself.
    """
    node = read(path)
    if not isinstance(node.value, dict):
        raise RejectedError([Problem(f'a weight map is an object: {{"{MARK}": 1, "about": ...}}', node.mark)])
    family = validate(Family, node)
    family._file = path
    return family, node


def map_schema() -> dict[str, Any]:
    """The JSON Schema of weight maps."""
    schema = {"$schema": DIALECT, **Family.model_json_schema(), "title": "A weight map of partwise"}
    schema["properties"]["$schema"] = {"type": "string", "description": "Where editors find this schema."}
    return schema
