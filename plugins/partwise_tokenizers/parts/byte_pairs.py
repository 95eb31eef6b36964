"""Byte-level byte pairs: trained on the recipe's texts, or those of public models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from partwise import PartError
from partwise.parts import TokenizerPart, TokenizerSite

from .shared import NO_TEXT, SAMPLES

if TYPE_CHECKING:
    from partwise.data import Tokenizer
    from partwise_tokenizers.bpe import BytePairTokenizer

Pattern = Literal["gpt2", "cl100k", "llama3", "qwen2", "o200k", "digits", "none"]


class BytePairs(TokenizerPart):
    """Base of the byte-level byte pairs, wherever their merges come from."""

    def restore(self, saved: dict[str, Any]) -> Tokenizer:
        from partwise_tokenizers.bpe import BytePairTokenizer

        return BytePairTokenizer.from_json(saved)


class Bpe(BytePairs):
    """Byte-level byte pairs, trained on the recipe's own texts (Sennrich et al. 2016; Radford et al. 2019)."""

    name = "bpe"
    vocab_size: Annotated[int, Field(ge=257)] = 8192
    """Most ids: 256 bytes, the merges and the end token. Short texts may have fewer pairs to merge."""
    pattern: Pattern = "gpt2"
    """How texts are split into pre-tokens, which no token crosses: as the named model does, or "none" for no split."""
    min_count: PositiveInt = 2
    """Times a pair must occur in the training texts to be merged."""
    learn_from: PositiveInt | None = 100_000_000
    """Bytes of text to learn from. Of more, the texts (or pieces of long ones) of least SHA-256; null: all."""

    def build(self, site: TokenizerSite) -> BytePairTokenizer:
        from partwise.data import sampled_texts
        from partwise_tokenizers.bpe import BYTES, BytePairTokenizer
        from partwise_tokenizers.bpe_training import train_bpe

        texts = sampled_texts(site.texts, self.learn_from, site.say)
        merged = train_bpe(texts, self.vocab_size, self.pattern, self.min_count)
        if not merged and not any(site.texts()):
            raise PartError(NO_TEXT)
        return BytePairTokenizer([*BYTES, *merged], self.pattern)

    def planned_vocabulary(self) -> int:
        return self.vocab_size

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(vocab_size=300)
        yield cls(vocab_size=280, pattern="o200k", min_count=5, learn_from=1000)


class Tiktoken(BytePairs):
    """Byte pairs of a public model (Radford et al. 2019): an encoding that tiktoken knows, or a file of ranks."""

    name = "tiktoken"
    known_failures: ClassVar[Mapping[str, str]] = {
        "its_examples_cover_every_knob": "a named encoding would have to be downloaded",
        "every_knob_makes_a_difference[encoding]": "a named encoding would have to be downloaded",
        "every_knob_makes_a_difference[ranks]": "its example reads the one file of ranks that comes with it",
    }
    encoding: Literal["gpt2", "r50k_base", "p50k_base", "cl100k_base", "o200k_base"] | None = None
    """Name of a public encoding; its ranks are downloaded on first use."""
    ranks: str | None = None
    """Path of a `.tiktoken` file of ranks, in place of `encoding`; relative to the recipe's directory."""
    pattern: Pattern | None = None
    """How texts are split into pre-tokens, which no token crosses. Goes with `ranks`; a named encoding has its own."""

    @model_validator(mode="after")
    def _either_name_or_file(self) -> Self:
        if (self.encoding is None) == (self.ranks is None):
            raise ValueError('give either "encoding", such as "gpt2", or "ranks", the path of a .tiktoken file')
        if (self.pattern is None) != (self.ranks is None):
            raise ValueError('"pattern" goes with "ranks": give both, or "encoding" alone')
        return self

    def build(self, site: TokenizerSite) -> BytePairTokenizer:
        from partwise_tokenizers.bpe import BytePairTokenizer
        from partwise_tokenizers.patterns import ENCODINGS
        from partwise_tokenizers.tiktoken_ranks import named_ranks, read_ranks

        if self.encoding is not None:
            pattern, _ = ENCODINGS[self.encoding]
            return BytePairTokenizer(named_ranks(self.encoding), pattern)
        assert self.ranks is not None
        assert self.pattern is not None
        return BytePairTokenizer(read_ranks(site.directory / self.ranks), self.pattern)

    def learns(self) -> bool:
        return False

    def planned_vocabulary(self) -> int | None:
        from partwise_tokenizers.patterns import ENCODINGS

        return None if self.encoding is None else ENCODINGS[self.encoding][1] + 1

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(ranks=str(SAMPLES / "small.tiktoken"), pattern="cl100k")


class TokenizerJson(BytePairs):
    """Tokens of a public checkpoint (Radford et al. 2019): its `tokenizer.json`, as of GPT-2, Llama 3 or Qwen.

    Byte-level pairs are read without further ado, all else by Hugging Face's own library (`partwise[tokenizers]`).
    What begins and ends texts is in the files beside it: tokenizer_config.json, generation_config.json, config.json.
    """

    name = "tokenizer_json"
    known_failures: ClassVar[Mapping[str, str]] = {
        "every_knob_makes_a_difference[file]": "its examples read the one file that comes with it",
    }
    file: str = "tokenizer.json"
    """Path of the file, relative to the recipe's directory."""
    end: NonNegativeInt | None = None
    """Id of the special token that ends a text. null: as the files beside it say."""
    vocab_size: PositiveInt | None = None
    """Number of ids, some of which may stand for nothing. null: as many as the file has."""

    def build(self, site: TokenizerSite) -> Tokenizer:
        from partwise_tokenizers.library import read_by_library
        from partwise_tokenizers.merging import OtherPipelineError
        from partwise_tokenizers.settings_beside import with_settings
        from partwise_tokenizers.tokenizer_json import read_content, read_tokenizer_json

        path = site.directory / self.file
        content = with_settings(path, read_content(path))
        try:
            return read_tokenizer_json(path, content, self.end, self.vocab_size)
        except OtherPipelineError as reason:
            return read_by_library(path, content, self.end, self.vocab_size, reason)

    def restore(self, saved: dict[str, Any]) -> Tokenizer:
        from partwise_tokenizers.library import LibraryTokenizer

        if isinstance(saved, dict) and "library" in saved:
            return LibraryTokenizer.from_json(saved)
        return super().restore(saved)

    def learns(self) -> bool:
        return False

    def planned_vocabulary(self) -> int | None:
        return self.vocab_size

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(file=str(SAMPLES / "small-tokenizer.json"))
        yield cls(file=str(SAMPLES / "small-tokenizer.json"), end=300, vocab_size=320)
