"""The built-in data parts: the text of Python's library, the user's own files, and generated tasks.

Generated tasks are drawn from a seed of their own (the knob `seed`), not from the run's: the runs of a
study differ in their weights and batches, and learn from the same data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from partwise.data import Split
from partwise.parts import DataPart, DataSite

if TYPE_CHECKING:
    from .drawing import GeneratedTask
    from .grammar import GrammarText
    from .library import LibraryText
    from .modular import ModularAddition
    from .pair_files import PairFiles
    from .text_files import TextFiles

Share = Annotated[float, Field(ge=0, lt=1)]
FileNames = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
Symbols = Annotated[str, Field(min_length=2)]

SAMPLES = Path(__file__).parent / "samples"
"""Small files for trying the parts that read files."""


class SharedOut(DataPart):
    """What the parts have in common that divide given texts into splits."""

    valid: Share = 0.05
    """Fraction held out to validate on."""
    test: Share = 0.05
    """Fraction held out to test on."""

    @model_validator(mode="after")
    def _leave_some_to_train_on(self) -> Self:
        if self.valid + self.test >= 1:
            raise ValueError(
                f"valid {self.valid} and test {self.test} leave nothing to train on; together, less than 1"
            )
        return self


class Library(SharedOut):
    """The text of Python's own standard library: real text, on every machine, without network or file."""

    name = "library"
    text: Literal["prose", "source"] = "prose"
    """prose: the docstrings, about 1.5 million characters. source: the source files, about 8 million."""

    def build(self, site: DataSite) -> LibraryText:
        from .library import LibraryText
        from .splits import Shares

        return LibraryText(self.text, Shares(self.valid, self.test))

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls()
        yield cls(text="source", valid=0.02, test=0.01)


class Text(SharedOut):
    """Text files, of any size: UTF-8, each one running text, whose end is held out."""

    name = "text"
    known_failures: ClassVar[Mapping[str, str]] = {
        "every_knob_makes_a_difference[files]": "its examples read the one text that comes with it",
    }
    files: FileNames
    """Names or globs (`**` for any depth), relative to the recipe's directory."""

    def build(self, site: DataSite) -> TextFiles:
        from .files import find_files
        from .splits import Shares
        from .text_files import TextFiles

        return TextFiles(find_files(self.files, site.directory), Shares(self.valid, self.test))

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(files=(str(SAMPLES / "fables.txt"),), valid=0.2, test=0.1)


class Pairs(SharedOut):
    """Pairs of source and target from files: tab-separated, or JSON lines with the keys "source" and "target"."""

    name = "pairs"
    known_failures: ClassVar[Mapping[str, str]] = {
        "every_knob_makes_a_difference[files]": "its examples read the one file of pairs that comes with it",
        "splits_share_nothing[1]": "the example names one file to validate and to test on, as a user may",
    }
    files: FileNames
    """Names or globs, relative to the recipe's directory."""
    format: Literal["tsv", "jsonl"] | None = None
    """How the files are written; null: as their suffix says (.tsv, .tab, .jsonl, .ndjson)."""
    valid_files: tuple[str, ...] = ()
    """Files to validate on; if any are named, none of `files` is held out for it, whatever `valid` says."""
    test_files: tuple[str, ...] = ()
    """Files to test on; if any are named, none of `files` is held out for it, whatever `test` says."""

    def build(self, site: DataSite) -> PairFiles:
        from .files import find_files
        from .pair_files import PairFiles
        from .splits import Shares

        shares = Shares(0 if self.valid_files else self.valid, 0 if self.test_files else self.test)
        own_files: dict[Split, tuple[Path, ...]] = {
            "valid": find_files(self.valid_files, site.directory),
            "test": find_files(self.test_files, site.directory),
        }
        return PairFiles(find_files(self.files, site.directory), shares, own_files, self.format)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        tsv, jsonl = str(SAMPLES / "plurals.tsv"), str(SAMPLES / "plurals.jsonl")
        yield cls(files=(tsv,), format="tsv", valid=0.2, test=0.1)
        yield cls(files=(tsv,), valid_files=(jsonl,), test_files=(jsonl,))


