"""Creates a run in a directory, or resumes the one that is there, and repairs what can be repaired.

Recipe, tokenizer and lock follow from the command. If one of them is damaged, and the manifest says that it was exactly
what this command would write, it is written again and nothing is lost. Anything else is refused and left as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from partwise.errors import InputError, PartwiseError, WorkError
from partwise.storage.atomic import json_text, make_directory, read_json, write_text

from .identity import REPEATED, run_identity, trained
from .layout import CHECKPOINT, LOCK, MANIFEST, METRICS, RECIPE, STATUS, TOKENIZER, WEIGHTS
from .manifest import FileEntry, Manifest

Say = Callable[[str], None]


def create_or_resume(
    directory: Path, recipe: dict[str, Any], tokenizer: dict[str, Any], lock: dict[str, Any], say: Say
) -> None:
    """Makes sure that `directory` holds recipe, tokenizer, lock and manifest: those of the run there, or new ones.

    Raises:
        InputError: the directory holds a run of another recipe or tokenizer, or files of something else.
        WorkError: it cannot be written; or a file in it is damaged that this command cannot write again.
    """
    texts = {RECIPE: json_text(recipe), TOKENIZER: json_text(tokenizer, indent=None), LOCK: json_text(lock)}
    if not (directory / RECIPE).exists() and not (directory / MANIFEST).exists():
        _refuse_foreign(directory)
        make_directory(directory)
        _write(directory, texts, recipe, lock)
        return
    if not _has_trained(directory):
        _refuse_another(directory, recipe)
        _write(directory, texts, recipe, lock)
        return
    run = run_identity(recipe, lock.get("data"))
    try:
        manifest = Manifest.read(directory)
        _refuse_gone_on(manifest, run)
        if manifest.run != run == _identity_there(directory):
            raise WorkError(f"{directory / MANIFEST} belongs to another run")
    except WorkError as error:
        trusted = _trusted(directory)
        _write_manifest_again(directory, texts, recipe, tokenizer, trusted)
        say(f"{error}; recipe and tokenizer match this command, so it was written again")
        if trusted:
            say(f"{' and '.join(trusted)} cannot be checked for damage, as no manifest names them; used as they are")
        return
    _mend(manifest, texts, run, say)
    _refuse_another(directory, recipe, tokenizer)


def _refuse_gone_on(manifest: Manifest, run: str) -> None:
    """
    Raises:
        InputError: the run was that of this recipe, and has gone on since.
    """
    if any(one.run == run for one in manifest.segments):
        raise InputError(
            f"the run in {manifest.directory} has gone on since this recipe was finished; to continue it: "
            f"partwise train {manifest.directory}; to train the recipe again, take another directory (--out)"
        )


def _identity_there(directory: Path) -> str | None:
    try:
        return run_identity(read_json(directory / RECIPE), read_json(directory / LOCK).get("data"))
    except PartwiseError:
        return None


def _has_trained(directory: Path) -> bool:
    return (directory / WEIGHTS).exists() or any(CHECKPOINT.fullmatch(path.name) for path in directory.iterdir())


def _write(directory: Path, texts: dict[str, str], recipe: dict[str, Any], lock: dict[str, Any]) -> None:
    """The recipe comes first, as it marks the directory as a run; the manifest last, as it describes the others."""
    for name, text in texts.items():
        write_text(directory / name, text)
    _note(directory, {name: FileEntry.of(text.encode()) for name, text in texts.items()})


def _note(directory: Path, files: dict[str, FileEntry]) -> None:
    run = run_identity(read_json(directory / RECIPE), read_json(directory / LOCK).get("data"))
    Manifest(directory, files, run).write()


def _trusted(directory: Path) -> list[str]:
    """The files to trust in a finished run from before there were manifests: its final weights and metrics.

    None if there is a manifest anywhere: a checkpoint that has one is better evidence.
    """
    vouched = (directory / MANIFEST).exists() or any(directory.glob(f"checkpoint-*/{MANIFEST}"))
    if vouched or not (directory / WEIGHTS).is_file():
        return []
    return [name for name in (WEIGHTS, METRICS) if (directory / name).is_file()]


def _write_manifest_again(
    directory: Path, texts: dict[str, str], recipe: dict[str, Any], tokenizer: dict[str, Any], trusted: list[str]
) -> None:
    """Writes a new manifest, once recipe and tokenizer are seen to match the command."""
    for name, text in texts.items():
        if not (directory / name).exists():
            write_text(directory / name, text)
    _refuse_another(directory, recipe, tokenizer)
    _note(directory, {name: FileEntry.of_file(directory / name) for name in [*texts, *trusted]})


def _mend(manifest: Manifest, texts: dict[str, str], run: str, say: Say) -> None:
    files = dict(manifest.files)
    for name, text in texts.items():
        problem = manifest.damage(name)
        if problem is None:
            continue
        entry = FileEntry.of(text.encode())
        # A recipe's labels and a lock's versions may have changed since; what is trained has not.
        same = manifest.run == run if name in (RECIPE, LOCK) else manifest.files.get(name) == entry
        if not same:
            raise WorkError(
                f"{problem}, and this command cannot write it again (its recipe or its texts are different); "
                "restore it from a copy, or train into another directory; checkpoints and metrics are untouched"
            )
        write_text(manifest.directory / name, text)
        files[name] = entry
        say(f"{problem}; this command wrote it again")
    if files != manifest.files:
        replace(manifest, files=files).write()


def _refuse_another(directory: Path, recipe: dict[str, Any], tokenizer: dict[str, Any] | None = None) -> None:
    if not (directory / RECIPE).exists():
        return
    difference = first_difference(
        trained(read_json(directory / RECIPE), *REPEATED), trained(_as_json(recipe), *REPEATED)
    )
    if difference is not None:
        raise InputError(
            f"{directory} holds a run of another recipe: {difference}; train into another directory, or remove this one"
        )
    if tokenizer is not None and read_json(directory / TOKENIZER) != _as_json(tokenizer):
        raise InputError(
            f"{directory} holds a run with a different tokenizer: the texts have changed since it was started; "
            "train into another directory"
        )


def _refuse_foreign(directory: Path) -> None:
    """Refuses a directory without a recipe that holds files which training would overwrite."""
    for name in (TOKENIZER, LOCK, METRICS, WEIGHTS, STATUS):
        if (directory / name).exists():
            raise InputError(
                f"{directory} holds {name} but no {RECIPE}, so it is not a run; train into another directory"
            )


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
