"""`Carried`: what the modules of one forward pass leave behind for later layers, for the loss, and for the log."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from partwise.metric_names import EVALUATED, OF_TRAINING


@dataclass(frozen=True)
class Carried:
    """Filled during one forward pass, and read at its end. Modules write it through their `Flow`."""

    shared: dict[str, Tensor] = field(default_factory=dict)
    """What layers hand to later ones."""
    terms: dict[str, list[tuple[Tensor, float]]] = field(default_factory=dict)
    """Terms of the training loss, by name: scalars in nats per token, each with its weight."""
    reports: dict[str, list[Tensor]] = field(default_factory=dict)
    """Scalars to be logged, by name."""

    def of_another_stack(self) -> Carried:
        """The same terms and reports, for layers that share nothing with those of this stack."""
        return Carried(terms=self.terms, reports=self.reports)

    def add_term(self, name: str, value: Tensor, weight: float) -> None:
        _refuse_unfit(name, value)
        self.terms.setdefault(name, []).append((value, weight))

    def report(self, name: str, value: Tensor) -> None:
        _refuse_unfit(name, value)
        self.reports.setdefault(name, []).append(value.detach())

    def weighted(self) -> Tensor | None:
        """The sum of all terms by their weights, a scalar in nats per token; None if there is none."""
        weighted = [weight * _at_least_float32(value) for terms in self.terms.values() for value, weight in terms]
        return sum(weighted[1:], weighted[0]) if weighted else None

    def figures(self) -> dict[str, Tensor]:
        """What is logged, by name: the mean of the terms, without their weights, and that of the reports."""
        told = {name: [value.detach() for value, _ in terms] for name, terms in self.terms.items()}
        for name, values in self.reports.items():
            told[name] = told.get(name, []) + values
        return {
            name: torch.stack([_at_least_float32(value) for value in values]).mean() for name, values in told.items()
        }


def _at_least_float32(value: Tensor) -> Tensor:
    return value.to(torch.promote_types(value.dtype, torch.float32))


def _refuse_unfit(name: str, value: Tensor) -> None:
    if value.ndim:
        raise ValueError(f"{name!r} is to be a scalar, and has the shape {tuple(value.shape)}; take its mean")
    if name in OF_TRAINING or name.startswith(EVALUATED):
        raise ValueError(f"{name!r} is what a figure of training is called; choose another name")
