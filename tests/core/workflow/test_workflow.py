"""From a recipe to a run and back, on small models and real data."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from partwise import InputError, RecipeError, WorkError
from partwise.machine import torch_device
from partwise.parts import Part
from partwise.recipe import LoadedRecipe, load
from partwise.runs import alone_in
from partwise.workflow import check, default_directory, evaluate, generate, prepare, reopen, train, writing_of

SMALL = [
    "model.width=24",
    "trainer.steps=6",
    "trainer.schedule.warmup=2",
    "trainer.batch_size=4",
    "trainer.evaluate_batches=2",
]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTWISE_CACHE", str(tmp_path / "cache"))


def _own_text(tmp_path: Path, *overrides: str) -> LoadedRecipe:
    """The shipped `gpt`, made small, on a text file of one's own."""
    (tmp_path / "fox.txt").write_text("The quick brown fox jumps over the lazy dog.\n" * 200)
    recipe = {
        "extends": "gpt",
        "name": "fox",
        "data": {"use": "text", "files": ["fox.txt"]},
        "tokenizer": "char",
        "model": {"context": 16, "depth": 2, "dropout": 0.1},
    }
    (tmp_path / "fox.json").write_text(json.dumps(recipe))
    return load(tmp_path / "fox.json", [*SMALL, *overrides])


def test_a_trained_run_can_be_reopened_evaluated_and_made_to_write(tmp_path: Path) -> None:
    run = train(_own_text(tmp_path), tmp_path / "run", device="cpu")
    again = reopen(run.directory, "cpu")
    rows = [row for row in run.rows() if "valid_loss" in row]
    assert rows[0]["step"] == 0
    assert rows[-1]["step"] == 6
    assert rows[-1]["valid_loss"] < rows[0]["valid_loss"]
    assert evaluate(again, "valid", limit=2).loss == pytest.approx(rows[-1]["valid_loss"], rel=1e-6)
    text = "".join(generate(again, "The ", writing_of(again, 20), seed=1))
    assert text == "".join(generate(again, "The ", writing_of(again, 20), seed=1))
    assert len(text) <= 20


def test_a_data_file_is_found_beside_the_recipe_and_again_after_reopening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train(_own_text(tmp_path), tmp_path / "run", device="cpu")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert evaluate(reopen(run.directory, "cpu"), "valid", limit=1).tokens > 0


def test_a_finished_run_is_left_as_it_is(tmp_path: Path) -> None:
    loaded = _own_text(tmp_path)
    run = train(loaded, tmp_path / "run", device="cpu")
    before = {file.name: file.read_bytes() for file in run.directory.iterdir() if file.is_file()}
    said: list[str] = []
    train(loaded, tmp_path / "run", device="cpu", say=said.append)
    assert {file.name: file.read_bytes() for file in run.directory.iterdir() if file.is_file()} == before
    assert any("finished" in line for line in said)


def test_training_is_announced_once_its_data_is_there(tmp_path: Path) -> None:
    loaded = _own_text(tmp_path)
    (tmp_path / "fox.txt").write_bytes(b"caf\xe9 " * 200)
    said: list[str] = []
    with pytest.raises(InputError, match="is not UTF-8"):
        train(loaded, tmp_path / "run", device="cpu", say=said.append)
    assert not any(line.startswith("training fox") for line in said)
    train(_own_text(tmp_path), tmp_path / "run", device="cpu", say=said.append)
    assert said.count(f"training fox in {tmp_path / 'run'}") == 1


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(tmp_path: Path) -> None:
    loaded = _own_text(tmp_path)
    runs = [train(loaded, tmp_path / name, seed=seed, device="cpu") for name, seed in (("a", 3), ("b", 3), ("c", 4))]
    weights = [(run.directory / "model.safetensors").read_bytes() for run in runs]
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


def test_an_interrupted_run_ends_with_the_bits_of_an_undisturbed_one(tmp_path: Path) -> None:
    loaded = _own_text(tmp_path)
    whole = train(loaded, tmp_path / "whole", device="cpu")

    def stop(progress: object) -> None:
        if getattr(progress, "step", 0) == 4:
            raise RuntimeError("the power is cut")

    broken = _own_text(tmp_path, "trainer.checkpoint_every=2")
    with pytest.raises(RuntimeError, match="power"):
        train(broken, tmp_path / "broken", device="cpu", report=stop)
    resumed = train(broken, tmp_path / "broken", device="cpu")
    for name in ("model.safetensors", "metrics.jsonl"):
        assert (resumed.directory / name).read_bytes() == (whole.directory / name).read_bytes()


def test_a_run_is_not_continued_on_other_data(tmp_path: Path) -> None:
    loaded = _own_text(tmp_path)
    train(loaded, tmp_path / "run", device="cpu")
    (tmp_path / "fox.txt").write_text("The quick brown dog jumps over the lazy fox.\n" * 200)
    with pytest.raises(InputError, match=r"data|tokenizer|texts"):
        train(loaded, tmp_path / "run", device="cpu")


def test_the_lock_names_each_part_with_its_distribution_version_and_source(tmp_path: Path) -> None:
    lock = train(_own_text(tmp_path), tmp_path / "run", device="cpu").lock
    assert lock["torch"] == torch.__version__
    part = lock["parts"]["attention multi_head"]
    assert part["distribution"] == "partwise"
    assert len(part["source"]) == 16


