"""Imports a checkpoint of a public family as a finished run, and exports a run as such a checkpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from partwise.errors import InputError, PartwiseError
from partwise.recipe import LoadedRecipe, differences
from partwise.recipe.suggestions import did_you_mean
from partwise.runs.layout import LOCK, MANIFEST, RECIPE, TOKENIZER, WEIGHTS
from partwise.storage.atomic import read_json

from .checkpoint import CONFIG, read_config, read_weights, write_checkpoint
from .facts import Facts
from .families import broken, chosen, families, files, known
from .family import Family, read_map
from .filling import fill
from .map_rules import refuse_broken
from .same_model import written_out
from .tokenizer import conversations_of, marks_in_config, read_tokenizer, recipe_changes, tokenizer_files
from .writing import GENERATION, kept_of, sampler_changes, settings_kept

if TYPE_CHECKING:
    from torch import nn

    from partwise.data import Tokenizer
    from partwise.modules import Model
    from partwise.runs.run import Run

Dtype = Literal["float32", "bfloat16", "float16"]
KEPT = ("pad_token_id",)
"""Settings that nothing here needs, kept for the checkpoint that is made from the run."""


@dataclass(frozen=True)
class _Candidate:
    family: Family
    config: dict[str, Any]


def import_checkpoint(directory: Path, out: Path | None = None, map_file: Path | None = None) -> Run:
    """Makes a finished run from a checkpoint: its recipe, its tokenizer and its weights, in float32.

    Args:
        map_file: the weight map; unless given, the first that is for checkpoints with this config.json.

    Raises:
        InputError: the checkpoint is of no known family, or not as those of its family are.
        WorkError: there is too little memory, or the run cannot be written.
    """
    from partwise import assembly
    from partwise.parts.sites import ModelSite

    config = read_config(directory)
    family = chosen(map_file, config)
    _refuse_tensors_only(family)
    refuse_broken(family)
    loaded = _recipe_in(directory, family, config)
    tokenizer = _tokenizer(config, loaded, directory)
    model_site = ModelSite(tokenizer.vocab_size, tokenizer.end, token_bytes=tokenizer.token_bytes)
    model = assembly.skeleton(loaded.recipe.model, model_site)
    family.weights.plan(cast("nn.Module", model), Facts.of(loaded))
    place = out or Path("runs") / loaded.recipe.name
    _refuse_taken(place)
    stored = read_weights(directory)
    try:
        dtypes = fill(family, model, loaded.recipe.seed, stored, Facts.of(loaded))
    except InputError as error:
        raise InputError(f"{directory}: {error}") from error
    origin: dict[str, Any] = {
        "checkpoint": str(directory.resolve()),
        "dtype": dtypes.pop() if len(dtypes) == 1 else "float32",
    }
    origin |= {key: config[key] for key in KEPT if key in config}
    origin["generation"] = settings_kept(directory)
    origin |= conversations_of(directory)
    return _write_run(place, loaded, tokenizer, model, origin)


def _run_name(directory: Path) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", directory.resolve().name).strip("-._") or "imported"


def _tokenizer(config: dict[str, Any], loaded: LoadedRecipe, directory: Path) -> Tokenizer:
    tokenizer = read_tokenizer(loaded, directory)
    size = config.get("vocab_size")
    if size not in (None, tokenizer.vocab_size):
        raise InputError(f"{directory}: the tokenizer has {tokenizer.vocab_size} ids, but config.json says {size}")
    return tokenizer


def _write_run(place: Path, loaded: LoadedRecipe, tokenizer: Tokenizer, model: Model, origin: dict[str, Any]) -> Run:
    from partwise.provenance.lock import lock
    from partwise.runs.run import Run, alone_in

    with alone_in(place):
        _refuse_taken(place)
        before = {path.name for path in place.iterdir()}
        facts = {**lock(loaded, None, place), "imported": origin}
        try:
            run = Run.create(place, loaded.recipe.resolved(), tokenizer.to_json(), facts)
            run.finish(cast("nn.Module", model))
        except BaseException:  # a full disk, for one
            for path in place.iterdir():
                if path.name in (RECIPE, TOKENIZER, LOCK, MANIFEST) and path.name not in before:
                    path.unlink()
            raise
    return run


def _refuse_taken(place: Path) -> None:
    """A run that is there; not what an import has left that was killed."""
    if (place / RECIPE).exists() and not _is_unfinished_import(place):
        raise InputError(f"{place} holds a run already; give another directory with --out")


def _is_unfinished_import(place: Path) -> bool:
    try:
        origin = read_json(place / LOCK).get("imported")
    except PartwiseError:
        return False
    return isinstance(origin, dict) and not (place / WEIGHTS).exists()


def export_run(
    run_directory: Path,
    out: Path,
    family: str | None = None,
    dtype: Dtype | None = None,
    map_file: Path | None = None,
) -> Family:
    """Writes a run's model as a checkpoint that transformers loads; returns its family.

    Args:
        family: name of a family; unless given, the first that has all the recipe's choices.
        map_file: a weight map, in place of those that are found by name.
        dtype: of the tensors; unless given, that of the checkpoint the run was imported from, or float32.

    Raises:
        InputError: no family has all the recipe's choices; the message says for each which one differs.
    """
    import torch

    from partwise import workflow
    from partwise.modules.adapting import merge_adapters
    from partwise.runs.weights import model_tensors

    reopened = workflow.reopen(run_directory, "cpu")
    module = cast("nn.Module", reopened.model)
    merge_adapters(module)
    rows = {name: tensor.shape[0] for name, tensor in model_tensors(module).items() if tensor.ndim}
    found = _candidate(reopened.loaded, _maps(family, map_file), rows)
    stored = dtype or _imported_dtype(reopened.run)
    tensors = found.family.weights.to_theirs(model_tensors(module), module, Facts.of(reopened.loaded))
    kept = _kept(reopened.run)
    said = {key: value for key, value in kept.items() if value is not None}
    config = {
        "model_type": found.family.model_type,
        "architectures": [found.family.architecture],
        "dtype": stored,
        "vocab_size": reopened.tokenizer.vocab_size,
        **kept,
        **marks_in_config(reopened.tokenizer, reopened.recipe.model.reads == "pair"),
        **said,
        **found.config,
    }
    others = tokenizer_files(reopened.loaded, reopened.tokenizer)
    others[GENERATION] = {**_generation_kept(reopened.run), **others[GENERATION], **said}
    converted = {name: tensor.to(getattr(torch, stored)) for name, tensor in tensors.items()}
    write_checkpoint(out, config, converted, others)
    return found.family


def _recipe(family: Family, config: dict[str, Any], directory: Path, changes: list[str]) -> LoadedRecipe:
    named = f'name="{_run_name(directory)}"'
    return family.recipe_for(config, [named, *recipe_changes(family, config, directory), *changes])


def _recipe_in(directory: Path, family: Family, config: dict[str, Any]) -> LoadedRecipe:
    """
    Raises:
        InputError: the settings are not in the family's map, or make no recipe; the message names the file.
    """
    sampler = sampler_changes(config, directory)
    try:
        return _recipe(family, config, directory, sampler)
    except InputError as error:
        raise InputError(placed(directory / CONFIG, error)) from error


def placed(place: object, error: InputError) -> str:
    """What is wrong with the settings, with the place of config.json."""
    told = str(error)
    if told.startswith(f"{CONFIG} has"):
        return f"{place}{told.removeprefix(CONFIG)}"
    return f"{place}: {told.removeprefix(f'{CONFIG}: ')}"


def _refuse_tensors_only(family: Family) -> None:
    if family.config is None:
        raise InputError(
            f'{family.place} has no "config", so that no recipe can be made from config.json; '
            "partwise parity can compare the tensors alone"
        )


def _maps(name: str | None, map_file: Path | None) -> dict[str, Family]:
    """The families that a run may be written as, by name.

    Raises:
        PartwiseError: the one that is asked for is not there, or does not hold.
    """
    if map_file is not None:
        if name is not None:
            raise InputError("--map and --family both say as what to write; give one of them")
        family = read_map(map_file)[0]
        _refuse_tensors_only(family)
        return {str(map_file): family}
    if name is not None and name in broken():
        raise broken()[name]
    usable = {label: family for label, family in families().items() if family.config is not None}
    if name is not None and name not in usable:
        raise InputError(f"no family {name!r}{did_you_mean(name, usable)}; the families are {known()}")
    return usable if name is None else {name: usable[name]}


def _candidate(loaded: LoadedRecipe, maps: Mapping[str, Family], rows: Mapping[str, int]) -> _Candidate:
    reasons: list[str] = []
    for label, family in maps.items():
        try:
            refuse_broken(family)
            return _Candidate(family, _config(family, loaded, rows))
        except PartwiseError as error:
            reasons.append(f"{label}: {error}")
    if len(maps) > 1:
        reasons += [f"{label}: its map is broken; partwise check {files()[label]}" for label in broken()]
    told = "\n  ".join(reasons)
    raise InputError(f"no family that transformers can load has this run's model:\n  {told}")


def _config(family: Family, loaded: LoadedRecipe, rows: Mapping[str, int]) -> dict[str, Any]:
    """The settings that describe the recipe's model completely: a recipe made from them has the same model."""
    assert family.config is not None
    ours, first = written_out(loaded, family.config, rows), ""
    for config in family.config.configs(ours.recipe.resolved(), rows):
        again = written_out(family.recipe_for(config), family.config, rows)
        theirs, own = again.recipe.objective, ours.recipe.objective
        if theirs.causal != own.causal:
            sees = "earlier positions only" if theirs.causal else "both ways"
            raise InputError(f"objective: {theirs.name} -> {own.name}; models of this family see {sees}")
        found = next((str(one) for one in differences(again, ours) if one.path[0] == "model"), None)
        if found is None:
            return config
        first = first or found
    raise InputError(f"{first} (the family -> this run)")


def _imported_dtype(run: Run) -> Dtype:
    """The dtype of the checkpoint that a run was imported from; float32 for any other run."""
    origin = run.lock.get("imported")
    dtype = origin.get("dtype") if isinstance(origin, dict) else None
    return cast(Dtype, dtype) if dtype in get_args(Dtype) else "float32"


def _generation_kept(run: Run) -> dict[str, Any]:
    """What the generation_config.json said of which a run was imported, besides what its sampler and tokenizer say."""
    origin = run.lock.get("imported")
    return kept_of(origin.get("generation")) if isinstance(origin, dict) else {}


def _kept(run: Run) -> dict[str, Any]:
    """Settings of the checkpoint that a run was imported from. For any other run they are null: left out, they would be
    those of the class of transformers, whose vocabulary is another."""
    origin = run.lock.get("imported")
    if not isinstance(origin, dict):
        return dict.fromkeys(KEPT)
    return {key: origin[key] for key in KEPT if type(origin.get(key, "")) in (int, type(None))}
