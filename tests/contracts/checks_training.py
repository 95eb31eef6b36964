"""What every optimizer, schedule and trainer must hold."""

from __future__ import annotations

import copy
import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from partwise import Part
from partwise.batches import Batches
from partwise.encoding import EncodedSplit
from partwise.flow import Batch
from partwise.interfaces import Progress, Training
from partwise.run import Run
from partwise.sites import OptimizerSite, ScheduleSite

STEPS = 20
V, CONTEXT = 11, 8


# --- schedules ----------------------------------------------------------------------------------------


def check_factors(part: Part) -> None:
    """Finite factors that never turn an update round, from the first step to the last; the same each time."""
    schedule: Any = part.assemble(ScheduleSite(STEPS))
    factors = [schedule(step) for step in range(STEPS)]
    assert all(isinstance(factor, float) for factor in factors), "a factor is not a float"
    assert all(math.isfinite(factor) and factor >= 0 for factor in factors), f"the factors are {factors}"
    assert factors[0] > 0, "the first update is wasted: its factor is 0"
    assert max(factors) == 1 or abs(max(factors) - 1) < 1e-6, f"the largest factor is {max(factors)}; lr means the peak"
    assert [schedule(step) for step in reversed(range(STEPS))] == factors[::-1], "it depends on what was asked before"


# --- optimizers ---------------------------------------------------------------------------------------


def _network() -> nn.Module:
    torch.manual_seed(1)
    network = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.LayerNorm(8), nn.Linear(8, 3))
    network[3].bias.requires_grad_(False)
    return network


def _loss(network: nn.Module, seed: int = 2) -> Tensor:
    x = torch.randn(16, 4, generator=torch.Generator().manual_seed(seed))
    return (network(x) - x[:, :3].flip(1)).square().mean()


def _steps(network: nn.Module, optimizer: torch.optim.Optimizer, count: int) -> None:
    for _ in range(count):
        optimizer.zero_grad()
        _loss(network).backward()
        optimizer.step()


def check_every_trained_parameter_is_updated_once(part: Part) -> None:
    """It holds each parameter that is trained once, and none that is frozen."""
    network = _network()
    optimizer: Any = part.assemble(OptimizerSite(network))
    held = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    trained = [id(parameter) for parameter in network.parameters() if parameter.requires_grad]
    assert sorted(held) == sorted(trained), "what it updates is not what is trained"
    assert all(group["lr"] == part.lr for group in optimizer.param_groups), "its groups have other rates than `lr`"
    before = copy.deepcopy(network.state_dict())
    _steps(network, optimizer, 1)
    for name, parameter in network.named_parameters():
        moved = not parameter.equal(before[name])
        assert moved == parameter.requires_grad, f"{name} {'moved' if moved else 'did not move'} in an update"


def check_it_goes_downhill(part: Part) -> None:
    """Repeated updates on one batch lower the loss."""
    network = _network()
    optimizer: Any = part.assemble(OptimizerSite(network))
    before = _loss(network).item()
    _steps(network, optimizer, 40)
    after = _loss(network).item()
    assert after < 0.8 * before, f"after 40 updates the loss went from {before:.3g} to {after:.3g}"


def check_it_resumes_exactly(part: Part) -> None:
    """Its state dict is all it remembers: 3 updates, then 3 more by a new optimizer, are 6 updates."""
    network = _network()
    whole = copy.deepcopy(network)
    _steps(whole, part.assemble(OptimizerSite(whole)), 6)
    first: Any = part.assemble(OptimizerSite(network))
    _steps(network, first, 3)
    second: Any = part.assemble(OptimizerSite(network))
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    _steps(network, second, 3)
    for (name, one), other in zip(network.named_parameters(), whole.parameters(), strict=True):
        assert one.equal(other), f"after it was resumed {name} is another"


# --- trainers -----------------------------------------------------------------------------------------


class Bigrams(nn.Module):
    """The smallest model there is: logits of the next token by the last one. Steep, so that gradients are long."""

    context = CONTEXT
    vocabulary = V

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.table = nn.Parameter(torch.randn(V, 6, generator=generator))
        self.output = nn.Parameter(torch.randn(V, 6, generator=generator))
        self.dropout = nn.Dropout(0.1)

    def forward(self, batch: Batch) -> Tensor:
        return 3 * F.linear(self.dropout(self.table[batch.tokens]), self.output)

    def loss(self, batch: Batch) -> Tensor:
        return F.cross_entropy(self(batch).flatten(0, 1), batch.targets.flatten(), reduction="sum")


