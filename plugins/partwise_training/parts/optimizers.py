"""The built-in optimizers.

All of them let only matrices decay (parameters of two or more dimensions, embeddings among them); biases and the gains
of norms do not, unless `decays` says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from partwise.parts import OptimizerPart, OptimizerSite

if TYPE_CHECKING:
    from torch.optim import Optimizer

Share = Annotated[float, Field(ge=0, lt=1)]
_BY_ROLE: dict[str, Any] = {"rates": {"matrix": 0.5}, "decays": {"matrix": 0.2}}
"""For examples: both knobs by role."""


class ByRole(OptimizerPart):
    """Base of the optimizers: rates and decays by the roles of parameters."""

    rates: Mapping[str, NonNegativeFloat] = {}
    """Factors of the learning rate by role: {"embedding": 0.1}. The roles of every model are embedding, head (an
    output layer with weights of its own), matrix (hidden weights) and vector (gains, biases); modules may have more."""
    decays: Mapping[str, NonNegativeFloat] = {}
    """Weight decay by role, in place of `weight_decay`, or of none for vectors: {"embedding": 0.0}."""


class Sgd(ByRole):
    """Stochastic gradient descent, with momentum on request (Nesterov's, too: Sutskever et al. 2013)."""

    name = "sgd"

    lr: PositiveFloat = 0.1
    """Learning rate, which the schedule scales."""
    momentum: Share = 0.0
    """Share of the last update's direction that is kept; 0 for none."""
    nesterov: bool = False
    """Looks ahead along the momentum before it corrects."""
    weight_decay: NonNegativeFloat = 0.0
    """Multiple of the weights that is added to their gradient."""

    @model_validator(mode="after")
    def _momentum_to_look_along(self) -> Self:
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above 0 to look along, for example 0.9")
        return self

    def build(self, site: OptimizerSite) -> Optimizer:
        from torch.optim import SGD

        from partwise_training.optimizers import fused, parameter_groups

        groups, quick = parameter_groups(site.model, self), fused(site.model.parameters())
        return SGD(groups, self.lr, self.momentum, nesterov=self.nesterov, fused=quick)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(lr=0.05)
        yield cls(momentum=0.9, nesterov=True, weight_decay=0.01, **_BY_ROLE)


class Adam(ByRole):
    """Adam (Kingma & Ba 2015, arXiv:1412.6980); its decay is part of the gradient and so of the moments."""

    name = "adam"

    lr: PositiveFloat = 1e-3
    """Learning rate, which the schedule scales."""
    betas: tuple[Share, Share] = (0.9, 0.999)
    """Shares of the first and the second moment kept at each update."""
    eps: PositiveFloat = 1e-8
    """Added to the root of the second moment."""
    weight_decay: NonNegativeFloat = 0.0
    """Multiple of the weights that is added to their gradient."""

    def build(self, site: OptimizerSite) -> Optimizer:
        from torch import optim

        from partwise_training.optimizers import fused, parameter_groups

        groups, quick = parameter_groups(site.model, self, self.eps), fused(site.model.parameters())
        return optim.Adam(groups, self.lr, self.betas, self.eps, fused=quick)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(lr=3e-3, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1)
        yield cls(weight_decay=0.1, **_BY_ROLE)


class AdamW(ByRole):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101); betas and decay of GPT-3."""

    name = "adamw"

    lr: PositiveFloat = 1e-3
    """Learning rate, which the schedule scales."""
    betas: tuple[Share, Share] = (0.9, 0.95)
    """Shares of the first and the second moment kept at each update."""
    eps: PositiveFloat = 1e-8
    """Added to the root of the second moment."""
    weight_decay: NonNegativeFloat = 0.1
    """Share of the weights, times the learning rate, that is taken off at each update."""

    def build(self, site: OptimizerSite) -> Optimizer:
        from torch import optim

        from partwise_training.optimizers import fused, parameter_groups

        groups, quick = parameter_groups(site.model, self, self.eps), fused(site.model.parameters())
        return optim.AdamW(groups, self.lr, self.betas, self.eps, fused=quick)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(lr=3e-3, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.2)
        yield cls(**_BY_ROLE)


class Lion(ByRole):
    """Lion (Chen et al. 2023, arXiv:2302.06675): steps by the sign of a momentum; takes a smaller rate than Adam."""

    name = "lion"

    lr: PositiveFloat = 1e-4
    """Learning rate, which the schedule scales: how far every weight moves at each update."""
    betas: tuple[Share, Share] = (0.9, 0.99)
    """Shares of the momentum in the direction taken, and in the momentum kept."""
    weight_decay: NonNegativeFloat = 1.0
    """Share of the weights, times the learning rate, that is taken off at each update."""

    def build(self, site: OptimizerSite) -> Optimizer:
        from partwise_training import lion
        from partwise_training.optimizers import parameter_groups

        return lion.Lion(parameter_groups(site.model, self), self.lr, self.betas)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(lr=1e-3, betas=(0.8, 0.95), weight_decay=0.5)
        yield cls(lr=1e-3, **_BY_ROLE)
