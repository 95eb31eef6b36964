"""A run's directory: what it refuses, what survives, and what it restores."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from partwise import InputError, WorkError
from partwise.runs import Checkpoint, ResumePoint, Run, alone_in, first_difference
from partwise.runs.weights import OptimizerState, fill_optimizer, model_tensors, optimizer_state

RECIPE = {"partwise": 1, "name": "tiny", "seed": 0, "trainer": {"use": "standard", "steps": 600, "betas": [0.9, 0.99]}}
TOKENIZER = {"characters": ["a", "\ud800", "é"]}
LOCK = {"python": "3.11", "parts": {"norm layer_norm": {"version": "1"}}}


class Tied(nn.Module):
    """A tied head, a persistent buffer, one that is not, and a layer registered in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 3)
        self.head = nn.Linear(3, 5)
        self.head.weight = self.embedding.weight
        self.shared = nn.Linear(3, 3)
        self.layers = nn.ModuleList([self.shared])
        self.register_buffer("running", torch.arange(3.0))
        self.register_buffer("table", torch.ones(2), persistent=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.shared(self.embedding(tokens)) + self.running)


def model_and_optimizer(seed: int = 0) -> tuple[Tied, torch.optim.Optimizer]:
    torch.manual_seed(seed)
    model = Tied()
    vectors = [p for p in model.parameters() if p.ndim < 2]
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    return model, torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": vectors}], fused=True)


