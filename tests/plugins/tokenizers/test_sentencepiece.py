from __future__ import annotations

import base64
import functools
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from partwise import InputError, PartError
from partwise.parts import TokenizerSite
from partwise_tokenizers.parts import SAMPLES, SentencePiece

from .samples import CORPUS, PROSE, hard_texts, made, mended, site

both_types = pytest.mark.parametrize("model_type", ["bpe", "unigram"])


def _foreign_model(**options: object) -> bytes:
    """A model trained as others train theirs: SentencePiece's own defaults, which normalise."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(PROSE.splitlines() * 3), model_writer=written, minloglevel=4, **options
    )
    return written.getvalue()


@both_types
def test_a_newline_and_a_tab_are_single_tokens(model_type: str) -> None:
    tokenizer = SentencePiece.model_validate({"model_type": model_type, "vocab_size": 335}).assemble(site())
    labels = [tokenizer.label(token) for token in tokenizer.encode("\n\n\t\n")]
    assert labels == ["\n", "\n", "\t", "\n"]


def test_the_vocabulary_is_exactly_as_large_as_asked_for() -> None:
    assert made("sentencepiece-bpe").vocab_size == 360
    assert made("sentencepiece-unigram").vocab_size == 330


def test_frequent_words_become_single_tokens() -> None:
    tokenizer = made("sentencepiece-bpe")
    assert [tokenizer.label(token) for token in tokenizer.encode("say newer lower")] == [
        *[tokenizer.label(token) for token in tokenizer.encode("say")],
        *[" newer", " lower"],
    ]


@given(text=hard_texts.filter(lambda text: "\u2581" not in text))
def test_ids_are_those_that_sentencepiece_itself_gives(text: str) -> None:
    tokenizer = made("sentencepiece-unigram")
    model = base64.b64decode(tokenizer.to_json()["model"])
    assert tokenizer.encode(text) == sentencepiece.SentencePieceProcessor(model_proto=model).encode(mended(text))


def test_the_sign_that_stands_for_a_space_is_spelled_in_bytes() -> None:
    tokenizer = made("sentencepiece-bpe")
    assert [tokenizer.token_bytes(token) for token in tokenizer.encode("\u2581")] == [b"\xe2", b"\x96", b"\x81"]


@both_types
@pytest.mark.parametrize("byte_fallback", [True, False])
@given(text=st.text(st.sampled_from("他说你好\u2581 \n。a\u3000"), max_size=12))
def test_text_without_spaces_loses_nothing_and_a_space_is_no_other_sign(
    model_type: str, byte_fallback: bool, text: str
) -> None:
    tokenizer = _of_chinese(model_type, byte_fallback)
    assert tokenizer.lossless
    ids = tokenizer.encode(text)
    if tokenizer.unknown not in ids:
        assert tokenizer.decode(ids) == text
        assert b"".join(map(tokenizer.token_bytes, ids)) == text.encode()
    assert (tokenizer.unknown is None) is byte_fallback


@functools.cache
def _of_chinese(model_type: str, byte_fallback: bool) -> Any:
    knobs = {"model_type": model_type, "vocab_size": 290 if byte_fallback else 34, "byte_fallback": byte_fallback}
    lines = ["他说你好。我们在这里学习语言模型，", "今天天气很好，我们一起去公园。", "你在哪里？我在家里。"]
    return SentencePiece.model_validate(knobs).assemble(TokenizerSite(lambda: lines * 40))


def test_without_bytes_rare_characters_are_unknown() -> None:
    tokenizer = made("sentencepiece-without-bytes")
    assert tokenizer.unknown is not None
    assert tokenizer.lossless
    assert tokenizer.unknown_bits is None
    for text in ("\u2581", "ж", "жж"):
        assert tokenizer.encode(text) == [tokenizer.unknown]
    assert tokenizer.decode([tokenizer.unknown]) == "\ufffd"
    assert tokenizer.label(tokenizer.unknown) == "<unk>"


def test_lower_coverage_leaves_rare_characters_to_bytes() -> None:
    def pieces(coverage: float) -> int:
        part = SentencePiece(model_type="bpe", vocab_size=268, character_coverage=coverage)
        return len(part.assemble(site(["abcd abd " * 50 + "狐"])).encode("狐"))

    assert (pieces(1.0), pieces(0.98)) == (1, 3)


@pytest.mark.parametrize("model_type", ["bpe", "unigram"])
@pytest.mark.parametrize("byte_fallback", [True, False])
def test_too_large_a_vocabulary_names_the_largest_that_works(model_type: str, byte_fallback: bool) -> None:
    def build(vocab_size: int) -> int:
        knobs = {"model_type": model_type, "vocab_size": vocab_size, "byte_fallback": byte_fallback}
        return SentencePiece.model_validate(knobs).assemble(site([PROSE])).vocab_size

    with pytest.raises(PartError, match="is the largest that works") as caught:
        build(5000)
    largest = int(str(caught.value).split("; ")[1].split()[0])
    assert build(largest) == largest
    with pytest.raises(PartError, match=f"{largest} is the largest that works"):
        build(largest + 1)


@both_types
def test_too_small_a_vocabulary_names_the_smallest_that_works(model_type: str) -> None:
    def build(vocab_size: int) -> int:
        return (
            SentencePiece.model_validate({"model_type": model_type, "vocab_size": vocab_size})
            .assemble(site())
            .vocab_size
        )

    with pytest.raises(PartError, match="give at least") as caught:
        build(50)
    smallest = int(str(caught.value).split("at least ")[1].split(",")[0])
    assert build(smallest) == smallest
    with pytest.raises(PartError, match="give at least"):
        build(smallest - 1)


def test_lines_longer_than_sentencepiece_takes_are_trained_on_all_the_same() -> None:
    text = "abracadabra " * 50_000 + "zebra"
    part = SentencePiece(model_type="bpe", vocab_size=16, byte_fallback=False, character_coverage=1.0)
    tokenizer = part.assemble(site([text]))
    assert tokenizer.unknown not in tokenizer.encode("abracadabra zebra")


def test_training_and_loading_print_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    SentencePiece(vocab_size=330).assemble(site()).encode(PROSE)
    with pytest.raises(PartError):
        SentencePiece(vocab_size=30_000).assemble(site())
    assert capfd.readouterr() == ("", "")


def test_a_model_file_is_found_beside_the_recipe_and_used_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "my.model").write_bytes((SAMPLES / "small.model").read_bytes())
    part = SentencePiece(file="my.model")
    tokenizer = part.assemble(site(directory=tmp_path))
    assert part.planned_vocabulary() is None
    assert tokenizer.vocab_size == 60
    assert [tokenizer.label(token) for token in tokenizer.encode("over the river")] == ["o", "ver", " the", " river"]


@given(text=hard_texts | st.text("aeot ﬁ\u2581", max_size=10))
def test_a_foreign_model_is_followed_to_the_letter_and_its_losses_admitted(text: str) -> None:
    tokenizer, processor = _foreign()
    ids = processor.encode(mended(text))
    assert tokenizer.encode(text) == ids
    assert not tokenizer.lossless
    if tokenizer.unknown not in ids:
        assert tokenizer.decode(ids) == processor.decode(ids)


_made: list = []


def _foreign():
    if not _made:
        model = _foreign_model(vocab_size=70)
        saved = {"model": base64.b64encode(model).decode()}
        _made.extend([SentencePiece().restore(saved), sentencepiece.SentencePieceProcessor(model_proto=model)])
    return _made


def test_control_tokens_of_a_foreign_model_add_nothing_and_keep_their_names() -> None:
    tokenizer, processor = _foreign()
    for name in ("<s>", "</s>"):
        token = processor.piece_to_id(name)
        assert tokenizer.token_bytes(token) == b""
        assert tokenizer.label(token) == name
        assert token not in tokenizer.encode(f"a{name}b")


@given(text=hard_texts)
def test_a_model_that_begins_with_a_space_is_lossless_but_for_one_sign_and_says_so(text: str) -> None:
    if not _made_like_llama:
        options = {"byte_fallback": True, "normalization_rule_name": "identity", "remove_extra_whitespaces": False}
        model = _foreign_model(model_type="bpe", vocab_size=320, **options)
        _made_like_llama.append(SentencePiece().restore({"model": base64.b64encode(model).decode()}))
    tokenizer = _made_like_llama[0]
    assert not tokenizer.lossless
    assert tokenizer.decode(tokenizer.encode(text)) == mended(text).replace("\u2581", " ")


_made_like_llama: list = []


@pytest.mark.parametrize("rule", ["nmt_nfkc", "nfkc", "nmt_nfkc_cf"])
def test_a_model_that_normalises_is_not_lossless_though_it_has_bytes(rule: str) -> None:
    model = _foreign_model(
        model_type="bpe",
        vocab_size=320,
        byte_fallback=True,
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        normalization_rule_name=rule,
    )
    assert not SentencePiece().restore({"model": base64.b64encode(model).decode()}).lossless


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_a_file_that_is_no_model_is_an_input_error(tmp_path: Path, content: bytes | None) -> None:
    content = (SAMPLES / "small.model").read_bytes()[:300] if content is None else content
    (tmp_path / "my.model").write_bytes(content)
    with pytest.raises(InputError, match="no SentencePiece model"):
        SentencePiece(file="my.model").assemble(site(directory=tmp_path))
    with pytest.raises(InputError, match="no SentencePiece model"):
        SentencePiece().restore({"model": base64.b64encode(content).decode()})


def test_a_missing_model_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*nowhere.model"):
        SentencePiece(file="nowhere.model").assemble(site(directory=tmp_path))


def test_training_texts_may_hold_what_sentencepiece_keeps_for_itself() -> None:
    part = SentencePiece(model_type="bpe", vocab_size=340, character_coverage=1.0)
    tokenizer = part.assemble(site([*CORPUS, "ж\u2581ж\u2585ж \u2047 \0 \ud800"]))
    assert [tokenizer.label(token) for token in tokenizer.encode("ж\u2047")] == ["ж", "\u2047"]


@pytest.mark.parametrize("make", ["sentencepiece-bpe", "sentencepiece-unigram", "sentencepiece-without-bytes"])
@given(text=hard_texts)
@settings(max_examples=60)
def test_as_a_tokenizer_json_it_has_the_same_ids(make: str, text: str) -> None:
    """Where the library has no U+2581, and takes the names of pieces in unknown letters for them."""
    text = re.sub("\u2581|<(unk|0x..)>", "", mended(text))
    assert library(make).encode(text).ids == made(make).encode(text)
    assert library(make).token_to_id("<|end|>") == made(make).end


@functools.cache
def library(make: str) -> tokenizers.Tokenizer:
    theirs = tokenizers.Tokenizer.from_str(json.dumps(made(make).to_tokenizer_json()))  # type: ignore[attr-defined]
    theirs.encode_special_tokens = True
    return theirs
