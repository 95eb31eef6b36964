"""`partwise new`: a study, or a small package with one part of the kind asked for, to start from.

It installs, verifies and trains as it is written. The templates are in `templates`: files of every package in
`common`, and a part with its recipe in a folder for each kind.
"""

from __future__ import annotations

import keyword
import re
import shutil
import sys
import uuid
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path
from string import Template

from partwise.errors import InputError, WorkError

from .places import NumberPlace, SlotPlace, numbers_of, slots_of
from .study import AskedStudy, new_study

PARTS: Mapping[str, str] = {
    "adapter": "gains",
    "attention": "sinks",
    "block": "rezero",
    "data": "brackets",
    "evaluation": "repetition",
    "feedforward": "snake",
    "mixer": "taps",
    "model": "looped",
    "norm": "mean_norm",
    "objective": "focal",
    "optimizer": "signum",
    "own": "power",
    "parametrisation": "depth_mup",
    "position": "decay",
    "residual": "highway",
    "sampler": "epsilon",
    "schedule": "stairs",
    "tokenizer": "utf8",
    "tracker": "table",
    "trainer": "plain",
}
"""Kind -> name of the example part. "own" is an example of a kind that partwise does not have."""

OWN = "nonlinearity"
"""What the kind of that example is called."""

_NAME = r"[a-z][a-z0-9]*([-_][a-z0-9]+)*"
_LONGEST = 60
_SUFFIX = ".txt"


def new_plugin(name: str, kind: str, parent: Path) -> Path:
    """Writes the package `name`, whose parts recipes call `name/...`, into a directory of that name, and returns it.

    Raises:
        InputError: the name is not valid, or taken, or there is no such kind; nothing is written then.
        WorkError: it cannot be written.
    """
    _check(name, kind)
    place = parent / name
    if place.exists():
        raise InputError(f"{place} exists already; choose another name, or another place with --in")
    words = _words(name, kind)
    partial = parent / f".{name}.{uuid.uuid4().hex}.partial"
    try:
        _write(files(__package__) / "templates" / "common", partial, words)
        _write(files(__package__) / "templates" / kind, partial / words["module"], words)
        partial.rename(place)
    except OSError as error:
        raise WorkError(f"cannot write {place}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return place


def _check(name: str, kind: str) -> None:
    from partwise.parts.registry import registry

    if kind not in PARTS:
        raise InputError(f"there is no example of kind {kind!r}; the kinds are {', '.join(PARTS)}")
    if not re.fullmatch(_NAME, name) or len(name) > _LONGEST:
        raise InputError(
            f"{name!r} is not a name for a plugin: use lower-case letters, digits and -, such as acme-sinks"
        )
    taken = {plugin.namespace: plugin for plugin in registry().plugins}
    module = name.replace("-", "_")
    if name in taken:
        raise InputError(f"the namespace {name} is taken by {taken[name]}, which is installed; choose another name")
    if keyword.iskeyword(module):
        raise InputError(f"{module} is a keyword of Python, so it cannot name a package; choose another name")
    if module in sys.stdlib_module_names or module in ("test", "tests") or _is_there(name, module):
        raise InputError(f"a package called {module} would hide or replace another one; choose another name")


def _is_there(name: str, module: str) -> bool:
    """Whether a package or a distribution has this name, and would be replaced."""
    try:
        distribution(name)
    except PackageNotFoundError:
        found = find_spec(module)
        return found is not None and found.origin is not None  # a folder that happens to be there does not count
    return True


def _words(name: str, kind: str) -> dict[str, str]:
    part = PARTS[kind]
    return {
        "name": name,
        "module": name.replace("-", "_"),
        "kind": OWN if kind == "own" else kind,
        "part": part,
        "partwise": version("partwise"),
    }


def _write(source: Traversable, place: Path, words: Mapping[str, str]) -> None:
    """Writes a folder of templates as files; their names may hold `$$` words, too."""
    place.mkdir(parents=True, exist_ok=True)
    for entry in sorted(source.iterdir(), key=lambda entry: entry.name):
        name = Template(entry.name.removesuffix(_SUFFIX)).substitute(words)
        if entry.is_dir():
            _write(entry, place / name, words)
        else:
            (place / name).write_text(Template(entry.read_text(encoding="utf-8")).substitute(words), encoding="utf-8")


__all__ = [
    "OWN",
    "PARTS",
    "AskedStudy",
    "NumberPlace",
    "SlotPlace",
    "new_plugin",
    "new_study",
    "numbers_of",
    "slots_of",
]
