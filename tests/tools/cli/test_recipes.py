from __future__ import annotations

import json
from pathlib import Path

import pytest

from partwise import PartError, workflow
from partwise.recipe import locate


@pytest.fixture(autouse=True)
def assembles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Toy models assemble, except those that are 13 wide; those of 14 break."""

    def check(loaded) -> None:
        if loaded.recipe.model.width == 13:
            raise locate(loaded, PartError("13 is unlucky", ("model", "width")))
        if loaded.recipe.model.width == 14:
            raise ZeroDivisionError("by nought")

    monkeypatch.setattr(workflow, "check", check)


def test_a_recipe_without_a_fault_is_ok(call, recipe) -> None:
    result = call("check", recipe())
    assert (result.exit_code, result.stdout, result.stderr) == (0, "toy.json: ok\n", "")


def test_every_file_is_reported_and_one_wrong_makes_it_exit_with_2(call, recipe) -> None:
    result = call("check", recipe("a"), "missing.json", recipe("b", wdth=3), recipe("c"))
    assert result.exit_code == 2
    assert result.stdout == "a.json: ok\nc.json: ok\n"
    assert "missing.json: no such file" in result.stderr
    assert "wdth" in result.stderr
    assert "Traceback" not in result.stderr


def test_what_does_not_assemble_is_wrong(call, recipe) -> None:
    result = call("check", recipe(width=13))
    assert result.exit_code == 2
    assert "13 is unlucky" in result.stderr
    assert "at model.width" in result.stderr


def test_a_part_that_breaks_does_not_hide_the_other_files_and_exits_with_1(call, recipe) -> None:
    result = call("check", recipe("a", width=14), recipe("b"))
    assert (result.exit_code, result.stdout) == (1, "b.json: ok\n")
    assert "ZeroDivisionError: by nought" in result.stderr


def test_a_wrong_file_counts_for_more_than_a_part_that_breaks(call, recipe) -> None:
    assert call("check", recipe("a", width=13), recipe("b", width=14), "--json").exit_code == 2


def test_schema_only_does_not_assemble(call, recipe) -> None:
    assert call("check", "--schema-only", recipe(width=13)).exit_code == 0


def test_set_is_applied_before_checking(call, recipe) -> None:
    assert call("check", recipe(width=13), "--set", "model.width=12").exit_code == 0
    assert call("check", recipe(), "--set", "model.width=13").exit_code == 2


def test_check_as_json_gives_each_problem_with_its_place(call, recipe) -> None:
    result = call("check", "--json", recipe("a"), recipe("b", width=-1))
    assert result.exit_code == 2
    fine, wrong = json.loads(result.stdout)
    assert fine == {"file": "a.json", "ok": True, "text": None, "problems": [], "epochs": None}
    (problem,) = wrong["problems"]
    assert (problem["source"], problem["path"]) == ("b.json", ["model", "width"])
    line = Path("b.json").read_text().splitlines()[problem["line"] - 1]
    assert line[problem["column"] - 1 :].startswith("-1")


def test_check_without_a_file_is_a_wrong_call(call) -> None:
    assert call("check").exit_code == 2


def test_equal_recipes_have_no_difference_whatever_is_spelt_out(call, recipe) -> None:
    result = call("diff", recipe("a"), recipe("b", position={"use": "still"}), "--set", "name=a")
    assert (result.exit_code, result.stdout) == (0, "no difference\n")


def test_a_difference_is_shown_on_both_sides_and_exits_with_1(call, recipe) -> None:
    result = call("diff", recipe("a"), recipe("b", width=6))
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "--- a.json",
        "+++ b.json",
        "name",
        '- "a"',
        '+ "b"',
        "model.width",
        "- 4",
        "+ 6",
    ]


def test_a_recipe_can_be_compared_with_itself_under_a_change(call, recipe) -> None:
    result = call("diff", recipe(), "--set", "model.position=spin", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == [
        {"path": ["model", "position"], "a": {"use": "still"}, "b": {"use": "spin", "speed": 3}, "only_in": None}
    ]


def test_comparing_a_recipe_with_nothing_is_a_wrong_call(call, recipe) -> None:
    result = call("diff", recipe())
    assert result.exit_code == 2
    assert "name a recipe B, or change A" in result.stderr.replace("Name", "name")


def test_a_wrong_recipe_makes_diff_exit_with_2(call, recipe) -> None:
    assert call("diff", recipe(), "missing.json").exit_code == 2


def test_the_schema_is_json_that_names_every_part(call) -> None:
    text = call("schema").output
    assert json.loads(text)["$schema"].startswith("https://json-schema.org/")
    for name in ("spin", "still", "letters", "poem", "net", "drill"):
        assert f'"{name}"' in text


def test_the_schema_can_be_written_to_a_file(call, here) -> None:
    result = call("schema", "--out", "recipe.schema.json")
    assert result.output == "wrote recipe.schema.json\n"
    assert json.loads((here / "recipe.schema.json").read_text()) == json.loads(call("schema").output)


def test_a_schema_that_cannot_be_written_is_an_error_in_words(call, here) -> None:
    result = call("schema", "--out", "no/such/folder/recipe.schema.json")
    assert result.exit_code == 2
    assert "cannot write no/such/folder/recipe.schema.json: the directory" in result.stderr


def test_recipes_are_listed_with_what_they_are(call) -> None:
    lines = call("recipes").output.splitlines()
    assert any(line.startswith("gpt ") and "Model 5" in line for line in lines)


def test_recipes_as_json_say_where_they_lie(call) -> None:
    found = {one["name"]: one for one in json.loads(call("recipes", "--json").output)}
    assert set(found["gpt"]) == {"name", "about", "source", "path"}
    assert Path(found["gpt"]["path"]).is_file()
