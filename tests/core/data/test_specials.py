"""Special tokens that data name: the tokenizer's own, or ids beyond its vocabulary."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partwise import InputError, PartError
from partwise.data import Example, Marks, Piece, encode
from partwise.data.specials import id_of, with_specials
from partwise_tokenizers.bpe import BYTES, BytePairTokenizer
from partwise_tokenizers.char import CharTokenizer

from .texts import END, Bytes, Texts

NAMES = ("<a>", "<ab>", "<|b|>")


def test_names_that_a_tokenizer_lacks_get_ids_after_its_own() -> None:
    tokenizer = with_specials(Bytes(), NAMES)
    assert tokenizer.vocab_size == 258 + 3
    assert [id_of(tokenizer, name) for name in NAMES] == [258, 259, 260]
    assert tokenizer.end == END
    assert tokenizer.label(259) == "<ab>"
    assert tokenizer.token_bytes(259) == b""
    assert tokenizer.decode([104, 258, 105, 260]) == "hi"


@given(st.text(alphabet="<ab>|x ", max_size=30))
def test_in_a_text_the_name_of_a_special_token_is_text(text: str) -> None:
    tokenizer = with_specials(Bytes(), NAMES)
    assert tokenizer.encode(text) == Bytes().encode(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_in_a_prompt_it_is_the_token_if_that_is_asked_for() -> None:
    tokenizer = with_specials(CharTokenizer("xyz"), NAMES)
    # x y z, <unk>, the end token, then <a> <ab> <|b|>
    assert tokenizer.encode_special("x<ab>y<|end|><a>") == [0, 6, 1, 4, 5]  # type: ignore[attr-defined]


def test_a_tokenizer_that_has_a_special_token_of_the_name_uses_it() -> None:
    first = with_specials(Bytes(), NAMES[:2])
    again = with_specials(first, NAMES)
    assert id_of(again, "<ab>") == 259
    assert again.vocab_size == first.vocab_size + 1
    assert with_specials(first, NAMES[:2]) is first


def test_byte_pairs_of_a_public_model_use_its_own_token() -> None:
    own = BytePairTokenizer([*BYTES, None, None], "gpt2", Marks.plain(256), {257: "<fim_prefix>"})
    tokenizer = with_specials(own, ["<fim_prefix>", "<fim_middle>"])
    assert [id_of(tokenizer, name) for name in ("<fim_prefix>", "<fim_middle>")] == [257, 258]


def test_the_end_token_is_no_special_token_of_the_data() -> None:
    with pytest.raises(PartError, match="begins or ends texts"):
        with_specials(CharTokenizer("xyz"), ["<|end|>"])


def test_a_special_token_that_was_not_named_beforehand_is_refused(tmp_path: Path) -> None:
    data = Texts([Example((Piece("<a>", special=True),))])
    with pytest.raises(InputError, match=r"has to name it in its specials\(\)"):
        encode(data, Bytes(), "train", tmp_path)


def test_special_tokens_are_scored_but_add_no_bytes_to_the_text(tmp_path: Path) -> None:
    tokenizer = with_specials(Bytes(), ["<a>"])
    data = Texts([Example((Piece("<a>", special=True), Piece("héllo"), Piece("<a>", special=True)))])
    encoded = encode(data, tokenizer, "train", tmp_path)
    assert encoded.tokens.tolist() == [END, 258, *"héllo".encode(), 258, END]
    assert encoded.text_bytes == 6
    assert encoded.scored_tokens == 9
    assert encoded.lossless
    # Of nine tokens of one bit each, two name no text.
    assert encoded.bits_per_byte(0.6931471805599453) == pytest.approx(9 / 6)


def test_the_name_as_text_and_the_token_are_other_data(tmp_path: Path) -> None:
    tokenizer = with_specials(Bytes(), ["<a>"])
    hashes = {
        encode(Texts([Example((Piece("<a>", special=flag),))], name=str(flag)), tokenizer, "train", tmp_path).data_hash
        for flag in (True, False)
    }
    assert len(hashes) == 2


def test_it_can_be_sent_to_another_process() -> None:
    again = pickle.loads(pickle.dumps(with_specials(Bytes(), NAMES)))  # noqa: S301
    assert again.vocab_size == 261
    assert again.encode("x") == [120]
