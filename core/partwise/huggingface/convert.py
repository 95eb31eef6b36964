"""Imports a checkpoint of a public family as a finished run, and exports a run as such a checkpoint."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from partwise.errors import InputError, PartwiseError
from partwise.recipe import LoadedRecipe, differences, load
from partwise.recipe.paths import values_at

from .checkpoint import read_config, read_weights, write_checkpoint
from .family import Family, families, family_of, known

if TYPE_CHECKING:
    from torch import Tensor, nn

    from partwise.data import Tokenizer
    from partwise.modules import Model
    from partwise.runs.run import Run

Dtype = Literal["float32", "bfloat16", "float16"]
TOKENIZER = "tokenizer.json"


@dataclass(frozen=True)
class _Candidate:
    family: Family
    config: dict[str, Any]


def import_checkpoint(directory: Path, out: Path | None = None) -> Run:
    """Makes a finished run from a checkpoint: its recipe, its tokenizer and its weights, in float32.

    Raises:
        InputError: the checkpoint is of no known family, or not as those of its family are.
        WorkError: a file is damaged, or the run cannot be written.
    """
    from partwise import assembly
    from partwise.parts.sites import ModelSite

    config = read_config(directory)
    family = family_of(config["model_type"])
    loaded = _recipe(family, config, _run_name(directory))
    tokenizer = _tokenizer(family, config, loaded, directory)
    model = assembly.skeleton(loaded.recipe.model, ModelSite(tokenizer.vocab_size, tokenizer.end))
    theirs = _with_prefix(family, read_weights(directory))
    try:
        tensors = family.weights.to_ours(theirs, cast("nn.Module", model), _facts(loaded))
        _refuse_unusable(tensors)
    except InputError as error:
        raise InputError(f"{directory}: {error}") from error
    origin = {"checkpoint": str(directory.resolve()), "dtype": _dtype_of(theirs)}
    return _write_run(out or Path("runs") / loaded.recipe.name, loaded, tokenizer, model, tensors, origin)


def _run_name(directory: Path) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", directory.resolve().name).strip("-._") or "imported"


def _tokenizer(family: Family, config: dict[str, Any], loaded: LoadedRecipe, directory: Path) -> Tokenizer:
    from partwise.parts.sites import TokenizerSite

    if family.tokenizer is not None and not (directory / TOKENIZER).is_file():
        raise InputError(
            f"{directory} lacks {TOKENIZER}; with transformers, AutoTokenizer.from_pretrained(NAME).save_pretrained"
            f"({str(directory)!r}) writes it"
        )
    tokenizer = loaded.recipe.tokenizer.assemble(TokenizerSite(_no_texts, directory))
    size = config.get("vocab_size")
    if size not in (None, tokenizer.vocab_size):
        raise InputError(f"{directory}: the tokenizer has {tokenizer.vocab_size} ids, but config.json says {size}")
    return tokenizer


def _write_run(
    place: Path,
    loaded: LoadedRecipe,
    tokenizer: Tokenizer,
    model: Model,
    tensors: Mapping[str, Tensor],
    origin: dict[str, str],
) -> Run:
    from partwise import assembly
    from partwise.provenance.lock import lock
    from partwise.runs.run import Run, alone_in
    from partwise.runs.weights import fill_model

    module = cast("nn.Module", model)
    with alone_in(place):
        if (place / "recipe.json").exists():
            raise InputError(f"{place} holds a run already; give another directory with --out")
        facts = {**lock(loaded, None, place), "imported": origin}
        run = Run.create(place, loaded.recipe.resolved(), tokenizer.to_json(), facts)
        assembly.make_room(model, loaded.recipe.seed)
        fill_model(module, tensors, Path(origin["checkpoint"]))
        run.finish(module)
    return run


def export_run(run_directory: Path, out: Path, family: str | None = None, dtype: Dtype | None = None) -> Family:
    """Writes a run's model as a checkpoint that transformers loads; returns its family.

    Args:
        family: name of a family; unless given, the first that has all the recipe's choices.
        dtype: of the tensors; unless given, that of the checkpoint the run was imported from, or float32.

    Raises:
        InputError: no family has all the recipe's choices; the message says for each which one differs.
    """
    import torch

    from partwise import workflow
    from partwise.runs.weights import model_tensors

    reopened = workflow.reopen(run_directory, "cpu")
    found = _candidate(reopened.loaded, family)
    module = cast("nn.Module", reopened.model)
    chosen = dtype or _imported_dtype(reopened.run)
    tensors = found.family.weights.to_theirs(model_tensors(module), module, _facts(reopened.loaded))
    config = {
        "model_type": found.family.model_type,
        "architectures": [found.family.architecture],
        "dtype": chosen,
        "vocab_size": reopened.tokenizer.vocab_size,
        "bos_token_id": reopened.tokenizer.end,
        "eos_token_id": reopened.tokenizer.end,
        **found.config,
    }
    write_checkpoint(out, config, {name: tensor.to(getattr(torch, chosen)) for name, tensor in tensors.items()})
    return found.family


def _recipe(family: Family, config: dict[str, Any], name: str) -> LoadedRecipe:
    assert family.config is not None
    changes = [f'name="{name}"', *family.config.overrides(config)]
    if family.tokenizer is not None:
        changes.append(f"tokenizer={json.dumps(family.tokenizer)}")
        end = config.get("eos_token_id")
        end = end[0] if isinstance(end, list) and end else end
        size = config.get("vocab_size")
        changes += [f"tokenizer.vocab_size={json.dumps(size)}"] if size is not None else []
        changes += [f"tokenizer.end={json.dumps(end)}"] if isinstance(end, int) else []
    return load(family.recipe, changes)


def _candidate(loaded: LoadedRecipe, name: str | None) -> _Candidate:
    if name is not None and (name not in families() or families()[name].config is None):
        raise InputError(f"no family {name!r}; the families are {known()}")
    reasons: list[str] = []
    for label, family in families().items():
        if family.config is None or name not in (None, label):
            continue
        try:
            return _Candidate(family, _config(family, loaded))
        except PartwiseError as error:
            reasons.append(f"{label}: {error}")
    told = "\n  ".join(reasons)
    raise InputError(f"no family that transformers can load has this run's model:\n  {told}")


def _config(family: Family, loaded: LoadedRecipe) -> dict[str, Any]:
    """The settings that describe the recipe's model completely: a recipe made from them has the same model."""
    assert family.config is not None
    config = family.config.config(loaded.recipe.resolved())
    again = load(family.recipe, family.config.overrides(config))
    for difference in differences(again, loaded):
        if difference.path[0] == "model":
            raise InputError(f"{difference} (the family -> this run)")
    return config


