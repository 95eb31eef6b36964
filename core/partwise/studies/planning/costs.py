"""What a variant costs: parameters, FLOPs per token, and training tokens. Found on the meta device."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from partwise.errors import InputError, PartwiseError
from partwise.recipe import LoadedRecipe, Problem, RejectedError

from .floor import floor_of
from .refusals import measured_on

if TYPE_CHECKING:
    from partwise.studies.definition.study import MetricChoice
    from partwise.workflow import Prepared

Quantity = Literal["parameters", "flops", "tokens", "training_flops", "seconds"]
UNITS: dict[Quantity, str] = {
    "parameters": "parameters", "flops": "FLOPs per token", "tokens": "tokens", "training_flops": "training FLOPs",
    "seconds": "seconds on this machine",
}  # fmt: skip
PASSES = 3
"""Forward passes that an update costs: one, and about two for the gradients."""
QUANTITIES: tuple[Quantity, ...] = ("parameters", "flops", "tokens")


@dataclass(frozen=True)
class Costs:
    """The budget of a variant."""

    parameters: int
    flops_per_token: float | None
    """Forward, in a full context; None if they cannot be counted."""
    tokens: int
    """Training tokens of one run; 0 if its trainer does not say how many updates it makes."""

    @property
    def training_flops(self) -> float | None:
        """Of a whole run."""
        return None if self.flops_per_token is None else PASSES * self.flops_per_token * self.tokens

    def of(self, quantity: Quantity) -> float | None:
        """One of those that are counted."""
        counted = {"parameters": self.parameters, "flops": self.flops_per_token, "tokens": self.tokens}
        return self.training_flops if quantity == "training_flops" else counted[quantity]


class Ledger:
    """Costs of recipes, each computed once; texts are prepared once for each data and tokenizer."""

    def __init__(self, say: Callable[[str], None] = lambda line: None, threads: int = 1) -> None:
        """
        Args:
            threads: that a run has; decides how long it takes.
        """
        self._say, self._threads = say, threads
        self._prepared: dict[str, Prepared] = {}
        self._figures: dict[str, float | None] = {}
        self._floors: dict[str, float | None] = {}

    def prepared(self, loaded: LoadedRecipe) -> Prepared:
        """A recipe with its texts; trains its tokenizer and encodes its texts unless the cache has them.

        Raises:
            InputError: the data is not valid, or does not suit the model.
        """
        from partwise import workflow

        recipe = loaded.recipe
        places = loaded.directory_of("data"), loaded.directory_of("tokenizer")
        key = _canonical(recipe.data, recipe.tokenizer, recipe.start, *places)
        if key not in self._prepared:
            self._prepared[key] = workflow.prepare(loaded, self._say)
        return self._prepared[key].for_recipe(loaded)

    def costs(self, loaded: LoadedRecipe) -> Costs:
        """
        Raises:
            RecipeError: a part does not fit its place.
            InputError: the data is not valid.
        """
        parameters, flops, tokens = (self.quantity(loaded, one) for one in QUANTITIES)
        return Costs(round(parameters or 0), flops, round(tokens or 0))

    def quantity(self, loaded: LoadedRecipe, quantity: Quantity) -> float | None:
        """One of the costs, without computing the others; None if it cannot be counted. Raises what `costs` raises."""
        recipe = loaded.recipe
        # Weights and FLOPs do not depend on the trainer, and tuning tries many trainers.
        by_trainer = (recipe.rows, recipe.trainer) if quantity in ("tokens", "training_flops", "seconds") else ()
        key = _canonical(recipe.data, recipe.tokenizer, recipe.start, recipe.adapter, recipe.model, *by_trainer)
        key += f"{loaded.directory_of('data')} {loaded.directory_of('tokenizer')} {quantity}"
        if key not in self._figures:
            work: Callable[[LoadedRecipe], float | None]
            work = {
                "parameters": self._parameters,
                "flops": self._flops,
                "tokens": self._tokens,
                "training_flops": lambda loaded: self.costs(loaded).training_flops,
                "seconds": self._seconds,
            }[quantity]
            self._figures[key] = work(loaded)
        return self._figures[key]

    def floor(self, prepared: Prepared, tokens: str, metric: MetricChoice) -> float | None:
        """`floor_of` what is measured of prepared texts, whose tokenizer has the hash `tokens`; counted once."""
        key = f"{prepared.data_hash} {tokens} {metric.split} {metric.member} {metric.name}"
        if key not in self._floors:
            measured = measured_on(prepared.batches.encoded[metric.split], metric.member)
            self._floors[key] = floor_of(measured, metric.name)
        return self._floors[key]

    def _parameters(self, loaded: LoadedRecipe) -> float:
        return sum(parameter.numel() for parameter in self.prepared(loaded).learning().parameters())

    def _flops(self, loaded: LoadedRecipe) -> float | None:
        from partwise import workflow

        return workflow.inspect(loaded, self.prepared(loaded).tokenizer.vocab_size).flops_per_token

    def _seconds(self, loaded: LoadedRecipe) -> float | None:
        from .clock import seconds_of

        return seconds_of(loaded, self.prepared(loaded), self._threads, self._say)

    def _tokens(self, loaded: LoadedRecipe) -> float:
        trainer = loaded.recipe.trainer
        rows = trainer.rows_per_update() * (trainer.planned_updates() or 0)
        return rows * self.prepared(loaded).tokens_per_row


def _canonical(*things: Any) -> str:
    return json.dumps([one.model_dump(mode="json") if hasattr(one, "model_dump") else str(one) for one in things])


def located(error: PartwiseError) -> list[Problem]:
    """An input error as problems: those it holds, or the error itself as a problem without a place."""
    if isinstance(error, RejectedError):
        return list(error.problems)
    if isinstance(error, InputError):
        return [Problem(str(error))]
    raise error


__all__ = ["PASSES", "UNITS", "Costs", "Ledger", "Quantity", "located"]
