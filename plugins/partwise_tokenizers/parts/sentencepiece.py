"""Pieces of raw text, by SentencePiece."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt

from partwise.parts import TokenizerPart, TokenizerSite

from .shared import SAMPLES

if TYPE_CHECKING:
    from partwise_tokenizers.public_pieces import PublicPieces
    from partwise_tokenizers.sentencepiece_model import SentencePieceTokenizer


class SentencePiece(TokenizerPart):
    """Pieces of raw text, by byte pairs or a unigram model (Kudo & Richardson 2018), trained or from a file."""

    name = "sentencepiece"
    model_type: Literal["bpe", "unigram"] = "unigram"
    """How pieces are found: bpe merges from the bottom up, unigram prunes to the most likely from the top down."""
    vocab_size: Annotated[int, Field(ge=5)] = 8000
    """Number of ids, including the end token and, with `byte_fallback`, the 256 bytes."""
    byte_fallback: bool = True
    """Whether rare characters are spelled in bytes; otherwise they are unknown."""
    character_coverage: Annotated[float, Field(ge=0.98, le=1)] = 0.9995
    """Share of the characters in the training texts that is covered by single-character pieces; the rest is rare."""
    learn_from: PositiveInt | None = 30_000_000
    """Bytes of text to learn from. Of more, the texts (or pieces of long ones) of least SHA-256; null: all."""
    file: str | None = None
    """Path of a `.model` file, relative to the recipe's directory; the other knobs then have no effect."""

    def build(self, site: TokenizerSite) -> SentencePieceTokenizer:
        from partwise.data import sampled_texts
        from partwise_tokenizers.sentencepiece_model import read_model
        from partwise_tokenizers.sentencepiece_training import train_sentencepiece

        if self.file is not None:
            return read_model(site.directory / self.file)
        texts = sampled_texts(site.texts, self.learn_from, site.say)
        return train_sentencepiece(texts, self.model_type, self.vocab_size, self.byte_fallback, self.character_coverage)

    def restore(self, saved: dict[str, Any]) -> SentencePieceTokenizer:
        from partwise_tokenizers.sentencepiece_model import SentencePieceTokenizer

        return SentencePieceTokenizer.from_json(saved)

    def learns(self) -> bool:
        return self.file is None

    def planned_vocabulary(self) -> int | None:
        return self.vocab_size if self.file is None else None

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(model_type="bpe", vocab_size=320)
        yield cls(vocab_size=50, byte_fallback=False, character_coverage=0.98, learn_from=1000)
        yield cls(file=str(SAMPLES / "small.model"))


class SentencePieceModel(TokenizerPart):
    """Pieces of a public checkpoint (Kudo & Richardson 2018): its `tokenizer.model`, as of Llama 2, Gemma or T5.

    Ids are those of the SentencePiece library. What begins and ends texts, and which special tokens are added, is in
    the files beside it: tokenizer_config.json, added_tokens.json, generation_config.json, config.json.
    """

    name = "sentencepiece_model"
    known_failures: ClassVar[Mapping[str, str]] = {
        "every_knob_makes_a_difference[file]": "its examples read the one file that comes with it",
    }
    file: str = "tokenizer.model"
    """Path of the file, relative to the recipe's directory."""
    end: NonNegativeInt | None = None
    """Id of the special token that ends a text. null: as the files beside it say, or the model's own."""
    vocab_size: PositiveInt | None = None
    """Number of ids, some of which may stand for nothing. null: as many as the files name."""

    def build(self, site: TokenizerSite) -> PublicPieces:
        from partwise_tokenizers.public_pieces import read_pieces

        return read_pieces(site.directory / self.file, self.end, self.vocab_size)

    def restore(self, saved: dict[str, Any]) -> PublicPieces:
        from partwise_tokenizers.public_pieces import PublicPieces

        return PublicPieces.from_json(saved)

    def learns(self) -> bool:
        return False

    def planned_vocabulary(self) -> int | None:
        return self.vocab_size

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(file=str(SAMPLES / "public.model"))
        yield cls(file=str(SAMPLES / "public.model"), end=1, vocab_size=430)
