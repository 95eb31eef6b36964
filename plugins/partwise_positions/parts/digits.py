"""Positions within numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import Field, NonNegativeInt, field_validator

from partwise import PartError
from partwise.parts import PositionPart, PositionSite

if TYPE_CHECKING:
    from partwise_positions.abacus import DigitPlaces


class Abacus(PositionPart):
    """A learned vector for each digit's place within its number, added to the embedding: for arithmetic.

    Digits of equal worth have equal places, whatever the length of the numbers, where every number is written with its
    lowest digit first: `321+54=861` (abacus embeddings, McLeish et al. 2024, arXiv:2405.17399; position coupling, Cho
    et al. 2024, arXiv:2405.20671). What is no digit has no position but by causality, or by a position of the
    attention's own.
    """

    name = "abacus"
    formulas = (r"x'_t = x_t + E_{p(t) + k}, \quad k \sim \mathcal{U}\{0, \ldots, K\}",)
    acts = frozenset({"embed"})
    known_failures: ClassVar[Mapping[str, str]] = {
        "training_means_what_evaluation_does": "in training all places are moved, so that later ones are learned, too",
    }

    max_offset: NonNegativeInt = 99
    """In training all places of a text are moved by one number, drawn anew from 0 to this: numbers longer by so many
    digits than those trained on have places that have been learned."""
    digits: Annotated[str, Field(min_length=1)] = "0123456789"
    """The characters that are digits, each a token of its own."""

    @field_validator("digits")
    @classmethod
    def _once(cls, digits: str) -> str:
        twice = sorted({digit for digit in digits if digits.count(digit) > 1})
        if twice:
            raise ValueError(f"digits holds {', '.join(map(repr, twice))} more than once")
        return digits

    def build(self, site: PositionSite) -> DigitPlaces:
        from partwise_positions.abacus import DigitPlaces

        return DigitPlaces(self._ids(site), site.vocabulary, site.context, site.width, self.max_offset)

    def _ids(self, site: PositionSite) -> list[int] | None:
        """The tokens that are digits; None before there is a tokenizer.

        Raises:
            PartError: a token has several characters, one of them a digit, or no token is a digit.
        """
        if site.token_bytes is None:
            return None
        single = {digit.encode() for digit in self.digits}
        ids = []
        for token in range(site.vocabulary):
            written = site.token_bytes(token)
            if written in single:
                ids.append(token)
            elif any(digit in written for digit in single):
                shown = written.decode(errors="replace")
                raise PartError(
                    f"position 'abacus' counts digits, and the tokenizer writes {shown!r} as one token; use one to "
                    'which each digit is a token, such as "char" or {"use": "bpe", "pattern": "digits"}'
                )
        if not ids:
            raise PartError(
                f"position 'abacus' counts digits, and no token is one of {self.digits!r}; set `digits`, or use "
                "another position"
            )
        return ids

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(max_offset=3, digits="01234567")
