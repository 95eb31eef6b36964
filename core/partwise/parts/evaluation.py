"""The kind of part that judges a trained model by other texts and tasks than those it was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import PositiveInt

from .part import Part
from .sites import EvaluationSite

if TYPE_CHECKING:
    from torch import nn

    from partwise.evaluation import Evaluation, Goal

Need = Literal["continuations", "texts", "writing"]


class EvaluationPart(Part):
    """Judges a trained model by what it makes of texts or tasks of its own."""

    kind = "evaluation"

    needs: ClassVar[frozenset[Need]] = frozenset()
    """What it asks of the model: how likely it holds the continuations of a prompt, or every token of a text; or to
    write. Not every objective teaches each."""
    reads: ClassVar[frozenset[Literal["sequence", "pair"]]] = frozenset({"sequence", "pair"})
    """The models it suits: those of running sequences, those of pairs, or both."""

    every: PositiveInt | None = None
    """Updates between two of its runs while a model is trained; null: it runs only after the last. Every evaluation has
    this knob."""

    def suits(self, model: nn.Module) -> None:
        """Makes sure, before any data is read, that a model can be asked, which has no memory yet.

        Raises:
            PartError: it cannot; unless overridden, any can.
        """

    def build(self, site: EvaluationSite) -> Evaluation:
        """Reads what it needs, so that whatever is wrong with that is known before a model is trained."""
        raise NotImplementedError

    def figures(self) -> Mapping[str, Goal]:
        """The names of its figures, the most telling first, and whether less ("min") or more ("max") is better."""
        raise NotImplementedError

    def per_token(self) -> frozenset[str]:
        """Those of its figures that depend on what a token is, and so do not compare models of different tokenizers."""
        return frozenset()


__all__ = ["EvaluationPart", "Need"]
