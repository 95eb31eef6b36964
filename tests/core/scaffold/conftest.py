"""A fresh virtual environment with the built wheel of partwise in it: no checkout, nothing editable.

It is made once, with every plugin that the tests of this folder are about, by whichever worker of `pytest -n 2` is
first; the others wait for it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from partwise.scaffold import PARTS

ROOT = Path(__file__).resolve().parents[3]
KIT = ROOT / "tests" / "fixtures" / "acme-kit"
NEW = """
import partwise
from click.testing import CliRunner
from partwise.scaffold import PARTS
from partwise_cli.main import cli

for kind in PARTS:
    result = CliRunner().invoke(cli, ["new", "plugin", f"my-{kind}", "--kind", kind], catch_exceptions=False)
    assert result.exit_code == 0, result.output
print(partwise.__file__)
"""
"""`partwise new plugin my-KIND --kind KIND` for each kind, in one process; prints which partwise that is."""
BUILD = """
import os, sys
from pathlib import Path
from hatchling.build import build_wheel

target, *sources = map(Path, sys.argv[1:])
for source in sources:
    os.chdir(source)
    print(target / build_wheel(str(target)))
"""
"""Builds the wheels of packages in one process: pip would start three for each."""
LONG = ("model", "residual")
"""Kinds whose checks take long: examples of them are verified by an exhaustive test only."""
QUICK = ("feedforward",)
"""The kind whose example is verified where it is installed, in the quick suite. An exhaustive test verifies all."""
ACME = ("torch_attention", "llama_mlp", "experts", "top_k")
LONG_OF_ACME = ("torch_attention", "llama_mlp")


@dataclass(frozen=True)
class Environment:
    """A virtual environment, and a directory to work in that is none of the checkout."""

    python: Path
    place: Path

    def run(self, *arguments: str | Path, cwd: Path | None = None) -> str:
        """Output of its Python with these arguments, which must succeed."""
        foreign = {"PYTHONPATH", "PARTWISE_PLUGINS"}
        settings = {key: value for key, value in os.environ.items() if key not in foreign}
        done = subprocess.run(
            [self.python, *arguments],
            cwd=cwd or self.place,
            env={**settings, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(self.place / "cache")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def partwise(self, *arguments: str | Path) -> str:
        """Output of the command `partwise` with these arguments."""
        return self.run("-m", "partwise_cli", *arguments)

    def install(self, *sources: Path) -> None:
        """Builds wheels of these packages and unpacks them; what they need is there already."""
        build = [sys.executable, "-c", BUILD, self.place, *sources]
        done = subprocess.run(build, check=True, capture_output=True, text=True, cwd=self.place)
        for wheel in done.stdout.splitlines():
            with zipfile.ZipFile(wheel) as packed:
                packed.extractall(self.libraries)

    @property
    def libraries(self) -> Path:
        (found,) = self.place.glob("venv/lib/python*/site-packages")
        return found


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Makes a thing of a name, which is JSON, in a folder of that name, unless another worker has made it."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if hasattr(request.config, "workerinput") else own

    def made(name: str, make: Callable[[Path], Any]) -> Any:
        place, result = shared / name, shared / f"{name}.json"
        with FileLock(shared / f"{name}.lock"):
            if not result.exists():
                place.mkdir()
                result.write_text(json.dumps(make(place)))
            return json.loads(result.read_text())

    return made


@pytest.fixture(scope="session")
def environment(once: Callable[..., Any]) -> Environment:
    """With a new plugin of each kind, and the worked examples.

    The libraries that partwise depends on are not installed once more: they are read where they are here.
    """
    python, place = once("fresh", fresh)
    return Environment(Path(python), Path(place))


def fresh(place: Path) -> tuple[str, str]:
    """Makes the environment; its Python, and where to work."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place / "venv"], check=True)
    made = Environment(place / "venv" / "bin" / "python", place)
    # A path in such a file is searched, but the files like it in there are not read: nothing editable comes along.
    (made.libraries / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    made.install(ROOT)
    where = made.run("-c", NEW).strip()
    assert Path(where).is_relative_to(made.libraries), "the wheel is what is imported, not the checkout"
    made.install(*(place / f"my-{kind}" for kind in PARTS), KIT)
    return str(made.python), str(place)


@pytest.fixture(scope="session")
def verified(environment: Environment, once: Callable[..., Any]) -> dict[str, list[dict[str, Any]]]:
    """What `partwise verify` finds, by part."""
    names = [
        *(f"my-{kind}/{PARTS[kind]}" for kind in QUICK),
        *(f"acme/{part}" for part in ACME if part not in LONG_OF_ACME),
    ]
    said = once("verified", lambda _: json.loads(environment.partwise("verify", *names, "--jobs", "1", "--json")))
    assert said["counts"]["failed"] == 0
    return {name: [one for one in said["results"] if one["part"] == name] for name in names}
