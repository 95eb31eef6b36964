"""A manifest: size and checksum of the files in a directory, so that damage is found before the files are used.

`{"run": "...", "files": {"model.safetensors": {"bytes": 1200, "sha256": "9f8..."}}, "sha256": "..."}`, where the last
checksum covers the rest. Of a run that went on after it was finished, it also has `"segments": [{"steps": 600, "run":
"..."}]`: how many updates it had made then, and its identity until then. A reader asks only for files whose names it
knows; other names in a manifest are ignored, so that it cannot lead anywhere.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from partwise.errors import InputError, WorkError
from partwise.storage.atomic import open_regular, read_json, write_json

from .layout import MANIFEST


@dataclass(frozen=True)
class FileEntry:
    """Size and checksum that a file must have."""

    size: int
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> FileEntry:
        """The entry of a file that holds `content`."""
        return cls(len(content), hashlib.sha256(content).hexdigest())

    @classmethod
    def of_file(cls, path: Path) -> FileEntry:
        """The entry of the file at `path`, read piece by piece. Raises OSError."""
        with open_regular(path) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return cls(file.tell(), digest)


@dataclass(frozen=True)
class Segment:
    """What a run was before it went on."""

    steps: int
    """Updates that it had made when it was finished."""
    run: str
    """Its identity until then."""


@dataclass(frozen=True)
class Manifest:
    """The files of one directory; `run` is the identity of the run that they belong to."""

    directory: Path
    files: dict[str, FileEntry] = field(default_factory=dict)
    run: str = ""
    segments: tuple[Segment, ...] = ()
    """What the run was before it went on, the first segment first."""

    @classmethod
    def read(cls, directory: Path) -> Manifest:
        """The manifest in `directory`.

        Raises:
            WorkError: it is missing or damaged.
        """
        path = directory / MANIFEST
        try:
            if path.is_symlink():
                raise WorkError(f"{path} is a link, not a file of its own")
            content = read_json(path)
            files = {name: _entry(value) for name, value in content["files"].items()}
            segments = tuple(_segment(value) for value in content.get("segments", ()))
            if content["sha256"] != _sum(content["run"], content["files"], content.get("segments")):
                raise WorkError(f"{path} is damaged: its SHA-256 is not that of the file that was written")
            return cls(directory, files, str(content["run"]), segments)
        except InputError:
            raise WorkError(f"{path} is missing") from None
        except (KeyError, TypeError, ValueError, AttributeError):
            raise WorkError(f"{path} is damaged or was not written by partwise") from None

    def write(self) -> None:
        """Writes it into its directory, whole or not at all."""
        write_json(self.directory / MANIFEST, self.as_json())

    def as_json(self) -> dict[str, Any]:
        """The JSON value that is written."""
        files = {name: {"bytes": entry.size, "sha256": entry.sha256} for name, entry in self.files.items()}
        segments = [vars(one) for one in self.segments]
        told = {"segments": segments} if segments else {}
        return {"run": self.run, "files": files, **told, "sha256": _sum(self.run, files, segments)}

    def damage(self, name: str) -> str | None:
        """What is wrong with one of its files, in words; None if nothing."""
        path, entry = self.directory / name, self.files.get(name)
        try:
            about = path.lstat()
            if not stat.S_ISREG(about.st_mode):  # a link might lead out of the directory, a pipe never end
                return f"{path} is a {'link' if stat.S_ISLNK(about.st_mode) else 'directory'}, not a file of its own"
            if entry is None:
                return f"{path} is foreign: {MANIFEST} beside it does not list it"
            if about.st_size != entry.size:
                return f"{path} is damaged: it has {about.st_size:,} bytes, and {entry.size:,} were written"
            if FileEntry.of_file(path) != entry:
                return f"{path} is damaged: its SHA-256 is not that of the file that was written"
        except FileNotFoundError:
            return f"{path} is missing"
        except OSError as error:
            return f"cannot read {path}: {error.strerror or error}"
        return None

    def verify(self, names: Iterable[str]) -> None:
        """Makes sure that these files are what was written.

        Raises:
            WorkError: one is not; the message names the first.
        """
        for name in names:
            if problem := self.damage(name):
                raise WorkError(problem)


def _sum(run: str, files: dict[str, Any], segments: Any = None) -> str:
    """A checksum of the manifest itself, so that its own damage is not blamed on the files."""
    content = [run, files, segments] if segments else [run, files]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _segment(value: Any) -> Segment:
    steps, run = value["steps"], value["run"]
    if type(steps) is not int or type(run) is not str:
        raise TypeError
    return Segment(steps, run)


def _entry(value: Any) -> FileEntry:
    size, digest = value["bytes"], value["sha256"]
    if type(size) is not int or type(digest) is not str:
        raise TypeError
    return FileEntry(size, digest)
