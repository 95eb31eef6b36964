"""Mistakes in blocks, positions, tokenizers, samplers, schedules and optimizers that the other files leave out."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from partwise import Part, use
from partwise.parts import BlockPart, InitializerPart, slots
from partwise.testing import find
from partwise.testing.checks import (
    blocks,
    importing,
    knobs,
    models,
    modules,
    optimizers,
    positions,
    samplers,
    schedules,
    tokenizers,
)
from partwise.testing.checks import parts as part_checks

from .mixers import Decay, part_of
from .models import SITE as MODEL_SITE
from .models import model
from .parts import POSITION, Everything, Right, initializer, position
from .planting import Kills
from .text import Letters, tokenizer
from .training import draw, falling, optimizer, sampler, schedule, sgd

KILLS = Kills()

# --- blocks -------------------------------------------------------------------------------------------


class AddsUp(nn.Module):
    """x + mixer(x) + feedforward(x)."""

    def __init__(self, mixer: Any, feedforward: nn.Module) -> None:
        super().__init__()
        self.mixer, self.feedforward = mixer, feedforward

    def forward(self, x: Tensor, flow: Any, state: Any = None) -> Tensor:
        return x + self.mixer(x, flow, state) + self.feedforward(x)


class AddsTwice(AddsUp):
    def forward(self, x, flow, state=None):
        return x + super().forward(x, flow, state)


class LooksAside(AddsUp):
    def forward(self, x, flow, state=None):
        return super().forward(x, flow, state) + 0.1 * (x - x.mean(1, keepdim=True))


def block(module: Callable[..., nn.Module] = AddsUp) -> BlockPart:
    class Planted(BlockPart):
        """A block with a mistake in it."""

        name = "planted"
        mixer: slots.Mixer = part_of(Decay)
        """Moves information."""
        feedforward: slots.FeedForward = use("relu")
        """Transforms positions."""

        def build(self, site: Any) -> Any:
            return module(self.mixer.assemble(site), self.feedforward.assemble(site))

    return Planted()


BLOCK = BlockPart.sites()["encoder"]
KILLS.plant(
    blocks.with_silent_branches_it_is_the_identity, "the stream added twice", block, partial(block, AddsTwice), BLOCK
)
KILLS.plant(
    blocks.nothing_moves_but_through_its_mixers, "a block that looks aside", block, partial(block, LooksAside), BLOCK
)


# --- positions, initialisers, models ------------------------------------------------------------------


class Ends(Everything):
    max_positions = 16

    def embed(self, x, positions):
        if int(positions.max()) >= 16:
            raise IndexError("no such position")
        return super().embed(x, positions)


class WrapsRound(Everything):
    max_positions = 16

    def embed(self, x, positions):
        return super().embed(x, positions % 16)


KILLS.plant(
    positions.beyond_its_end_it_raises,
    "positions wrap round",
    partial(position, Ends),
    partial(position, WrapsRound),
    POSITION,
)


def by_fans(stacked: bool) -> Callable[[nn.Module], None]:
    def fill(module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            sizes = getattr(module, "stacked", None) if stacked else None
            for rows in module.weight.split(sizes or len(module.weight)):
                nn.init.xavier_uniform_(rows)

    return fill


KILLS.plant(
    modules.it_draws_stacked_layers_one_by_one,
    "three layers drawn as one",
    partial(initializer, by_fans(True)),
    partial(initializer, by_fans(False)),
    InitializerPart.sites()["model"],
)


def _late_parameter(kind: Any) -> Any:
    def reset_parameters(self: Any) -> None:
        self.late = nn.Parameter(torch.zeros(5))

    return reset_parameters


KILLS.plant(
    models.inspect_counts_its_parameters,
    "a parameter that inspect does not see",
    model,
    partial(model, reset_parameters=_late_parameter),
    MODEL_SITE,
)


# --- parts --------------------------------------------------------------------------------------------


class SaysTheyAreEqual(Right):
    """A norm that declares two of its settings to be the same."""

    name = "says_they_are_equal"

    @classmethod
    def equals(cls):
        return ((cls(by=2.0), cls(by=4.0)),)


class TheyAreEqual(Right):
    """A norm that declares two of its settings to be the same, and they are."""

    name = "they_are_equal"

    @classmethod
    def equals(cls):
        return ((cls(by=2.0), cls(by=2.0)),)


KILLS.plant(
    knobs.equal_settings_do_the_same, "equal settings that differ", lambda: TheyAreEqual, lambda: SaysTheyAreEqual
)
KILLS.plant(
    part_checks.it_travels_to_a_fresh_process,
    "nowhere to be imported from",
    lambda: find("rms_norm").part,
    lambda: Right,
)


def in_a_module_of_its_own(top: str) -> type[Part]:
    """A part from a module that begins with `top`, which a fresh interpreter can import."""
    directory = tempfile.mkdtemp()
    name = f"planted_{abs(hash(top))}"
    lines = (top, "from partwise.parts import NormPart", "class Planted(NormPart):", "    name = 'planted'")
    Path(directory, f"{name}.py").write_text("\n".join(lines))
    sys.path.append(directory)
    state = torch.get_rng_state()
    try:
        found: type[Part] = import_module(name).Planted
    finally:
        torch.set_rng_state(state)
        torch.set_default_dtype(torch.float32)
    return found


for mistake, top in (
    ("a module that imports torch at the top", "import torch"),
    ("a module that seeds random numbers", "import random; random.seed(0)"),
):
    KILLS.plant(
        importing.importing_it_leaves_everything_alone,
        mistake,
        partial(in_a_module_of_its_own, ""),
        partial(in_a_module_of_its_own, top),
    )


# --- tokenizers ---------------------------------------------------------------------------------------


class LosesNul(Letters):
    def encode(self, text):
        return super().encode(text.replace("\x00", ""))

    def decode(self, ids):
        return super().decode(ids)


class Everywhere(Letters):
    """Letters over all of Unicode, so that nothing is unknown."""

    def __init__(self, letters: Any) -> None:
        self.letters, self.vocab_size = ["", "", *letters], 0x110000 + 2

    def encode(self, text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return [ord(letter) + 2 for letter in text]

    def decode(self, ids):
        return "".join(chr(token - 2) if token > 1 else "" for token in ids)


class NoNul(Everywhere):
    def encode(self, text):
        return super().encode(text.replace("\x00", ""))


class JoinsSurrogates(Everywhere):
    def encode(self, text):
        return [ord(letter) + 2 for letter in text.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")]


class NormalisesSpaces(Everywhere):
    def encode(self, text):
        return super().encode(" ".join(text.split(" ")) if "  " not in text else " ".join(text.split()))


class StopsAtABuffer(Everywhere):
    def encode(self, text):
        return super().encode(text[:65536])


class BytesOfItsOwn(Everywhere):
    def token_bytes(self, token):
        return self.decode([token]).encode("latin-1", "replace")


class LocksUpInAFork(Letters):
    owner = os.getpid()

    def encode(self, text):
        return super().encode(text) if os.getpid() == self.owner else []


for mistake, right, wrong, check in (
    ("NUL is lost", Everywhere, NoNul, tokenizers.texts_come_back),
    ("runs of spaces become one", Everywhere, NormalisesSpaces, tokenizers.texts_come_back),
    (
        "halves of a character are dropped",
        Everywhere,
        JoinsSurrogates,
        tokenizers.lone_surrogates_become_replacement_characters,
    ),
    ("a text longer than a buffer", Everywhere, StopsAtABuffer, tokenizers.a_long_text_comes_back),
    ("bytes in another encoding", Everywhere, BytesOfItsOwn, tokenizers.streaming_equals_decoding),
    ("another after a fork", Letters, LocksUpInAFork, tokenizers.it_survives_a_fork),
):
    KILLS.plant(check, mistake, partial(tokenizer, right), partial(tokenizer, wrong))


# --- samplers, schedules, optimizers ------------------------------------------------------------------


def filtering(filter: Callable[[Tensor], Tensor], drawing: Callable[[Tensor], Tensor] | None = None) -> Any:
    """A sampler that draws from what `drawing` makes of the logits, and says that it is `filter`."""
    part = sampler(lambda logits, generator: draw((drawing or filter)(logits), generator))
    built: Any = type(part).build

    class Planted(type(part)):  # type: ignore[misc]
        """A sampler with a mistake in it."""

        def build(self, site: None) -> Any:
            result = built(self, site)
            result.filter = filter
            return result

    return Planted()


def best_three(logits: Tensor) -> Tensor:
    return logits.masked_fill(logits < logits.topk(3).values[:, -1:], -torch.inf)


def best_three_squared(logits: Tensor) -> Tensor:
    kept = best_three(logits).softmax(-1)
    return (kept - 0.5 * kept.amax(-1, keepdim=True)).clamp_min(0).log()


def worst_three(logits: Tensor) -> Tensor:
    return logits.masked_fill(logits > logits.topk(3).values[:, -1:], -torch.inf)


def in_place(logits: Tensor) -> Tensor:
    return logits.masked_fill_(logits < logits.topk(3).values[:, -1:], -torch.inf)


right = partial(filtering, best_three)
for mistake, wrong in (
    ("probabilities renormalised wrongly", best_three_squared),
    ("logits filtered in place", in_place),
):
    KILLS.plant(samplers.what_its_filter_keeps_keeps_its_proportions, mistake, right, partial(filtering, wrong))
KILLS.plant(samplers.its_filter_keeps_the_likeliest, "the likeliest is cut off", right, partial(filtering, worst_three))
KILLS.plant(
    samplers.it_draws_as_often_as_its_filter_says,
    "drawn without the filter",
    right,
    partial(filtering, best_three, lambda logits: logits),
)


def warming(step: int) -> float:
    return (step + 1) / 5 if step < 5 else 1.0 - (step - 5) / 20


def dips(step: int) -> float:
    return 0.0 if step == 4 else warming(step)


def off_by_one(step: int) -> float:
    return step / 5 if step < 5 else 1.0 - (step - 5) / 20


KILLS.plant(
    schedules.its_factors_are_sound,
    "off by one at warm-up",
    partial(schedule, warming),
    partial(schedule, off_by_one),
)
KILLS.plant(
    schedules.it_rises_without_a_step_back, "a dip before the peak", partial(schedule, warming), partial(schedule, dips)
)


def of_any_length(divisor: Callable[[int], int]) -> Any:
    part = falling()

    class Planted(type(part)):  # type: ignore[misc]
        """A schedule with a mistake in it."""

        def build(self, site: Any) -> Any:
            return lambda step: 1.0 - step / divisor(site.steps)

    return Planted()


KILLS.plant(
    schedules.it_serves_runs_of_any_length,
    "division by steps - 1",
    partial(of_any_length, lambda steps: steps),
    partial(of_any_length, lambda steps: steps - 1),
)


def trained(network: nn.Module, decay: float = 0.0) -> Any:
    return torch.optim.SGD([one for one in network.parameters() if one.requires_grad], 0.05, weight_decay=decay)


class DecaysByItself(torch.optim.SGD):
    """Weight decay that the learning rate does not scale."""

    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.ndim > 1:
                    parameter.data.mul_(0.999)
        return super().step(closure)


KILLS.plant(
    optimizers.only_matrices_decay, "weight decay on biases", sgd, partial(optimizer, partial(trained, decay=0.1))
)
KILLS.plant(
    optimizers.a_rate_of_zero_moves_nothing,
    "decay that the rate does not scale",
    sgd,
    partial(
        optimizer,
        lambda network: DecaysByItself([one for one in network.parameters() if one.requires_grad], 0.05),
    ),
)
