"""Starting from weights: what is taken, learned and refused; and a killed training ends with the same bits."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

import partwise
from partwise import RecipeError
from partwise.modules.adapting import merge_adapters
from partwise.recipe import LoadedRecipe, load
from partwise.runs import Run
from partwise.runs.weights import read_tensors
from partwise.training import Progress
from partwise.workflow import check, inspect, reopen, train
from partwise.workflow.starting import begin, begin_by_parts

BLOCK = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}, "feedforward": "gelu"}
MODEL = {"use": "language_model", "width": 16, "context": 16, "depth": 2, "position": "learned", "blocks": [BLOCK]}
TRAINER = {"use": "standard", "steps": 6, "batch_size": 4, "evaluate_every": 2, "evaluate_batches": 2}
TEXT = {"use": "text", "files": ["own.txt"], "valid": 0.2, "test": 0.1}
LORA = {"use": "lora", "rank": 2}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a finished run, `base`, of a model of letters."""
    place = tmp_path_factory.mktemp("starting")
    (place / "own.txt").write_text("the cat sat on the mat. a dog ran to the cat.\n" * 40)
    recipe = {
        "partwise": 1, "name": "base", "data": TEXT, "tokenizer": "char", "model": MODEL,
        "trainer": {**TRAINER, "average": 0.5, "checkpoint_every": 2, "keep_checkpoints": 9},
    }  # fmt: skip
    (place / "base.json").write_text(json.dumps(recipe))
    train(load(place / "base.json"), place / "base", device="cpu")
    return place


def tuned(place: Path, *changes: str, **keys: Any) -> LoadedRecipe:
    """A recipe that leaves tokenizer and model to its start, and is written beside the run."""
    recipe = {"partwise": 1, "name": "tuned", "start": {"run": "base"}, "data": TEXT, "trainer": TRAINER, **keys}
    (place / "tuned.json").write_text(json.dumps({key: value for key, value in recipe.items() if value is not None}))
    return load(place / "tuned.json", changes)


def weights(run: Run | Path) -> Mapping[str, Tensor]:
    directory = run if isinstance(run, Path) else run.directory
    return read_tensors(directory / "model.safetensors")


class KilledError(Exception):
    pass


def killed_after(step: int) -> Any:
    def report(progress: Progress) -> None:
        if progress.step == step:
            raise KilledError

    return report


def test_the_first_figures_are_those_of_the_start(place: Path, tmp_path: Path) -> None:
    rows = train(tuned(place), tmp_path / "run", device="cpu").rows()
    assert rows[0]["valid_loss"] == Run.open(place / "base").rows()[-1]["valid_loss"]  # of the average that it keeps
    assert rows[-1]["valid_loss"] < rows[0]["valid_loss"]


def test_what_is_left_out_is_the_starts_and_what_is_written_changes_it(place: Path) -> None:
    base = load(place / "base.json").recipe
    recipe = tuned(place, model={"dropout": 0.5}).recipe
    assert recipe.tokenizer == base.tokenizer
    assert recipe.model.model_copy(update={"dropout": 0.0}) == base.model
    assert tuned(place, "model.dropout=0.25").recipe.model.dropout == 0.25  # type: ignore[attr-defined]


def test_the_identity_is_of_the_weights_wherever_they_are(place: Path, tmp_path: Path) -> None:
    here = tuned(place)
    shutil.copytree(place / "base", tmp_path / "elsewhere")
    there = tuned(place, f"start.run={tmp_path / 'elsewhere'}")
    assert here.recipe.fingerprint() == there.recipe.fingerprint()
    assert here.recipe.fingerprint() != tuned(place, 'adapter={"use": "lora", "rank": 2}').recipe.fingerprint()
    run = train(there, tmp_path / "run", device="cpu")
    assert run.lock["start"] == {
        "run": "../elsewhere", "run_then": str(tmp_path / "elsewhere"), "weights": "last", "recipe": "base", "step": 6,
        "sha256": there.recipe.start.sha256 if there.recipe.start else "",
    }  # fmt: skip


def test_recipes_without_a_start_are_what_they_were(place: Path) -> None:
    recipe = load(place / "base.json").recipe
    assert not {"start", "trainable", "adapter"} & recipe.resolved().keys()
    explicit = {**recipe.resolved(), "start": None, "trainable": None, "adapter": None}
    assert load(explicit).recipe.fingerprint() == recipe.fingerprint()


