"""What a parametrisation says of parameters, by their roles: how large they are at first, and how fast they learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import nn

from .roles import MATRIX, VECTOR, roles_of


@dataclass(frozen=True)
class Scales:
    """Factors for the parameters of one role; 1 leaves what recipe and modules say."""

    weights: float = 1.0
    """Of the weights that the model's initializer draws in linear and embedding layers."""
    rate: float = 1.0
    """Of the learning rate of Adam, and of optimizers whose updates do not grow with the gradients."""
    decay: float = 1.0
    """Of the weight decay."""
    eps: float = 1.0
    """Of what Adam adds to the root of its second moment."""


@dataclass(frozen=True)
class Parametrisation:
    """What follows from the width and depth of one model, as factors of what the recipe says."""

    scores: float = 1.0
    """Of the scores in attention."""
    logits: float = 1.0
    branch: float = 1.0
    """Of what each branch adds to the residual stream."""
    depth: int | None = None
    """The depth for which first weights are scaled where a residual branch ends; None for the model's own."""
    roles: Mapping[str, Scales] = field(default_factory=dict)
    """Of parameters, by role. Roles that are not named are treated as matrices, or as vectors if they have less than
    two dimensions."""

    def scales(self, role: str, dimensions: int) -> Scales:
        """Factors for a parameter."""
        usual = self.roles.get(MATRIX if dimensions >= 2 else VECTOR, Scales())
        return self.roles.get(role, Scales() if role in _FLAT else usual)


_FLAT = {"embedding", "head", "convolution", "decay", "adapter"}
"""Roles of two or more dimensions that are not from a width to a width."""


def scales_of(model: nn.Module) -> dict[str, Scales]:
    """The factors for each parameter of a model, by name; empty if it has no parametrisation."""
    parametrisation: Parametrisation | None = getattr(model, "parametrisation", None)
    if parametrisation is None:
        return {}
    dimensions = {name: parameter.ndim for name, parameter in model.named_parameters()}
    return {name: parametrisation.scales(role, dimensions[name]) for name, role in roles_of(model).items()}


__all__ = ["Parametrisation", "Scales", "scales_of"]
