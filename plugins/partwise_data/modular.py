"""Addition modulo p, the task on which networks were seen to grok (Power et al. 2022): first they learn the training
examples by heart, and much later, if weights decay, they get the held-out ones right.

`3+k=n`: each number is one symbol, and a model does not know their order. All p^2 sums are shuffled and divided into
splits, so that only the rule leads from the training examples to the others.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Literal

from partwise import InputError
from partwise.data import Example, Piece, Split

from .drawing import Draw
from .splits import Shares, digest

SYMBOLS = string.digits + string.ascii_letters + "".join(map(chr, range(0x4E00, 0x4E00 + 438)))
"""500 numbers: digits, letters, and Chinese characters."""


class ModularAddition:
    """a + b = c, with c = (a + b) mod `modulus`; the shares are exact, to the nearest whole example."""

    form: Literal["stream", "examples"] = "examples"

    def __init__(self, modulus: int, shares: Shares, seed: int) -> None:
        self.modulus = modulus
        self.shares = shares
        self.seed = seed

    def examples(self, split: Split) -> Iterator[Example]:
        return map(self._example, self._divided[split])

    def identity(self) -> str:
        return digest("ModularAddition", 1, self.modulus, self.shares.valid, self.shares.test, self.seed)

    @cached_property
    def _divided(self) -> Mapping[Split, list[int]]:
        count = self.modulus**2
        order = Draw(self.seed).sample(range(count), count)
        valid, test = round(self.shares.valid * count), round(self.shares.test * count)
        for split, size in (("train", count - valid - test), ("valid", valid if self.shares.valid else 1)):
            if size < 1:
                raise InputError(
                    f"the {split} split would be empty: modulus {self.modulus} has {count} sums, of which the shares "
                    f'"valid" {self.shares.valid:g} and "test" {self.shares.test:g} leave it none; change them, or '
                    'raise "modulus"'
                )
        return {"valid": order[:valid], "test": order[valid : valid + test], "train": order[valid + test :]}

    def _example(self, index: int) -> Example:
        a, b = divmod(index, self.modulus)
        asked, answer = f"{SYMBOLS[a]}+{SYMBOLS[b]}=", SYMBOLS[(a + b) % self.modulus]
        return Example((Piece(asked, scored=False), Piece(answer), Piece("", scored=False)))