def test_the_default_directory_tells_recipes_and_seeds_apart(tmp_path: Path) -> None:
    loaded = _own_text(tmp_path)
    names = {str(default_directory(loaded, seed)) for seed in (0, 1)}
    names.add(str(default_directory(_own_text(tmp_path, "model.position=rope"), 0)))
    assert len(names) == 3
    assert all(name.startswith("runs/fox-") for name in names)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("model.blocks.0.mixer.heads=5", ["heads 5 does not divide width 24", "model.blocks.0.mixer"]),
        ("model.blocks.0.mixer.position=learned", ["learned", "added to the embedding"]),
        ("model.blocks.0.mixer.mask=bidirectional", ["bidirectional"]),
        ('model.embedding="one_hot"', ["tie"]),
        ("trainer.schedule.warmup=500", ["warm"]),
    ],
)
def test_what_does_not_fit_is_found_without_data_or_memory(tmp_path: Path, change: str, told: list[str]) -> None:
    with pytest.raises(RecipeError) as caught:
        check(_own_text(tmp_path, change))
    for words in told:
        assert words in str(caught.value)


def _counted(build: Any, calls: Counter[str]) -> Any:
    def counted(self: Part, site: Any) -> Any:
        calls[self.kind] += 1
        return build(self, site)

    return counted


def test_training_assembles_each_part_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = _own_text(tmp_path)
    assembled = Counter[str]()
    for part in (loaded.recipe.data, loaded.recipe.tokenizer, loaded.recipe.trainer):
        monkeypatch.setattr(type(part), "build", _counted(type(part).build, assembled))
    train(loaded, tmp_path / "run", device="cpu")
    assert assembled == {"data": 1, "tokenizer": 1, "trainer": 1}


def test_what_is_prepared_serves_another_recipe_with_the_same_texts(tmp_path: Path) -> None:
    prepared = prepare(_own_text(tmp_path))
    other = prepared.for_recipe(_own_text(tmp_path, "model.context=8"))
    assert other.data_hash == prepared.data_hash
    assert (prepared.tokens_per_row, other.tokens_per_row) == (16, 8)
    assert (prepared.skeleton().context, other.skeleton().context) == (16, 8)


def test_a_position_that_no_layer_can_use_is_refused() -> None:
    with pytest.raises(RecipeError, match="no layer here has an attention"):
        check(load("variants/bpe-gru", ["model.position=rope"]))


def test_a_model_too_large_for_the_machine_is_checked_but_not_trained(tmp_path: Path) -> None:
    loaded = _own_text(tmp_path, "model.width=4000000", "model.blocks.0.mixer.heads=8")
    check(loaded)
    with pytest.raises(Exception, match="weights need") as caught:
        train(loaded, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()
    assert getattr(caught.value, "exit_code", None) == 1


def test_evaluating_on_other_data_than_was_trained_on_is_refused(tmp_path: Path) -> None:
    run = train(_own_text(tmp_path), tmp_path / "run", device="cpu")
    (tmp_path / "fox.txt").write_text("The quick brown dog jumps over the lazy fox.\n" * 200)
    with pytest.raises(InputError, match="data has changed"):
        evaluate(reopen(run.directory, "cpu"))


def test_a_data_file_named_by_an_extended_recipe_is_found_beside_that_recipe(tmp_path: Path) -> None:
    _own_text(tmp_path)
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "child.json").write_text('{"extends": "../fox.json", "name": "child"}')
    check(load(tmp_path / "deeper" / "child.json", SMALL))


def test_a_data_file_named_by_an_option_is_relative_to_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here.txt").write_text("some text\n" * 100)
    monkeypatch.chdir(tmp_path)
    check(load("gpt", ['data={"use": "text", "files": ["here.txt"]}']))


def test_a_missing_data_file_is_found_by_check(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        check(_own_text(tmp_path, 'data.files=["nowhere.txt"]'))


def test_an_answer_in_words_begins_without_a_space(tmp_path: Path) -> None:
    small = ["trainer.steps=300", "trainer.checkpoint_every=null", "trainer.evaluate_batches=2", "data.max_length=4"]
    run = train(load("lstm-attention", [*small, "model.width=64", "data.size=2000"]), tmp_path / "run", device="cpu")
    again = reopen(run.directory, "cpu")
    answer = "".join(generate(again, "a b c d", writing_of(again, 6)))
    assert answer
    assert not answer.startswith(" ")


def test_data_that_was_too_little_to_begin_with_can_be_added_to(tmp_path: Path) -> None:
    loaded = _own_text(tmp_path)
    (tmp_path / "fox.txt").write_text("The quick brown fox jumps over the lazy dog.\n")
    with pytest.raises(InputError, match="give it more"):
        train(loaded, tmp_path / "run", device="cpu")
    (tmp_path / "fox.txt").write_text("The quick brown fox jumps over the lazy dog!\n" * 200)
    assert train(loaded, tmp_path / "run", device="cpu").finished


def test_two_trainings_do_not_share_a_directory(tmp_path: Path) -> None:
    with alone_in(tmp_path / "run"), pytest.raises(WorkError, match="another process is training"):
        train(_own_text(tmp_path), tmp_path / "run", device="cpu")
    assert list((tmp_path / "run").iterdir()) == []


def test_a_cache_that_cannot_be_made_is_named_with_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PARTWISE_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match=r"cannot make the cache directory .*name another one in PARTWISE_CACHE"):
        train(_own_text(tmp_path), tmp_path / "run", device="cpu")


def test_a_device_where_tensors_have_no_content_is_no_device() -> None:
    with pytest.raises(InputError, match="no device 'meta' here; use cpu or auto"):
        torch_device("meta")
