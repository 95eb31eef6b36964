"""The built-in optimizers, learning-rate schedules, and the trainer.

All optimizers let only matrices decay (parameters of two or more dimensions, embeddings among them); biases and
the gains of norms do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from partwise.parts import OptimizerPart, OptimizerSite, SchedulePart, ScheduleSite

from .settings import StandardSettings

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from partwise.training import Schedule, Trainer

Share = Annotated[float, Field(ge=0, lt=1)]


# --- optimizers ---------------------------------------------------------------------------------------


class Sgd(OptimizerPart):
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

        from .optimizers import decay_groups, fused

        groups, quick = decay_groups(site.model, self.weight_decay), fused(site.model.parameters())
        return SGD(groups, self.lr, self.momentum, nesterov=self.nesterov, fused=quick)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(lr=0.05)
        yield cls(momentum=0.9, nesterov=True, weight_decay=0.01)


class Adam(OptimizerPart):
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

        from .optimizers import decay_groups, fused

        groups, quick = decay_groups(site.model, self.weight_decay), fused(site.model.parameters())
        return optim.Adam(groups, self.lr, self.betas, self.eps, fused=quick)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(lr=3e-3, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1)


class AdamW(OptimizerPart):
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

        from .optimizers import decay_groups, fused

        groups, quick = decay_groups(site.model, self.weight_decay), fused(site.model.parameters())
        return optim.AdamW(groups, self.lr, self.betas, self.eps, fused=quick)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(lr=3e-3, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.2)


class Lion(OptimizerPart):
    """Lion (Chen et al. 2023, arXiv:2302.06675): steps by the sign of a momentum; takes a smaller rate than Adam."""

    name = "lion"

    lr: PositiveFloat = 1e-4
    """Learning rate, which the schedule scales: how far every weight moves at each update."""
    betas: tuple[Share, Share] = (0.9, 0.99)
    """Shares of the momentum in the direction taken, and in the momentum kept."""
    weight_decay: NonNegativeFloat = 1.0
    """Share of the weights, times the learning rate, that is taken off at each update."""

    def build(self, site: OptimizerSite) -> Optimizer:
        from . import lion
        from .optimizers import decay_groups

        return lion.Lion(decay_groups(site.model, self.weight_decay), self.lr, self.betas)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(lr=1e-3, betas=(0.8, 0.95), weight_decay=0.5)


# --- schedules ----------------------------------------------------------------------------------------


class Constant(SchedulePart):
    """The optimizer's own rate throughout, after an optional warm-up."""

    name = "constant"

    warmup: NonNegativeInt = 0
    """Updates over which the rate rises linearly."""

    def build(self, site: ScheduleSite) -> Schedule:
        from . import schedules

        return schedules.Warmed(schedules.Constant(), site.steps, self.warmup)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(warmup=2)


class Cosine(SchedulePart):
    """Falls along half a cosine from the first update (Loshchilov & Hutter 2017, arXiv:1608.03983)."""

    name = "cosine"

    floor: Share = 0.0
    """Share of the rate that it falls to."""

    def build(self, site: ScheduleSite) -> Schedule:
        from . import schedules

        return schedules.Warmed(schedules.Cosine(self.floor), site.steps)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(floor=0.2)


class WarmupCosine(SchedulePart):
    """Rises linearly, then falls along half a cosine: the schedule of GPT-3 (Brown et al. 2020)."""

    name = "warmup_cosine"

    warmup: NonNegativeInt = 100
    """Updates over which the rate rises linearly."""
    floor: Share = 0.1
    """Share of the rate that it falls to."""

    def build(self, site: ScheduleSite) -> Schedule:
        from . import schedules

        return schedules.Warmed(schedules.Cosine(self.floor), site.steps, self.warmup)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(warmup=2, floor=0.2)


class Linear(SchedulePart):
    """Rises linearly on request, then falls linearly: the schedule of BERT (Devlin et al. 2019)."""

    name = "linear"

    warmup: NonNegativeInt = 0
    """Updates over which the rate rises linearly."""
    floor: Share = 0.0
    """Share of the rate that it falls to."""

    def build(self, site: ScheduleSite) -> Schedule:
        from . import schedules

        return schedules.Warmed(schedules.Linear(self.floor), site.steps, self.warmup)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(warmup=2, floor=0.2)


class InverseSqrt(SchedulePart):
    """Rises linearly, then falls with the root of the step: the first Transformer's (Vaswani et al. 2017)."""

    name = "inverse_sqrt"

    warmup: PositiveInt = 100
    """Updates over which the rate rises; the longer, the slower it falls afterwards."""

    def build(self, site: ScheduleSite) -> Schedule:
        from . import schedules

        return schedules.InverseSqrt(site.steps, self.warmup)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(warmup=2)


class WarmupStableDecay(SchedulePart):
    """Rises, stays, and falls at the end only, so that one training serves many lengths (Hu et al. 2024)."""

    name = "warmup_stable_decay"

    warmup: NonNegativeInt = 100
    """Updates over which the rate rises linearly."""
    decay: Annotated[float, Field(gt=0, le=1)] = 0.2
    """Share of all updates over which the rate falls, linearly."""
    floor: Share = 0.0
    """Share of the rate that it falls to."""

    def build(self, site: ScheduleSite) -> Schedule:
        from . import schedules

        decay = max(1, round(self.decay * site.steps))
        return schedules.WarmupStableDecay(site.steps, self.warmup, decay, self.floor)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(warmup=2, decay=0.5, floor=0.2)


# --- the trainer --------------------------------------------------------------------------------------


class Standard(StandardSettings):
    """Minibatch training with accumulation, clipping, mixed precision, evaluation and checkpoints."""

    name = "standard"
    known_failures: ClassVar[Mapping[str, str]] = {
        "every_knob_makes_a_difference[parallel]": "a single process has nothing to share out",
    }

    def build(self, site: None) -> Trainer:
        from .standard import StandardTrainer

        return StandardTrainer(self, self.schedule.assemble(ScheduleSite(self.steps)))

    @classmethod
    def equals(cls) -> Iterable[tuple[Self, Self]]:
        whole = cls(steps=3, batch_size=4, optimizer=Sgd(lr=0.05), evaluate_batches=None)
        yield whole, whole.model_copy(update={"batch_size": 2, "accumulate": 2})

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(
            steps=4,
            batch_size=2,
            accumulate=2,
            parallel="fsdp",
            evaluate_every=2,
            evaluate_batches=1,
            checkpoint_every=2,
            keep_checkpoints=1,
        )
        yield cls(
            steps=3,
            batch_size=2,
            optimizer=Sgd(lr=0.05),
            schedule=Constant(),
            clip=None,
            precision="bfloat16",
            compile="eager",
            evaluate_every=None,
            evaluate_batches=None,
            checkpoint_every=None,
        )


PARTS = (
    Adam,
    AdamW,
    Constant,
    Cosine,
    InverseSqrt,
    Linear,
    Lion,
    Sgd,
    Standard,
    WarmupCosine,
    WarmupStableDecay,
)