def update(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    model(torch.arange(5)).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()


def created(directory: Path) -> Run:
    return Run.create(directory, RECIPE, TOKENIZER, LOCK)


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    """As on a disk with only so much room for each file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


# --- creating and opening


def test_a_created_run_opens_with_all_it_was_given(tmp_path: Path) -> None:
    created(tmp_path / "deep" / "run")
    run = Run.open(tmp_path / "deep" / "run")
    assert (run.recipe, run.tokenizer, run.lock) == (RECIPE, TOKENIZER, LOCK)
    assert (run.step, run.finished, run.rows()) == (0, False, [])


def test_creating_again_takes_up_the_run_and_keeps_its_lock(tmp_path: Path) -> None:
    begun = created(tmp_path)
    begun.log({"step": 0, "loss": 1.0})
    begun.save_checkpoint(1, *model_and_optimizer())
    told_otherwise = {**RECIPE, "name": "other", "about": "said otherwise", "sampler": {"use": "greedy"}}
    run = Run.create(tmp_path, told_otherwise, TOKENIZER, {"python": "3.14"})
    assert run.lock == LOCK
    assert run.rows() == [{"step": 0, "loss": 1.0}]


def test_a_run_of_another_recipe_is_refused_and_the_difference_named(tmp_path: Path) -> None:
    created(tmp_path)
    other = {**RECIPE, "trainer": {**RECIPE["trainer"], "steps": 800}}
    with pytest.raises(InputError, match=r"another recipe: trainer\.steps is 600 there and 800 here"):
        Run.create(tmp_path, other, TOKENIZER, LOCK)


def test_a_run_with_another_tokenizer_is_refused(tmp_path: Path) -> None:
    created(tmp_path).save_checkpoint(1, *model_and_optimizer())
    with pytest.raises(InputError, match="a different tokenizer"):
        Run.create(tmp_path, RECIPE, {"characters": ["b"]}, LOCK)


def test_a_finished_run_from_before_manifests_is_taken_as_it_is_and_that_is_said(tmp_path: Path) -> None:
    model, said = Tied(), list[str]()
    run = created(tmp_path)
    run.log({"step": 1, "loss": 1.0})
    run.save_checkpoint(1, *model_and_optimizer())
    run.finish(model)
    for manifest in (tmp_path / "manifest.json", tmp_path / "checkpoint-1" / "manifest.json"):
        manifest.unlink()
    with pytest.raises(WorkError, match=r"manifest\.json is missing; run the training command again"):
        Run.open(tmp_path)
    again = Run.create(tmp_path, RECIPE, TOKENIZER, LOCK, said.append)
    assert any("model.safetensors and metrics.jsonl cannot be checked for damage" in line for line in said)
    assert again.rows() == [{"step": 1, "loss": 1.0}]
    fresh = Tied()
    again.load_weights(fresh)
    assert torch.equal(fresh.head.weight, model.head.weight)
    (tmp_path / "model.safetensors").write_bytes((tmp_path / "model.safetensors").read_bytes()[:-1])
    with pytest.raises(WorkError, match="is damaged"):
        Run.open(tmp_path).load_weights(fresh)


def test_where_a_checkpoint_can_vouch_final_weights_without_a_manifest_are_not_believed(tmp_path: Path) -> None:
    said = list[str]()
    run = created(tmp_path)
    run.save_checkpoint(1, *model_and_optimizer())
    run.finish(Tied())
    (tmp_path / "manifest.json").unlink()
    assert not Run.create(tmp_path, RECIPE, TOKENIZER, LOCK, said.append).finished
    assert (tmp_path / "damaged-model.safetensors").exists()


def test_a_run_that_has_trained_nothing_yet_is_started_anew_on_the_data_as_it_is_now(tmp_path: Path) -> None:
    created(tmp_path)
    run = Run.create(tmp_path, RECIPE, {"characters": ["b"]}, {"python": "3.14"})
    assert (run.tokenizer, run.lock) == ({"characters": ["b"]}, {"python": "3.14"})


def test_tuples_in_a_recipe_equal_the_lists_they_are_written_as(tmp_path: Path) -> None:
    created(tmp_path)
    trainer = {**RECIPE["trainer"], "betas": (0.9, 0.99)}
    Run.create(tmp_path, {**RECIPE, "trainer": trainer}, TOKENIZER, LOCK)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "metrics.jsonl", "lock.json"])
def test_files_of_something_else_are_refused_not_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("precious")
    with pytest.raises(InputError, match=name):
        created(tmp_path)
    assert (tmp_path / name).read_text() == "precious"


def test_a_run_killed_while_it_was_created_is_completed(tmp_path: Path) -> None:
    created(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "lock.json").rename(tmp_path / ".lock.json.partial")
    assert created(tmp_path).tokenizer == TOKENIZER


def test_a_file_in_place_of_the_directory_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        created(tmp_path / "file")


def test_a_directory_that_cannot_be_made_is_a_work_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WorkError, match="cannot make the directory"):
        created(tmp_path / "file" / "below")


def test_a_directory_without_a_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run"):
        Run.open(tmp_path)


@pytest.mark.parametrize("content", ['{"partwise": 1, "na', "[]", "\x00\x01", ""])
def test_a_damaged_recipe_is_named(tmp_path: Path, content: str) -> None:
    created(tmp_path)
    (tmp_path / "recipe.json").write_text(content)
    with pytest.raises(WorkError, match=r"recipe\.json"):
        Run.open(tmp_path)


def test_no_temporary_file_is_left(tmp_path: Path) -> None:
    run = created(tmp_path)
    model, optimizer = model_and_optimizer()
    run.log({"step": 1})
    run.save_checkpoint(1, model, optimizer)
    run.finish(model)
    files = {"recipe.json", "tokenizer.json", "lock.json", "manifest.json"}
    assert names(tmp_path) == files | {"metrics.jsonl", "checkpoint-1", "model.safetensors"}
    assert names(tmp_path / "checkpoint-1") == {
        "model.safetensors",
        "optimizer.safetensors",
        "state.json",
        "metrics.jsonl",
        "manifest.json",
    }


# --- metrics


def test_rows_are_on_disk_as_soon_as_they_are_logged(tmp_path: Path) -> None:
    run = created(tmp_path)
    run.log({"step": 1, "loss": 0.1, "valid_bits_per_byte": None})
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1, "loss": 0.1, "valid_bits_per_byte": null}\n'


def test_figures_that_are_not_finite_become_null_so_that_the_file_stays_json(tmp_path: Path) -> None:
    run = created(tmp_path)
    run.log({"step": 1, "loss": float("nan"), "valid_perplexity": float("inf")})
    assert run.rows() == [{"step": 1, "loss": None, "valid_perplexity": None}]
    assert "NaN" not in (tmp_path / "metrics.jsonl").read_text()


def test_a_row_that_was_cut_short_is_passed_over(tmp_path: Path) -> None:
    run = created(tmp_path)
    run.log({"step": 1})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 2, "lo')
    assert run.rows() == [{"step": 1}]


@pytest.mark.parametrize(
    "line",
    [
        '{"step": 2, "lo',
        '"a text"',
        "[1]",
        "{}",
        '{"step": "2"}',
        '{"step": true}',
        '{"step": 2.0}',
        '{"step": 2, "loss": "low"}',
        '{"step": 2, "loss": NaN}',
        '{"step": 2, "valid_loss": 1e400}',
        '{"step": 2, "valid_loss": {"a": 1}}',
        '{"step": 2, "loss": 1' + 400 * "0" + "}",
    ],
)
def test_a_damaged_row_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    run = created(tmp_path)
    run.log({"step": 1})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(WorkError, match=r"metrics\.jsonl:2 is damaged"):
        run.rows()


def test_metrics_that_cannot_be_written_are_a_work_error(tmp_path: Path) -> None:
    run = created(tmp_path)
    (tmp_path / "metrics.jsonl").mkdir()
    with pytest.raises(WorkError, match=r"cannot write .*metrics\.jsonl"):
        run.log({"step": 1})


# --- checkpoints


def test_a_checkpoint_restores_weights_buffers_and_optimizer_bit_for_bit(tmp_path: Path) -> None:
    run = created(tmp_path)
    model, optimizer = model_and_optimizer()
    for _ in range(3):
        update(model, optimizer)
    model.running += 1
    run.save_checkpoint(3, model, optimizer)
    update(model, optimizer)

    other, its_optimizer = model_and_optimizer(seed=1)
    assert Run.open(tmp_path).load_checkpoint(other, its_optimizer).step == 3
    update(other, its_optimizer)
    for ours, theirs in zip(model.state_dict().items(), other.state_dict().items(), strict=True):
        assert ours[0] == theirs[0]
        assert torch.equal(ours[1], theirs[1])
    assert other.head.weight is other.embedding.weight


def test_what_is_tied_or_shared_is_saved_once_and_what_is_not_persistent_never(tmp_path: Path) -> None:
    run = created(tmp_path)
    run.finish(model_and_optimizer()[0])
    saved = load_file(tmp_path / "model.safetensors")
    assert set(saved) == {"embedding.weight", "head.bias", "shared.weight", "shared.bias", "running"}


def test_optimizer_state_is_saved_under_the_names_of_parameters(tmp_path: Path) -> None:
    run = created(tmp_path)
    model, optimizer = model_and_optimizer()
    update(model, optimizer)
    run.save_checkpoint(1, model, optimizer)
    saved = load_file(tmp_path / "checkpoint-1" / "optimizer.safetensors")
    assert torch.equal(saved["head.bias/exp_avg"], optimizer.state[model.head.bias]["exp_avg"])
    assert len(saved) == 3 * 4


class Counting(torch.optim.Optimizer):
    """Keeps numbers: one with each parameter, one with the group."""

    def __init__(self, parameters: Iterator[nn.Parameter]) -> None:
        super().__init__(parameters, {"lr": 1.0, "count": 0})

    def step(self) -> None:
        for group in self.param_groups:
            group["count"] += 1
            for parameter in group["params"]:
                self.state[parameter]["seen"] = self.state[parameter].get("seen", 0.5) + 1


def test_numbers_an_optimizer_keeps_are_restored_too(tmp_path: Path) -> None:
    run, model = created(tmp_path), nn.Linear(2, 2)
    optimizer = Counting(model.parameters())
    optimizer.step()
    optimizer.step()
    run.save_checkpoint(2, model, optimizer)
    fresh = Counting(model.parameters())
    run.load_checkpoint(model, fresh)
    assert fresh.param_groups[0]["count"] == 2
    assert fresh.state[model.bias] == {"seen": 2.5}


def test_state_that_is_neither_tensor_nor_number_is_refused_not_pickled(tmp_path: Path) -> None:
    run, model = created(tmp_path), nn.Linear(2, 2)
    optimizer = Counting(model.parameters())
    optimizer.state[model.bias]["history"] = [1, 2]
    with pytest.raises(WorkError, match=r"Counting keeps a list \(history\)"):
        run.save_checkpoint(1, model, optimizer)


def spoilt(name: str) -> dict[str, torch.Tensor | float | None]:
    """What may stand for an optimizer's state of one parameter but that state."""
    other = torch.zeros(7)
    return {
        "another shape": other,
        "one that broadcasts": torch.zeros(1, 2),
        "a single number": torch.tensor(0.5),
        "whole numbers": torch.zeros(2, 2, dtype=torch.int64) if name != "step" else torch.tensor(True),
        "no tensor": 1.0,
        "nothing": None,
    }


@pytest.mark.parametrize("value", spoilt("").keys())
@pytest.mark.parametrize(
    ("key", "make"),
    [
        ("exp_avg", lambda parameters: torch.optim.AdamW(parameters, fused=True)),
        ("step", lambda parameters: torch.optim.AdamW(parameters, fused=True)),
        ("momentum_buffer", lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9)),
        ("square_avg", lambda parameters: torch.optim.RMSprop(parameters, foreach=True)),
    ],
)
def test_an_optimizer_that_takes_up_a_state_can_make_an_update_with_it(
    key: str, make: Any, value: str, tmp_path: Path
) -> None:
    def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()

    model = nn.Linear(2, 2)
    optimizer = make(model.parameters())
    step(model, optimizer)
    state = optimizer_state(model, optimizer)
    tensors, numbers = {**state.tensors}, {**state.numbers["state"]}
    tensors.pop(f"weight/{key}")
    if isinstance(put := spoilt(key)[value], torch.Tensor):
        tensors[f"weight/{key}"] = put
    elif put is not None:
        numbers[f"weight/{key}"] = put
    fresh = make(model.parameters())
    harmless = (key, value) in {("step", "a single number"), ("momentum_buffer", "nothing")}
    with nullcontext() if harmless else pytest.raises(WorkError, match=f"weight/{key}"):
        fill_optimizer(model, fresh, OptimizerState(tensors, {**state.numbers, "state": numbers}), tmp_path)
    step(model, fresh)


