"""The checks themselves: planted mistakes in mixers, and in modules of any kind.

Each test plants one mistake in a mixer that is otherwise right, and names the check that must find it.
`test_planted_parts` does the same for everything else, and sees to it that no check is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from partwise.flow import Flow, State
from partwise.kinds import MixerPart

from . import checks_mixers, checks_modules
from .catalogue import LAYER, MEMORY_WIDTH

Check = Callable[..., None]


class Decay(nn.Module):
    """Each position reads half of what the position before it held: h_t = W x_t + h_{t-1} / 2."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        before = x.new_zeros(len(x), x.shape[-1]) if state is None else state["held"].clone()
        outputs = []
        for t, values in enumerate(self.linear(x).unbind(1)):
            here = flow.start + t
            if flow.documents is not None and here > 0:
                same = flow.documents[:, here] == flow.documents[:, here - 1]
                before = before * same[:, None]
            held = values + before / 2
            if flow.padding is not None:
                held = held * flow.padding[:, here, None]
            outputs.append(held)
            before = held
        if state is not None:
            state["held"].copy_(before)
        return torch.stack(outputs, 1)

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        return {"held": like.new_zeros(batch, self.linear.out_features)}


def part_of(module: Callable[[int], nn.Module]) -> MixerPart:
    """A mixer part that builds `module(width)`; it fits a decoder."""

    class Planted(MixerPart):
        """A mixer with a mistake in it."""

        name = "planted"

        def build(self, site: Any) -> Any:
            return module(site.width)

    return Planted()


class SeesAll(Decay):
    def forward(self, x, flow, state=None):
        return super().forward(x, flow, state) + 1e-6 * x.mean(1, keepdim=True)


class LeaksGradient(Decay):
    def forward(self, x, flow, state=None):
        future = x.mean(1, keepdim=True)
        return super().forward(x, flow, state) + future - future.detach()


class MovesNothing(Decay):
    def forward(self, x, flow, state=None):
        return self.linear(x)


class ForgetsItsState(Decay):
    def forward(self, x, flow, state=None):
        return super().forward(x, flow, None)


class ReplacesItsState(Decay):
    def forward(self, x, flow, state=None):
        result = super().forward(x, flow, state)
        if state is not None:
            state["held"] = state["held"].clone()
        return result


class BatchLast(Decay):
    def forward(self, x, flow, state=None):
        turned = None if state is None else {"held": state["held"].T.contiguous()}
        result = super().forward(x, flow, turned)
        if state is not None:
            state["held"].copy_(turned["held"].T)
        return result

    def empty_state(self, batch, length, like):
        return {"held": like.new_zeros(self.linear.out_features, batch)}


class SingleState(Decay):
    def empty_state(self, batch, length, like):
        return {"held": torch.zeros(batch, self.linear.out_features)}


class MixesRows(Decay):
    def forward(self, x, flow, state=None):
        return super().forward(x - 0.01 * x.mean(0, keepdim=True), flow, state)


class ReadsPadding(Decay):
    def forward(self, x, flow, state=None):
        return super().forward(x, Flow(flow.positions, flow.start, documents=flow.documents), state)


class ReadsPaddingOnceItDecodes(Decay):
    def forward(self, x, flow, state=None):
        padding = None if flow.start else flow.padding
        return super().forward(x, Flow(flow.positions, flow.start, padding, flow.documents), state)


class ReadsOtherDocuments(Decay):
    def forward(self, x, flow, state=None):
        return super().forward(x, Flow(flow.positions, flow.start, padding=flow.padding), state)


class DividesByTokens(Decay):
    def forward(self, x, flow, state=None):
        result = super().forward(x, flow, state)
        if flow.padding is not None:
            count = flow.padding.sum(1)[:, None, None]
            result = result * count / count
        return result


class Narrow(Decay):
    def forward(self, x, flow, state=None):
        return super().forward(x, flow, state)[..., :-1]


class NoReset(Decay):
    def __init__(self, width):
        super().__init__(width)
        self.gain = nn.Parameter(torch.ones(width))

    def reset_parameters(self):
        pass

    def forward(self, x, flow, state=None):
        return super().forward(x, flow, state) * self.gain


class BufferMadeOnce(Decay):
    def __init__(self, width):
        super().__init__(width)
        self.register_buffer("slope", torch.linspace(0, 1, width), persistent=False)

    def reset_parameters(self):
        nn.init.ones_(self.slope)

    def forward(self, x, flow, state=None):
        return super().forward(x, flow, state) * self.slope


class PlainTensor(Decay):
    def __init__(self, width):
        super().__init__(width)
        self.slope = torch.linspace(0, 1, width)

    def forward(self, x, flow, state=None):
        return super().forward(x, flow, state) * self.slope


class DrawsFromAGeneratorOfItsOwn(Decay):
    generator = torch.Generator()

    def __init__(self, width):
        super().__init__(width)
        self.noise = nn.Parameter(torch.zeros(width))

    def reset_parameters(self):
        with torch.no_grad():
            if not self.noise.is_meta:
                self.noise.copy_(torch.randn(self.noise.shape, generator=self.generator))

    def forward(self, x, flow, state=None):
        return super().forward(x, flow, state) + self.noise


