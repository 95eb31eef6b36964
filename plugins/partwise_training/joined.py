"""Several optimizers as one, and optimizers whose weights in evaluation are others than in training.

An optimizer of the second kind has two methods, as schedule-free ones have (Defazio et al. 2024): `eval()` puts the
weights to evaluate into the model, and `train()` those to go on from. Both may be called twice in a row, and change no
bit of the training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, cast

import torch
from torch import Tensor
from torch.optim import Optimizer


class _Switching(Protocol):
    def train(self) -> None: ...

    def eval(self) -> None: ...


class Joined(Optimizer):
    """Optimizers of different parameters, each by its own rule; state and groups are those of all of them."""

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        self.optimizers = list(optimizers)
        super().__init__([group for one in optimizers for group in one.param_groups], {})
        self._share()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for one in self.optimizers:
            one.step()
        return loss

    def train(self) -> None:
        for one in self.optimizers:
            training(one)

    def eval(self) -> None:
        for one in self.optimizers:
            evaluating(one)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        self.param_groups.append(param_group)  # the very group of the optimizer that it comes from

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "optimizers": self.optimizers}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._share()

    def _share(self) -> None:
        """Gives each optimizer its groups and the state of all, after these have been replaced."""
        groups = iter(self.param_groups)
        for one in self.optimizers:
            one.state = self.state
            one.param_groups = [next(groups) for _ in one.param_groups]
            if isinstance(one, Joined):
                one._share()


class Averaged(Joined):
    """An optimizer beside which an exponential moving average of the weights is kept, to be evaluated.

    average = b average + (1 - b) weights, with b = min(decay, (1 + n) / (10 + n)) after update n, so that the first
    weights are soon forgotten.
    """

    def __init__(self, optimizer: Optimizer, decay: float) -> None:
        super().__init__([optimizer])
        self.decay = decay
        for group in self.param_groups:
            group["averaged"] = 0  # updates in the average

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = super().step(closure)
        for group in self.param_groups:
            group["averaged"] += 1
            count = group["averaged"]
            kept = min(self.decay, (1 + count) / (10 + count))
            for parameter in group["params"]:
                state = self.state[parameter]
                if "average" not in state:
                    state["average"] = parameter.detach().clone()
                else:
                    state["average"].lerp_(parameter, 1 - kept)
        return loss

    @torch.no_grad()
    def eval(self) -> None:
        for parameter, state in self._averages():
            if "trained" not in state:
                state["trained"] = parameter.detach().clone()
                parameter.copy_(state["average"])

    @torch.no_grad()
    def train(self) -> None:
        for parameter, state in self._averages():
            if "trained" in state:
                parameter.copy_(state.pop("trained"))

    def _averages(self) -> Iterator[tuple[Tensor, dict[str, Any]]]:
        for parameter, state in self.state.items():
            if "average" in state:
                yield parameter, state

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "decay": self.decay}


def switches(optimizer: Optimizer) -> bool:
    """Whether the weights to evaluate may be others than those to go on from."""
    return hasattr(optimizer, "eval")


def training(optimizer: Optimizer) -> None:
    """Puts the weights to go on from into the model."""
    if hasattr(optimizer, "train"):
        cast(_Switching, optimizer).train()


def evaluating(optimizer: Optimizer) -> None:
    """Puts the weights to evaluate, and to keep, into the model."""
    if hasattr(optimizer, "eval"):
        cast(_Switching, optimizer).eval()


@contextmanager
def evaluated(optimizer: Optimizer) -> Iterator[None]:
    """Within it, the model has the weights to evaluate."""
    evaluating(optimizer)
    try:
        yield
    finally:
        training(optimizer)