def test_of_an_optimizer_that_cannot_be_tried_any_state_is_believed(tmp_path: Path) -> None:
    class Looking(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:
            for group in self.param_groups:
                for parameter in group["params"]:
                    self.state[parameter]["largest"] = parameter.grad.abs().max().item()

    model = nn.Linear(2, 2)
    optimizer = Looking(model.parameters())
    groups = optimizer_state(model, optimizer).numbers["groups"]
    state = OptimizerState({}, {"state": {"bias/largest": 3.0}, "groups": groups})
    fill_optimizer(model, optimizer, state, tmp_path)
    assert optimizer.state[model.bias] == {"largest": 3.0}


def kept(directory: Path) -> set[int]:
    return {int(name.removeprefix("checkpoint-")) for name in names(directory) if name.startswith("checkpoint-")}


def test_the_newest_checkpoints_are_kept_and_two_unless_told_otherwise(tmp_path: Path) -> None:
    run = created(tmp_path)
    model, optimizer = model_and_optimizer()
    for step in (8, 9, 10):
        run.save_checkpoint(step, model, optimizer)
    assert run.step == 10
    assert kept(tmp_path) == {9, 10}
    run.save_checkpoint(11, model, optimizer, keep=3)
    assert kept(tmp_path) == {9, 10, 11}
    run.save_checkpoint(12, model, optimizer, keep=1)
    assert kept(tmp_path) == {12}


def test_the_best_checkpoint_is_kept_besides_and_the_first_of_equals(tmp_path: Path) -> None:
    run = created(tmp_path)
    model, optimizer = model_and_optimizer()
    losses = {1: 3.0, 2: 2.0, 3: None, 4: 2.0, 5: float("nan"), 6: 2.5}
    for step, loss in losses.items():
        run.save_checkpoint(step, model, optimizer, keep=1, best=loss)
    assert Run.open(tmp_path).best == 2
    assert kept(tmp_path) == {2, 6}
    run.save_checkpoint(7, model, optimizer, keep=1, best=1.0)
    assert run.best == 7
    assert kept(tmp_path) == {7}


def test_the_weights_of_the_best_checkpoint_can_be_had(tmp_path: Path) -> None:
    run = created(tmp_path)
    model, optimizer = model_and_optimizer()
    with pytest.raises(WorkError, match="no best checkpoint, as none was evaluated"):
        run.load_weights(model, best=True)
    best = model.shared.weight.detach().clone()
    run.save_checkpoint(1, model, optimizer, best=1.0)
    update(model, optimizer)
    run.save_checkpoint(2, model, optimizer, best=2.0)
    run.finish(model)
    other = model_and_optimizer(seed=1)[0]
    run.load_weights(other, best=True)
    assert torch.equal(other.shared.weight, best)
    run.load_weights(other)
    assert torch.equal(other.shared.weight, model.shared.weight)
    assert not torch.equal(other.shared.weight, best)


def test_what_a_trainer_keeps_of_its_own_comes_back(tmp_path: Path) -> None:
    run = created(tmp_path)
    model, optimizer = model_and_optimizer()
    assert run.load_checkpoint(model, optimizer) == ResumePoint(0, {})
    extra = {"scaler": {"scale": 65536.0, "growth": 3}, "seen": [1, None, "x"]}
    run.save_checkpoint(4, model, optimizer, extra=extra)
    assert run.load_checkpoint(model, optimizer) == ResumePoint(4, extra)


def test_what_processes_have_gathered_is_saved_as_a_module_and_its_optimizer_would_be(tmp_path: Path) -> None:
    one, other = created(tmp_path / "one"), created(tmp_path / "other")
    model, optimizer = model_and_optimizer()
    update(model, optimizer)
    one.save_checkpoint(1, model, optimizer)
    other.write_checkpoint(1, model_tensors(model), optimizer_state(model, optimizer))
    for name in names(tmp_path / "one" / "checkpoint-1"):
        contents = [(tmp_path / run / "checkpoint-1" / name).read_bytes() for run in ("one", "other")]
        assert contents[0] == contents[1], name
    seen: list[Checkpoint] = []
    assert other.restore(seen.append).step == 1
    assert seen[0].model.keys() == model_tensors(model).keys()
    assert torch.equal(seen[0].optimizer.tensors["head.bias/exp_avg"], optimizer.state[model.head.bias]["exp_avg"])


def test_what_a_kill_left_of_a_checkpoint_does_not_count(tmp_path: Path) -> None:
    run = created(tmp_path)
    model, optimizer = model_and_optimizer()
    run.save_checkpoint(10, model, optimizer)
    for left in (".checkpoint-11.partial", ".checkpoint-9.old.partial", "checkpoint-012", "checkpoint-0"):
        (tmp_path / left).mkdir()
    assert run.load_checkpoint(model, optimizer).step == 10


def test_continuing_forgets_the_rows_after_the_checkpoint(tmp_path: Path) -> None:
    run = created(tmp_path)
    model, optimizer = model_and_optimizer()
    for step in range(4):
        run.log({"step": step, "loss": 0.1 * step})
        if step == 2:
            run.save_checkpoint(2, model, optimizer)
            kept = (tmp_path / "metrics.jsonl").read_bytes()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')
    run.load_checkpoint(model, optimizer)
    assert (tmp_path / "metrics.jsonl").read_bytes() == kept


def test_without_a_checkpoint_training_begins_anew_with_no_rows(tmp_path: Path) -> None:
    run = created(tmp_path)
    run.log({"step": 0})
    assert run.load_checkpoint(*model_and_optimizer()).step == 0
    assert run.rows() == []


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
def test_a_checkpoint_cut_short_is_named(tmp_path: Path, name: str) -> None:
    run = created(tmp_path)
    model, optimizer = model_and_optimizer()
    update(model, optimizer)
    run.save_checkpoint(1, model, optimizer)
    path = tmp_path / "checkpoint-1" / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(WorkError, match=rf"checkpoint-1/{name}"):
        run.load_checkpoint(model, optimizer)


def test_a_full_disk_leaves_the_checkpoint_before_intact(tmp_path: Path) -> None:
    run = created(tmp_path)
    model, optimizer = model_and_optimizer()
    run.save_checkpoint(1, model, optimizer)
    with files_limited_to(100), pytest.raises(WorkError, match=r"File too large.* step 1 is intact"):
        run.save_checkpoint(2, model, optimizer)
    assert "checkpoint-2" not in names(tmp_path)
    assert not any("partial" in name for name in names(tmp_path))
    assert run.load_checkpoint(model, optimizer).step == 1


def test_a_full_disk_leaves_no_half_of_the_final_weights(tmp_path: Path) -> None:
    run = created(tmp_path)
    with files_limited_to(100), pytest.raises(WorkError, match=r"cannot write .*model\.safetensors: File too large"):
        run.finish(model_and_optimizer()[0])
    assert not run.finished
    assert names(tmp_path) == {"recipe.json", "tokenizer.json", "lock.json", "manifest.json"}


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="cannot tell files by their handles here")
def test_a_checkpoint_is_on_the_disk_itself_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, (model, optimizer) = created(tmp_path), model_and_optimizer()
    events: list[str] = []
    flush, rename = os.fsync, os.rename

    def noted_flush(handle: int) -> None:
        events.append(os.readlink(f"/proc/self/fd/{handle}").removeprefix(f"{tmp_path}/"))
        flush(handle)

    def noted_rename(old: Path, new: Path) -> None:
        events.append(f"named {Path(new).name}")
        rename(old, new)

    monkeypatch.setattr(os, "fsync", noted_flush)
    monkeypatch.setattr(os, "rename", noted_rename)
    run.save_checkpoint(1, model, optimizer)
    named = events.index("named checkpoint-1")
    inside = {"model.safetensors", "optimizer.safetensors", "state.json", "metrics.jsonl", "manifest.json"}
    assert set(events[:named]) == {".checkpoint-1.partial", *(f".checkpoint-1.partial/{name}" for name in inside)}
    assert events[named - 1] == ".checkpoint-1.partial", "the directory last, with all its names in it"
    assert events[named + 1 :] == [str(tmp_path)]


