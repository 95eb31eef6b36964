"""Mistakes that evaluation mode hides: in training, in long texts and large batches, and where sizes coincide."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from partwise.modules import Flow, State
from partwise.parts import AttentionPart, FeedForwardPart, MixerPart, NormPart
from partwise.testing.checks import leaks, lengths, memory, models, modules, recomputing, training

from .attention import Tiny, attention
from .mixers import Decay, part_of
from .models import SITE as MODEL
from .models import model, pair_model
from .parts import POSITION, Everything, position
from .planting import Kills
from .tools import Plain, feedforward

KILLS = Kills()
FEEDFORWARD = FeedForwardPart.sites()["layer"]
DECODER = AttentionPart.sites()["decoder"]
CROSS = AttentionPart.sites()["cross"]
NORM = NormPart.sites()["layer"]


class Dropped(Plain):
    """Plain, with dropout; each step a method, so that each can be got wrong."""

    p = 0.1

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return self.drop(y) if self.training else y

    def drop(self, y: Tensor) -> Tensor:
        return F.dropout(y, self.p)


# --- what is carried from call to call ------------------------------------------------------------------


class Momentum(Dropped):
    """Adds a tenth of the mean of the last training pass."""

    last: tuple[Tensor, ...] = ()

    def drop(self, y):
        before, self.last = self.last, (y.detach().mean(),)
        return super().drop(y + 0.1 * before[0] if before else y)


class RunningMean(Plain):
    """Centres by the batch in training, and by a running mean in evaluation."""

    def __init__(self, width):
        super().__init__(width)
        self.register_buffer("mean", torch.zeros(width))

    def reset_parameters(self):
        super().reset_parameters()
        if hasattr(self, "mean"):
            nn.init.zeros_(self.mean)

    def forward(self, x):
        if self.training:
            with torch.no_grad():
                self.mean.lerp_(x.mean((0, 1)), 0.1)
        return super().forward(x)


class MaskDrawnOnce(Dropped):
    """Draws what it drops in the first training pass, for good."""

    masks: dict[Any, Tensor]

    def drop(self, y):
        self.masks = getattr(self, "masks", {})
        if y.shape not in self.masks:
            self.masks[y.shape] = F.dropout(torch.ones_like(y), self.p)
        return y * self.masks[y.shape]


class GradientOfTheLastPass(Plain):
    """Lets the gradient, not the output, depend on how often it was called."""

    calls = 0

    def forward(self, x):
        y = super().forward(x)
        if self.training:
            self.calls += 1
            y = y + 0.1 * self.calls * (y - y.detach())
        return y


class SharedByItsClass(Dropped):
    """Keeps the mean of the last training pass where all of its kind find it."""

    kept: ClassVar[list[Tensor]] = []

    def drop(self, y):
        before = self.kept[-1] if self.kept else 0.0
        self.kept[:] = [y.detach().mean()]
        return super().drop(y + 0.1 * before)


class Closure(Plain):
    """Computes with a function made when it was new, which a copy shares."""

    def __init__(self, width):
        super().__init__(width)
        linear = self.linear
        self.apply_linear = lambda x: linear(x)

    def forward(self, x):
        return self.apply_linear(x).tanh() * self.gain


# --- chance ----------------------------------------------------------------------------------------------


class SeedsItself(Dropped):
    def drop(self, y):
        torch.manual_seed(0)
        return super().drop(y)


class DrawsInEvaluation(Dropped):
    def forward(self, x):
        F.dropout(x, 0.5)
        return super().forward(x)


class PythonsChance(Dropped):
    def drop(self, y):
        return y * (random.random() > 0.01)


class NotMadeUpFor(Dropped):
    """Dropout without 1 / (1 - p)."""

    def drop(self, y):
        return y * (torch.rand_like(y) >= self.p)


class MadeUpForTwice(Dropped):
    def drop(self, y):
        return super().drop(y) / (1 - self.p)


class RowsDroppedWithoutScale(Dropped):
    """Stochastic depth that makes up for nothing."""

    def drop(self, y):
        return y * (torch.rand(len(y), 1, 1) >= self.p)


class BiasInEvaluationOnly(Plain):
    def forward(self, x):
        y = super().forward(x)
        return y if self.training else y + 0.01


class BiasInTrainingBesideDropout(Dropped):
    def drop(self, y):
        return super().drop(y) + 0.1


class FixedMask(Dropped):
    """The same mask in each training pass."""

    def drop(self, y):
        kept = torch.arange(y.shape[-1]) % 10 != 3
        return y * kept / 0.9


# --- gradients -------------------------------------------------------------------------------------------


class Injects(torch.autograd.Function):
    """Adds to a gradient what no output has."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient + 0.01


