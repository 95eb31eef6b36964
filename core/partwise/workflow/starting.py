"""What a training begins with: weights that are drawn, or those of another run; and which of them learn."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from partwise import assembly
from partwise.data.protocols import Tokenizer
from partwise.errors import InputError, PartError, PartwiseError
from partwise.modules.adapting import merge_adapters
from partwise.modules.protocols import Model
from partwise.parts.part import parts_within
from partwise.recipe import Difference, LoadedRecipe, differences, load
from partwise.runs.run import Run
from partwise.runs.taking import Taken, weights_to_take
from partwise.runs.weights import fill_model, model_tensors
from partwise.storage.safetensors import StoredTensors
from partwise.wording import some_of

from .placing import at
from .sites import model_site, restored

if TYPE_CHECKING:
    from torch import Tensor

Say = Callable[[str], None]
OBJECTIVE = "objective."
"""Modules that an objective holds learn anew where the start has none like them, and are left behind where it has."""


@dataclass(frozen=True)
class Beginning:
    """The run that a recipe starts from."""

    taken: Taken | None
    """Its weights; None if they are needed no more, and not there: the training has gone on from them."""
    recipe: LoadedRecipe
    """Of the run; of this training, if the run is not there."""
    tokenizer: Tokenizer


def beginning(loaded: LoadedRecipe, directory: Path | None = None) -> Beginning | None:
    """What a recipe starts from; None if it has no start. Reads no weights.

    Args:
        directory: of the run that is trained, which may have gone on from the weights already.

    Raises:
        RecipeError: there is no such run, it has other weights, or another tokenizer than the recipe says.
    """
    recipe = loaded.recipe
    if recipe.start is None:
        return None
    with at(loaded, "start"):
        try:
            taken = weights_to_take(loaded.start_directory(), recipe.start.weights)
            _refuse_others(taken, loaded, directory)
        except PartwiseError as error:
            if (tokenizer := _gone_on(loaded, directory)) is not None:
                return Beginning(None, loaded, tokenizer)
            raise error if isinstance(error, PartError) else PartError(str(error), ("run",)) from error
    theirs = load(taken.run.recipe)
    found = Beginning(taken, theirs, restored(theirs.recipe.tokenizer, taken.run.tokenizer))
    with at(loaded, "tokenizer"):
        _refuse_other_tokenizer(loaded, found)
    return found


def _gone_on(loaded: LoadedRecipe, directory: Path | None) -> Tokenizer | None:
    """The tokenizer of the run in `directory`, if its training has gone on from the weights of the recipe's start."""
    try:
        run = Run.open(directory or Path())
        start = run.recipe.get("start") or {}
        if run.step and loaded.recipe.start is not None and start.get("sha256") == loaded.recipe.start.sha256:
            return restored(loaded.recipe.tokenizer, run.tokenizer)
    except PartwiseError:
        pass
    return None


def _refuse_others(taken: Taken, loaded: LoadedRecipe, directory: Path | None) -> None:
    """
    Raises:
        PartError: the weights are not those that the recipe says, or are in the very run that is to be trained.
    """
    start = loaded.recipe.start
    assert start is not None, "it has a start"
    if directory is not None and directory.resolve() == taken.run.directory.resolve():
        raise PartError(
            f"{taken.run.directory} is the run that this training would write, and no run can start from itself; train "
            "into another directory (--out), or go on from it with `partwise train RUN --steps N`",
            ("run",),
        )
    if taken.sha256 != start.sha256:
        raise PartError(
            f"{taken.file} has other weights than this recipe starts from: its SHA-256 is {taken.sha256[:12]}..., and "
            f"that of the recipe {str(start.sha256)[:12]}...; name the run that they are in now (--start DIR), or "
            "leave sha256 out",
            ("sha256",),
        )


def _refuse_other_tokenizer(loaded: LoadedRecipe, found: Beginning) -> None:
    """
    Raises:
        PartError: the recipe says another tokenizer than that of its start.
    """
    others = [one for one in differences(found.recipe, loaded) if one.path[0] == "tokenizer"]
    if others:
        raise PartError(
            f"the weights that this recipe starts from are for their own tokenizer, and this is another "
            f"({', '.join(map(str, others[:3]))}): leave `tokenizer` out, and it is the start's"
        )


def refuse_other_model(loaded: LoadedRecipe, model: Model, start: Beginning) -> None:
    """Makes sure that the start's weights are whole, and those of such a model.

    Args:
        model: without memory, and without adapters.

    Raises:
        RecipeError: modules or parts differ; the message names the first.
    """
    if start.taken is None:
        return
    with at(loaded, "start"):
        try:
            start.taken.verify()
        except PartwiseError as error:
            raise PartError(str(error), ("run",)) from error
    ours, theirs = model_tensors(cast(nn.Module, model)), model_tensors(cast(nn.Module, _skeleton(start)))
    wrong = [told for name in {**ours, **theirs} if (told := _difference(name, ours.get(name), theirs.get(name)))]
    others = _other_parts(start.recipe, loaded)
    if wrong or others:
        place = start.taken.run.directory
        told = f"their {some_of(wrong)}" if wrong else "a part is another"
        recipes = [str(one) for one in differences(start.recipe, loaded) if one.path[0] == "model"]
        how = f"\nthe recipes differ in {some_of(recipes)}" if recipes else ""
        with at(loaded, "start"):
            raise PartError(f"the weights of {place} do not fit this recipe's model: {told}{how}", ("run",))