@pytest.mark.parametrize(
    "keys", [{}, {"adapter": {**LORA, "dropout": 0.2}}, {"trainable": ["blocks.*.mixer", "*norm*"]}]
)
def test_a_training_that_was_killed_ends_with_the_same_bits(place: Path, tmp_path: Path, keys: dict[str, Any]) -> None:
    loaded = tuned(place, "trainer.checkpoint_every=2", **keys)
    whole = train(loaded, tmp_path / "whole", device="cpu")
    with pytest.raises(KilledError):
        train(loaded, tmp_path / "killed", device="cpu", report=killed_after(5))
    moved = tmp_path / "moved"
    shutil.copytree(tmp_path / "killed", moved)  # the start, named relative to the recipe, is where it was
    run = train(loaded, moved, device="cpu")
    assert (run.directory / "model.safetensors").read_bytes() == (whole.directory / "model.safetensors").read_bytes()
    assert run.rows() == whole.rows()


def test_a_training_under_way_needs_its_start_no_more(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place, tmp_path / "own")
    loaded = tuned(tmp_path / "own", "trainer.checkpoint_every=2", adapter=LORA)
    whole = train(loaded, tmp_path / "whole", device="cpu")
    with pytest.raises(KilledError):
        train(loaded, tmp_path / "killed", device="cpu", report=killed_after(5))
    shutil.rmtree(tmp_path / "own" / "base")
    with pytest.raises(RecipeError, match=r"base holds no run.*\n.*--start DIR"):
        train(loaded, tmp_path / "another", device="cpu")
    run = train(loaded, tmp_path / "killed", device="cpu")
    assert (run.directory / "model.safetensors").read_bytes() == (whole.directory / "model.safetensors").read_bytes()


def test_only_what_is_named_learns_and_the_rest_has_no_state(place: Path, tmp_path: Path) -> None:
    run = train(tuned(place, trainable=["blocks.1.mixer", "final_norm"]), tmp_path / "run", device="cpu")
    before, after = weights(place / "base"), weights(run)
    changed = {name for name in before if not before[name].equal(after[name])}
    assert changed == {name for name in before if "blocks.1.mixer." in name or "final_norm" in name}
    state = read_tensors(run.directory / "checkpoint-6" / "optimizer.safetensors")
    assert {name.rpartition("/")[0] for name in state} == changed


def test_with_an_adapter_the_weights_of_the_start_stay(place: Path, tmp_path: Path) -> None:
    loaded = tuned(place, adapter={**LORA, "targets": ["mixer"]})
    run = train(loaded, tmp_path / "run", device="cpu")
    before, after = weights(place / "base"), weights(run)
    assert all(after[name].equal(before[name]) for name in before)
    assert {name.rpartition(".")[2] for name in after.keys() - before.keys()} == {"a", "b"}
    found = inspect(loaded)
    assert found.learning == sum(after[name].numel() for name in after.keys() - before.keys())
    assert found.parameters == sum(one.numel() for one in after.values())
    opened = reopen(run.directory, "cpu")
    assert partwise.evaluate(opened, limit=2).loss == pytest.approx(run.rows()[-1]["valid_loss"], rel=1e-6)
    assert isinstance(partwise.generate(opened, "the ", tokens=5), str)


def test_names_may_be_added_to_an_adapter(place: Path, tmp_path: Path) -> None:
    run = train(tuned(place, adapter=LORA, trainable=["embedding"]), tmp_path / "run", device="cpu")
    before, after = weights(place / "base"), weights(run)
    assert {name for name in before if not before[name].equal(after[name])} == {"input.embedding.weight"}


def test_from_a_run_with_adapters_merged_weights_are_taken(place: Path, tmp_path: Path) -> None:
    first = train(tuned(place, adapter=LORA), tmp_path / "adapted", device="cpu")
    second = train(tuned(place, f"start.run={first.directory}"), tmp_path / "second", device="cpu")
    assert weights(second).keys() == weights(place / "base").keys()
    assert second.rows()[0]["valid_loss"] == pytest.approx(first.rows()[-1]["valid_loss"], rel=1e-5)