class Generated(DataPart):
    """What the generated tasks have in common. Sources are all different, within a split and between splits."""

    size: PositiveInt = 20_000
    """Examples to train on."""
    valid: NonNegativeInt = 1_000
    """Examples to validate on."""
    test: NonNegativeInt = 1_000
    """Examples to test on."""
    seed: NonNegativeInt = 0
    """Draws the examples."""


class Dates(Generated):
    """Dates in three dozen ways people write them, to be put into ISO form: the classic alignment task."""

    name = "dates"
    first_year: Annotated[int, Field(ge=1000, le=9998)] = 1900
    """Earliest year."""
    last_year: Annotated[int, Field(ge=1000, le=9998)] = 2099
    """Latest year."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.first_year > self.last_year:
            raise ValueError(f"first_year {self.first_year} comes after last_year {self.last_year}")
        return self

    def build(self, site: DataSite) -> GeneratedTask:
        from .dates import WrittenDates
        from .drawing import GeneratedTask, Sizes

        task = WrittenDates(self.first_year, self.last_year)
        return GeneratedTask(task, Sizes(self.size, self.valid, self.test), self.seed)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(size=50, valid=10, test=10)
        yield cls(size=50, valid=20, test=20, seed=1, first_year=1700, last_year=1750)


class OfStrings(Generated):
    """What the tasks on strings have in common."""

    alphabet: Symbols = "abcdefghijklmnopqrstuvwxyz"
    """The symbols, each a different character; `sort` sorts by their order here."""
    min_length: PositiveInt = 4
    """Fewest symbols of a source."""
    max_length: PositiveInt = 12
    """Most symbols of a source."""
    separator: str = ""
    """What stands between symbols: nothing for a character tokenizer, a space for one of words."""

    @model_validator(mode="after")
    def _can_be_drawn(self) -> Self:
        twice = sorted({symbol for symbol in self.alphabet if self.alphabet.count(symbol) > 1})
        if twice:
            raise ValueError(f"alphabet holds {', '.join(map(repr, twice))} more than once")
        if self.separator and self.separator in self.alphabet:
            raise ValueError(f"separator {self.separator!r} is also in the alphabet")
        if self.min_length > self.max_length:
            raise ValueError(f"min_length {self.min_length} is greater than max_length {self.max_length}")
        return self

    def _task(self, rule: Literal["copy", "reverse", "sort"]) -> GeneratedTask:
        from .drawing import GeneratedTask, Sizes
        from .strings import Strings

        task = Strings(rule, self.alphabet, self.min_length, self.max_length, self.separator)
        return GeneratedTask(task, Sizes(self.size, self.valid, self.test), self.seed)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(size=50, valid=10, test=10)
        yield cls(size=50, valid=20, test=20, seed=1, alphabet="9876543210", min_length=3, max_length=6, separator=" ")


class Copy(OfStrings):
    """Strings to be written again as they are."""

    name = "copy"

    def build(self, site: DataSite) -> GeneratedTask:
        return self._task("copy")


class Reverse(OfStrings):
    """Strings to be written backwards."""

    name = "reverse"

    def build(self, site: DataSite) -> GeneratedTask:
        return self._task("reverse")


class Sort(OfStrings):
    """Strings whose symbols are to be put in order."""

    name = "sort"

    def build(self, site: DataSite) -> GeneratedTask:
        return self._task("sort")


class Recall(Generated):
    """Multi-query associative recall (Arora et al. 2023): keys with values, then keys whose value is asked for."""

    name = "recall"
    pairs: PositiveInt = 8
    """Keys with a value in each example."""
    queries: PositiveInt = 4
    """Keys asked for in each example; only their values are scored."""
    distinct_keys: Annotated[int, Field(ge=1, le=4096)] = 26
    """Keys there are: A to Z, and beyond 26, Chinese characters."""
    distinct_values: Annotated[int, Field(ge=2, le=4096)] = 26
    """Values there are: a to z, and beyond 26, Korean characters."""
    separator: str = ""
    """What stands between symbols: nothing for a character tokenizer, a space for one of words."""

    @model_validator(mode="after")
    def _has_answers(self) -> Self:
        if not self.queries <= self.pairs <= self.distinct_keys:
            raise ValueError(
                f"queries {self.queries}, pairs {self.pairs}, distinct_keys {self.distinct_keys}: "
                "no more queries than pairs, and no more pairs than distinct_keys"
            )
        return self

    def build(self, site: DataSite) -> GeneratedTask:
        from .drawing import GeneratedTask, Sizes
        from .recall import Recall as Task

        task = Task(self.pairs, self.queries, self.distinct_keys, self.distinct_values, self.separator)
        return GeneratedTask(task, Sizes(self.size, self.valid, self.test), self.seed)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(size=50, valid=10, test=10)
        yield cls(
            size=50, valid=20, test=20, seed=1, pairs=3, queries=2, distinct_keys=30, distinct_values=40, separator=" "
        )


class AddingProblem(Generated):
    """Digits, two of them marked, and their sum: what a recurrence can carry (Hochreiter & Schmidhuber 1997).

    Every digit is one symbol of one character, for the tokenizer char; to others all digits may be one word.
    """

    name = "adding"
    length: Annotated[int, Field(ge=4, le=10_000)] = 50
    """Digits in each example; one is marked in each of the first two quarters."""

    def build(self, site: DataSite) -> GeneratedTask:
        from .adding import Adding
        from .drawing import GeneratedTask, Sizes

        return GeneratedTask(Adding(self.length), Sizes(self.size, self.valid, self.test), self.seed)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(size=50, valid=10, test=10, length=6)
        yield cls(size=50, valid=20, test=20, seed=1, length=9)


class Modular(SharedOut):
    """All sums modulo a number, on which networks grok: right on those held out, but late (Power et al. 2022)."""

    name = "modular_addition"
    modulus: Annotated[int, Field(ge=2, le=500)] = 97
    """p: there are p^2 sums, of numbers that are one symbol each."""
    valid: Share = 0.5
    """Fraction held out to validate on: the more, the later a network groks."""
    test: Share = 0.0
    """Fraction held out to test on."""
    seed: NonNegativeInt = 0
    """Deals the sums out."""

    def build(self, site: DataSite) -> ModularAddition:
        from .modular import ModularAddition
        from .splits import Shares

        return ModularAddition(self.modulus, Shares(self.valid, self.test), self.seed)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(modulus=11, test=0.1)
        yield cls(modulus=13, valid=0.2, test=0.2, seed=1)


class Grammar(DataPart):
    """Sentences of a probabilistic grammar whose exact entropy is known: a loss becomes a distance to the floor."""

    name = "grammar"
    relative: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Probability that a noun carries a relative clause: how deep sentences nest."""
    words: Annotated[int, Field(ge=1, le=20)] = 12
    """Nouns, transitive verbs and intransitive verbs, of each."""
    skew: NonNegativeFloat = 1.0
    """The k-th most frequent word of a class has a probability in proportion to k^-skew."""
    size: PositiveInt = 1_000_000
    """Characters to train on, rounded up to a whole sentence."""
    valid: NonNegativeInt = 100_000
    """Characters to validate on."""
    test: NonNegativeInt = 100_000
    """Characters to test on."""
    seed: NonNegativeInt = 0
    """Draws the sentences."""

    def build(self, site: DataSite) -> GrammarText:
        from .drawing import Sizes
        from .grammar import GrammarText

        return GrammarText(self.relative, self.words, self.skew, Sizes(self.size, self.valid, self.test), self.seed)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(size=2_000, valid=500, test=500)
        yield cls(size=3_000, valid=600, test=700, relative=0.1, words=5, skew=0.5, seed=1)


PARTS = (Library, Text, Pairs, Dates, Copy, Reverse, Sort, Recall, AddingProblem, Modular, Grammar)
