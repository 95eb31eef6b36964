"""What the page on evaluations shows works: its recipe is trained, its commands and its code run."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import partwise
from partwise.runs import Run
from partwise.studies.definition.reading import load_study
from partwise.testing.checks import evaluations
from partwise_cli.main import cli
from partwise_evaluations.parts import PARTS

PAGE = (Path(__file__).parents[2] / "docs" / "evaluations.md").read_text()
RECIPE, STUDY, HARNESS = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
(TASK,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
ITEMS = {
    "cloze.jsonl": '{"prompt": "The sky is", "choices": ["blue", "loud"], "answer": 0}',
    "agreement.jsonl": '{"sentence_good": "The cats sleep.", "sentence_bad": "The cats sleeps."}',
    "sums.jsonl": '{"prompt": "2 + 2 =", "answer": "4"}',
    "others.json": '{"news": {"use": "text", "files": ["news/*.txt"]}}',
}
SHOWN: dict[str, Any] = {}
for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
    exec(compile(block, "evaluations.md", "exec", dont_inherit=True), SHOWN)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    place = tmp_path_factory.mktemp("page")
    for name, line in ITEMS.items():
        assert line in PAGE
        (place / name).write_text(f"{line}\n" * (1 if name == "others.json" else 2))
    (place / "news").mkdir()
    for name in ("one", "two"):
        (place / "news" / f"{name}.txt").write_text(f"number {name} came first, and the others after it.\n" * 5)
    (place / "judged.json").write_text(RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        small = {"data": "grammar", "model.width": 16, "model.context": 64, "trainer.steps": 2}
        loaded = partwise.change("judged.json", small | {"trainer.schedule": "constant"})
        return partwise.train(loaded, out=place / "runs" / "judged", say=None).run


def test_the_recipe_gives_the_figures_of_the_table(run: Run) -> None:
    last = run.rows()[-1]
    for name, part in partwise.load(run.recipe).recipe.evaluations.items():
        for figure in part.figures():
            assert f"`{figure}`" in PAGE
            assert f"{name}.{figure}" in last
    assert {part.name for part in PARTS} == set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))


def test_the_commands_and_the_function_judge_the_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.directory.parents[1])
    commands = re.findall(r"^partwise (evaluate .*)$", PAGE, re.MULTILINE)
    assert len(commands) == 2
    for command, name in zip(commands, ("cloze.accuracy", "news.bits_per_byte"), strict=True):
        result = CliRunner().invoke(cli, shlex.split(command), catch_exceptions=False)
        assert result.exit_code == 0
        assert name in result.stdout
        told = json.loads(CliRunner().invoke(cli, [*shlex.split(command), "--json"]).stdout)
        assert told["figures"][name]["count"] == 2
        assert told["figures"][name]["value"] == pytest.approx(run.rows()[-1][name], rel=1e-6)
    shown = CliRunner().invoke(cli, ["show", "runs/judged"], catch_exceptions=False).stdout
    assert re.search(r"judged afterwards +value +standard error +items +better\n(.*\n)*news.bits_per_byte", shown)
    accuracy, error = SHOWN["accuracy_of"](run.directory)
    assert (accuracy, error) == (run.rows()[-1]["cloze.accuracy"], 0.0)


def test_the_task_of_the_harness_judges_the_run_as_choices_do(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "colours.yaml").write_text(TASK)
    (tmp_path / "tasks" / "colours.jsonl").write_text(f"{ITEMS['cloze.jsonl']}\n" * 2)
    (tmp_path / "harness.json").write_text(HARNESS)
    found = partwise.judge(run.directory, tmp_path / "harness.json")
    assert list(found) == ["colours.acc", "colours.acc_norm"]
    assert found["colours.acc"].figure.value == run.rows()[-1]["cloze.accuracy"]


def test_the_study_takes_its_goal_from_the_evaluation(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    place = run.directory.parents[1]
    (place / "study.json").write_text(STUDY)
    loaded = load_study(place / "study.json")
    assert loaded.study.metric.asked().goal == "min"
    (place / "other.json").write_text(STUDY.replace("cloze.bits_per_byte", "news.acuracy"))
    with pytest.raises(partwise.RecipeError, match="news has no 'acuracy', did you mean"):
        load_study(place / "other.json")


def test_the_evaluation_shown_holds_its_contract() -> None:
    for example in SHOWN["ConfidencePart"].examples():
        for check in (
            evaluations.its_figures_are_those_it_declares,
            evaluations.it_judges_alike_each_time,
            evaluations.it_leaves_the_model_alone,
            evaluations.batches_and_padding_make_no_difference,
        ):
            check(example)