def _facts(loaded: LoadedRecipe) -> Any:
    resolved = loaded.recipe.resolved()

    def fact(path: str) -> int:
        return int(next(values_at(resolved, path)))

    return fact


def _with_prefix(family: Family, theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Checkpoints of a network without its head leave out the first word of every name."""
    if not family.prefix or any(name.startswith(family.prefix) for name in theirs):
        return theirs
    return {family.prefix + name: tensor for name, tensor in theirs.items()}


def _dtype_of(tensors: dict[str, Tensor]) -> str:
    kinds = {str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values() if tensor.is_floating_point()}
    return kinds.pop() if len(kinds) == 1 else "float32"


def _imported_dtype(run: Run) -> Dtype:
    """The dtype of the checkpoint that a run was imported from; float32 for any other run."""
    origin = run.lock.get("imported")
    dtype = origin.get("dtype") if isinstance(origin, dict) else None
    return cast(Dtype, dtype) if dtype in get_args(Dtype) else "float32"


def _refuse_unusable(tensors: Mapping[str, Tensor]) -> None:
    """
    Raises:
        InputError: weights are quantised or not finite; the model would write nonsense, with no error.
    """
    import torch

    for name, tensor in tensors.items():
        if tensor.dtype not in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
            kind = str(tensor.dtype).removeprefix("torch.")
            raise InputError(f"{name} is {kind}: the checkpoint is quantised; import the one that it was made from")
        if not torch.isfinite(tensor).all():
            raise InputError(
                f"{name} has values that are not finite: the checkpoint is damaged, or its training diverged"
            )


def _no_texts() -> list[str]:
    raise InputError("a checkpoint's tokenizer is read from its files, but this part is trained on texts")
