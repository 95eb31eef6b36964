"""Texts that exist already: those of Python's library, and those in the user's own files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, PositiveInt

from partwise.parts import DataSite

from .shared import SAMPLES, HeldOut

if TYPE_CHECKING:
    from partwise_data.library import LibraryText
    from partwise_data.pair_files import PairFiles
    from partwise_data.text_files import TextFiles

FileNames = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]


class Library(HeldOut):
    """The text of Python's own standard library: real text on every machine, without a download."""

    name = "library"
    text: Literal["prose", "source"] = "prose"
    """prose: the docstrings, about 1.5 million characters. source: the source files, about 8 million."""

    def build(self, site: DataSite) -> LibraryText:
        from partwise_data.library import LibraryText
        from partwise_data.splits import Shares

        return LibraryText(self.text, Shares(self.valid, self.test))

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls()
        yield cls(text="source", valid=0.02, test=0.01)


class Text(HeldOut):
    """Documents from text files, JSON lines, Parquet and CSV, also compressed; each document is in one split.

    A file is a document, unless there is a `separator`; so is each line of .jsonl and .ndjson, and each row of .csv,
    .tsv and .parquet. Each may also end in .gz or .zst. Any other suffix is that of a text file, in UTF-8. Parquet and
    .zst need `pip install 'partwise[corpora]'`.
    """

    name = "text"
    files: FileNames
    """Names or globs (`**` for any depth), relative to the recipe's directory."""
    field: Annotated[str, Field(min_length=1)] = "text"
    """In JSON lines, the key of the text; in Parquet and CSV, the name of its column."""
    separator: Annotated[str, Field(min_length=1)] | None = None
    """In text files, what stands between documents: "<|endoftext|>", or "\\n" for one per line; line breaks around it
    belong to neither. null: a file is a document."""
    valid_files: tuple[str, ...] = ()
    """Files to validate on, in place of a share of `files`: if there are any, `valid` has no effect."""
    test_files: tuple[str, ...] = ()
    """Files to test on, in place of a share of `files`: if there are any, `test` has no effect."""
    cut_above: PositiveInt = 1_000_000
    """Bytes above which a document is not put into one split but cut: its end is held out. The only one always is."""

    def build(self, site: DataSite) -> TextFiles:
        from partwise_data.chosen_files import chosen_files
        from partwise_data.splits import Shares
        from partwise_data.text_files import TextFiles

        files, own_files = chosen_files(self.files, self.valid_files, self.test_files, site.directory)
        shares = Shares(0 if self.valid_files else self.valid, 0 if self.test_files else self.test)
        return TextFiles(files, shares, own_files, self.field, self.separator, self.cut_above)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        text, lines = str(SAMPLES / "fables.txt"), str(SAMPLES / "proverbs.jsonl")
        yield cls(files=(text,), valid=0.2, test=0.1)
        yield cls(files=(text, lines), field="proverb", valid=0.3, test=0.2, cut_above=100)
        yield cls(files=(lines,), field="proverb", valid_files=(text,), test=0.2)
        yield cls(files=(lines,), field="proverb", test_files=(text,), valid=0.2)
        yield cls(files=(text,), separator="\n\n", valid=0.2, test=0.2)


class Pairs(HeldOut):
    """Pairs of source and target from files: tab-separated, or JSON lines with the keys "source" and "target".

    Each file may also end in .gz or .zst.
    """

    name = "pairs"
    known_failures: ClassVar[Mapping[str, str]] = {
        "every_knob_makes_a_difference[files]": "its examples read the one file of pairs that comes with it",
        "splits_share_nothing[1]": "the example names one file to validate and to test on, as a user may",
    }
    files: FileNames
    """Names or globs, relative to the recipe's directory."""
    format: Literal["tsv", "jsonl"] | None = None
    """How the files are written; null: as their suffixes say (.tsv, .tab, .jsonl, .ndjson)."""
    valid_files: tuple[str, ...] = ()
    """Files to validate on, in place of a share of `files`: if there are any, `valid` has no effect."""
    test_files: tuple[str, ...] = ()
    """Files to test on, in place of a share of `files`: if there are any, `test` has no effect."""

    def build(self, site: DataSite) -> PairFiles:
        from partwise_data.chosen_files import chosen_files
        from partwise_data.pair_files import PairFiles
        from partwise_data.splits import Shares

        shares = Shares(0 if self.valid_files else self.valid, 0 if self.test_files else self.test)
        files, own_files = chosen_files(self.files, self.valid_files, self.test_files, site.directory)
        return PairFiles(files, shares, own_files, self.format)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        tsv, jsonl = str(SAMPLES / "plurals.tsv"), str(SAMPLES / "plurals.jsonl")
        yield cls(files=(tsv,), format="tsv", valid=0.2, test=0.1)
        yield cls(files=(tsv,), valid_files=(jsonl,), test_files=(jsonl,))
