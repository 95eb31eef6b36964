"""Parts from elsewhere that are right, each of a sort that a check once took for wrong."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from partwise import Part, use
from partwise.parts import AttentionPart, BlockPart, NormPart, OptimizerPart, slots
from partwise.testing import contract_of, find, run_check

from .mutants import registered
from .mutants.attention import Tiny

KNOB = "every_knob_makes_a_difference"


def outcome(part: type[Part], check: str) -> tuple[str, str]:
    with registered(part):
        result = run_check(part, next(one for one in contract_of(part) if one.name == check))
    return result.outcome, result.message


class Shell(BlockPart):
    """A block that is nothing but another block, and that one perhaps another."""

    name = "shell"
    inner: slots.Block = use("pre_norm")
    """What it is."""
    more: tuple[slots.Block, ...] = ()
    """What follows it."""

    def build(self, site: Any) -> Any:
        return Several([one.assemble(site) for one in (self.inner, *self.more)])


class Several(nn.Module):
    def __init__(self, blocks: list[Any]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor, flow: Any, state: Any = None) -> Tensor:
        for index, block in enumerate(self.blocks):
            x = block(x, flow, None if state is None else state[str(index)])
        return x

    def empty_state(self, *sizes: Any) -> Any:
        blocks: Any = self.blocks
        return {str(index): block.empty_state(*sizes) for index, block in enumerate(blocks)}


@pytest.mark.parametrize("check", ["with_silent_branches_it_is_the_identity", "nothing_moves_but_through_its_mixers"])
def test_branches_are_silenced_however_deep_they_are(check: str) -> None:
    class Held(Shell):
        """A block that holds blocks."""

        name = "held"

        @classmethod
        def examples(cls) -> Any:
            block = next(iter(find("pre_norm").part.examples()))
            inner = Shell.model_validate({"inner": block})
            return (cls.model_validate({"inner": inner, "more": (block, inner)}),)

    with registered(Held, Shell):
        result = run_check(Held, next(one for one in contract_of(Held) if one.name == check))
    assert (result.outcome, result.message) == ("passed", "")


class Straight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, times: float) -> Tensor:
        ctx.times = times
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return gradient * ctx.times, None


class Reversing(NormPart):
    """A norm that only scales the gradient, such as a gradient reversal."""

    name = "reversing"
    times: PositiveFloat = 1.0
    """Factor of the gradient."""

    def build(self, site: Any) -> Any:
        return Scales(self.times)

    @classmethod
    def examples(cls) -> Any:
        return cls(), cls(times=0.5)


class Scales(nn.Module):
    def __init__(self, times: float) -> None:
        super().__init__()
        self.times = times

    def forward(self, x: Tensor) -> Tensor:
        return Straight.apply(x, self.times)  # type: ignore[no-any-return, no-untyped-call]


class Sharpened(Reversing):
    """A norm whose knob acts in evaluation only."""

    name = "sharpened"

    def build(self, site: Any) -> Any:
        return InEvaluation(self.times)


class InEvaluation(Scales):
    def forward(self, x: Tensor) -> Tensor:
        return x if self.training else x * self.times


@pytest.mark.parametrize("part", [Reversing, Sharpened])
def test_a_knob_may_act_where_the_output_in_training_does_not_show_it(part: type[Part]) -> None:
    assert outcome(part, KNOB) == ("passed", "")


def lossy() -> type[Part]:
    example: Any = next(iter(find("language_model").part.examples()))

    class Lossy(type(example)):  # type: ignore[misc]
        """A language model with a second head for its loss in training."""

        name = "lossy"
        weight: PositiveFloat = 0.5
        """Weight of the second loss."""

        def build(self, site: Any) -> Any:
            built = super().build(site)
            kind, weight = type(built), self.weight

            def loss(self: Any, batch: Any) -> Any:
                own = kind.loss(self, batch)
                return own + weight * self.second(kind.forward(self, batch)).square().sum() if self.training else own

            built.second = nn.Linear(site.vocabulary, 2)
            built.__class__ = type("LossyModel", (kind,), {"loss": loss})
            return built

        @classmethod
        def examples(cls) -> Any:
            knobs = {field: getattr(example, field) for field in type(example).model_fields}
            return cls(**knobs), cls(**knobs, weight=2.0)

    return Lossy


def test_a_module_and_a_knob_may_serve_the_loss_in_training_only() -> None:
    part = lossy()
    assert outcome(part, "a_gradient_reaches_every_parameter") == ("passed", "")
    with registered(part):
        knob = next(one for one in contract_of(part) if one.name == KNOB)
        knob(part, "weight")


class Near(Tiny):
    """Sees its neighbours on both sides, and knows no positions."""

    window = 3

    def rotate(self, x: Tensor, flow: Any) -> Tensor:
        return x


class Windowed(AttentionPart):
    """An attention to the neighbours on both sides."""

    name = "windowed"

    def build(self, site: Any) -> Any:
        return Near(site.width, site.causal)


class SkewedNear(Near):
    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        return super().scores(queries, keys) + 0.1 * torch.arange(keys.shape[2])


class Skewed(Windowed):
    """An attention to the neighbours that prefers later ones."""

    name = "skewed"

    def build(self, site: Any) -> Any:
        return SkewedNear(site.width, site.causal)


ORDER = "without_positions_order_does_not_matter"


def test_an_attention_to_neighbours_on_both_sides_may_be_without_positions() -> None:
    site = AttentionPart.sites()["encoder"]
    check = next(one for one in contract_of(Windowed) if one.name == ORDER)
    check(Windowed(), site)
    with pytest.raises(AssertionError, match="in the order"):
        check(Skewed(), site)


class Rated(OptimizerPart):
    """An optimizer whose rate has another name."""

    name = "rated"
    rate: PositiveFloat = 0.1
    """How far it goes."""

    def build(self, site: Any) -> Any:
        matrices = [one for one in site.model.parameters() if one.requires_grad and one.ndim > 1]
        vectors = [one for one in site.model.parameters() if one.requires_grad and one.ndim < 2]
        groups = [{"params": matrices}, {"params": vectors, "lr": 0.5 * self.rate}]
        return torch.optim.SGD(groups, self.rate)

    @classmethod
    def examples(cls) -> Any:
        return cls(), cls(rate=0.2)


class Unrated(Rated):
    """An optimizer without a rate."""

    name = "unrated"

    def build(self, site: Any) -> Any:
        made = super().build(site)
        for group in made.param_groups:
            del group["lr"]
        return made


UPDATED = "every_trained_parameter_is_updated_once"


def test_an_optimizer_may_call_its_rate_otherwise_and_have_several() -> None:
    for check in contract_of(Rated):
        if "optimizer" in check.kinds:
            assert outcome(Rated, check.name) == ("passed", "")


def test_an_optimizer_without_a_rate_is_told_what_schedules_need() -> None:
    said = "example 0: a group of its parameters has no `lr`, which is what schedules scale (and 1 other case)"
    assert outcome(Unrated, UPDATED) == ("failed", said)


class Holder(NormPart):
    """A norm that holds another, which must be given."""

    name = "holder"
    inner: slots.Norm
    """What it is."""
    by: PositiveInt
    """By what it divides."""

    def build(self, site: Any) -> Any:
        return self.inner.assemble(site)

    @classmethod
    def examples(cls) -> Any:
        return (cls.model_validate({"inner": "rms_norm", "by": 2}),)


def test_examples_that_agree_in_what_must_be_given_are_asked_for_a_second() -> None:
    said = "knob inner: every example has the same inner, and it has no default: give two examples that differ in inner"
    kind, message = outcome(Holder, KNOB)
    assert kind == "failed"
    assert message.startswith(said)