class InjectsWhileTraining(Plain):
    def forward(self, x):
        y = super().forward(x)
        return Injects.apply(y) if self.training else y


class HalfTheGradientOfAWeight(Plain):
    """Right for the input; of a parameter half the gradient is lost."""

    def forward(self, x):
        return self.linear(x).tanh() * (self.gain / 2 + self.gain.detach() / 2) + self.slope.to(x.dtype)


class FrozenInTraining(Plain):
    def forward(self, x):
        gain = self.gain.detach() if self.training else self.gain
        return self.linear(x).tanh() * gain + self.slope.to(x.dtype)


class NoGradientUnderAutocast(Plain):
    """Casts a copy of its weight, once for all, where it would have to be cast each time."""

    def forward(self, x):
        if torch.is_autocast_enabled("cpu"):
            gain = self.gain.detach().to(torch.bfloat16)
            return self.linear(x).tanh() * gain + self.slope.to(x.dtype)
        return super().forward(x)


class AnotherGradientUnderAutocast(Plain):
    def forward(self, x):
        y = super().forward(x)
        return y + (y - y.detach()) if torch.is_autocast_enabled("cpu") else y


class OtherWithoutGradients(Plain):
    """A shorter way under no_grad, which forgets the constant."""

    def forward(self, x):
        return super().forward(x) if torch.is_grad_enabled() else self.linear(x).tanh() * self.gain


class OverwritesInTraining(Plain):
    def forward(self, x):
        y = super().forward(x)
        if self.training:
            x.mul_(1.5)
        return y


class RemembersItsInput(Plain):
    """Saves work where it is called with one tensor twice: what a layer is that is computed again."""

    def forward(self, x):
        memo = getattr(self, "memo", None)
        if not self.training or memo is None or memo[0] != x.data_ptr():
            memo = x.data_ptr(), super().forward(x)
        self.memo = memo if self.training else None
        return memo[1]


class CountsInABuffer(Plain):
    """Grows by what it has counted so far, in a buffer that no checkpoint has."""

    def __init__(self, width):
        super().__init__(width)
        self.register_buffer("seen", torch.zeros(()), persistent=False)

    def reset_parameters(self):
        super().reset_parameters()
        if hasattr(self, "seen"):
            nn.init.zeros_(self.seen)

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        self.seen += 1.0
        return super().forward(x) * (1 + 0.1 * self.seen.clone())


# --- memory ----------------------------------------------------------------------------------------------


class KeepsItsLosses(Plain):
    def forward(self, x):
        y = super().forward(x)
        if self.training:
            self.losses = [*getattr(self, "losses", []), y.detach().square().mean()]
        return y


class KeepsWhatItDecodes(Decay):
    def forward(self, x, flow, state=None):
        result = super().forward(x, flow, state)
        if state is not None:
            self.seen = [*getattr(self, "seen", []), result]
        return result


class OneTensorThatGrows(Decay):
    def forward(self, x, flow, state=None):
        result = super().forward(x, flow, state)
        if state is not None:
            self.seen = (torch.cat((*getattr(self, "seen", ()), result), 1),)
        return result


def _remembers_steps(kind):
    def step(self, tokens, decoding):
        logits = kind.step(self, tokens, decoding)
        self.logits = [*getattr(self, "logits", []), logits]
        return logits

    return step


# --- a thousand tokens -----------------------------------------------------------------------------------