# --- final weights


def test_final_weights_are_loaded_and_mark_the_run_finished(tmp_path: Path) -> None:
    run = created(tmp_path)
    model, other = model_and_optimizer()[0], model_and_optimizer(seed=1)[0]
    run.finish(model)
    assert run.finished
    Run.open(tmp_path).load_weights(other)
    assert torch.equal(model.shared.weight, other.shared.weight)


def test_an_unfinished_run_gives_the_weights_of_its_checkpoint(tmp_path: Path) -> None:
    run = created(tmp_path)
    (model, optimizer), other = model_and_optimizer(), model_and_optimizer(seed=1)[0]
    with pytest.raises(WorkError, match="holds no weights yet"):
        run.load_weights(model)
    run.save_checkpoint(1, model, optimizer)
    run.load_weights(other)
    assert torch.equal(model.shared.weight, other.shared.weight)


def test_weights_of_another_model_are_refused_and_the_difference_named(tmp_path: Path) -> None:
    run = created(tmp_path)
    run.finish(nn.Linear(3, 2))
    with pytest.raises(WorkError, match=r"model\.safetensors: weight is 2x3, and this model's is 4x3"):
        run.load_weights(nn.Linear(3, 4))
    with pytest.raises(WorkError, match=r"lacks 0\.bias, 0\.weight: it belongs to another model"):
        run.load_weights(nn.Sequential(nn.Linear(3, 2)))
    with pytest.raises(WorkError, match="holds bias, which this model lacks"):
        run.load_weights(nn.Linear(3, 2, bias=False))


