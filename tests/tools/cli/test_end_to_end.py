"""The commands on real parts, one after the other, as a newcomer types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from partwise_cli.main import cli

CONTINUES = {
    "partwise": 1,
    "name": "tiny",
    "data": {"use": "text", "files": ["song.txt"], "valid": 0.2, "test": 0.2},
    "tokenizer": "char",
    "model": {
        "use": "language_model",
        "width": 8,
        "context": 16,
        "position": "learned",
        "blocks": [{"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}}],
    },
    "trainer": {"use": "standard", "steps": 3, "batch_size": 2, "evaluate_every": 2, "evaluate_batches": 1},
}
ANSWERS = {
    **CONTINUES,
    "name": "backwards",
    "data": {"use": "reverse", "size": 50, "valid": 10, "test": 10, "max_length": 5},
    "model": {
        "use": "seq2seq",
        "width": 8,
        "context": 16,
        "encoder": [{"use": "recurrent", "mixer": "gru"}],
        "decoder": [{"use": "recurrent", "mixer": "gru", "cross": {"use": "multi_head", "heads": 1}}],
        "final_norm": "none",
    },
    "sampler": "greedy",
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PARTWISE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "song.txt").write_text("row, row, row your boat\n" * 40)
    (tmp_path / "tiny.json").write_text(json.dumps(CONTINUES))
    (tmp_path / "backwards.json").write_text(json.dumps(ANSWERS))
    return tmp_path


def partwise(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, list(arguments), prog_name="partwise")
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.usefixtures("here")
def test_a_recipe_can_be_checked_inspected_trained_evaluated_and_written_with() -> None:
    assert partwise("check", "tiny.json").stdout == "tiny.json: ok\n"
    assert "MultiHeadAttention" in partwise("inspect", "tiny.json").stdout
    trained = partwise("train", "tiny.json", "--seed", "3", "--device", "cpu").stdout
    run = trained.splitlines()[-1].removeprefix("next: partwise generate ")
    assert Path(run).name.startswith("tiny-")
    assert run.endswith("-s3")
    assert "step 3/3" in trained
    figures = json.loads(partwise("evaluate", run, "--json").stdout)
    assert figures["tokens"] > 0
    assert figures["bits_per_byte"] > 0
    written = partwise("generate", run, "--prompt", "row", "--tokens", "12").stdout
    assert written.startswith("row")
    assert written == partwise("generate", run, "--prompt", "row", "--tokens", "12").stdout
    assert partwise("generate", run, "--tokens", "12", "--sampler", "greedy").stdout


@pytest.mark.usefixtures("here")
def test_examples_with_an_answer_are_evaluated_by_their_accuracy_too() -> None:
    trained = json.loads(partwise("train", "backwards.json", "--set", "trainer.evaluate_batches=null", "--json").stdout)
    run = trained["run"]
    share = json.loads(partwise("evaluate", run, "--json").stdout)["accuracy"]
    assert 0 <= share <= 1
    assert trained["after"]["valid_accuracy"] == share
    assert f"accuracy {100 * share:.1f}%" in " ".join(partwise("evaluate", run).stdout.split())


@pytest.mark.usefixtures("here")
def test_training_what_is_trained_says_so_and_is_a_success() -> None:
    first = json.loads(partwise("train", "tiny.json", "--json").stdout)
    assert (first["was_finished"], first["continued_from"]) == (False, 0)
    again = json.loads(partwise("train", "tiny.json", "--json").stdout)
    assert again["was_finished"]
    assert {**again, "was_finished": False, "continued_from": 0} == first


@pytest.mark.usefixtures("here")
def test_a_model_that_answers_shows_answers_and_gives_a_line_each() -> None:
    trained = partwise("train", "backwards.json", "--out", "back").stdout
    assert len([line for line in trained.splitlines() if " -> " in line]) == 5
    written = partwise("generate", "back", "--prompt", "abc", "--prompt", "cab").stdout
    assert len(written.splitlines()) == 2