class Capacity(Plain):
    """Two experts, each for at most three in four tokens and at least 24: the rest are passed by."""

    def forward(self, x):
        y = super().forward(x)
        first = (x[..., 0] > 0).flatten()
        most = max(24, 3 * len(first) // 8)
        fits = torch.where(first, first.long().cumsum(0), (~first).long().cumsum(0)) <= most
        return y * fits.view(x.shape[:-1])[..., None]


class CapacityInTraining(Capacity):
    def forward(self, x):
        return super().forward(x) if self.training and x.numel() > 4096 else Plain.forward(self, x)


class CapacityOfAMixer(Decay):
    def forward(self, x, flow, state=None):
        most = max(200, x.shape[0] * x.shape[1] * 3 // 8)
        first = (x[..., 0] > 0).flatten()
        fits = torch.where(first, first.long().cumsum(0), (~first).long().cumsum(0)) <= most
        return super().forward(x * fits.view(x.shape[:-1])[..., None], flow, state)


# --- far into a text ---------------------------------------------------------------------------------------


class FirstPositionsOnly(nn.Module):
    """A short way for half precision, which leaves what is beyond 4,096 positions as it was."""

    def forward(self, x: Tensor) -> Tensor:
        y = x / 2
        return torch.cat((y[:, :4096], x[:, 4096:]), 1) if x.dtype == torch.bfloat16 else y


class Halves(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x / 2


class StatisticsInHalf(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt()


class StatisticsInFloat(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        exact = x.float() if x.dtype == torch.bfloat16 else x
        return (exact * (exact.square().mean(-1, keepdim=True) + 1e-6).rsqrt()).to(x.dtype)


def norm(module: Callable[[], nn.Module] = StatisticsInFloat) -> NormPart:
    class Planted(NormPart):
        """A norm with a mistake in it."""

        name = "planted"

        def build(self, site: Any) -> nn.Module:
            return module()

    return Planted()


class Embeds(Everything):
    def embed(self, x, positions):
        return x + torch.sin(positions / 50)[..., None].to(x.dtype)

    def bias_table(self, offsets):
        return None


class EmbedsHalfPositions(Embeds):
    def embed(self, x, positions):
        return x + torch.sin(positions.to(x.dtype) / 50)[..., None].to(x.dtype)


class TurnsByAngles(Embeds):
    """Hands on the angles, of which `rotate` takes sine and cosine."""

    def angles(self, positions):
        return (positions.float() / 10,)

    def rotate(self, heads, angles):
        turns = self.exact(angles[0], heads).unsqueeze(-1)
        turns = turns if turns.ndim == 2 else turns.unsqueeze(1)
        return super().rotate(heads, (turns.cos(), turns.sin()))

    def exact(self, turns: Tensor, heads: Tensor) -> Tensor:
        return turns


class TurnsByRoundedAngles(TurnsByAngles):
    def exact(self, turns, heads):
        return turns.to(heads.dtype)


class Turns(Tiny):
    """Turns queries and keys by angles in float32."""

    def rotate(self, x, flow):
        return half_turned(x, self.positions(flow).float()).to(x.dtype)


class TurnsInHalf(Turns):
    def rotate(self, x, flow):
        return half_turned(x, self.positions(flow).to(x.dtype).float()).to(x.dtype)


def half_turned(x: Tensor, positions: Tensor) -> Tensor:
    """Heads with each pair of features turned, a whole turn every few positions."""
    angles = positions[..., None] * torch.tensor([1.0, 0.5, 0.25, 0.125])[: x.shape[-1] // 2]
    angles = angles if positions.ndim == 1 else angles[:, None]
    a, b = x.double().chunk(2, -1)
    return torch.cat((a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()), -1)


# --- leaks ---------------------------------------------------------------------------------------------------


class Cross(nn.Module):
    """One head over the memory; each step a method, so that each can be got wrong."""

    def __init__(self, width: int, memory_width: int) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(width, width), nn.Linear(memory_width, width)
        self.value = nn.Linear(memory_width, width)

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        assert flow.memory is not None
        scores = self.query(x) @ self.key(flow.memory).mT / 4
        return self.weights(scores, flow, flow.memory_padding) @ self.value(flow.memory)

    def weights(self, scores: Tensor, flow: Flow, padding: Tensor | None) -> Tensor:
        if padding is not None:
            scores = scores.masked_fill(~padding[:, None, :], -1e9)
        return scores.softmax(-1)

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        return {}


class MaskForgottenWhenEquallyLong(Cross):
    """Takes scores as many as they are long for those of the text with itself."""

    def weights(self, scores, flow, padding):
        return super().weights(scores, flow, None if scores.shape[-2] == scores.shape[-1] else padding)


class CausalWhenEquallyLong(Cross):
    def weights(self, scores, flow, padding):
        if scores.shape[-2] == scores.shape[-1]:
            ahead = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
            scores = scores.masked_fill(ahead, -1e9)
        return super().weights(scores, flow, padding)


class PaddedMemoryReadOnceItDecodes(Cross):
    def weights(self, scores, flow, padding):
        return super().weights(scores, flow, None if flow.start else padding)


class PaddedMemoryReadInTraining(Cross):
    def weights(self, scores, flow, padding):
        return super().weights(scores, flow, None if self.training else padding)


def cross(module: type[Cross] = Cross) -> AttentionPart:
    class Planted(AttentionPart):
        """An attention over the memory with a mistake in it."""

        name = "planted"

        def build(self, site: Any) -> Any:
            return module(site.width, site.memory_width)

    return Planted()


class NoMaskInTraining(Tiny):
    def sees(self, query, key, flow):
        return (key <= key + query) if self.training else super().sees(query, key, flow)


class OtherRowsInTraining(Tiny):
    def forward(self, x, flow, state=None):
        y = super().forward(x, flow, state)
        return y - 0.01 * y.mean(0, keepdim=True) if self.training else y


class PaddingReadInTraining(Tiny):
    def mask(self, flow):
        return super().mask(Flow(flow.positions, flow.start, None, flow.documents) if self.training else flow)


class PaddingAcrossWhenSquare(Tiny):
    """Reads padding [B, S] as [T, S] where the two cannot be told apart."""

    def mask(self, flow):
        if flow.padding is not None and flow.padding.shape == (flow.length, flow.end):
            whole = super().mask(Flow(flow.positions, flow.start, None, flow.documents))
            query, key = torch.arange(flow.length)[:, None], torch.arange(flow.end)
            return (whole & flow.padding) | (query == key)
        return super().mask(flow)


class ShiftsPositionsInPlace(Tiny):
    def forward(self, x, flow, state=None):
        y = super().forward(x, flow, state)
        if self.training:
            flow.positions.add_(1)
        return y


class CursorInTheModule(Tiny):
    """Counts for itself how far it has decoded."""

    cursor = 0

    def positions(self, flow):
        return torch.arange(self.cursor, self.cursor + flow.length)

    def forward(self, x, flow, state=None):
        self.cursor = self.cursor if state is not None and flow.start else 0
        y = super().forward(x, flow, state)
        self.cursor += flow.length
        return y


class WideWindow(Tiny):
    """With a window of 64, beyond all short texts."""

    window = 64


class RingOneTooShort(WideWindow):
    """Loses the oldest key that the window still shows, once it decodes beyond the first window."""

    def sees(self, query, key, flow):
        seen = super().sees(query, key, flow)
        return seen & (key > query - self.window + 1) if flow.start >= self.window else seen


class SeesAheadBeyondTheWindow(WideWindow):
    def sees(self, query, key, flow):
        return super().sees(query, key, flow) | ((key == query + 1) & (query >= self.window))


class GradientAheadBeyondTheWindow(WideWindow):
    def forward(self, x, flow, state=None):
        y = super().forward(x, flow, state)
        if self.training and x.shape[1] > 100:
            late = x[:, -1:] - x[:, -1:].detach()
            return y + late
        return y


def _leaks_in_training(kind):
    def forward(self, batch):
        logits = kind.forward(self, batch)
        if not self.training:
            return logits
        later = (batch.tokens.float() + 1).mean(1)[:, None, None] * torch.arange(logits.shape[-1])
        return logits + 0.01 * torch.randn(1) * later

    return forward


def _of_its_logits(kind):
    def loss(self, batch):
        return F.cross_entropy(self(batch).flatten(0, 1), batch.targets.flatten(), reduction="sum")

    return loss


def _half_a_gradient(kind):
    def loss(self, batch):
        total = kind.loss(self, batch)
        return total / 2 + total.detach() / 2

    return loss


def _lost_under_autocast(kind):
    def loss(self, batch):
        total = kind.loss(self, batch)
        return total / 4 + 0.75 * total.detach() if torch.is_autocast_enabled("cpu") else total

    return loss


def _counts_padding(kind):
    def loss(self, batch):
        total = kind.loss(self, batch)
        return total * batch.scored / batch.targets.numel() if self.training else total

    return loss


def _marks_padding_in_place(kind):
    def loss(self, batch):
        total = kind.loss(self, batch)
        if self.training:
            batch.tokens[:, 0] = 1
        return total

    return loss


def _source_as_long(kind):
    def forward(self, batch):
        if batch.source is not None and batch.source.shape == batch.tokens.shape:
            batch = replace(batch, source_padding=None)
        return kind.forward(self, batch)

    return forward


for mistake, wrong, check, right in (
    ("a mean of the last training pass", Momentum, training.training_remembers_nothing, Dropped),
    ("running statistics", RunningMean, training.training_remembers_nothing, Plain),
    ("a mask drawn once", MaskDrawnOnce, training.training_remembers_nothing, Dropped),
    ("a gradient that counts passes", GradientOfTheLastPass, training.training_remembers_nothing, Plain),
    ("a cache of the class", SharedByItsClass, training.training_remembers_nothing, Dropped),
    ("a function that a copy shares", Closure, training.it_can_be_copied, Plain),
    ("a seed of its own", SeedsItself, training.chance_is_torchs_own, Dropped),
    ("a draw in evaluation", DrawsInEvaluation, training.chance_is_torchs_own, Dropped),
    ("Python's chance", PythonsChance, training.chance_is_torchs_own, Dropped),
    ("dropout without 1/(1-p)", NotMadeUpFor, training.training_means_what_evaluation_does, Dropped),
    ("made up for twice", MadeUpForTwice, training.training_means_what_evaluation_does, Dropped),
    ("rows dropped without 1/(1-p)", RowsDroppedWithoutScale, training.training_means_what_evaluation_does, Dropped),
    ("a bias in evaluation only", BiasInEvaluationOnly, training.training_means_what_evaluation_does, Plain),
    (
        "a bias beside dropout in training",
        BiasInTrainingBesideDropout,
        training.training_means_what_evaluation_does,
        Dropped,
    ),
    ("the same mask in every pass", FixedMask, training.training_means_what_evaluation_does, Dropped),
    ("a gradient injected in training", InjectsWhileTraining, modules.its_gradient_is_that_of_its_output, Plain),
    ("half the gradient of a weight", HalfTheGradientOfAWeight, modules.its_gradient_is_that_of_its_output, Plain),
    ("frozen in training", FrozenInTraining, modules.a_gradient_reaches_every_parameter, Plain),
    ("no gradient under autocast", NoGradientUnderAutocast, modules.it_computes_in_mixed_precision, Plain),
    ("another gradient under autocast", AnotherGradientUnderAutocast, modules.it_computes_in_mixed_precision, Plain),
    ("another way under no_grad", OtherWithoutGradients, training.without_gradients_it_computes_the_same, Plain),
    ("the input changed in training", OverwritesInTraining, modules.inputs_are_not_changed, Plain),
    ("an input remembered", RemembersItsInput, recomputing.it_can_be_computed_again, Plain),
    ("a count in a buffer", CountsInABuffer, recomputing.it_can_be_computed_again, Plain),
    ("a list of losses", KeepsItsLosses, memory.training_keeps_nothing, Plain),
    ("experts with a capacity", Capacity, lengths.each_of_a_thousand_positions_is_by_itself, Plain),
    ("a capacity in training only", CapacityInTraining, lengths.each_of_a_thousand_positions_is_by_itself, Plain),
):
    KILLS.plant(check, mistake, partial(feedforward, right), partial(feedforward, wrong), FEEDFORWARD)

for mistake, wrong, check, right in (
    ("what it decoded is kept", KeepsWhatItDecodes, memory.decoding_keeps_nothing_but_its_state, Decay),
    ("a tensor that grows", OneTensorThatGrows, memory.decoding_keeps_nothing_but_its_state, Decay),
    ("a capacity over all rows", CapacityOfAMixer, lengths.a_large_batch_equals_its_rows, Decay),
):
    KILLS.plant(check, mistake, partial(part_of, right), partial(part_of, wrong), MixerPart.sites()["decoder"])

for mistake, wrong, check, right in (
    ("no mask in training", NoMaskInTraining, leaks.in_training_nothing_leaks_either, Tiny),
    ("other rows in training", OtherRowsInTraining, leaks.in_training_nothing_leaks_either, Tiny),
    ("padding read in training", PaddingReadInTraining, leaks.in_training_nothing_leaks_either, Tiny),
    ("padding across when square", PaddingAcrossWhenSquare, leaks.sizes_that_coincide_make_no_difference, Tiny),
    ("positions shifted in place", ShiftsPositionsInPlace, leaks.flows_are_not_changed, Tiny),
    ("a cursor in the module", CursorInTheModule, leaks.decodings_do_not_meet, Tiny),
    ("a cache one too short", RingOneTooShort, lengths.a_long_text_is_treated_like_a_short_one, WideWindow),
    ("sees ahead beyond 64", SeesAheadBeyondTheWindow, lengths.a_long_text_is_treated_like_a_short_one, WideWindow),
    (
        "a gradient from far ahead",
        GradientAheadBeyondTheWindow,
        lengths.in_a_long_text_no_gradient_reaches_the_future,
        WideWindow,
    ),
    ("turned in half precision", TurnsInHalf, lengths.far_positions_hold_in_half_precision, Turns),
):
    KILLS.plant(check, mistake, partial(attention, right), partial(attention, wrong), DECODER)

for mistake, wrong, check in (
    ("a mask forgotten when T = M", MaskForgottenWhenEquallyLong, leaks.sizes_that_coincide_make_no_difference),
    ("causal when T = M", CausalWhenEquallyLong, leaks.sizes_that_coincide_make_no_difference),
    (
        "padding of the memory once it decodes",
        PaddedMemoryReadOnceItDecodes,
        leaks.decoding_over_a_padded_memory_equals_one_pass,
    ),
    (
        "padding of the memory in training",
        PaddedMemoryReadInTraining,
        leaks.in_training_padding_of_the_memory_is_not_read,
    ),
):
    KILLS.plant(check, mistake, cross, partial(cross, wrong), CROSS)

for mistake, wrong, check, right in (
    ("4,096 positions in half precision", FirstPositionsOnly, lengths.half_precision_holds_in_a_long_text, Halves),
    (
        "statistics in half precision",
        StatisticsInHalf,
        lengths.its_statistics_are_exact_in_half_precision,
        StatisticsInFloat,
    ),
):
    KILLS.plant(check, mistake, partial(norm, right), partial(norm, wrong), NORM)

for mistake, wrong, right in (
    ("embedded in half precision", EmbedsHalfPositions, Embeds),
    ("turned by rounded angles", TurnsByRoundedAngles, TurnsByAngles),
):
    KILLS.plant(
        lengths.half_precision_holds_at_far_positions,
        mistake,
        partial(position, right),
        partial(position, wrong),
        POSITION,
    )

for mistake, method, check in (
    (
        "the mean of all tokens in training",
        {"forward": _leaks_in_training, "loss": _of_its_logits},
        leaks.in_training_logits_do_not_leak_either,
    ),
    ("a loss averaged over padding", {"loss": _counts_padding}, models.in_training_its_loss_is_that_of_its_logits_too),
    (
        "tokens changed by the loss",
        {"loss": _marks_padding_in_place},
        models.in_training_its_loss_is_that_of_its_logits_too,
    ),
    ("half the gradient of the loss", {"loss": _half_a_gradient}, models.its_loss_has_its_gradient),
    ("a gradient lost under autocast", {"loss": _lost_under_autocast}, models.its_loss_holds_in_mixed_precision),
    ("logits kept while it writes", {"step": _remembers_steps}, memory.a_model_keeps_nothing_but_its_states),
):
    KILLS.plant(check, mistake, model, partial(model, **method), MODEL)
KILLS.plant(
    leaks.a_source_may_be_as_long_as_its_target,
    "padding of a source as long as the target",
    pair_model,
    partial(pair_model, forward=_source_as_long),
    MODEL,
)
