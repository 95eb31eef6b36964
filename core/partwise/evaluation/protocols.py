"""`Evaluation`: what the object that an evaluation part builds must offer. Imports no torch at run time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .figures import Figure
    from .reader import Reader


class Evaluation(Protocol):
    """Judges a trained model by what it makes of texts."""

    def measure(self, reader: Reader) -> Mapping[str, Figure]:
        """The figures of the model that `reader` reads with, by name: those that its part declares.

        They are a function of the model and of the items: the order of these, how many are read at once and with what
        padding make no difference beyond rounding.
        """
        ...


__all__ = ["Evaluation"]