def test_a_foreign_weights_file_is_named(tmp_path: Path) -> None:
    run = created(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not a safetensors file at all")
    with pytest.raises(WorkError, match=r"model\.safetensors is foreign: manifest\.json beside it does not list it"):
        run.load_weights(nn.Linear(3, 2))


def test_files_can_be_read_by_whom_the_umask_allows(tmp_path: Path) -> None:
    run = created(tmp_path)
    run.finish(nn.Linear(3, 2))
    umask = os.umask(0)
    os.umask(umask)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(modes, 0o666 & ~umask)


# --- differences


@pytest.mark.parametrize(
    ("there", "here", "words"),
    [
        ({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 3}]}}, "a.b.1.c is 2 there and 3 here"),
        ({"a": 1}, {}, "a is 1 there and missing here"),
        ({}, {"a": {"use": "rope"}}, 'a is missing there and {"use": "rope"} here'),
        ({"a": [1]}, {"a": [1, 2]}, "a is [1] there and [1, 2] here"),
        ({"a": 1}, {"a": True}, "a is 1 there and true here"),
        ({"a": {"b": None}}, {"a": {"b": None}}, None),
    ],
)
def test_the_first_difference_is_put_in_words(there: object, here: object, words: str | None) -> None:
    assert first_difference(json.loads(json.dumps(there)), here) == words


