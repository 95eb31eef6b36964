"""`partwise look`: the page or the facts, and one clear error for what cannot be shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from partwise_cli.main import cli

RECIPE = {
    "partwise": 1,
    "name": "seen",
    "data": {"use": "grammar", "words": 3, "size": 2000, "valid": 400, "test": 400},
    "tokenizer": "char",
    "model": {"use": "language_model", "width": 8, "depth": 1, "context": 16,
              "blocks": [{"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}, "feedforward": "relu"}]},
    "trainer": {"use": "standard", "steps": 1, "batch_size": 4, "optimizer": "adam"},
}  # fmt: skip


@pytest.fixture
def look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The command, in a directory with a recipe `seen.json` and a run that is not finished."""
    monkeypatch.chdir(tmp_path)
    Path("seen.json").write_text(json.dumps(RECIPE))
    Path("half").mkdir()
    Path("half/recipe.json").write_text("{}")

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["look", *arguments, "--device", "cpu"])

    return call


def test_it_writes_a_page_that_is_named_after_the_recipe(look) -> None:
    result = look("seen.json", "--prompt", "the dog")
    assert result.exit_code == 0, result.output
    assert "page: look-seen.html (" in result.output
    page = Path("look-seen.html").read_text()
    assert "<title>Looking inside seen</title>" in page
    assert "stack.blocks.0.mixer" in page


def test_json_has_the_facts_and_writes_no_page_unless_one_is_named(look) -> None:
    result = look("seen.json", "--prompt", "the dog", "--json")
    assert not list(Path().glob("*.html"))
    assert json.loads(result.stdout)["name"] == "seen"
    look("seen.json", "--prompt", "the dog", "--json", "--out", "page.html")
    assert Path("page.html").is_file()


def test_a_page_can_go_to_standard_output(look) -> None:
    assert look("seen.json", "--prompt", "the dog", "--out", "-").stdout.startswith("<!doctype html>")


def test_a_recipe_is_changed_first_and_a_run_is_not(look) -> None:
    told = json.loads(look("seen.json", "--prompt", "a", "--json", "--set", "model.depth=3").stdout)
    assert len(told["mixing"]["maps"]) == 3
    result = look("half", "--set", "model.depth=3")
    assert result.exit_code == 2
    assert "--set changes a recipe, and half is a run" in result.output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nowhere"], "nowhere holds no run"),
        (["seen.json", "--source", "a"], "--source is for models of pairs"),
        (["seen.json", "--prompt", "a", "--out", "no/such/page.html"], "the directory"),
        (["seen.json", "--prompt", "a", "--analogy", "t", "h", "zebra"], "'zebra' is not among the 22 words"),
        (["seen.json", "--prompt", "a", "--beside", "nowhere"], "nowhere holds no run"),
        (["seen.json", "--prompt", "a", *["--beside", "seen.json"] * 3], "at most 2 others"),
        (["seen.json", "--set", "model.depth=0"], "model.depth"),
    ],
)
def test_what_cannot_be_shown_is_said_in_a_line_and_nothing_is_written(
    look, arguments: list[str], complaint: str
) -> None:
    result = look(*arguments)
    assert result.exit_code == 2, result.output
    assert complaint in result.output
    assert "Traceback" not in result.output
    assert not list(Path().glob("*.html"))