def _difference(name: str, ours: Tensor | None, theirs: Tensor | None) -> str | None:
    if ours is None or theirs is None:
        if name.startswith(OBJECTIVE):
            return None
        return f"{name} is missing there" if theirs is None else f"{name} is missing here"
    if ours.shape == theirs.shape:
        return None
    shapes = ["x".join(map(str, one.shape)) for one in (theirs, ours)]
    return f"{name} is {shapes[0]} there and {shapes[1]} here"


def _other_parts(theirs: LoadedRecipe, ours: LoadedRecipe) -> list[Difference]:
    """Where another part stands in the model, with weights of the same shapes or none."""
    kinds = {path: part.kind for path, part in parts_within(ours.recipe)}
    return [one for one in _of_model(theirs, ours) if _names_a_part(one) and kinds.get(one.path) != "initializer"]


def _names_a_part(one: Difference) -> bool:
    return all(isinstance(side, dict) and "use" in side for side in (one.left, one.right))


def _of_model(theirs: LoadedRecipe, ours: LoadedRecipe) -> Iterator[Difference]:
    return (one for one in differences(theirs, ours) if one.path[0] == "model")


def _skeleton(start: Beginning) -> Model:
    return assembly.skeleton(start.recipe.recipe.model, model_site(start.recipe, start.tokenizer))


def tell(loaded: LoadedRecipe, start: Beginning, say: Say) -> None:
    """Says what is taken, and what of the model is otherwise there."""
    if start.taken is None:
        return
    after = "" if start.taken.step is None else f" after update {start.taken.step:,}"
    say(f"starting from the weights of {start.taken.run.directory}{after}, with its tokenizer")
    if others := [str(one) for one in _of_model(start.recipe, loaded)]:
        say(f"note: the model differs from the start's in {some_of(others)}")


def begin(model: Model, loaded: LoadedRecipe, start: Beginning | None, device: torch.device) -> None:
    """Gives a skeleton memory on a device, its first weights, and its adapters; and says what of it learns.

    Raises:
        WorkError: the start's weights are damaged, or the device has too little memory.
        RecipeError: there is nothing of the names that the recipe gives.
    """
    seed, module = loaded.recipe.seed, cast(nn.Module, model)
    if start is None or start.taken is None:
        assembly.materialise(model, seed, device)
    else:
        tensors = _weights(start)
        fresh = any(name not in tensors for name in model_tensors(module))
        (assembly.materialise if fresh else assembly.make_room)(model, seed, device)
        own = model_tensors(module)
        fill_model(module, {name: tensors.get(name, one) for name, one in own.items()}, start.taken.file)
    learn(module, loaded, seed)


def begin_by_parts(model: Model, loaded: LoadedRecipe, start: Beginning | None) -> Callable[[nn.Module], None]:
    """`begin` for a model that this process never holds whole: what is returned does the same for one submodule at a
    time, on the CPU, and leaves alone what has memory."""
    seed, module = loaded.recipe.seed, cast(nn.Module, model)
    tensors: Mapping[str, Tensor] = {} if start is None or start.taken is None else _weights(start)
    fresh = any(name not in tensors for name in model_tensors(module))
    learning = cast(nn.Module, copy.deepcopy(model))  # without memory
    learn(learning, loaded, None)
    learns = {name: parameter.requires_grad for name, parameter in learning.named_parameters(remove_duplicate=False)}

    def fill(within: nn.Module) -> None:
        empty = {name for name, one in model_tensors(module).items() if one.is_meta}
        filled = assembly.materialise_within(model, within, seed, drawn=fresh)
        with torch.no_grad():
            for name, own in model_tensors(module).items():
                if name in empty and name in tensors and not own.is_meta:
                    own.copy_(tensors[name])
        if loaded.recipe.adapter is not None:
            with at(loaded, "adapter"):
                assembly.put_adapters(module, loaded.recipe.adapter, seed, filled)
        inside = {id(parameter) for parameter in filled.parameters()}
        for name, parameter in module.named_parameters(remove_duplicate=False):
            if id(parameter) in inside:
                parameter.requires_grad_(learns[name])

    return fill


def _weights(start: Beginning) -> Mapping[str, Tensor]:
    """The weights of the start, with its adapters merged into them."""
    assert start.taken is not None, "the run is there"
    stored = StoredTensors([start.taken.file])
    if start.recipe.recipe.adapter is None:
        return stored
    model = _skeleton(start)
    module = cast(nn.Module, model)
    assembly.make_room(model, 0, torch.device("cpu"))
    with_adapters(module, start.recipe, None)
    fill_model(module, stored, start.taken.file)
    merge_adapters(module)
    return model_tensors(module)


def learn(model: nn.Module, loaded: LoadedRecipe, seed: int | None) -> None:
    """Puts the recipe's adapters into a model, and makes it learn what the recipe says.

    Raises:
        RecipeError: there is nothing of the names that the recipe gives.
    """
    with_adapters(model, loaded, seed)
    with at(loaded, "trainable"):
        assembly.choose_trained(model, loaded.recipe.trainable)


def with_adapters(model: nn.Module, loaded: LoadedRecipe, seed: int | None) -> None:
    """Puts the recipe's adapters into a model; without a seed, their weights are loaded next.

    Raises:
        RecipeError: there is no layer of a name that the recipe gives.
    """
    if loaded.recipe.adapter is not None:
        with at(loaded, "adapter"):
            assembly.put_adapters(model, loaded.recipe.adapter, seed)


def start_of(loaded: LoadedRecipe) -> Beginning | None:
    """As `beginning`, where a start that is not there does not matter."""
    try:
        return beginning(loaded)
    except InputError:
        return None
