"""A fresh virtual environment with the built wheel of partwise in it: no checkout, nothing editable."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


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
        """Builds and installs packages; what they need is there already."""
        self.run("-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", *sources)


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The libraries that partwise depends on are not installed once more: they are read where they are here."""
    place = tmp_path_factory.mktemp("fresh")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", place, ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = place.glob("partwise-*.whl")
    subprocess.run([sys.executable, "-m", "venv", place / "venv"], check=True, capture_output=True)
    made = Environment(place / "venv" / "bin" / "python", place)
    inside = made.run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    # A path in such a file is searched, but the files like it in there are not read: nothing editable comes along.
    Path(inside, "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    made.run("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed", wheel)
    where = made.run("-c", "import partwise; print(partwise.__file__)").strip()
    assert where.startswith(inside), "the wheel is what is imported, not the checkout"
    return made