class HidesAWeight(Decay):
    def __init__(self, width):
        super().__init__(width)
        self.hidden = [nn.Linear(width, width, device="cpu")]

    def forward(self, x, flow, state=None):
        return super().forward(x + self.hidden[0](x), flow, state)


class UnusedWeight(Decay):
    def __init__(self, width):
        super().__init__(width)
        self.unused = nn.Linear(width, 1)


class InfiniteGradient(Decay):
    def forward(self, x, flow, state=None):
        return super().forward(x, flow, state) + (self.linear.weight - self.linear.weight).abs().sqrt().sum()


class AlwaysDropsOut(Decay):
    def forward(self, x, flow, state=None):
        return F.dropout(super().forward(x, flow, state), 0.5, training=True)


class Overwrites(Decay):
    def forward(self, x, flow, state=None):
        result = super().forward(x, flow, state)
        x.mul_(2)
        return result


class SingleConstant(Decay):
    def forward(self, x, flow, state=None):
        return super().forward(x.float().to(x.dtype), flow, state).float() * 1.0


class NoMixedPrecision(Decay):
    def forward(self, x, flow, state=None):
        half = self.linear(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(F.linear(half, self.linear.weight), flow, state)


class Squeezes(Decay):
    def forward(self, x, flow, state=None):
        return super().forward(x.squeeze(1).unsqueeze(0) if x.shape[1] == 1 else x, flow, state) / (x.shape[1] - 1)


class NeedsContiguous(Decay):
    def forward(self, x, flow, state=None):
        return super().forward(x.view(-1).view(x.shape), flow, state)


class ReadsPaddedMemory(Decay):
    def __init__(self, width):
        super().__init__(width)
        self.reads = nn.Linear(MEMORY_WIDTH, width)

    def forward(self, x, flow, state=None):
        return super().forward(x, flow, state) + self.reads(flow.memory).mean(1, keepdim=True)


class WrongGradient(Decay):
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return 2 * x

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:
            return gradient

    def forward(self, x, flow, state=None):
        return super().forward(self.Double.apply(x), flow, state)


MIXERS: list[tuple[type[Decay], Check]] = [
    (SeesAll, checks_mixers.check_the_future_is_not_seen),
    (LeaksGradient, checks_mixers.check_no_gradient_reaches_the_future),
    (MovesNothing, checks_mixers.check_information_moves),
    (ForgetsItsState, checks_mixers.check_cached_decoding),
    (ReplacesItsState, checks_mixers.check_cached_decoding),
    (BatchLast, checks_mixers.check_states_can_be_reordered),
    (SingleState, checks_mixers.check_state_dtype),
    (MixesRows, checks_mixers.check_a_batch_equals_its_rows),
    (ReadsPadding, checks_mixers.check_padding_is_not_read),
    (ReadsPaddingOnceItDecodes, checks_mixers.check_decoding_after_left_padding),
    (ReadsOtherDocuments, checks_mixers.check_packed_documents_are_apart),
    (DividesByTokens, checks_mixers.check_nothing_but_padding_stays_finite),
    (Narrow, checks_mixers.check_shape),
    (NoReset, checks_modules.check_meta_equals_direct),
    (BufferMadeOnce, checks_modules.check_meta_equals_direct),
    (PlainTensor, checks_modules.check_meta_equals_direct),
    (DrawsFromAGeneratorOfItsOwn, checks_modules.check_same_seed_gives_the_same_weights),
    (HidesAWeight, checks_modules.check_strict_state_dict),
    (UnusedWeight, checks_modules.check_gradients),
    (InfiniteGradient, checks_modules.check_gradients),
    (AlwaysDropsOut, checks_modules.check_eval_is_deterministic),
    (Overwrites, checks_modules.check_inputs_are_not_changed),
    (SingleConstant, checks_modules.check_double_precision),
    (NoMixedPrecision, checks_modules.check_mixed_precision),
    (Squeezes, checks_modules.check_length_one),
    (NeedsContiguous, checks_modules.check_strided_input),
    (WrongGradient, checks_modules.check_gradient_formula),
]


CROSS = replace(LAYER, memory_width=MEMORY_WIDTH)
CHECKS = {check: LAYER for _, check in MIXERS} | {checks_mixers.check_padding_of_the_memory_is_not_read: CROSS}
MIXERS.append((ReadsPaddedMemory, checks_mixers.check_padding_of_the_memory_is_not_read))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_right_mixer_passes(check: Check) -> None:
    check(part_of(Decay), CHECKS[check])


@pytest.mark.parametrize(("module", "check"), MIXERS, ids=lambda one: one.__name__)
def test_a_wrong_mixer_is_found(module: type[Decay], check: Check) -> None:
    with pytest.raises((AssertionError, RuntimeError)):  # PyTorch itself refuses some of them
        check(part_of(module), CHECKS[check])
