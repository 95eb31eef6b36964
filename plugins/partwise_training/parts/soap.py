"""SOAP."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from partwise.parts import OptimizerSite

from .optimizers import BY_ROLE, ByRole, Share

if TYPE_CHECKING:
    from torch.optim import Optimizer


class Soap(ByRole):
    """Adam in the basis of Shampoo's preconditioner, which turns slowly (Vyas et al. 2024, arXiv:2409.11321).

    For each matrix it keeps, beside Adam's two tensors, two square ones for each side.
    """

    name = "soap"
    formulas = (
        r"G'_n = Q_L^\top G_n Q_R, \quad V_n = \beta_2 V_{n-1} + (1 - \beta_2)\, G'_n \odot G'_n",
        r"W_n = (1 - \eta \lambda)\, W_{n-1} - \eta\, Q_L\, \frac{Q_L^\top M_n Q_R / (1 - "
        r"\beta_1^n)}{\sqrt{V_n / (1 - \beta_2^n)} + \varepsilon}\, Q_R^\top",
        r"L_n = \beta_2 L_{n-1} + (1 - \beta_2)\, G_n G_n^\top, \quad Q_L = \operatorname{eigenvectors}(L_n)",
    )

    lr: PositiveFloat = 3e-3
    """Learning rate, which the schedule scales."""
    betas: tuple[Share, Share] = (0.95, 0.95)
    """Shares of the momentum, and of the second moment and the preconditioner, kept at each update."""
    eps: PositiveFloat = 1e-8
    """Added to the root of the second moment."""
    basis_every: PositiveInt = 10
    """Updates from one turn of the basis to the next: with fewer it learns more from each, and each takes longer."""
    largest: PositiveInt = 2048
    """Most features of a side that is turned; a larger one, such as the tokens of an embedding, is left as it is. The
    paper turns up to 10,000, for which a turn takes some 10^12 operations."""
    weight_decay: NonNegativeFloat = 0.01
    """Share of the weights, times the learning rate, that is taken off at each update."""

    def build(self, site: OptimizerSite) -> Optimizer:
        from partwise_training import soap
        from partwise_training.optimizers import parameter_groups, refuse_parametrisation, refuse_shards

        refuse_parametrisation(site.model, self.name)
        refuse_shards(site.model, self.name)
        groups = parameter_groups(site.model, self)
        return soap.Soap(groups, self.lr, self.betas, self.eps, self.basis_every, self.largest)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(lr=0.01)
        yield cls(lr=0.02, betas=(0.8, 0.9), eps=1e-6, basis_every=2, largest=4, weight_decay=0.1, **BY_ROLE)
