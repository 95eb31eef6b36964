"""SentencePiece models of public checkpoints: ids of that library, marks, and their way to transformers."""

from __future__ import annotations

import io
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import regex
import sentencepiece
import tokenizers
from hypothesis import given, settings

from partwise import InputError
from partwise_tokenizers.parts import SAMPLES, SentencePieceModel
from partwise_tokenizers.public_pieces import PublicPieces
from partwise_tokenizers.sentencepiece_fields import Kind, read_fields

from .samples import CORPUS, hard_texts, mended, site

LINES = [line for text in CORPUS for line in text.split("\n") if line]
LLAMA = {"model_type": "bpe", "byte_fallback": True, "bos_id": 1, "eos_id": 2, "vocab_size": 420}
IDENTITY = {"normalization_rule_name": "identity", "remove_extra_whitespaces": False}
KINDS: dict[str, dict[str, Any]] = {
    "llama": {**LLAMA, **IDENTITY, "allow_whitespace_only_pieces": True},
    "gemma": {**LLAMA, **IDENTITY, "add_dummy_prefix": False, "user_defined_symbols": ["\n", "\n\n", "<b>"]},
    "t5": {"model_type": "unigram", "vocab_size": 90, "pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1},
    "mt5": {"model_type": "unigram", "vocab_size": 360, "byte_fallback": True, **IDENTITY},
}
every_kind = pytest.mark.parametrize("kind", KINDS)


@cache
def trained(kind: str) -> bytes:
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES), model_writer=written, num_threads=1, minloglevel=4, **KINDS[kind]
    )
    return written.getvalue()


@cache
def ours(kind: str, folder: Path) -> PublicPieces:
    return written(folder / kind, trained(kind))


def written(folder: Path, model: bytes, beside: dict[str, Any] | None = None, **knobs: Any) -> PublicPieces:
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.model").write_bytes(model)
    for file, said in (beside or {}).items():
        (folder / file).write_text(json.dumps(said))
    return SentencePieceModel(**knobs).assemble(site(directory=folder))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pieces")


@every_kind
@given(text=hard_texts)
@settings(max_examples=60)
def test_ids_and_text_are_the_librarys(kind: str, folder: Path, text: str) -> None:
    tokenizer, theirs = ours(kind, folder), sentencepiece.SentencePieceProcessor(model_proto=trained(kind))
    ids = theirs.encode(mended(text))
    assert tokenizer.encode(text) == ids
    if tokenizer.unknown not in ids:
        assert tokenizer.decode(ids) == theirs.decode(ids)


@every_kind
@given(text=hard_texts)
@settings(max_examples=60)
def test_as_a_tokenizer_json_it_has_the_same_ids(kind: str, folder: Path, text: str) -> None:
    tokenizer = ours(kind, folder)
    theirs = library(kind, folder)
    if KINDS[kind]["model_type"] == "unigram":  # in that library, they are pieces where their letters are unknown
        text = re.sub("<(unk|s|/s|pad|0x..)>", "", text)
    if read_fields(trained(kind)).character_map:  # which that library looks graphemes up in, not strings
        text = single_code_points(text)
    assert theirs.encode(mended(text), add_special_tokens=False).ids == tokenizer.encode(text)


def single_code_points(text: str) -> str:
    """A text whose graphemes are one code point each: of every grapheme, the first, until no two of them join."""
    graphemes = regex.findall(r"\X", mended(text))
    while any(len(grapheme) > 1 for grapheme in graphemes):
        graphemes = regex.findall(r"\X", "".join(grapheme[0] for grapheme in graphemes))
    return "".join(graphemes)


def test_in_that_library_a_character_map_takes_whole_graphemes(folder: Path) -> None:
    joined = "\N{LATIN SMALL LETTER LONG S}\N{ZERO WIDTH JOINER}s"  # of which only the first is in the map
    pieces = sentencepiece.SentencePieceProcessor(model_proto=trained("t5"))
    assert ours("t5", folder).encode(joined) == pieces.encode(joined)
    assert library("t5", folder).encode(joined).ids == ours("t5", folder).encode("ss")


