"""The evaluations of a recipe: found wanting before anything is trained, and run while it is and after that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch import nn

from partwise.data.protocols import Tokenizer
from partwise.errors import PartError
from partwise.evaluation.figures import Figure
from partwise.evaluation.protocols import Evaluation
from partwise.evaluation.reader import Reader
from partwise.evaluation.running import measured
from partwise.metric_names import ERROR
from partwise.modules.protocols import Model
from partwise.parts.evaluation import EvaluationPart, Need
from partwise.parts.sites import EvaluationSite
from partwise.recipe import LoadedRecipe, Recipe
from partwise.training.decoration import Decoration
from partwise.wording import many

from .placing import at

Say = Callable[[str], None]
KEY = "evaluations"
_CAUSAL = (
    "it needs a model that reads from left to right, and the objective {objective!r} makes one that sees both ways"
)
_WHY_NOT: Mapping[Need, str] = {
    "continuations": _CAUSAL,
    "writing": _CAUSAL.replace("it needs", "it has the model write, for which it needs"),
    "texts": "it needs the likelihood of every token of a text, and the objective {objective!r} teaches only some",
}


@dataclass(frozen=True)
class Named:
    """An evaluation, built, with its name in the recipe."""

    name: str
    part: EvaluationPart
    evaluation: Evaluation
    directory: Path
    """That its file names are relative to."""

    def due(self, step: int, last: bool) -> bool:
        """Whether it is to run after update `step` of a training."""
        return last or (self.part.every is not None and step % self.part.every == 0)


def evaluations_of(
    loaded: LoadedRecipe, model: Model | None = None, directory: Path | None = None
) -> tuple[Named, ...]:
    """The recipe's evaluations, with all that they read.

    Args:
        model: the recipe's; it may be without memory.
        directory: that file names are relative to, in place of the recipe's.

    Raises:
        RecipeError: the objective or the model does not suit one, a file is missing, or a line of it is not as it must
            be; the message shows the place in the recipe.
    """
    return tuple(_evaluations(loaded, model, directory))


def _evaluations(loaded: LoadedRecipe, model: Model | None, directory: Path | None) -> Iterator[Named]:
    recipe = loaded.recipe
    for name, part in recipe.evaluations.items():
        place = EvaluationSite(recipe.model.context, directory or loaded.directory_of(KEY, name))
        with at(loaded, KEY, name):
            _refuse(part, recipe)
            if model is not None:
                part.suits(cast(nn.Module, model))
            yield Named(name, part, part.assemble(place), place.directory)


def _refuse(part: EvaluationPart, recipe: Recipe) -> None:
    """
    Raises:
        PartError: the recipe's model cannot do what the evaluation asks of it.
    """
    reads, objective = recipe.model.reads, recipe.objective
    if reads not in part.reads:
        wants = "pairs of source and target" if "pair" in part.reads else "running text"
        raise PartError(f"{part.name!r} is for models of {wants}, and {recipe.model.name!r} is none; leave it out")
    taught = {"continuations": objective.causal, "writing": objective.causal, "texts": objective.likelihood}
    lacking = next((need for need in sorted(part.needs) if not taught[need]), None)
    if lacking is not None:
        why = _WHY_NOT[lacking].format(objective=objective.name)
        raise PartError(f"{part.name!r} cannot judge this model: {why}; leave it out, or train with 'next_token'")


def reader_of(recipe: Recipe, model: Model, tokenizer: Tokenizer, device: torch.device) -> Reader:
    """What the recipe's evaluations are handed."""
    return Reader(model, tokenizer, recipe.model.reads == "pair", recipe.trainer.batch_size, device)


def figures_of(one: Named, reader: Reader, say: Say = lambda line: None) -> dict[str, Figure]:
    """The figures of one evaluation; `say` gets a line if prompts were too long.

    Raises:
        InputError: the model cannot read what it is asked to read.
        WorkError: a figure is not finite.
    """
    before = reader.shortened
    found = measured(one.evaluation, reader)
    cut = reader.shortened - before
    if cut:
        what = f"{many(cut, 'item')} of {one.name} {'is' if cut == 1 else 'are'} longer"
        say(f"note: {what} than the model's context of {reader.context} tokens, and read without the beginning")
    return found


@dataclass(frozen=True)
class WhileTraining:
    """The evaluations of a recipe as its trainer sees them."""

    all: tuple[Named, ...]
    reader: Reader
    decoration: Decoration
    say: Say
    said: set[str] = field(default_factory=set)

    def due(self, step: int, last: bool) -> bool:
        return any(one.due(step, last) for one in self.all)

    def figures(self, step: int, last: bool) -> Mapping[str, float]:
        found: dict[str, float] = {}
        for one in self.all:
            if one.due(step, last):
                figures = self.decoration(f"evaluation {one.name}", partial(figures_of, one, self.reader, self._once))
                found |= flat(one.name, figures or {})
        return found

    def _once(self, line: str) -> None:
        """Says a line for the first time only."""
        if line not in self.said:
            self.said.add(line)
            self.say(line)


def flat(name: str, figures: Mapping[str, Figure]) -> dict[str, float]:
    """Figures as a run logs them: cloze.accuracy, and its standard error cloze.accuracy.error."""
    logged: dict[str, float] = {}
    for key, figure in figures.items():
        logged[f"{name}.{key}"] = figure.value
        if figure.error is not None:
            logged[f"{name}.{key}{ERROR}"] = figure.error
    return logged
