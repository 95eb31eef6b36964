"""Training that fails says where, why and what to try, and leaves what can be gone on from."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from partwise import PartwiseError, WorkError
from partwise.data import Batch
from partwise.recipe import load
from partwise.runs import Run
from partwise.workflow import train
from partwise_training import memory
from partwise_training.divergence import Culprit, first_not_finite, in_words
from partwise_training.memory import largest_that_fits, ran_out
from partwise_training.precision import Precision

PROGRAM = Path(__file__).with_name("together.py")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTWISE_CACHE", str(tmp_path / "cache"))


def recipe(place: Path, **trainer: Any) -> Path:
    layers = [{"use": "pre_norm", "mixer": mixer, "feedforward": "swiglu"} for mixer in ("gru", "lstm")]
    settings = {
        "partwise": 1,
        "name": "small",
        "data": {"use": "reverse", "size": 300},
        "tokenizer": "char",
        "model": {"use": "language_model", "width": 16, "depth": 4, "context": 40, "position": "none",
                  "blocks": layers},
        "trainer": {"use": "standard", "steps": 200, "batch_size": 4, "evaluate_every": None, "evaluate_batches": 2,
                    "checkpoint_every": 3, **trainer},
    }  # fmt: skip
    path = place / "recipe.json"
    path.write_text(json.dumps(settings))
    return path


# --- not finite


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stack = nn.ModuleDict({"blocks": nn.ModuleList(nn.ModuleDict({"mixer": Piece()}) for _ in range(3))})

    def forward(self, x: Tensor) -> Tensor:
        for block in self.stack["blocks"]:
            x = block["mixer"](x)
        return x


class Piece(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.output = nn.Linear(2, 2)
        self.spoil = 1.0

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return self.output(x * self.spoil)


MODEL = {"use": "language_model", "blocks": [{"use": "pre_norm", "mixer": {"use": "gru"}},
                                             {"use": "pre_norm", "mixer": {"use": "lstm"}}]}  # fmt: skip


def test_the_first_part_that_is_not_finite_is_found_innermost_and_in_the_recipes_words() -> None:
    model = Network()
    compute = lambda: model(torch.ones(1, 2))  # noqa: E731
    assert first_not_finite(model, compute) is None
    model.stack["blocks"][1]["mixer"].spoil = math.inf
    found = first_not_finite(model, compute)
    assert found == Culprit("stack.blocks.1.mixer.output", "output")
    assert in_words(found, MODEL) == (
        "the output of model.blocks.1.mixer (lstm, in its module stack.blocks.1.mixer.output) "
        "was the first not to be finite"
    )
    assert "model.blocks.2.mixer (gru" in in_words(Culprit("stack.blocks.2.mixer.output", "output"), MODEL)
    assert not [module for module in model.modules() if module._forward_hooks], "the hooks are gone"


def test_weights_that_are_not_finite_are_told_from_outputs() -> None:
    model = Network()
    with torch.no_grad():
        model.stack["blocks"][0]["mixer"].output.bias[0] = math.nan
    found = first_not_finite(model, lambda: model(torch.ones(1, 2)))
    assert found == Culprit("stack.blocks.0.mixer.output", "weights")
    assert "weights of model.blocks.0.mixer (gru" in in_words(found, MODEL)


def test_a_gradient_alone_is_traced_to_where_the_backward_pass_went_wrong() -> None:
    model = Network()
    compute = lambda: model(torch.ones(1, 2))  # noqa: E731
    compute().sum().backward()
    for index in (0, 1):  # all that the backward pass came to after the fault
        model.stack["blocks"][index]["mixer"].output.weight.grad.fill_(math.nan)
    assert first_not_finite(model, compute) == Culprit("stack.blocks.1.mixer.output", "gradient")


def test_where_every_part_is_finite_the_loss_is_blamed() -> None:
    assert "arose in the loss itself" in in_words(None, MODEL)
    assert in_words(Culprit("head", "output"), {}).startswith("the output of model (module head)")


def test_a_diverging_run_names_the_part_and_is_marked(tmp_path: Path) -> None:
    path = recipe(tmp_path, optimizer={"use": "sgd", "lr": 1e30}, clip=None, schedule="constant", checkpoint_every=1)
    with pytest.raises(WorkError) as caught:
        train(load(path), tmp_path / "run", device="cpu")
    message = str(caught.value)
    assert "diverged at step" in message
    assert "gradient norm" in message
    assert "learning rate 1e+30" in message
    assert "model." in message
    assert "first not to be finite" in message
    assert "try a smaller optimizer.lr" in message
    assert Run.open(tmp_path / "run").state == "diverged"


# --- memory


def test_errors_for_want_of_memory_are_told_from_others() -> None:
    assert ran_out(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"))
    assert ran_out(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 8 bytes"))
    assert ran_out(MemoryError())
    assert not ran_out(RuntimeError("shapes cannot be multiplied"))


class Wide(nn.Module):
    """Keeps 4,000 bytes per row for the backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1000))

    def loss(self, batch: Batch) -> Tensor:
        return (self.weight * batch.tokens[:, :1].float().expand(-1, 1000).exp()).sum()