def test_the_best_weights_may_be_taken_from_a_run_that_is_not_finished(place: Path, tmp_path: Path) -> None:
    loaded = load(place / "base.json", ["trainer.steps=9"])
    with pytest.raises(KilledError):
        train(loaded, tmp_path / "unfinished", device="cpu", report=killed_after(5))
    with pytest.raises(RecipeError, match=r'is not finished.*"weights": "best"'):
        tuned(place, f"start.run={tmp_path / 'unfinished'}")
    run = train(tuned(place, f'start={{"run": "{tmp_path / "unfinished"}", "weights": "best"}}'), tmp_path / "run")
    assert run.rows()[0]["valid_loss"] == min(
        row["valid_loss"] for row in Run.open(tmp_path / "unfinished").rows() if row.get("valid_loss")
    )
    assert run.lock["start"]["step"] == 4


def refused(place: Path, *changes: str, **keys: Any) -> str:
    with pytest.raises(RecipeError) as error:
        check(tuned(place, *changes, **keys))
    return str(error.value)


def test_other_shapes_are_told_before_data_is_read(place: Path) -> None:
    told = refused(place, "model.width=32", data={"use": "grammar"})
    assert "input.embedding.weight is 17x16 there and 17x32 here" in told
    assert "and 2" in told
    assert "model.width: 16 -> 32" in told
    assert "at start.run" in told
    assert "stack.position.weight is 16x16 there and 32x16 here" in refused(place, "model.context=32")
    assert "is missing there" in refused(place, "model.depth=3")
    assert "is missing here" in refused(place, "model.depth=1")


def test_other_parts_are_told_though_no_shape_differs(place: Path) -> None:
    told = refused(place, 'model.residual={"use": "scaled", "branch": 0.5}')
    assert "a part is another" in told
    assert "model.residual: add -> scaled" in told


def test_dropout_and_initializer_may_differ_and_are_told(place: Path, tmp_path: Path) -> None:
    said: list[str] = []
    train(tuned(place, "model.dropout=0.1"), tmp_path / "run", device="cpu", say=said.append)
    assert said[0].startswith(f"starting from the weights of {place / 'base'} after update 6, with its tokenizer")
    assert "note: the model differs from the start's in model.dropout: 0.0 -> 0.1" in said


def test_another_tokenizer_is_refused(place: Path) -> None:
    told = refused(place, tokenizer="word")
    assert "leave `tokenizer` out, and it is the start's" in told
    assert "tokenizer: char -> word" in told


def test_a_start_that_is_none_is_refused_where_it_is_written(place: Path, tmp_path: Path) -> None:
    told = refused(place, start={"run": "bass"})
    assert "tuned.json" in told
    assert "bass holds no run" in told
    assert "did you mean 'base'?" in told
    assert "holds no run" in refused(place, start={"run": "\0"})
    assert "not empty" in refused(place, start={"run": ""})
    assert "weight" in refused(place, start={"run": "base", "weight": "last"})
    assert "best" in refused(place, start={"run": "base", "weights": "worst"})
    assert "has other weights than" in refused(place, start={"run": "base", "sha256": "0" * 64})
    assert "pattern" in refused(place, start={"run": "base", "sha256": "zero"})


def test_damaged_weights_are_refused(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "base", tmp_path / "base")
    file = tmp_path / "base" / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert "model.safetensors is damaged" in refused(place, f"start.run={tmp_path / 'base'}")


