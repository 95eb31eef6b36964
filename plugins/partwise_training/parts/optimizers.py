"""The built-in optimizers.

All of them let only matrices decay (parameters of two or more dimensions, embeddings among them); biases and the gains
of norms do not, unless `decays` says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from partwise import use
from partwise.parts import OptimizerPart, OptimizerSite, slots

if TYPE_CHECKING:
    from torch.optim import Optimizer

Share = Annotated[float, Field(ge=0, lt=1)]
BY_ROLE: dict[str, Any] = {"rates": {"matrix": 0.5}, "decays": {"matrix": 0.2}}
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
    formulas = (
        r"m_n = \mu\, m_{n-1} + g_n, \quad g_n = \nabla \mathcal{L}(w_{n-1}) + \lambda w_{n-1}",
        r"w_n = w_{n-1} - \eta\, m_n",
    )

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

        from partwise_training.optimizers import fused, parameter_groups, refuse_parametrisation

        refuse_parametrisation(site.model, self.name)
        groups, quick = parameter_groups(site.model, self), fused(site.model.parameters())
        return SGD(groups, self.lr, self.momentum, nesterov=self.nesterov, fused=quick)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(lr=0.05)
        yield cls(momentum=0.9, nesterov=True, weight_decay=0.01, **BY_ROLE)


class Adam(ByRole):
    """Adam (Kingma & Ba 2015, arXiv:1412.6980); its decay is part of the gradient and so of the moments."""

    name = "adam"
    formulas = (
        r"m_n = \beta_1 m_{n-1} + (1 - \beta_1)\, g_n, \quad v_n = \beta_2 v_{n-1} + (1 - \beta_2)\, g_n^2",
        r"w_n = w_{n-1} - \eta\, \frac{m_n / (1 - \beta_1^n)}{\sqrt{v_n / (1 - \beta_2^n)} + \varepsilon}",
        r"g_n = \nabla \mathcal{L}(w_{n-1}) + \lambda w_{n-1}",
    )

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
        yield cls(weight_decay=0.1, **BY_ROLE)


class AdamW(ByRole):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101); betas and decay of GPT-3."""

    name = "adamw"
    formulas = (
        r"m_n = \beta_1 m_{n-1} + (1 - \beta_1)\, g_n, \quad v_n = \beta_2 v_{n-1} + (1 - \beta_2)\, g_n^2",
        r"w_n = w_{n-1} - \eta \left(\frac{m_n / (1 - \beta_1^n)}{\sqrt{v_n / (1 - \beta_2^n)} + "
        r"\varepsilon} + \lambda w_{n-1}\right)",
    )

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
        yield cls(**BY_ROLE)


class Lion(ByRole):
    """Lion (Chen et al. 2023, arXiv:2302.06675): steps by the sign of a momentum; takes a smaller rate than Adam."""

    name = "lion"
    formulas = (
        r"w_n = w_{n-1} - \eta\, (\operatorname{sign}(\beta_1 m_{n-1} + (1 - \beta_1)\, g_n) + \lambda "
        r"w_{n-1})",
        r"m_n = \beta_2 m_{n-1} + (1 - \beta_2)\, g_n",
    )

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
        yield cls(lr=1e-3, **BY_ROLE)


class Muon(OptimizerPart):
    """Muon (Jordan et al. 2024): orthogonalised momentum for hidden matrices, and another optimizer for the rest."""

    name = "muon"
    formulas = (
        r"M_n = \mu M_{n-1} + G_n, \quad U_n = G_n + \mu M_n",
        r"W_n = (1 - \eta \lambda)\, W_{n-1} - \eta\, s\, \operatorname{orthogonal}(U_n)",
        r"s = \sqrt{\max(1, \text{rows} / \text{columns})}",
        r"\operatorname{orthogonal}(U) \approx A B^\top, \quad U = A \Sigma B^\top",
    )

    lr: PositiveFloat = 0.02
    """Learning rate of hidden matrices, which the schedule scales."""
    momentum: Share = 0.95
    """Share of the last update's direction that is kept."""
    nesterov: bool = True
    """Looks ahead along the momentum before it corrects."""
    steps: PositiveInt = 5
    """Newton-Schulz iterations by which the momentum is made orthogonal."""
    size: Literal["shape", "adam"] = "shape"
    """How large an update is: shape, sqrt(max(1, rows / columns)), as first published; adam, as large as Adam's, so
    that Adam's rates and decays hold (Liu et al. 2025, arXiv:2502.16982)."""
    weight_decay: NonNegativeFloat = 0.0
    """Share of the matrices, times the learning rate, that is taken off at each update."""
    others: slots.Optimizer = use("adamw")
    """What updates all other parameters: embeddings, an output layer, gains, biases."""

    def build(self, site: OptimizerSite) -> Optimizer:
        from partwise_training import muon
        from partwise_training.joined import Joined
        from partwise_training.optimizers import Rest, matrix_groups

        groups, others = matrix_groups(site.model, self.lr, self.weight_decay, self.size == "adam")
        mine = muon.Muon(groups, self.lr, self.momentum, self.nesterov, self.steps, self.size == "adam")
        if not others:
            return mine
        return Joined([mine, self.others.assemble(OptimizerSite(Rest(site.model, others)))])

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls()
        yield cls(lr=0.05, momentum=0.8, nesterov=False, steps=3, size="adam", weight_decay=0.1, others=Lion(lr=1e-3))