# --- one at a time


def test_only_one_trains_in_a_directory_at_a_time(tmp_path: Path) -> None:
    with alone_in(tmp_path / "run"):
        with (
            pytest.raises(
                WorkError, match=rf"another process is training in .*run \(process {os.getpid()} on .+\); wait until"
            ),
            alone_in(tmp_path / "run"),
        ):
            pass
        with alone_in(tmp_path / "other"):
            pass
    with alone_in(tmp_path / "run"):
        pass


def test_what_a_killed_process_left_half_written_is_removed_and_nothing_else(tmp_path: Path) -> None:
    created(tmp_path).save_checkpoint(3, *model_and_optimizer())
    stay = names(tmp_path) | {".mine.partial", "notes.partial"}
    left = (
        ".model.safetensors.0a1b.partial",
        ".manifest.json.0a1b.partial",
        ".metrics.jsonl.0a1b.partial",
        ".mine.partial",
        "notes.partial",
    )
    for name in left:
        (tmp_path / name).touch()
    (tmp_path / ".checkpoint-5.partial").mkdir()
    (tmp_path / ".checkpoint-5.partial" / "model.safetensors").touch()
    with alone_in(tmp_path):
        assert names(tmp_path) == stay | {".claim.json"}
    assert names(tmp_path) == stay


