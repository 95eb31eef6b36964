"""The base of data that change other data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import NonNegativeInt, PositiveInt

from partwise import PartError
from partwise.parts import DataPart, DataSite, slots

if TYPE_CHECKING:
    from partwise.data import Data

Unit = Literal["word", "character"]
HeldOut = Literal["changed", "plain"]


class Wrapper(DataPart):
    """Base of the parts that change the texts of other data, of a mixture those of every member."""

    data: slots.Data
    """The texts that are changed: any data of running text, or a mixture of such."""
    seed: NonNegativeInt = 0
    """Seed of what is drawn. A text is changed in one way, whatever the seed of the run."""
    copies: PositiveInt = 1
    """Times that the training split is gone through, each time with other random numbers: what is changed anew in each
    epoch of as many. The encoded texts take up as many times the space."""

    def build(self, site: DataSite) -> Data:
        from partwise_data.rewriting import around

        if names := self.data.specials():
            raise PartError(f"{self.name!r} changes text, and these data have special tokens, {names[0]}", ("data",))
        return around(self.name, self.data.assemble(site), self.around)

    def around(self, data: Data) -> Data:
        """The changed data."""
        raise NotImplementedError


__all__ = ["HeldOut", "Unit", "Wrapper"]
