"""The checks themselves: planted mistakes in samplers, schedules, optimizers and trainers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from partwise.kinds import OptimizerPart, SamplerPart, SchedulePart

from . import catalogue, checks_samplers, checks_training
from .planting import DIRECTORY, Kill, Kills, tell_apart

KILLS = Kills()


def sampler(choose: Callable[[Tensor, torch.Generator], Tensor], ends: bool = True, beyond: int = 0) -> SamplerPart:
    class Sampler:
        def generate(self, decoder: Any, limit: int, generator: torch.Generator) -> Any:
            ended = torch.zeros(len(decoder.logits), dtype=torch.bool)
            for _ in range(limit + beyond):
                tokens = choose(decoder.logits, generator)
                tokens = tokens.masked_fill(ended, decoder.end) if ends else tokens
                yield tokens
                ended |= tokens == decoder.end
                if ends and ended.all():
                    return
                decoder.advance(tokens)

    class Planted(SamplerPart):
        """A sampler with a mistake in it."""

        name = "planted"

        def build(self, site: None) -> Any:
            return Sampler()

    return Planted()


def draw(logits: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.multinomial(logits.softmax(-1), 1, generator=generator).squeeze(1)


def smoothed(logits: Tensor, generator: torch.Generator) -> Tensor:
    return torch.multinomial(logits.softmax(-1) + 0.05, 1, generator=generator).squeeze(1)


def shared(logits: Tensor, generator: torch.Generator) -> Tensor:
    return draw(logits, generator)[:1].expand(len(logits)).clone()


for check, mistake, wrong in (
    (checks_samplers.check_it_keeps_to_the_limit_and_the_vocabulary, "one too many", partial(sampler, draw, beyond=1)),
    (
        checks_samplers.check_the_same_seed_writes_the_same,
        "the global random state",
        partial(sampler, lambda logits, generator: draw(logits, None)),
    ),
    (checks_samplers.check_a_row_that_ended_stays_ended, "goes on", partial(sampler, draw, ends=False)),
    (checks_samplers.check_what_is_impossible_is_never_written, "smoothed", partial(sampler, smoothed)),
    (checks_samplers.check_what_is_certain_is_written, "smoothed", partial(sampler, smoothed)),
    (checks_samplers.check_a_batch_equals_its_rows, "one row for all", partial(sampler, shared)),
):
    KILLS.plant(check, mistake, partial(sampler, draw), wrong)


# --- training -----------------------------------------------------------------------------------------


def schedule(factor: Callable[[int], float]) -> SchedulePart:
    class Planted(SchedulePart):
        """A schedule with a mistake in it."""

        name = "planted"

        def build(self, site: Any) -> Any:
            return factor

    return Planted()


falling = partial(schedule, lambda step: 1.0 - step / 20)
for mistake, factor in {
    "a first update wasted": lambda step: step / 20,
    "below zero": lambda step: 1.0 - step / 10,
    "a peak of two": lambda step: 2.0 - step / 10,
}.items():
    KILLS.plant(checks_training.check_factors, mistake, falling, partial(schedule, factor))


def optimizer(make: Callable[[nn.Module], torch.optim.Optimizer]) -> OptimizerPart:
    class Planted(OptimizerPart):
        """An optimizer with a mistake in it."""

        name = "planted"
        lr: float = 0.05
        """Learning rate."""

        def build(self, site: Any) -> Any:
            return make(site.model)

    return Planted()


def trained_ones(network: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


class Amnesiac(torch.optim.SGD):
    """Counts its updates where no state dict sees it, and takes smaller and smaller steps."""

    count = 0

    def step(self, closure: Any = None) -> Any:
        self.count += 1
        for group in self.param_groups:
            group["lr"] = 0.05 / self.count
        return super().step(closure)


sgd = partial(optimizer, lambda network: torch.optim.SGD(trained_ones(network), 0.05))
for check, mistake, make in (
    (
        checks_training.check_every_trained_parameter_is_updated_once,
        "one left out",
        lambda network: torch.optim.SGD(trained_ones(network)[1:], 0.05),
    ),
    (
        checks_training.check_it_goes_downhill,
        "uphill",
        lambda network: torch.optim.SGD(trained_ones(network), 0.05, maximize=True),
    ),
    (
        checks_training.check_it_resumes_exactly,
        "hidden memory",
        lambda network: Amnesiac(trained_ones(network), 0.05),
    ),
):
    KILLS.plant(check, mistake, sgd, partial(optimizer, make))


def trainer(spoil: Callable[[Any, Any], Any] = lambda fit, training: fit(training)) -> Any:
    example = next(catalogue.examples(entry.part)[0] for entry in catalogue.entries("trainer"))

    class Planted(type(example)):  # type: ignore[misc]
        """A trainer with a mistake in it."""

        name = "planted"

        def build(self, site: None) -> Any:
            return Trainer(super().build(site), spoil)

    return Planted(**{field: getattr(example, field) for field in type(example).model_fields})


class Trainer:
    def __init__(self, right: Any, spoil: Callable[[Any, Any], Any]) -> None:
        self.right, self.spoil = right, spoil

    def fit(self, training: Any) -> None:
        self.spoil(self.right.fit, training)


def _never_done(fit: Any, training: Any) -> None:
    training.run.finish = lambda model: None
    fit(training)


def _by_chance(fit: Any, training: Any) -> None:
    with torch.no_grad():
        training.model.table.add_(torch.randn(1))
    fit(training)


def _forgetful(fit: Any, training: Any) -> None:
    step = training.run.step
    load = training.run.load_checkpoint

    def half(model: Any, optimizer: Any) -> int:
        done = load(model, optimizer)
        if step:
            optimizer.state.clear()
        return done

    training.run.load_checkpoint = half
    fit(training)


for check, mistake, spoil in (
    (checks_training.check_it_trains_to_the_end, "never finishes", _never_done),
    (checks_training.check_training_is_a_function_of_the_seed, "chance", _by_chance),
    (checks_training.check_a_killed_run_ends_with_the_same_bits, "moments forgotten", _forgetful),
):
    KILLS.plant(check, mistake, trainer, partial(trainer, spoil), DIRECTORY)


@KILLS.each()
def test_the_mistake_is_found(kill: Kill, tmp_path: Path) -> None:
    tell_apart(kill, tmp_path)
