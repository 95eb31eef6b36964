"""Fill-in-the-middle: the middle of a text is moved to its end, where what stands on both sides has been read.

Bavarian et al., "Efficient training of language models to fill in the middle" (2022), arXiv:2207.14255. Both places
where a text is divided are drawn uniformly among its characters, so that any of the three parts may be empty. A model
learns from all of them, not from the middle alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from partwise.data import Piece

from .drawing import Draw


@dataclass(frozen=True)
class Infilling:
    """Rearranges a share `rate` of the texts, of these a share `spm` with the suffix first.

    prefix first   <prefix> the prefix <suffix> the suffix <middle> the middle
    suffix first   <prefix> <suffix> the suffix <middle> the prefix and the middle, as one text
    """

    rate: float
    spm: float
    prefix: str
    suffix: str
    middle: str

    closes = True

    def rewrite(self, text: str, draw: Draw) -> tuple[Piece, ...] | None:
        if draw.uniform() >= self.rate:
            return None
        suffix_first = draw.uniform() < self.spm
        first, second = sorted((draw.between(0, len(text)), draw.between(0, len(text))))
        before, between, after = text[:first], text[first:second], text[second:]
        prefix, suffix, middle = map(self._mark, (self.prefix, self.suffix, self.middle))
        if suffix_first:
            found = [prefix, suffix, Piece(after), middle, Piece(before + between)]
        else:
            found = [prefix, Piece(before), suffix, Piece(after), middle, Piece(between)]
        return tuple(piece for piece in found if piece.text)

    def _mark(self, name: str) -> Piece:
        return Piece(name, special=True)


__all__ = ["Infilling"]