def batches() -> Batches:
    """A stream that counts up, with a slip now and then."""
    numbers = np.random.default_rng(0)
    encoded = {}
    for split, length in (("train", 400), ("valid", 100)):
        tokens = (np.arange(length) + (numbers.random(length) < 0.1)) % V
        encoded[split] = EncodedSplit(
            name=split,
            form="stream",
            tokens=tokens.astype(np.uint16),
            scored=None,
            bounds=None,
            cuts=None,
            scored_tokens=length - 1,
            text_bytes=length - 1,
            unknowns=0,
            lossless=True,
            unknown_bits=None,
            data_hash="",
        )
    return Batches(encoded, "sequence", CONTEXT, 0)


class KilledError(Exception):
    """Stands for a process that ends at once."""


Trained = tuple[Run, list[Progress], list[int]]
"""A run, what was reported, and the steps at which a checkpoint was kept."""


def trained(part: Part, directory: Path, seed: int = 0, die_at: int | None = None) -> Trained:
    """Trains, or continues to; `die_at` is the step after which the process is killed."""
    reports: list[Progress] = []
    kept: list[int] = []
    run = Run.create(directory, {}, {}, {})
    save = run.save_checkpoint

    def spy(step: int, *rest: Any) -> None:
        kept.append(step)
        save(step, *rest)

    run.save_checkpoint = spy  # type: ignore[method-assign]

    def report(progress: Progress) -> None:
        reports.append(progress)
        if progress.step == die_at:
            raise KilledError

    trainer: Any = part.assemble(None)
    trainer.fit(Training(Bigrams(), batches(), run, seed, torch.device("cpu"), report))
    return run, reports, kept


def weights(run: Run) -> dict[str, Tensor]:
    """The final weights of a run."""
    model = Bigrams()
    run.load_weights(model)
    return model.state_dict()


def check_it_trains_to_the_end(part: Part, directory: Path) -> None:
    """It finishes its run, reports every step with the figures promised, and leaves weights that have learned."""
    run, reports, _ = trained(part, directory)
    assert run.finished, "it leaves its run unfinished"
    assert [progress.step for progress in reports] == list(range(1, reports[-1].steps + 1)), (
        "not every step is reported"
    )
    for progress in reports:
        missing = {"loss", "lr", "grad_norm", "tokens_per_second"} - set(progress.metrics)
        assert not missing, f"a report lacks {missing}"
    last = run.rows()[-1]
    missing = {"valid_loss", "valid_perplexity", "valid_bits_per_byte"} - set(last)
    assert not missing, f"the last row lacks {missing}"
    first = Bigrams().state_dict()
    assert any(not tensor.equal(first[name]) for name, tensor in weights(run).items()), "it trains nothing"


def check_training_is_a_function_of_the_seed(part: Part, directory: Path) -> None:
    """The same seed ends with the same bits, whatever was drawn before; another seed with others."""
    one, *_ = trained(part, directory / "one")
    torch.rand(7)
    other, *_ = trained(part, directory / "other")
    third, *_ = trained(part, directory / "third", seed=1)
    for name, tensor in weights(one).items():
        assert tensor.equal(weights(other)[name]), f"a second training from the same seed gives another {name}"
    assert any(not tensor.equal(weights(third)[name]) for name, tensor in weights(one).items()), "the seed does nothing"


def check_a_killed_run_ends_with_the_same_bits(part: Part, directory: Path) -> None:
    """Killed after any step and started again, training ends as if nothing had happened: weights and metrics."""
    whole, reports, _ = trained(part, directory / "whole")
    for step in range(1, len(reports) + 1):
        place = directory / f"killed-{step}"
        with suppress(KilledError):
            trained(part, place, die_at=step)
        again, *_ = trained(part, place)
        for name, tensor in weights(whole).items():
            assert tensor.equal(weights(again)[name]), f"killed after step {step} and resumed, {name} differs"
        assert again.rows() == whole.rows(), f"killed after step {step} and resumed, the metrics differ"