class AdEMAMix(ByRole):
    """AdamW with a second momentum that remembers thousands of updates (Pagliardini et al. 2024, arXiv:2409.03137)."""

    name = "ademamix"
    formulas = (
        r"m_n = \beta_1 m_{n-1} + (1 - \beta_1)\, g_n, \quad s_n = \beta_3 s_{n-1} + (1 - \beta_3)\, g_n",
        r"v_n = \beta_2 v_{n-1} + (1 - \beta_2)\, g_n^2",
        r"w_n = w_{n-1} - \eta \left(\frac{m_n / (1 - \beta_1^n) + \alpha s_n}{\sqrt{v_n / (1 - "
        r"\beta_2^n)} + \varepsilon} + \lambda w_{n-1}\right)",
    )
    in_updates = ("warmup",)

    lr: PositiveFloat = 1e-3
    """Learning rate, which the schedule scales."""
    betas: tuple[Share, Share, Annotated[float, Field(gt=0, lt=1)]] = (0.9, 0.999, 0.9999)
    """Shares of the fast momentum, of the second moment and of the slow momentum kept at each update."""
    alpha: NonNegativeFloat = 8.0
    """Weight of the slow momentum; with 0 it is AdamW."""
    warmup: PositiveInt | None = None
    """Updates over which the slow momentum's weight grows from 0, and its memory from that of the fast one; best all of
    the training. null: it has both from the start."""
    eps: PositiveFloat = 1e-8
    """Added to the root of the second moment."""
    weight_decay: NonNegativeFloat = 0.1
    """Share of the weights, times the learning rate, that is taken off at each update."""

    def build(self, site: OptimizerSite) -> Optimizer:
        from partwise_training import ademamix
        from partwise_training.optimizers import parameter_groups

        groups = parameter_groups(site.model, self, self.eps)
        return ademamix.AdEMAMix(groups, self.lr, self.betas, self.alpha, self.warmup, self.eps)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(lr=3e-3, betas=(0.8, 0.95, 0.99), alpha=2.0, warmup=4, eps=1e-6, weight_decay=0.2)
        yield cls(lr=1e-3, alpha=4.0, **BY_ROLE)


class ScheduleFree(ByRole):
    """AdamW with an average of weights in place of a schedule (Defazio et al. 2024, arXiv:2405.15682)."""

    name = "schedule_free"
    formulas = (
        r"y_n = (1 - \beta_1)\, z_n + \beta_1 x_n",
        r"z_{n+1} = z_n - \gamma_n \left(\frac{g(y_n)}{\sqrt{v_n} + \varepsilon} + \lambda y_n\right)",
        r"v_n = \beta_2 v_{n-1} + (1 - \beta_2)\, g(y_n)^2",
        r"x_{n+1} = (1 - c_n)\, x_n + c_n z_{n+1}, \quad c_n = \frac{\gamma_n^2}{\sum_{i \le n} \gamma_i^2}",
    )
    in_updates = ("warmup",)

    lr: PositiveFloat = 2.5e-3
    """Learning rate; give the trainer the schedule "constant"."""
    betas: tuple[Share, Share] = (0.9, 0.999)
    """Share of the average in the weights at which gradients are taken; of the second moment kept at each update."""
    warmup: NonNegativeInt = 0
    """Updates over which the rate grows from 0, and the weight of their results in the average with it."""
    eps: PositiveFloat = 1e-8
    """Added to the root of the second moment."""
    weight_decay: NonNegativeFloat = 0.0
    """Share of the weights, times the learning rate, that is taken off at each update."""

    def build(self, site: OptimizerSite) -> Optimizer:
        from partwise_training import schedule_free
        from partwise_training.optimizers import parameter_groups

        groups = parameter_groups(site.model, self, self.eps)
        return schedule_free.ScheduleFree(groups, self.lr, self.betas, self.warmup, self.eps)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(lr=0.01, betas=(0.8, 0.95), warmup=3, eps=1e-6, weight_decay=0.1)
        yield cls(lr=0.01, **BY_ROLE)


class Adafactor(ByRole):
    """Adafactor (Shazeer & Stern 2018, arXiv:1804.04235): second moments of matrices by row and by column alone.

    An update whose root mean square is above 1 is shortened to it, before the learning rate.
    """

    name = "adafactor"
    formulas = (
        r"R_n = \beta_n R_{n-1} + (1 - \beta_n)\, G_n^2 1",
        r"C_n = \beta_n C_{n-1} + (1 - \beta_n)\, 1^\top G_n^2",
        r"V_n = \frac{R_n C_n}{1^\top R_n}, \quad U_n = \frac{G_n}{\sqrt{V_n}}, \quad \beta_n = 1 - n^{-p}",
        r"W_n = W_{n-1} - \eta_n \max(\varepsilon, \operatorname{rms}(W_{n-1})) \frac{U_n}{\max(1, "
        r"\operatorname{rms}(U_n))}",
        r"\eta_n = \min\left(\eta, \frac{1}{\sqrt{n}}\right)",
    )

    lr: PositiveFloat = 0.01
    """Learning rate, a share of each weight's root mean square, which the schedule scales; at most 1 / sqrt(n) in
    update n."""
    beta2_decay: Annotated[float, Field(gt=0, le=1)] = 0.8
    """The power p with which the second moment's memory grows: it keeps a share 1 - n^-p in update n."""
    least: PositiveFloat = 1e-3
    """The root mean square that a weight is taken to have at least."""
    weight_decay: NonNegativeFloat = 0.0
    """Share of the weights, times the learning rate, that is taken off at each update."""

    def build(self, site: OptimizerSite) -> Optimizer:
        from torch import optim

        from partwise_training.optimizers import parameter_groups, refuse_parametrisation, refuse_shards

        refuse_parametrisation(site.model, self.name)
        refuse_shards(site.model, self.name)
        groups = parameter_groups(site.model, self)
        return optim.Adafactor(groups, self.lr, -self.beta2_decay, (None, self.least))

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(lr=0.1, beta2_decay=0.6, least=0.1, weight_decay=0.1)
        yield cls(lr=0.1, **BY_ROLE)
