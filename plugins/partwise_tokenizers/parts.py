"""The built-in tokenizers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from partwise import PartError
from partwise.parts import TokenizerPart, TokenizerSite

if TYPE_CHECKING:
    from .bpe import BytePairTokenizer
    from .char import CharTokenizer
    from .sentencepiece_model import SentencePieceTokenizer
    from .word import WordTokenizer

Pattern = Literal["gpt2", "cl100k", "llama3", "qwen2", "o200k", "none"]
SAMPLES = Path(__file__).parent / "samples"

_NOTHING = "there is no text to train on: the training split is empty"


class Char(TokenizerPart):
    """Characters: one id per character of the training texts, and `<unk>`."""

    name = "char"

    def build(self, site: TokenizerSite) -> CharTokenizer:
        from .char import CharTokenizer, characters_of

        characters = characters_of(site.texts())
        if not characters:
            raise PartError(_NOTHING)
        return CharTokenizer(characters)

    def restore(self, saved: dict[str, Any]) -> CharTokenizer:
        from .char import CharTokenizer

        return CharTokenizer.from_json(saved)


class Word(TokenizerPart):
    """Words, numbers and punctuation marks; the frequent ones have ids, the others are `<unk>`."""

    name = "word"
    vocab_size: Annotated[int, Field(ge=3)] = 10_000
    """Most ids there may be, `<unk>` and the end token included; the most frequent words get them."""
    min_count: PositiveInt = 2
    """Times a word must occur in the training texts to get an id; from 2 on, `<unk>` is learned too."""
    lowercase: bool = False
    """Whether capitals become small letters first."""
    newlines: bool = True
    """Whether a newline is a token; otherwise it is lost like other white space."""

    def build(self, site: TokenizerSite) -> WordTokenizer:
        from .word import WordTokenizer, count_words, frequent_words

        counts = count_words(site.texts(), self.lowercase, self.newlines)
        words = frequent_words(counts, self.vocab_size - 2, self.min_count)
        if not words:
            most = max(counts.values(), default=0)
            raise PartError(f"no word occurs {self.min_count} times; lower min_count to {most}" if most else _NOTHING)
        return WordTokenizer(words, self.lowercase, self.newlines)

    def restore(self, saved: dict[str, Any]) -> WordTokenizer:
        from .word import WordTokenizer

        return WordTokenizer.from_json(saved)

    def planned_vocabulary(self) -> int:
        return self.vocab_size

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls()
        yield cls(vocab_size=40, min_count=1, lowercase=True, newlines=False)


class Bpe(TokenizerPart):
    """Byte-level byte pairs, trained here on the recipe's texts (Sennrich et al. 2016, Radford et al. 2019)."""

    name = "bpe"
    vocab_size: Annotated[int, Field(ge=257)] = 8192
    """Most ids there may be: 256 bytes, the merges, the end token. Short texts may have fewer pairs to merge."""
    pattern: Pattern = "gpt2"
    """How a text is cut into stretches that no token crosses: as the model named does, or "none", not at all."""
    min_count: PositiveInt = 2
    """Times a pair must occur in the training texts to be merged."""

    def build(self, site: TokenizerSite) -> BytePairTokenizer:
        from .bpe import BYTES, BytePairTokenizer
        from .bpe_training import train_bpe

        merged = train_bpe(site.texts(), self.vocab_size, self.pattern, self.min_count)
        if not merged and not any(site.texts()):
            raise PartError(_NOTHING)
        return BytePairTokenizer([*BYTES, *merged], self.pattern)

    def restore(self, saved: dict[str, Any]) -> BytePairTokenizer:
        from .bpe import BytePairTokenizer

        return BytePairTokenizer.from_json(saved)

    def planned_vocabulary(self) -> int:
        return self.vocab_size

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(vocab_size=300)
        yield cls(vocab_size=280, pattern="o200k", min_count=5)