def test_a_file_or_an_impossible_name_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file; a run needs a directory"), alone_in(tmp_path / "file"):
        pass
    with pytest.raises(WorkError, match="cannot make the directory"), alone_in(tmp_path / ("x" * 300)):
        pass


# --- damage, and what to do about it


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("content", ["", "{}", "[" * 100_000, None])
def test_a_damaged_checkpoint_says_what_to_remove(tmp_path: Path, name: str, content: str | None) -> None:
    run = created(tmp_path)
    run.save_checkpoint(3, *model_and_optimizer())
    damaged = tmp_path / "checkpoint-3" / name
    damaged.unlink()
    if content is not None:
        damaged.write_text(content)
    model, optimizer = model_and_optimizer(seed=1)
    before = model_tensors(model)["shared.weight"].clone()
    told = rf"no checkpoint to continue from\n  .*checkpoint-3/{name}.*\n  restore one .* or train from the start"
    with pytest.raises(WorkError, match=told):
        run.load_checkpoint(model, optimizer)
    assert torch.equal(model.shared.weight, before), "nothing is touched"


def test_damaged_weights_say_how_to_have_them_again(tmp_path: Path) -> None:
    run = created(tmp_path)
    run.finish(Tied())
    (tmp_path / "model.safetensors").write_text("no weights")
    with pytest.raises(
        WorkError, match=r"is damaged: it has 10 bytes, and .* were written; restore it from a copy, or"
    ):
        run.load_weights(Tied())


# --- why it stopped


def test_a_run_says_what_state_it_is_in_and_starting_again_clears_it(tmp_path: Path) -> None:
    run = created(tmp_path)
    model, optimizer = model_and_optimizer()
    assert run.state == "training"
    run.save_checkpoint(3, model, optimizer)
    run.mark("diverged", "loss nan at step 4")
    assert Run.open(tmp_path).state == "diverged"
    assert json.loads((tmp_path / "status.json").read_text()) == {
        "state": "diverged",
        "step": 3,
        "message": "loss nan at step 4",
    }
    run.load_checkpoint(model, optimizer)
    assert run.state == "training"
    run.mark("interrupted", "by Ctrl-C")
    assert run.state == "interrupted"
    run.finish(model)
    assert run.state == "finished"
    assert not (tmp_path / "status.json").exists()


@pytest.mark.parametrize("content", ["", "[]", '{"state": "excellent"}', '{"state": ["diverged"]}'])
def test_a_damaged_mark_is_none(tmp_path: Path, content: str) -> None:
    run = created(tmp_path)
    (tmp_path / "status.json").write_text(content)
    assert run.state == "training"


def test_a_mark_for_which_there_is_no_room_is_no_further_error(tmp_path: Path) -> None:
    run = created(tmp_path)
    with files_limited_to(10):
        run.mark("diverged", "loss nan")
    assert run.state == "training"
