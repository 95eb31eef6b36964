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
    """A group of layers, repeated: `times` copies of `blocks`, each with weights of its own."""

    name = "repeat"

    times: PositiveInt
    """How often the group is repeated."""
    blocks: Annotated[tuple[slots.Block, ...], MinLen(1)]
    """The layers of the group, in order."""

    def unrolled(self) -> tuple[BlockPart, ...]:
        return tuple(layer for block in self.blocks for layer in block.unrolled()) * self.times

    def build(self, site: LayerSite) -> Block:
        raise PartError("repeat stands for several layers; put it in the `blocks` of a model")

    @classmethod
    def examples(cls) -> Iterable[Self]:
        gru, rnn = ({"use": "recurrent", "mixer": mixer} for mixer in ("gru", "rnn"))
        yield cls.model_validate({"times": 2, "blocks": (gru,)})
        yield cls.model_validate({"times": 3, "blocks": (gru, {"use": "repeat", "times": 2, "blocks": (rnn,)})})
