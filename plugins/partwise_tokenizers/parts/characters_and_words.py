"""Tokens that are characters or words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, PositiveInt

from partwise import PartError
from partwise.parts import TokenizerPart, TokenizerSite

from .shared import NO_TEXT

if TYPE_CHECKING:
    from partwise_tokenizers.char import CharTokenizer
    from partwise_tokenizers.word import WordTokenizer


class Char(TokenizerPart):
    """Characters: one id per character of the training texts, and `<unk>` (Sutskever et al. 2011)."""

    name = "char"

    def build(self, site: TokenizerSite) -> CharTokenizer:
        from partwise_tokenizers.char import CharTokenizer, characters_of

        characters = characters_of(site.texts())
        if not characters:
            raise PartError(NO_TEXT)
        return CharTokenizer(characters)

    def restore(self, saved: dict[str, Any]) -> CharTokenizer:
        from partwise_tokenizers.char import CharTokenizer

        return CharTokenizer.from_json(saved)


class Word(TokenizerPart):
    """Words, numbers and punctuation; the frequent ones have ids, the others are `<unk>` (Bengio et al. 2003)."""

    name = "word"
    vocab_size: Annotated[int, Field(ge=3)] = 10_000
    """Most ids, `<unk>` and the end token included; the most frequent words get them."""
    min_count: PositiveInt = 2
    """Times a word must occur in the training texts to get an id; above 1, `<unk>` is trained as well."""
    lowercase: bool = False
    """Whether texts are put into lower case first."""
    newlines: bool = True
    """Whether a newline is a token; if not, it is lost like other white space."""
    learn_from: PositiveInt | None = 100_000_000
    """Bytes of text to learn from. Of more, the texts (or pieces of long ones) of least SHA-256; null: all."""

    def build(self, site: TokenizerSite) -> WordTokenizer:
        from partwise.data import sampled_texts
        from partwise_tokenizers.word import WordTokenizer, count_words, frequent_words

        texts = sampled_texts(site.texts, self.learn_from, site.say)
        counts = count_words(texts, self.lowercase, self.newlines)
        words = frequent_words(counts, self.vocab_size - 2, self.min_count)
        if not words:
            most = max(counts.values(), default=0)
            raise PartError(f"no word occurs {self.min_count} times; lower min_count to {most}" if most else NO_TEXT)
        return WordTokenizer(words, self.lowercase, self.newlines)

    def restore(self, saved: dict[str, Any]) -> WordTokenizer:
        from partwise_tokenizers.word import WordTokenizer

        return WordTokenizer.from_json(saved)

    def planned_vocabulary(self) -> int:
        return self.vocab_size

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls()
        yield cls(vocab_size=40, min_count=1, lowercase=True, newlines=False, learn_from=1000)
