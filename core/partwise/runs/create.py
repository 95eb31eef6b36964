"""How a run begins in a directory, or is taken up there: what may be, and what can be mended on the way.

Recipe, tokenizer and lock follow from the command. So one that has been damaged, and by the manifest was just what
the command gives again, is written again; nothing is lost. Anything else is refused, and left as it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from partwise.errors import InputError, PartwiseError, WorkError
from partwise.storage.atomic import json_text, make_directory, read_json, write_text

from .layout import CHECKPOINT, LOCK, MANIFEST, METRICS, RECIPE, STATUS, TOKENIZER, WEIGHTS
from .manifest import FileEntry, Manifest

NOT_TRAINED = ("name", "about", "sampler", "trackers")
"""Labels, and what acts after training: two recipes that differ only here train the same thing."""

Say = Callable[[str], None]


def begin(directory: Path, recipe: dict[str, Any], tokenizer: dict[str, Any], lock: dict[str, Any], say: Say) -> None:
    """Leaves recipe, tokenizer, lock and manifest in `directory`, as they were begun with or new.

    Raises:
        InputError: the directory holds a run of another recipe or tokenizer, or files of something else.
        WorkError: it cannot be written; or a file of it is damaged that the command does not tell anew.
    """
    texts = {RECIPE: json_text(recipe), TOKENIZER: json_text(tokenizer, indent=None), LOCK: json_text(lock)}
    if not (directory / RECIPE).exists() and not (directory / MANIFEST).exists():
        _refuse_foreign(directory)
        make_directory(directory)
        _write(directory, texts, recipe, lock)
        return
    if not _trained_something(directory):
        _refuse_another(directory, recipe)
        _write(directory, texts, recipe, lock)
        return
    run = identity(recipe, lock)
    try:
        manifest = Manifest.read(directory)
        if manifest.run != run == _identity_there(directory):
            raise WorkError(f"{directory / MANIFEST} is foreign: it is another run's")
    except WorkError as error:
        believed = _believed(directory)
        _vouch_again(directory, texts, recipe, tokenizer, believed)
        say(f"{error}; recipe and tokenizer are those of this command, so it was written again")
        if believed:
            say(f"{' and '.join(believed)} were there with nothing to tell if they are damaged; taken as they are")
        return
    _mend(manifest, texts, run, say)
    _refuse_another(directory, recipe, tokenizer)


def identity(recipe: dict[str, Any], lock: dict[str, Any]) -> str:
    """Tells the checkpoints of one run from those of another: a hash of what is trained, with which seed, on what."""
    what = json.dumps([_trained(recipe), lock.get("data")], sort_keys=True)
    return hashlib.sha256(what.encode()).hexdigest()


def _identity_there(directory: Path) -> str | None:
    try:
        return identity(read_json(directory / RECIPE), read_json(directory / LOCK))
    except PartwiseError:
        return None


def _trained_something(directory: Path) -> bool:
    return (directory / WEIGHTS).exists() or any(CHECKPOINT.fullmatch(path.name) for path in directory.iterdir())


def _write(directory: Path, texts: dict[str, str], recipe: dict[str, Any], lock: dict[str, Any]) -> None:
    """The recipe first: it says that the directory is a run's. The manifest last: it vouches for the others."""
    for name, text in texts.items():
        write_text(directory / name, text)
    _note(directory, {name: FileEntry.of(text.encode()) for name, text in texts.items()})


def _note(directory: Path, files: dict[str, FileEntry]) -> None:
    run = identity(read_json(directory / RECIPE), read_json(directory / LOCK))
    Manifest(directory, files, run).write()


def _believed(directory: Path) -> list[str]:
    """What is believed of a finished run that has no manifest anywhere, as those from before there were any: its end.

    A checkpoint with a manifest tells better, and a checkpoint without one is never continued from.
    """
    vouched = (directory / MANIFEST).exists() or any(directory.glob(f"checkpoint-*/{MANIFEST}"))
    if vouched or not (directory / WEIGHTS).is_file():
        return []
    return [name for name in (WEIGHTS, METRICS) if (directory / name).is_file()]


def _vouch_again(
    directory: Path, texts: dict[str, str], recipe: dict[str, Any], tokenizer: dict[str, Any], believed: list[str]
) -> None:
    """A new manifest, once the files are seen to say what the command says."""
    for name, text in texts.items():
        if not (directory / name).exists():
            write_text(directory / name, text)
    _refuse_another(directory, recipe, tokenizer)
    _note(directory, {name: FileEntry.of_file(directory / name) for name in [*texts, *believed]})


def _mend(manifest: Manifest, texts: dict[str, str], run: str, say: Say) -> None:
    files = dict(manifest.files)
    for name, text in texts.items():
        problem = manifest.damage(name)
        if problem is None:
            continue
        entry = FileEntry.of(text.encode())
        # Labels of a recipe, and versions in a lock, may be other than they were: what is trained is the same.
        same = manifest.run == run if name in (RECIPE, LOCK) else manifest.files.get(name) == entry
        if not same:
            raise WorkError(
                f"{problem}, and this command does not tell it anew (its recipe or its texts are others); "
                "restore it from a copy, or train into another directory; checkpoints and metrics are untouched"
            )
        write_text(manifest.directory / name, text)
        files[name] = entry
        say(f"{problem}; it was written again, from this command")
    if files != manifest.files:
        Manifest(manifest.directory, files, manifest.run).write()


def _refuse_another(directory: Path, recipe: dict[str, Any], tokenizer: dict[str, Any] | None = None) -> None:
    if not (directory / RECIPE).exists():
        return
    difference = first_difference(_trained(read_json(directory / RECIPE)), _trained(_as_json(recipe)))
    if difference is not None:
        raise InputError(
            f"{directory} holds a run of another recipe: {difference}; train into another directory, or remove this one"
        )
    if tokenizer is not None and read_json(directory / TOKENIZER) != _as_json(tokenizer):
        raise InputError(
            f"{directory} holds a run whose tokenizer is another: the texts have changed since it was started; "
            "train into another directory"
        )


def _refuse_foreign(directory: Path) -> None:
    """Refuses a directory without a recipe where files would be overwritten that are not this run's."""
    for name in (TOKENIZER, LOCK, METRICS, WEIGHTS, STATUS):
        if (directory / name).exists():
            raise InputError(
                f"{directory} holds {name} but no {RECIPE}: it is not a run's; train into another directory"
            )


def _trained(recipe: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in recipe.items() if key not in NOT_TRAINED}


def _as_json(value: dict[str, Any]) -> dict[str, Any]:
    """As it would be read back: tuples as lists, keys as strings."""
    read: dict[str, Any] = json.loads(json.dumps(value))
    return read


def first_difference(there: Any, here: Any, path: str = "") -> str | None:
    """Where two JSON values first differ, in words: `trainer.steps is 600 there and 800 here`; None if nowhere."""
    if isinstance(there, dict) and isinstance(here, dict):
        pairs = [(f"{path}.{key}".lstrip("."), there.get(key, ...), here.get(key, ...)) for key in {**there, **here}]
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        pairs = [(f"{path}.{index}", *pair) for index, pair in enumerate(zip(there, here, strict=True))]
    elif there == here and type(there) is type(here):
        return None
    else:
        return f"{path} is {_shown(there)} there and {_shown(here)} here"
    return next((found for name, a, b in pairs if (found := first_difference(a, b, name))), None)


def _shown(value: Any) -> str:
    text = "missing" if value is ... else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
