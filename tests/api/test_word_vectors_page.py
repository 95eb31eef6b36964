"""What the page on word vectors shows works: recipes, commands, code, and files of questions and pairs."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import partwise
from partwise.parts import DataSite
from partwise_cli.main import cli
from partwise_data.parts import Relations

PAGE = (Path(__file__).parents[2] / "docs" / "word-vectors.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
RECIPE, JUDGES = (json.loads(block) for language, block in BLOCKS if language == "json")
COMMANDS, _, SENTENCES, QUESTIONS, PAIRS = [block for language, block in BLOCKS if not language]
SHOWN: dict[str, Any] = {}
for language, block in BLOCKS:
    if language == "python":
        exec(compile(block, "word-vectors.md", "exec", dont_inherit=True), SHOWN)
SMALL = {
    "data.size": 2000,
    "trainer.steps": 4,
    "trainer.batch_size": 4,
    "trainer.evaluate_every": None,
    "trainer.schedule": "constant",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("words")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        patch.setenv("PARTWISE_CACHE", str(directory / "cache"))
        recipe = partwise.change("lessons/word-vectors-kinship", SMALL)
        partwise.train(recipe, out="runs/kin", device="cpu", say=None)
    return directory


def test_the_recipe_shown_is_in_the_one_that_ships() -> None:
    ships = json.loads(partwise.load("lessons/word-vectors-kinship").path.read_text())  # type: ignore[union-attr]
    assert {key: ships[key] for key in RECIPE} == RECIPE


def test_the_commands_and_the_code_run(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    train, *others = [shlex.split(line, comments=True) for line in COMMANDS.splitlines()]
    assert train[:3] == ["partwise", "train", "lessons/word-vectors-kinship"]
    for command in others:
        result = CliRunner().invoke(cli, command[1:], catch_exceptions=False)
        assert result.exit_code == 0
        assert "cosine" in result.stdout
    best, near = SHOWN["queen_and_neighbours"]("runs/kin")
    assert best not in {"king", "man", "woman"}
    assert len(near) == 5


def test_the_evaluations_read_files_as_they_are_shown(place: Path, tmp_path: Path) -> None:
    (tmp_path / "questions-words.txt").write_text(QUESTIONS)
    titles, *pairs = PAIRS.splitlines()
    more = [*pairs, "king,prince,5", "uncle,nephew,5"]
    columns = [line.split(",") for line in [titles, *more]]
    columns[0][2] = JUDGES["people"]["score"]
    (tmp_path / "SimLex-999.txt").write_text("\n".join("\t".join(line) for line in columns))
    (tmp_path / "judges.json").write_text(json.dumps(JUDGES))
    found = partwise.judge(place / "runs" / "kin", tmp_path / "judges.json", say=None)
    assert {"capitals.accuracy_capital-common-countries", "people.spearman"} <= set(found)
    assert all(found[f"{name}.known"].figure.value == 1 for name in JUDGES)
    for part in partwise.load("lessons/word-vectors-text").recipe.evaluations.values():
        assert all(f"`{figure}`" in PAGE for figure in part.figures() if "_" not in figure)


def test_the_sentences_shown_are_sentences_of_the_corpus() -> None:
    data = Relations(size=20_000).build(DataSite())
    drawn = {example.pieces[0].text for example in data.examples("train")}
    assert set(SENTENCES.splitlines()) <= drawn
