"""A manifest: what the files of a directory must be, so that damage is found before anything is built on it.

`{"run": "...", "files": {"model.safetensors": {"bytes": 1200, "sha256": "9f8..."}}, "sha256": "..."}`, where the last
sum is that of the rest. A reader asks for files by names of its own; what a manifest says of others is never looked
at, so that it cannot lead anywhere.
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
    """What a file must be."""

    size: int
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> FileEntry:
        """Of a file that holds `content`."""
        return cls(len(content), hashlib.sha256(content).hexdigest())

    @classmethod
    def of_file(cls, path: Path) -> FileEntry:
        """Of the file at `path`, read piece by piece. Raises OSError."""
        with open_regular(path) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return cls(file.tell(), digest)


@dataclass(frozen=True)
class Manifest:
    """The files of one directory; `run` tells whose they are."""

    directory: Path
    files: dict[str, FileEntry] = field(default_factory=dict)
    run: str = ""

    @classmethod
    def read(cls, directory: Path) -> Manifest:
        """The manifest in `directory`.

        Raises:
            WorkError: it is missing or damaged.
        """
        path = directory / MANIFEST
        try:
            if path.is_symlink():
                raise WorkError(f"{path} is no file of its own but a link")
            content = read_json(path)
            files = {name: _entry(value) for name, value in content["files"].items()}
            if content["sha256"] != _sum(content["run"], content["files"]):
                raise WorkError(f"{path} is damaged: its SHA-256 is not that of what was written")
            return cls(directory, files, str(content["run"]))
        except InputError:
            raise WorkError(f"{path} is missing") from None
        except (KeyError, TypeError, ValueError, AttributeError):
            raise WorkError(f"{path} is damaged or was not written by partwise") from None

    def write(self) -> None:
        """Writes it into its directory, whole or not at all."""
        write_json(self.directory / MANIFEST, self.as_json())

    def as_json(self) -> dict[str, Any]:
        """As it is written."""
        files = {name: {"bytes": entry.size, "sha256": entry.sha256} for name, entry in self.files.items()}
        return {"run": self.run, "files": files, "sha256": _sum(self.run, files)}

    def damage(self, name: str) -> str | None:
        """What is wrong with one of its files, in words; None if nothing."""
        path, entry = self.directory / name, self.files.get(name)
        try:
            about = path.lstat()
            if not stat.S_ISREG(about.st_mode):  # a link might lead out of the directory, a pipe never end
                return f"{path} is no file of its own but a {'link' if stat.S_ISLNK(about.st_mode) else 'directory'}"
            if entry is None:
                return f"{path} is foreign: {MANIFEST} beside it does not name it"
            if about.st_size != entry.size:
                return f"{path} is damaged: it has {about.st_size:,} bytes, and {entry.size:,} were written"
            if FileEntry.of_file(path) != entry:
                return f"{path} is damaged: its SHA-256 is not that of what was written"
        except FileNotFoundError:
            return f"{path} is missing"
        except OSError as error:
            return f"cannot read {path}: {error.strerror or error}"
        return None

    def verify(self, names: Iterable[str]) -> None:
        """Makes sure that these files are what was written.

        Raises:
            WorkError: one is not; it names the first.
        """
        for name in names:
            if problem := self.damage(name):
                raise WorkError(problem)


def _sum(run: str, files: dict[str, Any]) -> str:
    """Of what a manifest says, so that it does not blame others for damage of its own."""
    return hashlib.sha256(json.dumps([run, files], sort_keys=True).encode()).hexdigest()


def _entry(value: Any) -> FileEntry:
    size, digest = value["bytes"], value["sha256"]
    if type(size) is not int or type(digest) is not str:
        raise TypeError
    return FileEntry(size, digest)
