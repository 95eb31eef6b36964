"""What a variant costs: parameters, FLOPs per token, and the tokens it is trained on. Read off the meta device."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from partwise.errors import InputError, PartwiseError
from partwise.recipe import LoadedRecipe, Problem, RejectedError

if TYPE_CHECKING:
    from partwise.data.batches import Batches
    from partwise.data.protocols import Data, Tokenizer

Quantity = Literal["parameters", "flops", "tokens"]


@dataclass(frozen=True)
class Costs:
    """The budget of a variant."""

    parameters: int
    flops_per_token: float
    """Forward, in a full context."""
    tokens: int
    """That one run is trained on; 0 if its trainer does not say how many updates it makes."""

    def of(self, quantity: Quantity) -> float:
        return {"parameters": self.parameters, "flops": self.flops_per_token, "tokens": self.tokens}[quantity]


@dataclass(frozen=True)
class Texts:
    """A recipe's data and tokenizer, read and encoded."""

    data: Data
    tokenizer: Tokenizer
    batches: Batches
    hash: str

    @property
    def row(self) -> float:
        """Tokens that a row of a training batch has on average."""
        train = self.batches.encoded["train"]
        if train.form == "stream" or train.bounds is None:
            return self.batches.context
        return train.scored_tokens / max(1, len(train.bounds) - 1)


class Ledger:
    """Costs of recipes, each worked out once; texts are prepared once per data and tokenizer."""

    def __init__(self, say: Callable[[str], None] = lambda line: None) -> None:
        self._say = say
        self._prepared: dict[str, Any] = {}
        self._figures: dict[str, float] = {}

    def texts(self, loaded: LoadedRecipe) -> Texts:
        """What a recipe is trained on; trains its tokenizer and encodes its texts unless the cache has them.

        Raises:
            InputError: the data is not as it must be, or does not suit the model.
        """
        from partwise import workflow
        from partwise.data.batches import Batches
        from partwise.data.encoded import data_hash

        recipe = loaded.recipe
        key = _canonical(recipe.data, recipe.tokenizer, loaded.directory_of("data"), loaded.directory_of("tokenizer"))
        if key not in self._prepared:
            self._prepared[key] = workflow.prepare(loaded, self._say)
        made = self._prepared[key]
        batches = Batches(made.batches.encoded, recipe.model.reads, recipe.model.context, made.tokenizer.end)
        return Texts(made.data, made.tokenizer, batches, data_hash(batches.encoded))

    def costs(self, loaded: LoadedRecipe) -> Costs:
        """
        Raises:
            RecipeError: a part does not fit its place.
            InputError: the data is not as it must be.
        """
        figures = [self.quantity(loaded, quantity) for quantity in ("parameters", "flops", "tokens")]
        return Costs(round(figures[0]), figures[1], round(figures[2]))

    def quantity(self, loaded: LoadedRecipe, quantity: Quantity) -> float:
        """One of the costs, for the price of working out that one; raises what `costs` raises."""
        recipe = loaded.recipe
        # Weights and FLOPs do not hang on the trainer, of which tuning tries many.
        key = _canonical(recipe.data, recipe.tokenizer, recipe.model, recipe.trainer if quantity == "tokens" else None)
        key += f"{loaded.directory_of('data')} {loaded.directory_of('tokenizer')} {quantity}"
        if key not in self._figures:
            work = {"parameters": self._parameters, "flops": self._flops, "tokens": self._tokens}[quantity]
            self._figures[key] = work(loaded)
        return self._figures[key]

    def _vocabulary(self, loaded: LoadedRecipe) -> int:
        return self.texts(loaded).tokenizer.vocab_size

    def _parameters(self, loaded: LoadedRecipe) -> float:
        from partwise.parts.sites import ModelSite
        from partwise.workflow.preparation import skeleton

        model = skeleton(loaded, ModelSite(self._vocabulary(loaded)))
        return sum(parameter.numel() for parameter in model.parameters())

    def _flops(self, loaded: LoadedRecipe) -> float:
        from partwise import workflow

        return workflow.inspect(loaded, self._vocabulary(loaded)).flops_per_token

    def _tokens(self, loaded: LoadedRecipe) -> float:
        trainer = loaded.recipe.trainer
        # The kind of trainers knows no more than `batch_size`; others than the standard one may lack these.
        rows = trainer.batch_size * int(getattr(trainer, "accumulate", 1)) * int(getattr(trainer, "steps", 0))
        return rows * self.texts(loaded).row


def _canonical(*things: Any) -> str:
    return json.dumps([one.model_dump(mode="json") if hasattr(one, "model_dump") else str(one) for one in things])


def located(error: PartwiseError) -> list[Problem]:
    """An input error as problems: those it has, or itself, which stands nowhere."""
    if isinstance(error, RejectedError):
        return list(error.problems)
    if isinstance(error, InputError):
        return [Problem(str(error))]
    raise error


__all__ = ["Costs", "Ledger", "Quantity", "Texts", "located"]