@pytest.mark.parametrize(("room", "rows"), [(10**9, 6), (30_000, 4), (10_500, 2), (6_000, 1), (5_000, 0)])
def test_the_rows_that_fit_divide_the_batch(monkeypatch: pytest.MonkeyPatch, room: int, rows: int) -> None:
    model = Wide()
    weights = 4_000
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    optimizer.state[model.weight]["seen"] = True
    monkeypatch.setattr(memory, "free_memory", lambda device: room + weights)
    batch = Batch(torch.zeros(12, 1, dtype=torch.int64), torch.zeros(12, 1, dtype=torch.int64))
    found, told = largest_that_fits(model.loss, batch, model, optimizer)
    kept = 4_000 * memory.MARGIN
    assert found == max([count for count in (1, 2, 3, 4, 6) if kept * count <= room], default=0) == rows
    assert "12 rows take about 62.4 kB" in told


def test_out_of_memory_says_what_would_fit(tmp_path: Path) -> None:
    """A process that may ask for little more than it has, and is given a batch that takes far more."""
    path = recipe(tmp_path, batch_size=65536, accumulate=2, evaluate_batches=1, checkpoint_every=None)
    program = """
import resource, sys
from pathlib import Path
from partwise import assembly, workflow
from partwise.recipe import load
from partwise_training.updates import Updates
make = Updates.make
def limited(self, step):
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 300_000_000, resource.RLIM_INFINITY))
    return make(self, step)
Updates.make = limited
import partwise_training.standard as standard
standard._Loop._evaluated = lambda self, done: {}
workflow.train(load(sys.argv[1]), Path(sys.argv[2]), device="cpu")
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(path), str(tmp_path / "run")],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    last = done.stderr.strip().splitlines()[-1]
    assert "WorkError: out of memory in step 1, with batch_size 65536" in last, done.stderr
    words = last.replace(";", " ").split()
    rows, times = (int(words[words.index(f"trainer.{name}") + 1]) for name in ("batch_size", "accumulate"))
    assert rows * times == 65536 * 2
    assert 0 < rows < 65536


# --- Ctrl-C and SIGTERM, to a real process


def started(path: Path, out: Path, **environment: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "partwise_cli", "train", str(path), "--out", str(out), "--device", "cpu"],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    metrics = out / "metrics.jsonl"
    for _ in range(600):
        if metrics.exists() and metrics.read_text().count("\n") > 4:
            return process
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.1)
    raise AssertionError("it does not begin")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "a cluster's SIGTERM"])
def test_a_training_that_is_to_end_saves_and_leaves(sent: signal.Signals, tmp_path: Path) -> None:
    path = recipe(tmp_path, steps=100_000, checkpoint_every=None)
    process = started(path, tmp_path / "run")
    process.send_signal(sent)
    output, _ = process.communicate(timeout=60)
    run = Run.open(tmp_path / "run")
    assert process.returncode == 130
    assert run.step > 3
    assert run.state == "interrupted"
    assert f"interrupted: step {run.step} is kept; the same command continues" in output
    assert "Traceback" not in output


def test_a_second_ctrl_c_leaves_at_once(tmp_path: Path) -> None:
    """The first one waits for the update, which takes far longer than the test does."""
    path = recipe(tmp_path, steps=100_000, checkpoint_every=None)
    (tmp_path / "sitecustomize.py").write_text(
        "import time, partwise_training.updates as updates\n"
        "make = updates.Updates.make\n"
        "def slow(self, step):\n"
        "    if step == 8:\n"
        "        time.sleep(600)\n"
        "    return make(self, step)\n"
        "updates.Updates.make = slow\n"
    )
    process = started(path, tmp_path / "run", PYTHONPATH=str(tmp_path))
    while (tmp_path / "run" / "metrics.jsonl").read_text().count("\n") < 9:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert Run.open(tmp_path / "run").step == 0
    assert "nothing was kept yet" in output


# --- float16


def test_float16_on_the_cpu_is_refused_with_its_place_in_the_recipe(tmp_path: Path) -> None:
    with pytest.raises(PartwiseError, match=r'needs a GPU.*use "bfloat16"(.|\n)*at trainer\.precision') as caught:
        train(load(recipe(tmp_path, precision="float16")), tmp_path / "run", device="cpu")
    assert caught.value.exit_code == 2
    assert not (tmp_path / "run").exists()


def test_an_infinite_scaled_gradient_skips_the_update_and_lowers_the_scale() -> None:
    numbers = Precision("float16", torch.device("cpu"))
    weight = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], 1.0)
    scale = numbers.scaler.get_scale()
    numbers.backward(weight.sum() * math.inf)
    numbers.unscale(optimizer)
    assert numbers.forgives()
    numbers.step(optimizer)
    assert weight.tolist() == [1.0, 1.0]
    assert numbers.scaler.get_scale() == scale / 2
    optimizer.zero_grad()
    numbers.backward(weight.sum())
    numbers.unscale(optimizer)
    assert weight.grad.tolist() == [1.0, 1.0]
    numbers.step(optimizer)
    assert weight.tolist() == [0.0, 0.0]


def test_the_scale_is_kept_with_a_checkpoint() -> None:
    numbers, again = (Precision("float16", torch.device("cpu")) for _ in range(2))
    numbers.backward(torch.ones((), requires_grad=True))
    numbers.scaler.update(1024.0)
    again.restore(json.loads(json.dumps(numbers.state())))
    assert again.scaler.get_scale() == 1024.0
    assert Precision("float32", torch.device("cpu")).state() == {}
