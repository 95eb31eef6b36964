"""Which evaluation gave a figure: a hash of its settings and of the files that these name."""

from __future__ import annotations

import glob
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from partwise.parts.evaluation import EvaluationPart


def evaluation_hash(part: EvaluationPart, directory: Path) -> str:
    """Twenty hexadecimal digits that change with what an evaluation is, but not with when it runs.

    Args:
        directory: that file names are relative to.
    """
    settings = {knob: value for knob, value in part.model_dump(mode="json").items() if knob != "every"}
    contents = [(name, _hash(path)) for name, path in _files(part, directory)]
    return hashlib.sha256(json.dumps([settings, contents], sort_keys=True).encode()).hexdigest()[:20]


def _files(part: EvaluationPart, directory: Path) -> Iterator[tuple[str, Path]]:
    """The files that knobs name, or match, and those in directories that they name; with these names."""
    for knob in type(part).model_fields:
        value = getattr(part, knob)
        for name in value if isinstance(value, tuple) else (value,):
            if isinstance(name, str) and name and "\0" not in name:
                for match in sorted(glob.glob(name, root_dir=directory, recursive=True)):
                    if (directory / match).is_file():
                        yield name, directory / match
                    elif (directory / match).is_dir():
                        yield from (
                            (str(path.relative_to(directory / match)), path) for path in _within(directory / match)
                        )


def _within(directory: Path) -> list[Path]:
    """Its files, without what programs keep for themselves."""
    found = sorted(path for path in directory.rglob("*") if path.is_file())
    return [
        path for path in found if not any(part.startswith((".", "__")) for part in path.relative_to(directory).parts)
    ]


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
