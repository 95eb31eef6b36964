"""The replications: all are there, all can be planned, and the tool that runs them tells what comes out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from partwise.recipe import studies
from partwise.studies.definition.reading import load_study
from partwise.studies.definition.variants import variants

TOOL = Path(__file__).parents[2] / "tools" / "replicate.py"
STUDIES = [one.name for one in studies() if one.name.startswith("replications/")]


def base(name: str) -> str:
    return name.rpartition("/")[2]


def replicate(*words: str, where: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(TOOL), *words], cwd=where, capture_output=True, text=True)


@pytest.mark.parametrize("name", STUDIES)
def test_a_replicating_study_has_variants_that_assemble(name: str) -> None:
    assert len(variants(load_study(name)).candidates) >= 2


def test_the_tool_knows_every_replication(tmp_path: Path) -> None:
    told = replicate("--help", where=tmp_path).stdout
    known = "".join(told.partition("[bigram")[2].partition("]")[0].split())
    assert sorted(f"bigram{known}".split("|")) == sorted([*map(base, STUDIES), "bigram", "nanogpt-cpu"])


def test_the_bigram_model_reaches_the_entropy_that_counting_gives(tmp_path: Path) -> None:
    done = replicate("bigram", where=tmp_path)
    assert done.returncode == 0, done.stderr
    name, _, _, obtained, holds, _ = (cell.strip() for cell in done.stdout.splitlines()[-1].strip("|").split("|"))
    loss, entropy = (float(word) for word in obtained.split(", entropy "))
    assert (name, holds) == ("bigram", "yes")
    assert loss == pytest.approx(entropy, abs=1e-6)
    assert 1.5 < entropy < 3.0


def test_what_needs_a_text_says_so(tmp_path: Path) -> None:
    done = replicate("nanogpt-cpu", where=tmp_path)
    assert done.returncode == 0
    assert "not run: --text FILE" in done.stdout


def test_a_text_that_cannot_be_read_is_an_error_of_one_screen(tmp_path: Path) -> None:
    (tmp_path / "binary.txt").write_bytes(b"\xff\x00" * 100)
    done = replicate("nanogpt-cpu", "--text", "binary.txt", where=tmp_path)
    assert done.returncode == 2
    assert "is not UTF-8 text" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_that_is_not_what_it_should_be_is_an_error_of_one_screen(tmp_path: Path) -> None:
    other = tmp_path / "runs" / "replications" / "bigram"
    other.parent.mkdir(parents=True)
    other.write_text("no directory")
    done = replicate("bigram", where=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
