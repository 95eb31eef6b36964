"""What holds for all tokenizers."""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partwise import InputError, PartError

from .samples import CORPUS, MAKES, PROSE, hard_texts, made, mended, site

every_make = pytest.mark.parametrize("make", MAKES)
LOSSLESS = [make for make in MAKES if not make.startswith("word")]


@pytest.mark.parametrize("make", LOSSLESS)
@given(text=hard_texts)
def test_a_text_comes_back_exactly_unless_something_in_it_is_unknown(make: str, text: str) -> None:
    tokenizer = made(make)
    ids = tokenizer.encode(text)
    assert tokenizer.lossless
    if tokenizer.unknown is None or tokenizer.unknown not in ids:
        assert tokenizer.decode(ids) == mended(text)


@pytest.mark.parametrize("make", [make for make in LOSSLESS if make not in ("char", "sentencepiece-without-bytes")])
def test_tokenizers_of_bytes_know_every_text(make: str) -> None:
    assert made(make).unknown is None
    assert made(make).unknown_bits is None


@every_make
@given(text=hard_texts)
def test_no_text_encodes_to_the_end_token_or_out_of_range(make: str, text: str) -> None:
    tokenizer = made(make)
    assert all(0 <= token < tokenizer.end for token in tokenizer.encode(text))


@every_make
def test_the_end_token_is_the_last_id_and_adds_nothing(make: str) -> None:
    tokenizer = made(make)
    ids = tokenizer.encode("the fox")
    assert tokenizer.end == tokenizer.vocab_size - 1
    assert tokenizer.label(tokenizer.end) == "<|end|>"
    assert tokenizer.token_bytes(tokenizer.end) == b""
    assert tokenizer.decode([tokenizer.end, *ids, tokenizer.end]) == tokenizer.decode(ids)


@every_make
def test_it_can_be_sent_to_another_process(make: str) -> None:
    tokenizer = made(make)
    arrived = type(tokenizer).from_json(json.loads(json.dumps(tokenizer.to_json())))
    assert arrived.to_json() == tokenizer.to_json()
    assert [arrived.encode(text) for text in CORPUS] == [tokenizer.encode(text) for text in CORPUS]


@every_make
@given(data=st.data())
def test_bytes_of_tokens_joined_by_a_stream_equal_decoding_at_once(make: str, data: st.DataObject) -> None:
    tokenizer = made(make)
    ids = data.draw(st.lists(st.integers(0, tokenizer.end), max_size=40))
    stream = codecs.getincrementaldecoder("utf-8")("replace")
    text = "".join(stream.decode(tokenizer.token_bytes(token)) for token in ids) + stream.decode(b"", final=True)
    assert text in (tokenizer.decode(ids), " " + tokenizer.decode(ids))


@every_make
def test_a_character_split_over_tokens_is_whole_again_in_a_stream(make: str) -> None:
    tokenizer = made(make)
    ids = tokenizer.encode("a 🦊 says 狐")
    stream = codecs.getincrementaldecoder("utf-8")("strict")
    text = "".join(stream.decode(tokenizer.token_bytes(token)) for token in ids) + stream.decode(b"", final=True)
    assert text.removeprefix(" ") == tokenizer.decode(ids)


@every_make
def test_a_prompt_may_name_the_end(make: str) -> None:
    tokenizer = made(make)
    before, after = tokenizer.encode("the "), tokenizer.encode("fox")
    assert tokenizer.encode_special("the <|end|>fox") == [*before, tokenizer.end, *after]  # type: ignore[attr-defined]


@every_make
@given(text=hard_texts)
def test_restoring_from_json_gives_the_same_tokenizer(make: str, text: str) -> None:
    tokenizer = made(make)
    restored = _restored(make)
    ids = tokenizer.encode(text)
    assert restored.encode(text) == ids
    assert restored.decode(ids) == tokenizer.decode(ids)


_cache: dict[str, object] = {}


def _restored(make: str):
    if make not in _cache:
        _cache[make] = MAKES[make].restore(json.loads(json.dumps(made(make).to_json())))
    return _cache[make]


@every_make
def test_restoring_keeps_every_fact_of_the_tokenizer(make: str) -> None:
    tokenizer, restored = made(make), _restored(make)
    assert restored.to_json() == tokenizer.to_json()
    for fact in ("vocab_size", "end", "unknown", "unknown_bits", "lossless"):
        assert getattr(restored, fact) == getattr(tokenizer, fact)
    ids = range(tokenizer.vocab_size)
    assert [restored.label(token) for token in ids] == [tokenizer.label(token) for token in ids]
    assert [restored.token_bytes(token) for token in ids] == [tokenizer.token_bytes(token) for token in ids]


@every_make
def test_training_twice_gives_the_same_tokenizer(make: str) -> None:
    assert MAKES[make].assemble(site()).to_json() == made(make).to_json()


@every_make
def test_a_saved_tokenizer_without_one_of_its_fields_is_an_input_error(make: str) -> None:
    saved = made(make).to_json()
    for missing in saved:
        with pytest.raises(InputError, match=missing):
            MAKES[make].restore({name: value for name, value in saved.items() if name != missing})
    with pytest.raises(InputError):
        MAKES[make].restore([])  # type: ignore[arg-type]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@every_make
@given(data=st.data())
def test_a_damaged_saved_tokenizer_is_restored_or_an_input_error_but_never_a_crash(
    make: str, data: st.DataObject
) -> None:
    saved = made(make).to_json()
    damaged = {**saved, data.draw(st.sampled_from(sorted(saved))): data.draw(_json)}
    with contextlib.suppress(InputError):
        MAKES[make].restore(damaged).encode(PROSE)


@every_make
def test_a_megabyte_is_no_trouble(make: str) -> None:
    tokenizer = made(make)
    text = (CORPUS[0] * (1_000_000 // len(CORPUS[0]) + 1))[:1_000_000]
    decoded = tokenizer.decode(tokenizer.encode(text))
    assert decoded == text if tokenizer.lossless else len(decoded) > 500_000


@every_make
def test_the_empty_text_has_no_tokens(make: str) -> None:
    assert made(make).encode("") == []
    assert made(make).decode([]) == ""


@every_make
def test_a_forked_process_encodes_alike(make: str) -> None:
    tokenizer = made(make)
    expected = tokenizer.encode(PROSE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of forking beside threads
        child = os.fork()
    if child == 0:
        os._exit(0 if tokenizer.encode(PROSE) == expected else 1)
    assert os.waitpid(child, 0)[1] == 0


@every_make
def test_the_planned_vocabulary_is_not_exceeded(make: str) -> None:
    planned = MAKES[make].planned_vocabulary()
    if planned is None:
        assert make in ("char", "tiktoken")
    else:
        assert made(make).vocab_size <= planned


@pytest.mark.parametrize("make", [make for make in MAKES if make != "tiktoken"])
@pytest.mark.parametrize("texts", [[], [""]])
def test_nothing_to_train_on_is_said_plainly(make: str, texts: list[str]) -> None:
    with pytest.raises(PartError, match="no text to train on"):
        MAKES[make].assemble(site(texts))
