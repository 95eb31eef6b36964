"""What modules must do while they are trained, which evaluation mode does not show.

Whatever is random in training is a function of torch's random state, so that two passes under one seed can be compared:
`under` sets it.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from partwise.parts.part import Part
from partwise.testing.probes import Probe, drawn, numbers, probe, seed_torch, shaken
from partwise.testing.registering import MODULE, check
from partwise.testing.violation import close, gap, require, violated

ResultT = TypeVar("ResultT")
PASSES = 128
"""Training passes of which a mean is taken."""


def under(seed: int, call: Callable[[], ResultT]) -> ResultT:
    """What a call gives from the random state that `seed` sets."""
    seed_torch(drawn(seed))
    return call()


def random_in_training(module: nn.Module, call: Callable[[], Tensor]) -> bool:
    """Whether the passes of a module in training mode differ from seed to seed."""
    with torch.no_grad():
        first = under(1, call)
        return any(not under(seed, call).equal(first) for seed in (2, 3, 4))  # what is rare may not come at once


@check(MODULE)
def training_remembers_nothing(part: Part, site: Any) -> None:
    """A training pass under one seed gives the same, gradients included, whatever the module was called with before."""
    fresh, used, call = shaken(part, site).train(), shaken(part, site), probe(part, site)
    output, gradients = under(1, lambda: _learned(fresh, call))
    evaluated, before = call(used), {name: tensor.clone() for name, tensor in used.state_dict().items()}
    used.train()
    for seed, other in enumerate((call.of(lambda x: 2 * x + 1), probe(part, site, rows=2, length=5)), 2):
        under(seed, partial(_learned, used, other))
    for name, tensor in used.state_dict().items():
        require(tensor.equal(before[name]), f"a training pass changes {name}, which is for an optimizer to do")
    again, learned = under(1, lambda: _learned(used, call))
    close(again, output, "a training pass after others, and the first of a new module under the same seed", 0, 0)
    require(learned.keys() == gradients.keys(), "after other training passes gradients reach other parameters")
    for name, gradient in learned.items():
        close(gradient, gradients[name], f"the gradient of {name} after other training passes, and in the first")
    close(call(used.eval()), evaluated, "in evaluation after training passes, and before", 0, 0)


def _learned(module: nn.Module, call: Probe) -> tuple[Tensor, dict[str, Tensor]]:
    """The output of a training pass, and the gradients that it gives to the parameters."""
    module.zero_grad()
    output = call(module)
    if output.requires_grad:
        (output * numbers(*output.shape, seed=3)).sum().backward()
    gradients = {name: one.grad.clone() for name, one in module.named_parameters() if one.grad is not None}
    return output.detach(), gradients


@check(MODULE)
def chance_is_torchs_own(part: Part, site: Any) -> None:
    """Evaluation draws no random number; training draws from torch's random state, and never sets that itself."""
    module, call = shaken(part, site), probe(part, site)
    elsewhere = random.getstate(), str(np.random.get_state())
    under(1, lambda: call(module))
    after = torch.get_rng_state()
    require(after.equal(under(1, torch.get_rng_state)), "in evaluation it draws from torch's random state, or sets it")
    call(module.train())
    states = [under(seed, lambda: (call(module), torch.get_rng_state())[1]) for seed in (1, 2)]
    require(not states[0].equal(states[1]), "in training it sets torch's random state: whatever follows is no chance")
    now = random.getstate(), str(np.random.get_state())
    require(now == elsewhere, "it draws from the random state of Python or NumPy, which a run does not restore")


@check(MODULE, per="place")
def training_means_what_evaluation_does(part: Part, site: Any) -> None:
    """Without chance, training computes what evaluation does; with it, the mean over many passes does.

    Weights are small, so that the module is about linear in what is dropped: then the mean over dropout that makes up
    for what it drops, by 1 / (1 - p), is the output of evaluation. Where noise passes a norm some of it is no longer
    linear, and moves the mean by a part of its variance; dropout that makes up for nothing moves it by all of that.
    """
    module, call = gentle(shaken(part, site)), probe(part, site, rows=8)
    with torch.no_grad():
        expected, module = call(module), module.train()
        if not random_in_training(module, lambda: call(module)):
            close(call(module), expected, "in training, where nothing is random, and in evaluation")
            return
        seed_torch(drawn(5))
        passes = torch.stack([call(module).double() for _ in range(PASSES)])
    off, variance = passes.mean(0) - expected, passes.var(0)
    still = variance < 1e-12
    require(
        not still.any() or float(off[still].abs().max()) < 1e-4,
        "in training there are outputs in which nothing is random, and which are not those of evaluation",
    )
    moved, spread = float(off.square().mean()), float(variance.mean())
    carrying = float(passes.mean(0)[~still].square().mean())
    if moved > 6 * spread / PASSES and moved > spread * max(0.02, 0.5 * min(1.0, spread / carrying)):
        violated(
            f"the mean of {PASSES} training passes is off the output of evaluation by {(moved / spread) ** 0.5:.2g} "
            "standard deviations: what is dropped must be made up for, by 1 / (1 - p)"
        )


def gentle(module: nn.Module) -> nn.Module:
    """The module with matrices a quarter as large, where most functions are about linear."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                parameter.mul_(0.25)
    return module


@check(MODULE)
def without_gradients_it_computes_the_same(part: Part, site: Any) -> None:
    """Under `no_grad` and in inference mode, where shorter ways may be taken, it computes the same."""
    module, call = shaken(part, site), probe(part, site)
    for mode in (False, True):
        module.train(mode)
        exact = under(1, lambda: call(module)).detach()
        doing = "training" if mode else "evaluation"
        for context in (torch.no_grad, torch.inference_mode):
            with context():
                output = under(1, lambda: call(module)).clone()
            close(output, exact, f"in {doing} mode under {context.__name__} and with gradients", 1e-4, 1e-5)


@check(MODULE)
def it_can_be_copied(part: Part, site: Any) -> None:
    """A deep copy (an average of weights, say) computes the same, and is unmoved when the original's weights change."""
    module, call = shaken(part, site), probe(part, site)
    twin, exact = copy.deepcopy(module), call(module).detach()
    close(call(twin), exact, "a copy and the original", 0, 0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()  # not scaled and shifted: a choice of the largest would stay the same
    close(call(twin), exact, "a copy after the original changed, and before", 0, 0)
    if list(module.parameters()):
        require(gap(call(module), exact) > 0, "a change of all its weights changes nothing")