def test_a_run_cannot_start_from_itself(place: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no run can start from itself"):
        train(tuned(place), place / "base", device="cpu")


def test_a_run_whose_start_has_become_itself_is_opened_and_taken_all_the_same(place: Path, tmp_path: Path) -> None:
    """Directories were swapped: a path leads in a circle, which nothing follows."""
    run = train(tuned(place), tmp_path / "base", device="cpu")
    loaded = tuned(place, f"start.run={run.directory}")
    assert loaded.recipe.start is not None
    assert loaded.recipe.start.sha256 != run.recipe["start"]["sha256"]
    assert reopen(run.directory, "cpu").tokenizer.vocab_size == 17


def test_names_of_nothing_are_refused_with_the_nearest(place: Path) -> None:
    told = refused(place, trainable=["mixer", "blocks.*.mixr"])
    assert "'blocks.*.mixr', did you mean 'stack.blocks.*.mixer'?" in told
    assert "trainable.1" in told
    assert "head has no weights of its own" in refused(place, trainable=["head"])
    assert "did you mean 'mixer'?" in refused(place, adapter={"use": "lora", "targets": ["mixr"]})
    assert "linear layer 'embedding'" in refused(place, adapter={"use": "lora", "targets": ["embedding"]})
    assert "trainable" in refused(place, trainable=[])


def test_layers_that_are_called_otherwise_are_refused(place: Path) -> None:
    experts = {"use": "experts", "experts": 2, "expert": {"use": "swiglu", "hidden": 8}}
    model = {**MODEL, "blocks": [{**BLOCK, "feedforward": experts}]}
    told = refused(place, start=None, tokenizer="char", model=model, adapter="lora")
    assert "called otherwise than a linear layer" in told
    assert "name the layers without it" in told


def test_optimizers_of_hidden_matrices_say_that_there_are_none(place: Path) -> None:
    assert "hidden matrices" in refused(place, "trainer.optimizer=muon", adapter=LORA)


@pytest.mark.parametrize(
    "trainer", [{"compile": "eager"}, {"precision": "bfloat16"}, {"average": 0.9}, {"accumulate": 2}]
)
def test_adapters_train_however_training_is_set(place: Path, tmp_path: Path, trainer: dict[str, Any]) -> None:
    plain = train(tuned(place, adapter=LORA), tmp_path / "plain", device="cpu")
    other = train(tuned(place, adapter=LORA, trainer={**TRAINER, **trainer}), tmp_path / "run", device="cpu")
    assert other.rows()[-1]["valid_loss"] == pytest.approx(plain.rows()[-1]["valid_loss"], rel=0.02)
    if "compile" in trainer:
        for name, mine in weights(other).items():
            torch.testing.assert_close(mine, weights(plain)[name], rtol=1e-4, atol=1e-6)


def test_a_head_that_is_read_and_not_called_is_adapted_too(place: Path, tmp_path: Path) -> None:
    model = {**MODEL, "tie": False}
    loaded = tuned(place, start=None, tokenizer="char", model=model, adapter={**LORA, "targets": ["head"]})
    run = train(loaded, tmp_path / "run", device="cpu")
    opened = reopen(run.directory, "cpu")
    batch = next(iter(opened.prepare().batches.evaluation("valid", 4)))
    with torch.no_grad():
        before = opened.model(batch)
        assert run.rows()[-1]["valid_loss"] < run.rows()[0]["valid_loss"]
        merge_adapters(cast(nn.Module, opened.model))
        torch.testing.assert_close(opened.model(batch), before, atol=1e-5, rtol=1e-5)


def test_an_adapted_model_is_merged_into_a_plain_one(place: Path, tmp_path: Path) -> None:
    run = train(tuned(place, adapter={**LORA, "alpha": 9.0}), tmp_path / "lora", device="cpu")
    opened = reopen(run.directory, "cpu")
    batch = next(iter(opened.prepare().batches.evaluation("valid", 4)))
    module, said = cast(nn.Module, opened.model), partwise.generate(opened, "the ", tokens=9, sampler="greedy")
    with torch.no_grad():
        before = opened.model(batch)
        merge_adapters(module)
        torch.testing.assert_close(opened.model(batch), before, atol=1e-5, rtol=1e-5)
    assert partwise.generate(opened, "the ", tokens=9, sampler="greedy") == said
    assert dict(module.named_parameters()).keys() == weights(place / "base").keys()


@pytest.mark.parametrize("adapters", [False, True], ids=["plain", "from-adapters"])
def test_a_model_that_begins_layer_by_layer_begins_as_one_at_once(place: Path, tmp_path: Path, adapters: bool) -> None:
    first = tuned(place, adapter={**LORA, "targets": ["mixer"]}, trainable=["*norm*"])
    if adapters:
        keys = {"adapter": {**LORA, "targets": ["feedforward"]}}
        train(tuned(place, **keys), place / "adapted", device="cpu")
        first = tuned(place, start={"run": "adapted"}, adapter={**LORA, "targets": ["mixer"]}, trainable=["*norm*"])
    whole, pieces = (check(first) for _ in range(2))
    begin(whole.model, first, whole.start, torch.device("cpu"))
    fill = begin_by_parts(pieces.model, first, pieces.start)
    ours, theirs = cast(nn.Module, pieces.model), cast(nn.Module, whole.model)
    for block in cast(Any, ours).stack.blocks:
        fill(block)
    fill(ours)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for (name, mine), (other, its) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert name == other
        assert mine.equal(its), name
        assert mine.requires_grad == its.requires_grad, name