@cache
def library(kind: str, folder: Path) -> tokenizers.Tokenizer:
    made = tokenizers.Tokenizer.from_str(json.dumps(ours(kind, folder).to_tokenizer_json()))
    made.encode_special_tokens = True
    return made


def test_texts_begin_and_end_as_the_model_and_its_files_say(folder: Path, tmp_path: Path) -> None:
    llama, t5 = ours("llama", folder), ours("t5", folder)
    assert (llama.before_prompt, llama.after_source, llama.end, llama.begin) == ((1,), (), 2, 1)
    assert (t5.before_source, t5.after_source, t5.end) == ((), (1,), 1)
    said = {"tokenizer_config.json": {"add_bos_token": False, "add_eos_token": True, "eos_token": "</s>"}}
    other = written(tmp_path, trained("llama"), said)
    assert (other.before_prompt, other.after_source) == ((), (2,))
    assert [llama.label(token) for token in (0, 1, 2, 13)] == ["<unk>", "<s>", "</s>", "\n"]


def test_special_tokens_that_files_add_have_names_and_no_text(tmp_path: Path) -> None:
    beside = {"added_tokens.json": {"<extra_id_0>": 91}, "special_tokens_map.json": {"mask_token": "<extra_id_0>"}}
    tokenizer = written(tmp_path, trained("t5"), beside, vocab_size=96)
    assert (tokenizer.vocab_size, tokenizer.label(91), tokenizer.label(95)) == (96, "<extra_id_0>", "<unused 95>")
    assert 91 not in tokenizer.encode("a <extra_id_0> b")
    assert tokenizer.encode_special("a <extra_id_0> b") == [*tokenizer.encode("a "), 91, *tokenizer.encode(" b")]
    again = SentencePieceModel().restore(json.loads(json.dumps(tokenizer.to_json())))
    assert again.to_json() == tokenizer.to_json()


@pytest.mark.parametrize(
    ("beside", "knobs", "problem"),
    [
        ({"added_tokens.json": {"<x>": 91}}, {}, "add the token '<x>' to texts"),
        (
            {"added_tokens.json": {"<x>": 5}, "special_tokens_map.json": {"a_token": "<x>"}},
            {},
            "another token than '<x>'",
        ),
        ({"tokenizer_config.json": {"weird": 1}}, {}, "sets weird to 1"),
        ({}, {"vocab_size": 80}, "has 90 ids, and 80 are asked for"),
        ({}, {"end": 7}, "end: 7 is no special token"),
    ],
)
def test_what_does_not_fit_is_told(beside: Any, knobs: Any, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=problem):
        written(tmp_path, trained("t5"), beside, **knobs)


def test_a_file_of_another_kind_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no SentencePiece model"):
        written(tmp_path, b"IQ== 0\nIg== 1\n")


@every_kind
def test_fields_of_the_file_are_those_that_the_library_reads(kind: str) -> None:
    fields, theirs = read_fields(trained(kind)), sentencepiece.SentencePieceProcessor(model_proto=trained(kind))
    assert len(fields.pieces) == theirs.get_piece_size()
    for place, piece in enumerate(fields.pieces):
        assert (piece.text, piece.score) == (theirs.id_to_piece(place), pytest.approx(theirs.get_score(place)))
        kinds = (theirs.is_unknown(place), theirs.is_control(place), theirs.is_byte(place))
        assert (piece.kind is Kind.UNKNOWN, piece.kind is Kind.CONTROL, piece.kind is Kind.BYTE) == kinds


@pytest.mark.parametrize("cut", [1, 7, 100])
def test_a_file_that_is_cut_off_is_no_model(cut: int) -> None:
    with pytest.raises(ValueError, match="it ends within"):
        read_fields(trained("llama")[:-cut])


def test_the_sample_is_read(tmp_path: Path) -> None:
    sample = SentencePieceModel(file=str(SAMPLES / "public.model")).assemble(site())
    assert (sample.vocab_size, sample.end, sample.unknown) == (420, 2, None)
