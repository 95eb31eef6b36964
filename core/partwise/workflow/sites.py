"""Where a recipe's model stands, and the tokenizer that a run holds."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from partwise.data.encoded import SplitFacts
from partwise.data.protocols import Tokenizer
from partwise.data.specials import NAMES, WITHIN, with_specials
from partwise.errors import PartwiseError, WorkError
from partwise.parts.kinds import TokenizerPart
from partwise.parts.sites import ModelSite
from partwise.recipe import LoadedRecipe

if TYPE_CHECKING:
    from torch import Tensor


def model_site(loaded: LoadedRecipe, tokenizer: Tokenizer, train: SplitFacts | None = None) -> ModelSite:
    """Where the recipe's model is built.

    Args:
        train: the encoded texts to train on, if they are at hand.
    """
    objective = loaded.recipe.objective
    vocabulary = tokenizer.vocab_size + len(objective.reserves())
    counts = None if train is None else _counting(train, vocabulary)
    return ModelSite(vocabulary, tokenizer.end, objective, partial(_token_bytes, tokenizer), counts)


def _token_bytes(tokenizer: Tokenizer, token: int) -> bytes:
    """What a token adds to a text: nothing, where the objective has reserved it."""
    return tokenizer.token_bytes(token) if token < tokenizer.vocab_size else b""


def _counting(train: SplitFacts, vocabulary: int) -> Callable[[], Tensor]:
    # A function, which copies of a model share, and not a method, with which they would copy the texts.
    @cache
    def counts() -> Tensor:
        import torch

        found = torch.zeros(vocabulary, dtype=torch.int64)
        counted = torch.from_numpy(train.token_counts())
        found[: len(counted)] = counted
        return found

    return counts


def restored(part: TokenizerPart, content: dict[str, Any]) -> Tokenizer:
    """The tokenizer that a run holds; the run may come from a stranger.

    Raises:
        PartwiseError: the part cannot have written this.
    """
    try:
        if content.keys() == {NAMES, WITHIN}:
            return with_specials(part.restore(content[WITHIN]), content[NAMES])
        return part.restore(content)
    except PartwiseError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise WorkError(
            f"the run's tokenizer.json is not that of a tokenizer {part.name!r}: {type(error).__name__}: {error}"
        ) from error