class Tiktoken(TokenizerPart):
    """Byte pairs of a public model: an encoding that tiktoken knows by name, or a file of ranks."""

    name = "tiktoken"
    known_failures: ClassVar[Mapping[str, str]] = {
        "its_examples_cover_every_knob": "its ranks would have to be downloaded when an encoding is named",
        "every_knob_makes_a_difference[encoding]": "its ranks would have to be downloaded",
        "every_knob_makes_a_difference[ranks]": "its example reads the one file of ranks that comes with it",
    }
    encoding: Literal["gpt2", "r50k_base", "p50k_base", "cl100k_base", "o200k_base"] | None = None
    """Name of a public encoding; its ranks are downloaded on first use."""
    ranks: str | None = None
    """Path of a `.tiktoken` file of ranks, in place of a name; relative to the recipe's directory."""
    pattern: Pattern | None = None
    """How a text is cut into stretches that no token crosses; goes with `ranks`, a named encoding has its own."""

    @model_validator(mode="after")
    def _either_name_or_file(self) -> Self:
        if (self.encoding is None) == (self.ranks is None):
            raise ValueError('give either "encoding", such as "gpt2", or "ranks", the path of a .tiktoken file')
        if (self.pattern is None) != (self.ranks is None):
            raise ValueError('"pattern" goes with "ranks": give both, or "encoding" alone')
        return self

    def build(self, site: TokenizerSite) -> BytePairTokenizer:
        from .bpe import BytePairTokenizer
        from .patterns import ENCODINGS
        from .tiktoken_ranks import named_ranks, read_ranks

        if self.encoding is not None:
            pattern, _ = ENCODINGS[self.encoding]
            return BytePairTokenizer(named_ranks(self.encoding), pattern)
        assert self.ranks is not None
        assert self.pattern is not None
        return BytePairTokenizer(read_ranks(site.directory / self.ranks), self.pattern)

    def restore(self, saved: dict[str, Any]) -> BytePairTokenizer:
        from .bpe import BytePairTokenizer

        return BytePairTokenizer.from_json(saved)

    def learns(self) -> bool:
        return False

    def planned_vocabulary(self) -> int | None:
        from .patterns import ENCODINGS

        return None if self.encoding is None else ENCODINGS[self.encoding][1] + 1

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(ranks=str(SAMPLES / "small.tiktoken"), pattern="cl100k")


class TokenizerJson(TokenizerPart):
    """Byte pairs of a public checkpoint: the `tokenizer.json` beside its weights (GPT-2, Llama 3, Qwen)."""

    name = "tokenizer_json"
    known_failures: ClassVar[Mapping[str, str]] = {
        "every_knob_makes_a_difference[file]": "its examples read the one file that comes with it",
    }
    file: str = "tokenizer.json"
    """Path of the file; relative to the recipe's directory."""
    end: NonNegativeInt | None = None
    """Id of the token that ends a text. null: the file's last special token."""
    vocab_size: PositiveInt | None = None
    """Number of ids, of which some may stand for nothing. null: as many as the file has."""

    def build(self, site: TokenizerSite) -> BytePairTokenizer:
        from .tokenizer_json import read_tokenizer_json

        return read_tokenizer_json(site.directory / self.file, self.end, self.vocab_size)

    def restore(self, saved: dict[str, Any]) -> BytePairTokenizer:
        from .bpe import BytePairTokenizer

        return BytePairTokenizer.from_json(saved)

    def learns(self) -> bool:
        return False

    def planned_vocabulary(self) -> int | None:
        return self.vocab_size

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(file=str(SAMPLES / "small-tokenizer.json"))
        yield cls(file=str(SAMPLES / "small-tokenizer.json"), end=300, vocab_size=320)


class SentencePiece(TokenizerPart):
    """Pieces of raw text, by byte pairs or a unigram model (Kudo and Richardson 2018), trained here or from a file."""

    name = "sentencepiece"
    model_type: Literal["bpe", "unigram"] = "unigram"
    """How pieces are found: merged bottom-up, or pruned top-down to the most likely."""
    vocab_size: Annotated[int, Field(ge=5)] = 8000
    """Number of ids, the end token and with `byte_fallback` the 256 bytes included."""
    byte_fallback: bool = True
    """Whether rare characters are spelled in bytes; otherwise they are unknown."""
    character_coverage: Annotated[float, Field(ge=0.98, le=1)] = 0.9995
    """Share of the training texts that is written in characters with a piece of their own."""
    file: str | None = None
    """Path of a `.model` file to be used as it is, whatever the other knobs; relative to the recipe's directory."""

    def build(self, site: TokenizerSite) -> SentencePieceTokenizer:
        from .sentencepiece_model import read_model
        from .sentencepiece_training import train_sentencepiece

        if self.file is not None:
            return read_model(site.directory / self.file)
        return train_sentencepiece(
            site.texts(), self.model_type, self.vocab_size, self.byte_fallback, self.character_coverage
        )

    def restore(self, saved: dict[str, Any]) -> SentencePieceTokenizer:
        from .sentencepiece_model import SentencePieceTokenizer

        return SentencePieceTokenizer.from_json(saved)

    def learns(self) -> bool:
        return self.file is None

    def planned_vocabulary(self) -> int | None:
        return self.vocab_size if self.file is None else None

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(model_type="bpe", vocab_size=320)
        yield cls(vocab_size=60, byte_fallback=False, character_coverage=0.98)
        yield cls(file=str(SAMPLES / "small.model"))


PARTS = (Char, Word, Bpe, Tiktoken, TokenizerJson, SentencePiece)
