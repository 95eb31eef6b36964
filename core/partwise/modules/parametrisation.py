"""What a parametrisation says of parameters, by their roles: how large they are at first, and how fast they learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import nn

from .roles import roles_of


@dataclass(frozen=True)
class Scales:
    """Factors for the parameters of one role; 1 leaves what recipe and modules say."""

    weights: float = 1.0
    """Of the weights that the model's initializer draws."""
    rate: float = 1.0
    """Of the learning rate of Adam, and of optimizers whose updates do not grow with the gradients."""
    decay: float = 1.0
    """Of the weight decay."""
    eps: float = 1.0
    """Of what Adam adds to the root of its second moment."""


class Parametrisation(Protocol):
    """How first weights, learning rates, attention and logits of one model follow from its width and depth."""

    @property
    def logits(self) -> float:
        """Factor of the logits."""
        ...

    @property
    def branch(self) -> float:
        """Factor of what each branch adds to the residual stream."""
        ...

    @property
    def depth(self) -> int | None:
        """The depth for which initializers scale what ends a residual branch; None for the model's own."""
        ...

    def scores(self, head_width: int) -> float:
        """Factor of the scores in an attention with heads of that width."""
        ...

    def scales(self, role: str, dimensions: int) -> Scales:
        """Factors for parameters of a role, with so many dimensions."""
        ...


def scales_of(model: nn.Module) -> dict[str, Scales]:
    """The factors for each parameter of a model, by name; empty if it has no parametrisation."""
    parametrisation: Parametrisation | None = getattr(model, "parametrisation", None)
    if parametrisation is None:
        return {}
    dimensions = {name: parameter.ndim for name, parameter in model.named_parameters()}
    return {name: parametrisation.scales(role, dimensions[name]) for name, role in roles_of(model).items()}


__all__ = ["Parametrisation", "Scales", "scales_of"]
