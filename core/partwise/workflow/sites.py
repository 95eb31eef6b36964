"""Where a recipe's model stands, and the tokenizer that a run holds."""

from __future__ import annotations

from functools import partial
from typing import Any

from partwise.data.protocols import Tokenizer
from partwise.data.specials import NAMES, WITHIN, with_specials
from partwise.errors import PartwiseError, WorkError
from partwise.parts.kinds import TokenizerPart
from partwise.parts.sites import ModelSite
from partwise.recipe import LoadedRecipe


def model_site(loaded: LoadedRecipe, tokenizer: Tokenizer) -> ModelSite:
    """Where the recipe's model is built."""
    objective = loaded.recipe.objective
    vocabulary = tokenizer.vocab_size + len(objective.reserves())
    return ModelSite(vocabulary, tokenizer.end, objective, partial(_token_bytes, tokenizer))


def _token_bytes(tokenizer: Tokenizer, token: int) -> bytes:
    """What a token adds to a text: nothing, where the objective has reserved it."""
    return tokenizer.token_bytes(token) if token < tokenizer.vocab_size else b""


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
