"""Mistakes in tokenizers and data sets."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from partwise.data import Example, Piece
from partwise.data.survey import counted
from partwise.parts import DataPart, TokenizerPart
from partwise.testing.checks import data as data_checks
from partwise.testing.checks import tokenizers

from .planting import Kills

KILLS = Kills()


# --- tokenizers ---------------------------------------------------------------------------------------


class Letters:
    """Characters by their code points; 0 ends a text, 1 is what the corpus lacks."""

    end, unknown, unknown_bits, lossless = 0, 1, 21.0, True

    def __init__(self, letters: Sequence[str]) -> None:
        self.letters = ["", "", *letters]
        self.vocab_size = len(self.letters)

    def encode(self, text: str) -> list[int]:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return [self.letters.index(letter) if letter in self.letters else 1 for letter in text]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join("\ufffd" if token == 1 else self.letters[token] for token in ids)

    def token_bytes(self, token: int) -> bytes:
        return self.decode([token]).encode()

    def label(self, token: int) -> str:
        return ["<end>", "<unknown>", *self.letters[2:]][token]

    def to_json(self) -> dict[str, Any]:
        return {"letters": self.letters[2:]}


def tokenizer(of: type[Letters] = Letters, restores: type[Letters] | None = None, planned: int | None = None) -> Any:
    class Planted(TokenizerPart):
        """A tokenizer with a mistake in it."""

        name = "planted"

        def build(self, site: Any) -> Any:
            return of(sorted(set("".join(site.texts()))))

        def restore(self, saved: dict[str, Any]) -> Any:
            return (restores or of)(saved["letters"])

        def planned_vocabulary(self) -> int | None:
            return planned

    return Planted()


class Lowers(Letters):
    def encode(self, text):
        return super().encode(text.lower())


class BeginsWithALetter(Letters):
    begin = 2


class Stranger(Letters):
    def encode(self, text):
        return [1 for _ in text]


class Denies(Letters):
    unknown = None

    def encode(self, text):
        return [token for token in super().encode(text) if token != 1]


class Chokes(Letters):
    def encode(self, text):
        text.encode("utf-8")
        return super().encode(text)


class ReadsNames(Letters):
    def encode(self, text):
        parts = text.split("<end>")
        return [token for part in parts for token in (self.end, *super(ReadsNames, self).encode(part))][1:]


class Spaces(Letters):
    def decode(self, ids):
        return super().decode(ids).strip()


class Nameless(Letters):
    def label(self, token):
        return "" if token == 0 else super().label(token)


class Arrays(Letters):
    def encode_array(self, texts):
        ids = list(map(self.encode, texts))
        return np.array([token for one in ids for token in one], np.uint16), np.array(list(map(len, ids)), np.int64)


class LeavesOutNothing(Arrays):
    def encode_array(self, texts):
        return super().encode_array(list(filter(None, texts)))


class Shuffles(Letters):
    def __init__(self, letters):
        super().__init__(sorted(letters, key=lambda letter: random.random()))


for check, mistake, wrong in (
    (tokenizers.texts_come_back, "capitals lost", partial(tokenizer, Lowers)),
    (tokenizers.it_knows_the_text_it_learned_from, "knows nothing", partial(tokenizer, Stranger)),
    (tokenizers.unknowns_are_declared, "leaves out what it lacks", partial(tokenizer, Denies)),
    (tokenizers.special_tokens_are_text_in_text, "a name becomes a token", partial(tokenizer, ReadsNames)),
    (tokenizers.its_marks_are_special_tokens, "texts begin with a letter", partial(tokenizer, BeginsWithALetter)),
    (tokenizers.bytes_of_tokens_join_to_the_text, "decode strips", partial(tokenizer, Spaces)),
    (tokenizers.every_token_has_a_label, "no label", partial(tokenizer, Nameless)),
    (tokenizers.it_is_restored_exactly, "restored otherwise", partial(tokenizer, restores=Lowers)),
    (tokenizers.its_training_is_deterministic, "order by chance", partial(tokenizer, Shuffles)),
    (tokenizers.its_vocabulary_is_as_planned, "more than planned", partial(tokenizer, planned=5)),
):
    KILLS.plant(check, mistake, tokenizer, wrong)
KILLS.plant(
    tokenizers.its_arrays_are_its_ids,
    "texts of nothing left out",
    partial(tokenizer, Arrays),
    partial(tokenizer, LeavesOutNothing),
)
KILLS.plant(
    tokenizers.lone_surrogates_become_replacement_characters,
    "an error",
    tokenizer,
    partial(tokenizer, Chokes),
)


# --- data ---------------------------------------------------------------------------------------------


class Sums:
    """Sums and their results, all different."""

    form = "examples"
    starts = {"train": 0, "valid": 30, "test": 40}  # noqa: RUF012

    def __init__(self, to: int = 0) -> None:
        self.to = to

    def examples(self, split: str) -> Any:
        start = self.starts[split]
        for number in range(start, start + 10):
            yield Example((Piece(f"{number} + {self.to}", False), Piece(str(number + self.to))))

    def identity(self) -> str:
        return f"sums {self.to}"


def data(of: Callable[[int], Any] = Sums, to: int = 0) -> Any:
    class Planted(DataPart):
        """A data set with a mistake in it."""

        name = "planted"
        to: int = 0
        """What is added."""

        def build(self, site: Any) -> Any:
            return of(self.to)

        @classmethod
        def examples(cls) -> Any:
            return cls(), cls(to=1)

    return Planted(to=to)


class NothingScored(Sums):
    def examples(self, split):
        return (Example((one.pieces[0],)) for one in super().examples(split))


class ByChance(Sums):
    def examples(self, split):
        return iter(sorted(super().examples(split), key=lambda example: random.random()))


class Overlapping(Sums):
    starts = {"train": 0, "valid": 9, "test": 40}  # noqa: RUF012


class OneName(Sums):
    def identity(self):
        return "sums"


class Knowing(Sums):
    """Knows its figures without being read."""

    def survey(self, split):
        return counted(self, split)


class Boasting(Knowing):
    def survey(self, split):
        return replace(super().survey(split), texts=11)


KILLS.plant(
    data_checks.what_it_knows_of_its_splits_is_so, "one too many", partial(data, Knowing), partial(data, Boasting)
)
KILLS.plant(data_checks.examples_are_sound, "nothing scored", data, partial(data, NothingScored))
KILLS.plant(data_checks.it_yields_the_same_each_time, "order by chance", data, partial(data, ByChance))
KILLS.plant(data_checks.splits_share_nothing, "one in two", data, partial(data, Overlapping))
KILLS.plant(data_checks.other_data_has_another_identity, "one identity for all", data, partial(data, OneName))
