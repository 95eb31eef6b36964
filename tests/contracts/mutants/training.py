"""Mistakes in samplers, schedules, optimizers and trainers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from partwise.assembly import seed_for
from partwise.modules import TrainingLoss
from partwise.parts import OptimizerPart, SamplerPart, SchedulePart
from partwise.testing import find
from partwise.testing.checks import optimizers, samplers, schedules, trainers

from .planting import Kills

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
    (samplers.it_keeps_to_the_limit_and_the_vocabulary, "one too many", partial(sampler, draw, beyond=1)),
    (
        samplers.it_is_a_function_of_its_generator,
        "the global random state",
        partial(sampler, lambda logits, generator: draw(logits, None)),
    ),
    (samplers.a_row_that_ended_stays_ended, "goes on", partial(sampler, draw, ends=False)),
    (samplers.what_is_impossible_is_never_written, "smoothed", partial(sampler, smoothed)),
    (samplers.what_is_certain_is_written, "smoothed", partial(sampler, smoothed)),
    (samplers.rows_are_written_as_if_alone, "one row for all", partial(sampler, shared)),
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
    KILLS.plant(schedules.its_factors_are_sound, mistake, falling, partial(schedule, factor))


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
        optimizers.every_trained_parameter_is_updated_once,
        "one left out",
        lambda network: torch.optim.SGD(trained_ones(network)[1:], 0.05),
    ),
    (
        optimizers.it_goes_downhill,
        "uphill",
        lambda network: torch.optim.SGD(trained_ones(network), 0.05, maximize=True),
    ),
    (
        optimizers.it_resumes_exactly,
        "hidden memory",
        lambda network: Amnesiac(trained_ones(network), 0.05),
    ),
):
    KILLS.plant(check, mistake, sgd, partial(optimizer, make))


def trainer(spoil: Callable[[Any, Any], Any] = lambda fit, training: fit(training), unmade: int = 0) -> Any:
    # Where averaged weights are evaluated, those that are trained are out of an evaluation's reach.
    example = next(iter(find("standard", "trainer").part.examples())).model_copy(update={"average": None})

    class Planted(type(example)):  # type: ignore[misc]
        """A trainer with a mistake in it."""

        name = "planted"

        def build(self, site: None) -> Any:
            return Trainer(super().build(site), spoil)

        def planned_updates(self) -> int:
            return int(super().planned_updates()) + unmade

    return Planted(**{field: getattr(example, field) for field in type(example).model_fields})


class Trainer:
    def __init__(self, right: Any, spoil: Callable[[Any, Any], Any]) -> None:
        self.right, self.spoil = right, spoil

    def fit(self, training: Any) -> None:
        self.spoil(self.right.fit, training)


def _never_done(fit: Any, training: Any) -> None:
    training.run.finish_with = lambda weights: None
    fit(training)


def _by_chance(fit: Any, training: Any) -> None:
    with torch.no_grad():
        training.model.table.add_(torch.randn(1))
    fit(training)


def _another_order(fit: Any, training: Any) -> None:
    fit(replace(training, seed=training.seed + training.run.step))


def _without_objective(fit: Any, training: Any) -> None:
    if hasattr(training.model, "objective"):
        del training.model.objective
    fit(training)


def _with_loss(wrong: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any], None]:
    """Trains with `wrong(right, loss, batch)` in place of what `TrainingLoss` gives, which is `right(loss, batch)`."""

    def spoil(fit: Any, training: Any) -> None:
        right = TrainingLoss.forward
        with mock.patch.object(TrainingLoss, "forward", lambda loss, batch: wrong(right, loss, batch)):
            fit(training)

    return spoil


def _unlogged(right: Any, loss: Any, batch: Any) -> Any:
    return right(loss, batch)[0], {}


def _all_in_one(right: Any, loss: Any, batch: Any) -> Any:
    nats, figures = right(loss, batch)
    return nats, {name: figure for name, figure in figures.items() if name != TrainingLoss.LOSS}


def _each_pass_alike(right: Any, loss: Any, batch: Any) -> Any:
    nats, figures = right(loss, batch)
    own = {name: figure / batch.scored * 8 for name, figure in figures.items() if name != TrainingLoss.LOSS}
    return nats, figures | own


def _learned_from_alone(right: Any, loss: Any, batch: Any) -> Any:
    nats, figures = right(loss, batch)
    return (loss.model.objective(loss.model.hidden(batch), batch) if figures else nats), figures


def _evaluated(fit: Any, training: Any) -> None:
    own = training.model.loss
    if hasattr(training.model, "hidden"):

        def with_terms(batch: Any) -> Tensor:
            weighted: Any = training.model.hidden(batch).flow.carried.weighted()
            return own(batch) + weighted * batch.scored  # type: ignore[no-any-return]

        training.model.loss = with_terms
    fit(training)


def _one_salt(fit: Any, training: Any) -> None:
    with mock.patch("partwise_training.updates.seed_for", lambda seed, *path: seed_for(seed, path[0], 0)):
        fit(training)


def _unposed_evaluation(fit: Any, training: Any) -> None:
    with mock.patch("partwise.training.evaluation.objective_of", return_value=None):
        fit(training)


for mistake, spoil in (
    ("no objective", _without_objective),
    ("terms that are not logged", _with_loss(_unlogged)),
    ("one loss with its terms", _with_loss(_all_in_one)),
    ("each pass weighed alike", _with_loss(_each_pass_alike)),
    ("terms that teach nothing", _with_loss(_learned_from_alone)),
    ("terms in evaluation", _evaluated),
):
    KILLS.plant(trainers.terms_join_the_loss_of_training_alone, mistake, trainer, partial(trainer, spoil))
for mistake, spoil in (
    ("no objective", _without_objective),
    ("the same salt for all updates", _one_salt),
    ("an evaluation that is not posed", _unposed_evaluation),
):
    KILLS.plant(trainers.every_batch_is_as_the_objective_poses_it, mistake, trainer, partial(trainer, spoil))

for check, mistake, spoil in (
    (trainers.it_trains_to_the_end, "never finishes", _never_done),
    (trainers.training_is_a_function_of_the_seed, "chance", _by_chance),
    (trainers.a_killed_run_ends_with_the_same_bits, "another order of batches once resumed", _another_order),
):
    KILLS.plant(check, mistake, trainer, partial(trainer, spoil))
KILLS.plant(trainers.it_trains_to_the_end, "plans an update too many", trainer, partial(trainer, unmade=1))
