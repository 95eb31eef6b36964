"""How often a recipe's training reads its texts, where that is known without reading any: they were encoded before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from partwise.data.encoded import SplitFacts
from partwise.data.encoding import encoded_before
from partwise.data.mixed import members_of, split_of
from partwise.data.protocols import Data
from partwise.errors import PartwiseError
from partwise.recipe import LoadedRecipe
from partwise.wording import many

from .mixtures import in_words, mixture_plan
from .preparation import Prepared, batches_of, cache_key_of, data_of, tokenizer_before


@dataclass(frozen=True)
class EpochsPlan:
    """What a recipe's training reads."""

    updates: int
    trained_on: float
    """Scored tokens that all updates read together."""
    tokens: int
    """Scored tokens of the training split."""
    mixture: str = ""
    """How often each member of a mixture is read, in words."""

    @property
    def epochs(self) -> float:
        """How often each token is read, on average."""
        return self.trained_on / self.tokens

    def __str__(self) -> str:
        whole = f"{many(self.updates, 'update')} go through its {self.tokens:,} training tokens {self.epochs:.3g} times"
        return f"{whole}; {self.mixture}" if self.mixture else whole


def planned_epochs(loaded: LoadedRecipe) -> EpochsPlan | None:
    """How often the training split is read; None if texts would have to be read or encoded to find out, or if the
    trainer does not know its updates beforehand."""
    updates = loaded.recipe.trainer.planned_updates()
    if updates is None or loaded.recipe.rows.packing is not None:
        return None
    try:
        prepared = _prepared_before(loaded)
        if prepared is None:
            return None
        rows = updates * loaded.recipe.trainer.rows_per_update()
        tokens = prepared.batches.encoded["train"].scored_tokens
        plan = mixture_plan(prepared)
        return EpochsPlan(updates, rows * prepared.tokens_per_row, tokens, in_words(plan) if plan else "")
    except (PartwiseError, LookupError):  # it is no error that something is not known
        return None


def _prepared_before(loaded: LoadedRecipe) -> Prepared | None:
    """The recipe with its training split alone, if that is in the cache."""
    data = data_of(loaded)
    if not all(map(_is_listed, _sources(data))):
        return None
    tokenizer = tokenizer_before(loaded, data)
    if tokenizer is None:
        return None

    def found(one: Data) -> SplitFacts:
        split = encoded_before(one, tokenizer, "train", cache_key_of(loaded.recipe))
        if split is None:
            raise LookupError("it was not encoded before")
        return split

    train = split_of(data, "train", tokenizer, found)
    return Prepared(loaded, data, tokenizer, batches_of(loaded, {"train": train}, tokenizer))


def _sources(data: Data) -> Iterable[Data]:
    return [one.data for one in members_of(data).values()] or [data]


def _is_listed(data: Data) -> bool:
    """Whether a data set can be told from others without reading its texts."""
    listed = getattr(data, "listed", None)
    return listed is not None and cast(bool, listed())


__all__ = ["EpochsPlan", "planned_epochs"]
