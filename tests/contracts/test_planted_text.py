"""The checks themselves: planted mistakes in tokenizers and data sets."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from partwise.interfaces import Example, Piece
from partwise.kinds import DataPart, TokenizerPart

from . import checks_text
from .planting import Kill, Kills, tell_apart

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


class Shuffles(Letters):
    def __init__(self, letters):
        super().__init__(sorted(letters, key=lambda letter: random.random()))


round_trip = lambda part: checks_text.check_round_trip(part, "low Lower")  # noqa: E731
for check, mistake, wrong in (
    (checks_text.check_round_trip, "capitals lost", partial(tokenizer, Lowers)),
    (checks_text.check_the_text_it_learned_from_has_no_unknowns, "knows nothing", partial(tokenizer, Stranger)),
    (checks_text.check_unknowns_are_declared, "leaves out what it lacks", partial(tokenizer, Denies)),
    (checks_text.check_special_tokens_are_text_in_text, "a name becomes a token", partial(tokenizer, ReadsNames)),
    (checks_text.check_bytes_of_tokens_join_to_the_text, "decode strips", partial(tokenizer, Spaces)),
    (checks_text.check_every_token_has_a_label, "no label", partial(tokenizer, Nameless)),
    (checks_text.check_save_and_restore, "restored otherwise", partial(tokenizer, restores=Lowers)),
    (checks_text.check_training_is_deterministic, "order by chance", partial(tokenizer, Shuffles)),
    (checks_text.check_the_vocabulary_is_as_planned, "more than planned", partial(tokenizer, planned=5)),
):
    KILLS.plant(check, mistake, tokenizer, wrong, *(["low Lower"] if check is checks_text.check_round_trip else []))
KILLS.plant(
    checks_text.check_lone_surrogates_become_replacement_characters,
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


def whole(example: Example) -> str:
    return example.pieces[0].text


KILLS.plant(checks_text.check_examples_are_sound, "nothing scored", data, partial(data, NothingScored))
KILLS.plant(checks_text.check_it_yields_the_same_each_time, "order by chance", data, partial(data, ByChance))
KILLS.plant(checks_text.check_splits_share_nothing, "one in two", data, partial(data, Overlapping), whole)
KILLS.plant(checks_text.check_identity, "one for all", data, partial(data, OneName), [data(to=1), data(OneName, to=1)])


@KILLS.each()
def test_the_mistake_is_found(kill: Kill, tmp_path: Path) -> None:
    tell_apart(kill, tmp_path, (AssertionError, UnicodeEncodeError))
