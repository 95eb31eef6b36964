"""The lessons as notebooks: what becomes of a page, and that every cell of every notebook runs."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

import build_notebooks
from build_notebooks import LESSONS, TOP, notebook, write

STUDIES = {"8-is-it-better"}
"""Lessons whose picture is a report, which is a file."""
QUICK = {"1-tokens"}
"""Lessons that train nothing."""
SHOWN = "<iframe "


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `pip install partwise` brings, unpacked: the wheel of this checkout, and nothing beside it."""
    place = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(place), str(TOP)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = place.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(place / "unpacked")
    return place / "unpacked"


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for the page of a lesson, among the lessons."""
    monkeypatch.setattr(build_notebooks, "LEARN", tmp_path)
    monkeypatch.setattr(build_notebooks, "LESSONS", [tmp_path / "2-other.md"])
    return tmp_path / "1-mine.md"


def cells_of(page: Path, text: str) -> list[tuple[str, str]]:
    """The cells that a lesson's text becomes, without those that every notebook begins with."""
    page.write_text(f"# Lesson 1: mine\n\n{text}")
    return [(cell.cell_type, cell.source) for cell in notebook(page).cells[2:]]


@pytest.fixture
def place(tmp_path: Path, installed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory, where notebooks find partwise as it is installed."""
    monkeypatch.setenv("PARTWISE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PYTHONPATH", str(installed))
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


def executed(page: Path, place: Path) -> list[Any]:
    """The cells of a lesson's notebook, run in a directory; the first that fails raises."""
    made = notebook(page)
    nbclient.execute(made, cwd=str(place), timeout=1800, kernel_name="python3")
    return made.cells


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.stem, marks=[] if page.stem in QUICK else [pytest.mark.exhaustive])
        for page in LESSONS
    ],
)
def test_every_cell_runs_in_a_fresh_directory_and_pages_are_shown_in_place(page: Path, place: Path) -> None:
    cells = executed(page, place)
    looked = [cell for cell in cells if cell.cell_type == "code" and cell.source.startswith("partwise.look(")]
    assert looked or page.stem in STUDIES
    for cell in looked:
        assert any(SHOWN in output.get("data", {}).get("text/html", "") for output in cell.outputs), cell.source
    assert not list(place.glob("*.html"))


def test_the_wheel_is_what_a_notebook_imports(page: Path, place: Path, installed: Path) -> None:
    page.write_text("# Lesson 1: mine\n\n```python\nprint(partwise.__file__)\n```\n")
    assert Path(executed(page, place)[-1].outputs[0].text.strip()).is_relative_to(installed)


def test_a_command_that_fails_fails_its_cell(page: Path, place: Path) -> None:
    page.write_text("# Lesson 1: mine\n\n```sh\npartwise show nothing\npartwise parts\n```\n")
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="non-zero exit status 2"):
        executed(page, place)


def test_python_and_commands_become_cells_and_what_is_printed_is_left_out(page: Path) -> None:
    text = (
        "One.\n\n```python\nprint(1)\n```\n\n```text\n1\n```\n\nTwo.\n\n```sh\npartwise parts\npartwise recipes\n```\n"
    )
    assert cells_of(page, text) == [
        ("markdown", "One."),
        ("code", "print(1)"),
        ("markdown", "Two."),
        ("code", "%%sh -e\npartwise parts\npartwise recipes"),
    ]


@pytest.mark.parametrize(
    ("command", "cell"),
    [
        ("gpt", 'partwise.look("gpt", say=None)'),
        ("runs/a --prompt 'say \"a\"' --out a.html", r'partwise.look("runs/a", "say \"a\"", say=None)'),
        (
            """gpt --set model.position=rope --set 'tokenizer={"use": "bpe", "more": null}'""",
            "partwise.look(partwise.change(\"gpt\", {'model.position': 'rope', "
            "'tokenizer': {'use': 'bpe', 'more': None}}), say=None)",
        ),
        ("gpt --set model.depth=2", 'partwise.look(partwise.change("gpt", {"model.depth": 2}), say=None)'),
        (
            "runs/a --source 'May 1' --target 05-01 --beside runs/b --weights best",
            'partwise.look("runs/a", source="May 1", target="05-01", beside=["runs/b"], weights="best", say=None)',
        ),
        (
            "runs/a --analogy a b c --analogy d e f",
            'partwise.look("runs/a", analogies=[["a", "b", "c"], ["d", "e", "f"]], say=None)',
        ),
    ],
)
def test_a_page_that_a_command_makes_is_shown_in_place(page: Path, command: str, cell: str) -> None:
    assert cells_of(page, f"```sh\npartwise look {command}\n```\n") == [("code", cell)]


def test_commands_around_a_page_keep_their_order(page: Path) -> None:
    text = "```sh\npartwise train gpt\npartwise look gpt\npartwise look gpt --json\n```\n"
    assert [source for _, source in cells_of(page, text)] == [
        "%%sh -e\npartwise train gpt",
        'partwise.look("gpt", say=None)',
        "%%sh -e\npartwise look gpt --json",
    ]


def test_the_words_speak_of_the_page_above_and_links_lead_to_notebooks_or_the_web(page: Path) -> None:
    text = "Open `a.html` in a browser. Or open `b.html`. [2](2-other.md), [elsewhere](../look.md), [web](https://a.b/c).\n"
    [(_, words)] = cells_of(page, text)
    assert words == (
        "Look at the page above. Or look at the page above. [2](2-other.ipynb), elsewhere, [web](https://a.b/c)."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Then `a.html` has it.", "1-mine.md speaks of `a.html`, which a notebook has not made; say: Open `a.html`"),
        ("![one](one.png)", "a notebook cannot have the picture one.png of its page"),
    ],
)
def test_what_a_notebook_cannot_show_fails_the_build(page: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cells_of(page, text)


def test_a_page_without_the_title_of_a_lesson_fails_the_build(page: Path) -> None:
    page.write_text("# Tokens\n")
    with pytest.raises(ValueError, match="does not begin with `# Lesson N: TITLE`"):
        notebook(page)


def test_two_builds_are_the_same_to_the_byte_and_valid(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a"), write(tmp_path / "b")
    assert [file.name for file in first] == [lesson.with_suffix(".ipynb").name for lesson in LESSONS]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
        nbformat.validate(nbformat.read(one, as_version=4))
