"""What the tests of tokenizers share: a small corpus, one tokenizer of each make, and texts that are hard on them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from hypothesis import strategies as st

from partwise.data import Tokenizer
from partwise.parts import TokenizerPart, TokenizerSite
from partwise_tokenizers import parts

PROSE = """The quick brown fox, it's said, jumps over 13 lazy dogs; the dogs don't.
\tAnd so on: "The other foxes", they say, "do not jump over a dog (or 1,000.5 dogs) at the rivers".

    Neither do naïve foxes \N{EM DASH} nor \N{CJK UNIFIED IDEOGRAPH-72D0}, nor 🦊.
"""
CORPUS = (PROSE * 3, PROSE.upper(), "newer lower wider " * 10)


def site(texts: Iterable[str] = CORPUS, directory: Path | None = None) -> TokenizerSite:
    """A site with these texts."""
    texts = tuple(texts)
    return TokenizerSite(lambda: iter(texts), directory or Path())


MAKES: dict[str, TokenizerPart] = {
    "char": parts.Char(),
    "word": parts.Word(min_count=1),
    "word-plain": parts.Word(min_count=1, newlines=False, lowercase=True, vocab_size=20),
    "bpe": parts.Bpe(vocab_size=400),
    "bpe-whole": parts.Bpe(vocab_size=300, pattern="none"),
    "tiktoken": parts.Tiktoken(ranks=str(parts.SAMPLES / "small.tiktoken"), pattern="o200k"),
    "sentencepiece-bpe": parts.SentencePiece(model_type="bpe", vocab_size=360),
    "sentencepiece-unigram": parts.SentencePiece(vocab_size=330, character_coverage=0.98),
    "sentencepiece-without-bytes": parts.SentencePiece(model_type="bpe", vocab_size=120, byte_fallback=False),
}


@cache
def made(make: str) -> Tokenizer:
    """The tokenizer that one of `MAKES` builds from the corpus."""
    return MAKES[make].assemble(site())


def mended(text: str) -> str:
    """Lone surrogates as U+FFFD."""
    return "".join("\ufffd" if 0xD800 <= ord(character) <= 0xDFFF else character for character in text)


_AWKWARD = [
    *["<|end|>", "<|endoftext|>", "<unk>", "<0x0A>", "<s>", "\0", "\u200d", "\u202e", "\ufeff", "\u2581", "\u2585"],
    *["\ud800", "\udc00", "\ufffd", "e\u0301", "👩\u200d👩\u200d👧", "שלום", "ﬁ", "İ", "ſ", "'ſ", "狐", "\U0010ffff"],
    *[
        "'s",
        "'LL",
        "'",
        '"',
        "!",
        "/",
        "12345",
        "٣",
        "½",
        " ",
        "  ",
        " " * 30,
        "\t",
        "\n",
        "\r\n",
        "\x1c",
        "\x85",
        "\xa0",
    ],
    *["\u3000", "a", "the", "Fox", "QUICK"],
]
hard_texts = st.one_of(
    st.text(st.characters(exclude_categories=[])), st.lists(st.sampled_from(_AWKWARD), max_size=30).map("".join)
)
"""Any text whatsoever, lone surrogates included; half of them built from what has broken tokenizers before."""
