"""What every tokenizer must do."""

from __future__ import annotations

import codecs
import json
import random
import time
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_all_start_methods, get_context
from typing import Any

from partwise.data.marks import marks_of
from partwise.parts.part import Part
from partwise.parts.sites import TokenizerSite
from partwise.testing.probes import drawn
from partwise.testing.registering import check
from partwise.testing.violation import require, skip, violated


def _prose(words: int) -> str:
    """Words of a made-up language, the short ones frequent, in sentences."""
    draw = random.Random(0)
    syllables = [consonant + vowel for consonant in "bdfgklmnprstvw" for vowel in "aeiou"]
    lexicon = ["".join(draw.choices(syllables, k=1 + rank // 20)) for rank in range(80)]
    text = draw.choices(lexicon, weights=[1 / rank for rank in range(1, 81)], k=words)
    return " ".join(word + (".\n" if index % 11 == 10 else "") for index, word in enumerate(text))


CORPUS = (
    _prose(600),
    "The quick brown fox jumps over the lazy dog; it doesn't mind: 12 lazy dogs\tand  2  foxes\n\n",
    "naïve café, Käse, 日本, жук 🙂\n",
)
"""A plain text, with a few characters that are rare."""
TEXTS = (
    "",
    " ",
    "The quick brown fox",
    "low lower lowest newest widest",
    "  leading, trailing  ",
    "line\nbreaks\r\nand\ttabs\x00\x07",
    "ünïcödé e\u0301 \ufeffBOM\u200d\u200b joiners",
    "مرحبا שלום right to left \u202e",
    "👩‍👩‍👧‍👦🏳️‍🌈 \U0010ffff \ue000",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "12345678901234567890 3.14159 -1e-9",
    "<|end|> <|endoftext|> </s> <unk> [PAD] <s>",
)
"""Texts that have broken tokenizers, and plain ones."""


def tokenizer_of(part: Part, texts: Iterable[str] = CORPUS) -> Any:
    """The tokenizer, trained on `texts`, which come in pieces."""
    kept = tuple(texts)
    return part.assemble(TokenizerSite(lambda: iter(kept)))


@check("tokenizer", per="example")
def texts_come_back(part: Part) -> None:
    """A lossless tokenizer restores any text that it encodes without an unknown token."""
    tokenizer = tokenizer_of(part)
    for text in (*TEXTS, *_random_texts(60)):
        problem = _not_back(tokenizer, text)
        if problem is not None:
            text = _shrunk(text, lambda shorter: _not_back(tokenizer, shorter) is not None)
            violated(_not_back(tokenizer, text) or problem)


def _not_back(tokenizer: Any, text: str) -> str | None:
    """What is wrong with how a text is encoded; None if nothing is."""
    ids = tokenizer.encode(text)
    if not all(type(token) is int for token in ids):
        return f"the ids of {text!r} are not plain integers"
    if not all(0 <= token < tokenizer.vocab_size for token in ids):
        return f"{text!r} has ids beyond the {tokenizer.vocab_size} there are"
    if tokenizer.end in ids:
        return f"{text!r} is encoded to the end token"
    if tokenizer.lossless and tokenizer.unknown not in ids and (decoded := tokenizer.decode(ids)) != text:
        return f"{text!r} came back as {decoded!r}"
    return None if tokenizer.encode(text) == ids else f"a second call gives other ids for {text!r}"


def _shrunk(text: str, fails: Callable[[str], bool]) -> str:
    """The shortest text found that still fails."""
    size = len(text) // 2
    while size:
        for start in range(0, len(text), size):
            shorter = text[:start] + text[start + size :]
            if shorter != text and fails(shorter):
                text = shorter
                break
        else:
            size //= 2
    return text


def _random_texts(count: int) -> list[str]:
    """Texts of characters from all over Unicode, and of pieces that are special to some tokenizer."""
    draw = random.Random(drawn(1))
    pieces = [
        " ",
        "  ",
        "\n",
        "\r\n",
        "\t",
        "\x00",
        "\u200d",
        "\ufeff",
        "\u0301",
        "low",
        "'s",
        "12",
        "<unk>",
        "\u2581",
        "##",
    ]
    ranges = ((0x20, 0x7E), (0xA0, 0x24F), (0x590, 0x6FF), (0x3040, 0x9FFF), (0xE000, 0xFFFF), (0x1F300, 0x1FAFF))

    def piece() -> str:
        return draw.choice(pieces) if draw.random() < 0.4 else chr(draw.randint(*draw.choice(ranges)))

    return ["".join(piece() for _ in range(draw.randint(1, 40))) for _ in range(count)]


@check("tokenizer", per="example")
def a_long_text_comes_back(part: Part) -> None:
    """A text of a megabyte, and one without a space in it, are encoded in seconds."""
    tokenizer = tokenizer_of(part)
    for text, what in ((CORPUS[0] * (1_000_000 // len(CORPUS[0])), "prose"), ("low" * 20_000, "letters")):
        begun = time.monotonic()
        ids = tokenizer.encode(text)
        took = time.monotonic() - begun
        require(took < 60, f"{len(text):,} characters of {what} took {took:.0f} s")
        if tokenizer.lossless and tokenizer.unknown not in ids:
            require(tokenizer.decode(ids) == text, f"a text of {len(text):,} characters does not come back")


@check("tokenizer", per="example")
def streaming_equals_decoding(part: Part) -> None:
    """An incremental UTF-8 decoder that is fed one token's bytes at a time ends with the text of `decode`."""
    tokenizer = tokenizer_of(part)
    for text in ("a👩‍👩‍👧é", "日本語 жук", CORPUS[2]):
        ids = tokenizer.encode(text)
        stream = codecs.getincrementaldecoder("utf-8")("replace")
        written = "".join(stream.decode(tokenizer.token_bytes(token)) for token in ids) + stream.decode(b"", True)
        decoded = tokenizer.decode(ids)
        also = decoded if tokenizer.lossless else f" {decoded}"
        require(written in (decoded, also), f"{text!r} is streamed as {written!r} and decoded as {decoded!r}")


@check("tokenizer", per="example")
def it_survives_a_fork(part: Part) -> None:
    """A forked process encodes as its parent does, and does not hang on a lock of the parent's."""
    if "fork" not in get_all_start_methods():
        skip("processes are not forked on this system")
    tokenizer = tokenizer_of(part)
    expected = [tokenizer.encode(text) for text in CORPUS]
    context = get_context("fork")
    here, there = context.Pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons warn of forks in processes with threads
        child = context.Process(target=lambda: there.send([tokenizer.encode(text) for text in CORPUS]), daemon=True)
        child.start()
    there.close()
    try:
        answered = here.poll(30)
        require(answered, "a forked process hangs when it encodes")
        require(here.recv() == expected, "a forked process encodes a text to other ids")
    except EOFError:
        violated("a forked process dies when it encodes")
    finally:
        child.kill()
        child.join()
        here.close()


@check("tokenizer", per="example")
def its_arrays_are_its_ids(part: Part) -> None:
    """`encode_array`, if there is one, gives the ids of `encode`, in any thread, and for texts of nothing."""
    tokenizer = tokenizer_of(part)
    if not hasattr(tokenizer, "encode_array"):
        skip("it has no encode_array")
    texts = [*TEXTS, *CORPUS, "a\ud800b", ""]
    expected = [list(tokenizer.encode(text)) for text in texts]
    flat = [token for ids in expected for token in ids]
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(tokenizer.encode_array, [texts] * 6))
    for ids, lengths in found:
        require(ids.dtype.kind in "ui", f"encode_array gives numbers of the type {ids.dtype}")
        require(lengths.tolist() == list(map(len, expected)), "encode_array gives other lengths than encode")
        require(ids.tolist() == flat, "encode_array gives other ids than encode")
    ids, lengths = tokenizer.encode_array([])
    require(len(ids) == len(lengths) == 0, "encode_array gives ids of no text")


@check("tokenizer", per="example")
def it_knows_the_text_it_learned_from(part: Part) -> None:
    """A tokenizer that says it is lossless restores its own corpus."""
    tokenizer = tokenizer_of(part)
    for text in CORPUS:
        ids = tokenizer.encode(text)
        if tokenizer.lossless and tokenizer.unknown not in ids:
            require(tokenizer.decode(ids) == text, f"{text!r} came back as {tokenizer.decode(ids)!r}")
    known = [token for text in CORPUS for token in tokenizer.encode(text) if token != tokenizer.unknown]
    require(known, "it knows nothing of its own corpus")


@check("tokenizer", per="example")
def unknowns_are_declared(part: Part) -> None:
    """What it cannot spell becomes the unknown token; a lossless tokenizer without one loses nothing."""
    tokenizer = tokenizer_of(part)
    strange = "\u16a0\u16a1\u16a2 zqxj"
    ids = tokenizer.encode(strange)
    if tokenizer.unknown is None:
        require(not tokenizer.lossless or tokenizer.decode(ids) == strange, "it has no unknown token and loses text")
    else:
        require(0 <= tokenizer.unknown < tokenizer.vocab_size, "its unknown token is no id")
        require(tokenizer.unknown in ids, "what it never saw is not unknown to it")
        bits = tokenizer.unknown_bits
        require(bits is None or bits > 0, f"an unknown costs {bits} bits")


@check("tokenizer", per="example")
def lone_surrogates_become_replacement_characters(part: Part) -> None:
    """A lone surrogate is read as U+FFFD, and is not an error."""
    tokenizer = tokenizer_of(part)
    require(tokenizer.encode("a\ud800b") == tokenizer.encode("a\ufffdb"), "a lone surrogate is not U+FFFD")


@check("tokenizer", per="example")
def special_tokens_are_text_in_text(part: Part) -> None:
    """Writing the name of a special token does not make one."""
    tokenizer = tokenizer_of(part)
    specials = [tokenizer.end] + ([] if tokenizer.unknown is None else [tokenizer.unknown])
    for token in specials:
        label = tokenizer.label(token)
        ids = tokenizer.encode(f"x{label}x")
        require(tokenizer.end not in ids, f"the text {label!r} becomes a special token")
        require(tokenizer.token_bytes(token) == b"" or token != tokenizer.end, "the end token adds bytes to a text")
    require(tokenizer.decode([tokenizer.end]) == "", "the end token is decoded to a text")
    ids = tokenizer.encode("low")
    require(tokenizer.decode([*ids, tokenizer.end]) == tokenizer.decode(ids), "the end token is not left out")


@check("tokenizer", per="example")
def its_marks_are_special_tokens(part: Any) -> None:
    """What begins and ends texts are ids that add nothing to a text and that no text has, and are restored."""
    tokenizer = tokenizer_of(part)
    marks = marks_of(tokenizer)
    named = {"end": (marks.end,), "begin": (marks.begin,), "ends": marks.ends, "before_prompt": marks.before_prompt}
    named |= {"start": (marks.start,), "before_source": marks.before_source, "after_source": marks.after_source}
    require(marks.ends, "no token ends a text that is written")
    written = {token for text in (*TEXTS, *CORPUS) for token in tokenizer.encode(text)}
    for name, tokens in named.items():
        for token in tokens:
            require(
                0 <= token < tokenizer.vocab_size, f"its {name} has {token}, and there are {tokenizer.vocab_size} ids"
            )
            require(tokenizer.token_bytes(token) == b"", f"its {name} has {token}, which adds bytes to a text")
            require(token not in written, f"its {name} has {token}, which a text is encoded to")
    restored = marks_of(part.restore(json.loads(json.dumps(tokenizer.to_json()))))
    require(restored == marks, f"its marks are {marks}, and restored {restored}")


@check("tokenizer", per="example")
def bytes_of_tokens_join_to_the_text(part: Part) -> None:
    """A streaming decoder, which joins the bytes of tokens, ends with the same text."""
    tokenizer = tokenizer_of(part)
    for text in (*TEXTS, *CORPUS):
        ids = tokenizer.encode(text)
        joined = b"".join(tokenizer.token_bytes(token) for token in ids).decode("utf-8", "replace")
        decoded = tokenizer.decode(ids)
        # A word brings a space along, which the beginning of a text does without.
        also = decoded if tokenizer.lossless else f" {decoded}"
        require(joined in (decoded, also), f"bytes join to {joined!r}, decode gives {decoded!r}")


@check("tokenizer", per="example")
def every_token_has_a_label(part: Part) -> None:
    """Every id has a label to show, and bytes."""
    tokenizer = tokenizer_of(part)
    for token in range(tokenizer.vocab_size):
        require(isinstance(tokenizer.label(token), str), f"token {token} has no label")
        require(tokenizer.label(token), f"the label of token {token} is empty")
        require(isinstance(tokenizer.token_bytes(token), bytes), f"token {token} has no bytes")


@check("tokenizer", per="example")
def it_is_restored_exactly(part: Any) -> None:
    """Its JSON restores it exactly."""
    tokenizer = tokenizer_of(part)
    saved = json.loads(json.dumps(tokenizer.to_json()))
    restored = part.restore(saved)
    for fact in ("vocab_size", "end", "unknown", "lossless"):
        one, other = getattr(tokenizer, fact), getattr(restored, fact)
        require(one == other, f"its {fact} is {one!r}, and restored {other!r}")
    require(restored.unknown_bits == tokenizer.unknown_bits, "its unknowns cost something else when restored")
    for text in (*TEXTS, *CORPUS):
        require(restored.encode(text) == tokenizer.encode(text), f"restored, it encodes {text!r} differently")
    for token in range(tokenizer.vocab_size):
        require(restored.label(token) == tokenizer.label(token), f"restored, token {token} has another label")
    require(json.loads(json.dumps(restored.to_json())) == saved, "restored and saved again, it differs")


@check("tokenizer", per="example")
def its_training_is_deterministic(part: Part) -> None:
    """The same texts give the same tokenizer, however they are cut into pieces and whatever was drawn before."""
    random.seed(1)
    one = tokenizer_of(part).to_json()
    random.seed(2)
    require(tokenizer_of(part).to_json() == one, "training it twice gives two tokenizers")


@check("tokenizer", per="example")
def its_vocabulary_is_as_planned(part: Any) -> None:
    """Its vocabulary is no larger than its knobs say."""
    planned = part.planned_vocabulary()
    size = tokenizer_of(part).vocab_size
    require(planned is None or size <= planned, f"{planned} ids were planned, and there are {size}")


@check("tokenizer", per="example")
def encoding_remembers_nothing(part: Any) -> None:
    """The ids of a text do not depend on what was encoded before."""
    one = tokenizer_of(part)
    other = part.restore(json.loads(json.dumps(one.to_json())))
    texts = [*TEXTS, *CORPUS, *(text.lower() for text in TEXTS), *(text.title() for text in TEXTS)]
    forwards = [one.encode(text) for text in texts]
    backwards = [other.encode(text) for text in reversed(texts)]
    for text, first, second in zip(texts, forwards, reversed(backwards), strict=True):
        require(list(first) == list(second), f"{text[:60]!r} has other ids after other texts were encoded")
        require(list(one.encode(text)) == list(first), f"{text[:60]!r} has other ids when it is encoded again")
