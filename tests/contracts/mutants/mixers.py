"""Mistakes in mixers, and in modules of any kind: each in a mixer that is otherwise right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from partwise.modules import Flow, State
from partwise.parts import MixerPart
from partwise.testing.checks import documents, mixers, modules

from .planting import Kills

KILLS = Kills()
LAYER = MixerPart.sites()["decoder"]
MEMORY_WIDTH = 12


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


class DocumentsMeetInLongTexts(Decay):
    def forward(self, x, flow, state=None):
        if flow.length > 200:
            flow = replace(flow, documents=None)
        return super().forward(x, flow, state)


class DocumentsLearnFromEachOther(Decay):
    def forward(self, x, flow, state=None):
        leak = x.cumsum(1)
        return (
            super().forward(x, flow, state) + leak - leak.detach() if self.training else super().forward(x, flow, state)
        )


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


for mistake, wrong, check in (
    ("the mean of all positions leaks in", SeesAll, mixers.the_future_is_not_seen),
    ("a straight-through estimate of the future", LeaksGradient, mixers.no_gradient_reaches_the_future),
    ("nothing is mixed", MovesNothing, mixers.information_moves),
    ("the state is not read", ForgetsItsState, mixers.decoding_in_pieces_equals_one_pass),
    ("the state is replaced", ReplacesItsState, mixers.decoding_in_pieces_equals_one_pass),
    ("a state with the batch last", BatchLast, mixers.states_can_be_reordered),
    ("a state always of float32", SingleState, mixers.states_have_the_dtype_asked_for),
    ("the batch is centred", MixesRows, mixers.a_batch_equals_its_rows),
    ("padding ignored", ReadsPadding, mixers.padding_is_not_read),
    ("padding ignored once it decodes", ReadsPaddingOnceItDecodes, mixers.decoding_continues_after_left_padding),
    ("documents ignored", ReadsOtherDocuments, mixers.packed_documents_are_apart),
    (
        "documents ignored in long texts",
        DocumentsMeetInLongTexts,
        documents.packed_documents_learn_what_they_learn_apart,
    ),
    (
        "gradients between documents",
        DocumentsLearnFromEachOther,
        documents.packed_documents_learn_what_they_learn_apart,
    ),
    ("divided by the number of tokens", DividesByTokens, mixers.nothing_but_padding_stays_finite),
    ("a feature lost", Narrow, mixers.it_keeps_the_shape),
    ("a parameter no reset fills", NoReset, modules.meta_equals_direct),
    ("a buffer reset to something else", BufferMadeOnce, modules.meta_equals_direct),
    ("a table lost on meta", PlainTensor, modules.meta_equals_direct),
    ("a generator of its own", DrawsFromAGeneratorOfItsOwn, modules.same_seed_gives_the_same_weights),
    ("a weight hidden in a list", HidesAWeight, modules.its_state_dict_is_all_it_learned),
    ("a parameter never used", UnusedWeight, modules.a_gradient_reaches_every_parameter),
    ("the root of zero", InfiniteGradient, modules.a_gradient_reaches_every_parameter),
    ("dropout active in eval", AlwaysDropsOut, modules.evaluation_is_deterministic),
    ("the input changed in place", Overwrites, modules.inputs_are_not_changed),
    ("always float32", SingleConstant, modules.it_computes_in_float64),
    ("autocast switched off half way", NoMixedPrecision, modules.it_computes_in_mixed_precision),
    ("a single position squeezed away", Squeezes, modules.a_single_position_is_a_sequence),
    ("view of what is not contiguous", NeedsContiguous, modules.its_input_may_lie_anyhow_in_memory),
    ("a backward by hand, and wrong", WrongGradient, modules.its_gradient_is_that_of_its_output),
):
    KILLS.plant(check, mistake, lambda: part_of(Decay), partial(part_of, wrong), LAYER)
KILLS.plant(
    mixers.padding_of_the_memory_is_not_read,
    "padding of the memory is read",
    lambda: part_of(Decay),
    lambda: part_of(ReadsPaddedMemory),
    replace(LAYER, memory_width=MEMORY_WIDTH),
)
