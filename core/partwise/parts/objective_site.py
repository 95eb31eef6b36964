"""The site of an objective, and of the layers that it has of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .agreement import Agreement
from .sites import LayerSite, SharedResidual, WidthSite

if TYPE_CHECKING:
    from torch import Tensor

    from partwise.modules import Residual


@dataclass(frozen=True)
class ObjectiveSite(WidthSite):
    """The site of an objective: at the top of a model."""

    context: int
    """Positions that the model is built for, T."""
    depth: int
    """Layers of the model."""
    vocabulary: int
    """Number of token ids, V, those that the objective reserves included."""
    reserved: tuple[int, ...] = ()
    """Ids of the special tokens that the objective reserves, in its order."""
    score_factor: float = 1.0
    """Factor of the scores in an attention, as the model's parametrisation says."""
    branch_factor: float = 1.0
    """Factor of what a branch of a layer adds, as the model's parametrisation says."""
    counts: Callable[[], Tensor] | None = None
    """[V] int64, how often each token stands in the texts to train on, as at the model's site."""

    def further_layers(self, count: int) -> list[LayerSite]:
        """The sites of layers of the objective's own, above those of the model. Their branches are added."""
        first = LayerSite(
            width=self.width,
            layer=self.depth,
            depth=self.depth + count,
            context=self.context,
            residual=SharedResidual(_Adding(), self.branch_factor),
            score_factor=self.score_factor,
            agreement=Agreement(),
        )
        return [replace(first, layer=self.depth + index) for index in range(count)]


class _Adding:
    """How branches join, whatever the residual of the model."""

    wide = False

    def assemble(self, site: object) -> Residual:
        from partwise.modules import Add

        return Add()
