"""A group of layers that is repeated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Self

from annotated_types import MinLen
from pydantic import PositiveInt

from partwise import PartError
from partwise.parts import BlockPart, LayerSite, slots

if TYPE_CHECKING:
    from partwise.modules import Block


class Repeat(BlockPart):
    """A group of layers, repeated: `times` copies of `blocks`, with weights of their own or with the same ones."""

    name = "repeat"
    formulas = (r"y = (f \circ f \circ \cdots \circ f)(x), \quad f = f_n \circ \cdots \circ f_1",)

    times: PositiveInt
    """How often the group is repeated."""
    blocks: Annotated[tuple[slots.Block, ...], MinLen(1)]
    """The layers of the group, in order."""

    shared: bool = False
    """Whether all repetitions use the same weights (Universal Transformer, Dehghani et al. 2019; ALBERT, Lan et al.
    2020); each repetition still has a decoding state of its own."""

    def unrolled(self) -> tuple[BlockPart, ...]:
        group = tuple(layer for block in self.blocks for layer in block.unrolled())
        return group if self.shared else group * self.times

    def order(self) -> tuple[int, ...]:
        once: list[int] = []
        layers = 0
        for block in self.blocks:
            once += [layers + index for index in block.order()]
            layers += len(block.unrolled())
        step = 0 if self.shared else layers
        return tuple(time * step + index for time in range(self.times) for index in once)

    def build(self, site: LayerSite) -> Block:
        raise PartError("repeat stands for several layers; put it in the `blocks` of a model")

    @classmethod
    def examples(cls) -> Iterable[Self]:
        gru, rnn = ({"use": "recurrent", "mixer": mixer} for mixer in ("gru", "rnn"))
        yield cls.model_validate({"times": 2, "blocks": (gru,), "shared": True})
        yield cls.model_validate({"times": 3, "blocks": (gru, {"use": "repeat", "times": 2, "blocks": (rnn,)})})
