"""Mistakes in evaluations, and in when a trainer runs them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

import partwise_evaluations
from partwise.evaluation import Figure, mean
from partwise.parts import EvaluationPart
from partwise.testing.checks import evaluations, trainers

from .planting import Kills
from .training import trainer

KILLS = Kills()
SAMPLE = Path(partwise_evaluations.__file__).parent / "samples" / "answers.jsonl"


def likely(reader: Any, texts: list[str]) -> list[float]:
    return [one.bits for one in reader.log_likelihoods([("", text) for text in texts])]


def evaluation(measure: Callable[[Any, list[str]], Any] = lambda reader, texts: mean(likely(reader, texts))) -> Any:
    class Built:
        def __init__(self, texts: list[str]) -> None:
            self.texts = texts

        def measure(self, reader: Any) -> Any:
            found = measure(reader, self.texts)
            return {"bits": found} if isinstance(found, Figure) else found

    class Planted(EvaluationPart):
        """An evaluation with a mistake in it."""

        name = "planted"
        file: str = str(SAMPLE)
        """Its items."""

        def build(self, site: Any) -> Any:
            return Built([json.loads(line)["prompt"] for line in Path(self.file).read_text().splitlines()])

        def figures(self) -> Any:
            return {"bits": "min"}

    return Planted()


def undeclared(reader, texts):
    return {"bits": mean(likely(reader, texts)), "nats": mean([1.0])}


def by_chance(reader, texts):
    return mean([bits + float(torch.rand(1)) for bits in likely(reader, texts)])


def teaches(reader, texts):
    found = mean(likely(reader, texts))
    reader.model.table.vectors.mul_(0.5)
    return found


def mean_of_batches(reader, texts):
    bits = likely(reader, texts)
    batches = [bits[start : start + reader.rows] for start in range(0, len(bits), reader.rows)]
    return mean([sum(batch) / len(batch) for batch in batches])


def padding_counts(reader, texts):
    found = []
    for start in range(0, len(texts), reader.rows):
        some = texts[start : start + reader.rows]
        longest = max(map(len, some))
        found += likely(reader, [text.ljust(longest) for text in some])
    return mean(found)


def the_first_counts_most(reader, texts):
    return mean([bits / place for place, bits in enumerate(likely(reader, texts), 1)])


for check, mistake, wrong in (
    (evaluations.its_figures_are_those_it_declares, "a figure it does not declare", undeclared),
    (evaluations.it_judges_alike_each_time, "figures by chance", by_chance),
    (evaluations.it_leaves_the_model_alone, "changes the weights it judges", teaches),
    (evaluations.batches_and_padding_make_no_difference, "the mean of the means of batches", mean_of_batches),
    (evaluations.batches_and_padding_make_no_difference, "padding is scored", padding_counts),
    (evaluations.the_order_of_items_makes_no_difference, "the first item counts most", the_first_counts_most),
):
    KILLS.plant(check, mistake, evaluation, partial(evaluation, wrong))


class LateByOne:
    def __init__(self, right: Any) -> None:
        self.right = right

    def due(self, step: int, last: bool) -> bool:
        return bool(self.right.due(step - 1, last))

    def figures(self, step: int, last: bool) -> Any:
        return self.right.figures(step, last)


def _one_update_late(fit: Any, training: Any) -> None:
    object.__setattr__(training, "evaluations", LateByOne(training.evaluations))
    fit(training)


KILLS.plant(
    trainers.it_runs_the_evaluations_of_the_recipe,
    "evaluations run an update late",
    trainer,
    partial(trainer, _one_update_late),
)
