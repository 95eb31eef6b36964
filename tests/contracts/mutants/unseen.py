"""Mistakes in data, schedules, optimizers, samplers, trainers and initialisers that a first look does not show."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from partwise.data import Example, Piece
from partwise.parts import InitializerPart
from partwise.testing.checks import data as data_checks
from partwise.testing.checks import modules, optimizers, samplers, schedules, tokenizers, trainers

from .others import Everywhere
from .planting import Kills
from .text import Sums, data, tokenizer
from .training import draw, optimizer, sampler, schedule, sgd, trained_ones, trainer

KILLS = Kills()


# --- data ---------------------------------------------------------------------------------------------


class Story(Sums):
    """One running text, cut into three splits."""

    form = "stream"
    overlap = 0

    def examples(self, split: str) -> Any:
        text = " ".join(f"{number} times {number} is {number * number + self.to}" for number in range(300))
        starts = {"train": (0, 3000), "valid": (3000 - self.overlap, 4000), "test": (4000, 5000)}
        first, last = starts[split]
        yield Example((Piece(text[first:last]),))


class OverlapsByAWindow(Story):
    overlap = 64


class OneFileForAll(Sums):
    """Reads its splits through one place in a file."""

    at: tuple[str, int] = ("", 0)

    def examples(self, split):
        for number, example in enumerate(super().examples(split)):
            before, self.at = self.at, (split, number)
            yield example if number == 0 or before[0] == split else Example((Piece("lost"),))


KILLS.plant(
    data_checks.splits_do_not_overlap, "splits that overlap", partial(data, Story), partial(data, OverlapsByAWindow)
)
KILLS.plant(data_checks.its_splits_can_be_read_in_turns, "one file for all", data, partial(data, OneFileForAll))


class RemembersWords(Everywhere):
    """Keeps what it encoded by its lower case."""

    def __init__(self, letters: Any) -> None:
        super().__init__(letters)
        self.kept: dict[str, list[int]] = {}

    def encode(self, text):
        return self.kept.setdefault(text.lower(), super().encode(text))


KILLS.plant(
    tokenizers.encoding_remembers_nothing,
    "a cache by lower case",
    partial(tokenizer, Everywhere),
    partial(tokenizer, RemembersWords),
)


# --- schedules ------------------------------------------------------------------------------------------


def falls(step: int) -> float:
    return 1.0 - step / 1000 if step < 1000 else 0.0


def jumps_at_its_end(step: int) -> float:
    return 1.0 if step in (19, 999) else falls(step)


def ends_at_once(step: int) -> float:
    return 0.0 if step in (19, 999) else 1.0


def warms(step: int) -> float:
    return (step + 1) / 8 if step < 8 else 1.0 - (step - 8) / 1000


def falls_off_its_peak(step: int) -> float:
    return (step + 1) / 8 if step < 8 else 0.7 - (step - 8) / 2000


def leaps_to_its_peak(step: int) -> float:
    return (step + 1) / 16 if step < 8 else 1.0 - (step - 8) / 1000


for mistake, factor, right in (
    ("a jump at the last update", jumps_at_its_end, falls),
    ("zero at the last update", ends_at_once, falls),
    ("a fall after warm-up", falls_off_its_peak, warms),
    ("a leap at warm-up's end", leaps_to_its_peak, warms),
):
    KILLS.plant(schedules.it_makes_no_jump_at_its_turns, mistake, partial(schedule, right), partial(schedule, factor))


# --- optimizers -----------------------------------------------------------------------------------------


def decaying(leave_out: int) -> Any:
    def make(network: nn.Module) -> torch.optim.Optimizer:
        matrices = [one for one in trained_ones(network) if one.ndim > 1]
        vectors = [one for one in trained_ones(network) if one.ndim == 1]
        groups = [{"params": [one], "weight_decay": 0.1} for one in matrices]
        for group in groups[len(groups) - leave_out :]:
            group["weight_decay"] = 0.0
        return torch.optim.SGD([*groups, {"params": vectors}], 0.05)

    return optimizer(make)


KILLS.plant(
    optimizers.weight_decay_leaves_no_matrix_out,
    "no decay of the last group",
    partial(decaying, 0),
    partial(decaying, 1),
)


class ScalesGradients(torch.optim.SGD):
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for one in group["params"]:
                if one.grad is not None:
                    one.grad.mul_(0.5)
        return super().step(closure)


class NeedsGradients(torch.optim.SGD):
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for one in group["params"]:
                one.data.add_(one.grad, alpha=-group["lr"])


class StopsAfterOne(torch.optim.SGD):
    """Forgets its last parameter after the first update."""

    def step(self, closure: Any = None) -> Any:
        last = self.param_groups[-1]["params"][-1]
        before = last.detach().clone()
        super().step(closure)
        if self.state[last].setdefault("done", False):
            last.data.copy_(before)
        self.state[last]["done"] = True


for mistake, kind, check in (
    ("gradients scaled in place", ScalesGradients, optimizers.gradients_are_only_read),
    ("a gradient taken for granted", NeedsGradients, optimizers.gradients_are_only_read),
    ("one update and no more", StopsAfterOne, optimizers.every_trained_parameter_is_updated_once),
):
    KILLS.plant(check, mistake, sgd, partial(optimizer, lambda network, kind=kind: kind(trained_ones(network), 0.05)))


# --- samplers -------------------------------------------------------------------------------------------


def hotter_by_row(logits: Tensor, generator: torch.Generator) -> Tensor:
    return draw(logits / (1 + 0.5 * torch.arange(len(logits))[:, None]), generator)


def one_number_for_all(logits: Tensor, generator: torch.Generator) -> Tensor:
    shares = logits.softmax(-1).cumsum(-1)
    return (shares < torch.rand(1, generator=generator)).sum(-1).clamp_max(logits.shape[-1] - 1)


for mistake, choose in (("hotter from row to row", hotter_by_row), ("one draw for all rows", one_number_for_all)):
    KILLS.plant(samplers.rows_draw_alike_and_apart, mistake, partial(sampler, draw), partial(sampler, choose))


# --- trainers and initialisers --------------------------------------------------------------------------


def _stays_in_evaluation(fit: Any, training: Any) -> None:
    train = training.model.train
    training.model.train = lambda mode=True: train(False)
    fit(training)


def _evaluates_in_training(fit: Any, training: Any) -> None:
    training.model.eval = lambda: training.model
    fit(training)


for mistake, spoil in (
    ("trains in evaluation mode", _stays_in_evaluation),
    ("dropout in evaluations", _evaluates_in_training),
):
    KILLS.plant(trainers.it_trains_in_training_mode, mistake, trainer, partial(trainer, spoil))


class CountsItsCalls:
    """Draws each layer `step` smaller than the one before."""

    def __init__(self, step: float) -> None:
        self.step, self.count = step, 0

    def __call__(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            self.count += 1
            nn.init.normal_(module.weight, std=0.1 / (1 + self.step * self.count))


def counting(step: float) -> InitializerPart:
    class Planted(InitializerPart):
        """An initialiser with a mistake in it."""

        name = "planted"

        def build(self, site: Any) -> Any:
            return CountsItsCalls(step)

    return Planted()


KILLS.plant(
    modules.its_draws_do_not_depend_on_those_before,
    "smaller from call to call",
    partial(counting, 0.0),
    partial(counting, 0.1),
    InitializerPart.sites()["model"],
)


def _evaluation_draws(fit: Any, training: Any) -> None:
    judge = training.model.eval

    def eval() -> Any:
        training.model.table.data.mul_(1.001)
        return judge()

    training.model.eval = eval
    fit(training)


KILLS.plant(
    trainers.evaluations_leave_training_alone,
    "weights touched by an evaluation",
    trainer,
    partial(trainer, _evaluation_draws),
)


def remembering(step: int) -> Any:
    """A sampler whose draws are the hotter the more it has written."""
    written = [0]

    def choose(logits: Tensor, generator: torch.Generator) -> Tensor:
        written[0] += step
        return draw(logits / (1 + written[0] / 50), generator)

    return sampler(choose)


KILLS.plant(
    samplers.writing_remembers_nothing,
    "hotter from text to text",
    partial(remembering, 0),
    partial(remembering, 1),
)
