"""The examples of the notebook functions, in their docstrings and in the README, run as they are shown."""

from __future__ import annotations

import doctest
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import partwise
from partwise.recipe import LoadedRecipe

TOP = Path(__file__).parents[2]
README = (TOP / "README.md").read_text()
OF_A_STUDY = [
    block
    for page in (README, (TOP / "docs" / "results.md").read_text())
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    if 'partwise.study("demo")' in block
]
NOTEBOOK = [name for name in partwise.__all__ if getattr(partwise, name).__module__.startswith("partwise.notebook")]
FUNCTIONS = [name for name in NOTEBOOK if name.islower() and name != "study"]


def run(text: str, name: str, known: dict[str, Any]) -> dict[str, Any]:
    """Runs the lines behind `>>>`; what they print must be what stands below them. Returns what they define."""
    example = doctest.DocTestParser().get_doctest(text, known, name, None, 0)
    assert example.examples, "there is no example"
    told: list[str] = []
    failed, _ = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS).run(
        example, out=told.append, clear_globs=False
    )
    assert not failed, "".join(told)
    return example.globs


@pytest.fixture(scope="module")
def tiny() -> LoadedRecipe:
    return partwise.change(
        "char-rnn",
        {"name": "tiny", "data": "grammar", "model.width": 16, "trainer.steps": 20, "trainer.schedule": "constant"},
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tiny: LoadedRecipe) -> Iterator[Path]:
    """A directory to work in, with a run in it."""
    directory = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        (directory / "other.txt").write_text("the cat sees a dog .\n")
        partwise.train(tiny, out="runs/tiny", say=None)
        yield directory


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_example_of_a_function_is_true(name: str, place: Path, tiny: LoadedRecipe) -> None:
    run(getattr(partwise, name).__doc__, f"partwise.{name}", {"partwise": partwise, "tiny": tiny})


def test_the_example_of_a_study_is_true_and_gives_tables_verdicts_and_a_report(place: Path, tiny: LoadedRecipe) -> None:
    result = run(str(partwise.study.__doc__), "partwise.study", {"partwise": partwise, "tiny": tiny})["result"]
    assert isinstance(result, partwise.StudyResult)
    frame = result.frame()
    assert frame["factor.width"].tolist() == ["16", "8"]
    assert frame["value"].dtype == float
    assert result.frame("variants")["parameters"].is_monotonic_decreasing
    assert result.report == Path("studies/widths/report.html")
    assert result.report.is_file()
    assert repr(result).startswith(f"<study widths: 2 done>\n{result.verdicts['width']}")
    assert "\nnote: With fewer than 3 seeds there is no verdict." in repr(result)
    assert result.results.provenance["command"] == "partwise.study('widths')"
    lines: list[str] = []
    assert len(OF_A_STUDY) == 2
    for block in OF_A_STUDY:  # of a study that takes longer, and has other factors
        exec(block.replace('"layers"', '"width"'), {"partwise": SimpleNamespace(study=lambda name: result)})
    again = partwise.study("studies/widths/study.json", seeds=1, say=lines.append)
    assert again.verdicts == result.verdicts
    assert "2 runs, 2 of them done before" in lines


def test_the_notebook_of_the_readme_is_true(place: Path) -> None:
    cells = [cell for cell in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if ">>> " in cell]
    assert cells
    run("\n".join(cells), "README", {})
