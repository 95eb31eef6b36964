from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from partwise import InputError
from partwise.data import Tokenizer
from partwise_tokenizers.bpe import BytePairTokenizer
from partwise_tokenizers.parts import SAMPLES, TokenizerJson
from partwise_tokenizers.published import REGEXES

from .samples import CORPUS, hard_texts, mended, site

SAMPLE = SAMPLES / "small-tokenizer.json"
SPECIALS = ["<|pad|>", "<|endoftext|>"]


def splitter(name: str) -> pre_tokenizers.PreTokenizer:
    """How the models of that name cut texts, in their library's own words."""
    if name == "gpt2":
        return pre_tokenizers.ByteLevel(add_prefix_space=False)
    if name == "none":
        return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    if name == "digits":
        return pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    cut = pre_tokenizers.Split(tokenizers.Regex(REGEXES[name]), "isolated")
    return pre_tokenizers.Sequence([cut, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


@cache
def theirs(name: str) -> tokenizers.Tokenizer:
    """A tokenizer of the library, trained by it."""
    made = tokenizers.Tokenizer(models.BPE(ignore_merges=name == "llama3"))
    made.pre_tokenizer, made.decoder = splitter(name), decoders.ByteLevel()
    if name == "qwen2":
        made.normalizer = normalizers.NFC()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=420, initial_alphabet=alphabet, show_progress=False)
    )
    made.add_special_tokens(SPECIALS)
    return made


@cache
def saved(name: str) -> Any:
    return json.loads(theirs(name).to_str())


@cache
def ours(name: str, folder: Path) -> Tokenizer:
    return written(folder, saved(name))


def written(folder: Path, content: Any, **knobs: Any) -> Tokenizer:
    """The tokenizer of a file of that content."""
    (folder / "tokenizer.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return TokenizerJson(**knobs).assemble(site(directory=folder))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tokenizer")


every_splitter = pytest.mark.parametrize("name", ["gpt2", "llama3", "qwen2", "cl100k", "o200k", "digits", "none"])


@every_splitter
@given(text=hard_texts)
def test_ids_are_those_of_the_library_itself(name: str, folder: Path, text: str) -> None:
    plain = mended(text)
    for special in SPECIALS:
        plain = plain.replace(special, "")
    assert ours(name, folder).encode(plain) == theirs(name).encode(plain).ids


@every_splitter
@given(text=hard_texts)
def test_texts_come_back(name: str, folder: Path, text: str) -> None:
    tokenizer = ours(name, folder)
    composed = normalizers.NFC().normalize_str(mended(text)) if name == "qwen2" else mended(text)
    assert tokenizer.decode(tokenizer.encode(text)) == composed
    assert tokenizer.lossless == (name != "qwen2")


@every_splitter
def test_it_is_restored_with_the_names_of_its_special_tokens(name: str, folder: Path) -> None:
    tokenizer = ours(name, folder)
    restored = BytePairTokenizer.from_json(json.loads(json.dumps(tokenizer.to_json())))
    text = "The Lazy fox's e\u0301 12345\n\n  狐 <|endoftext|>"
    assert restored.encode(text) == tokenizer.encode(text)
    assert restored.lossless == tokenizer.lossless
    assert [restored.label(token) for token in (*range(20), 420, 421)] == [
        tokenizer.label(token) for token in (*range(20), 420, 421)
    ]
    assert restored.label(421) == "<|endoftext|>"


def test_the_text_of_a_special_token_stays_text(folder: Path) -> None:
    tokenizer = ours("gpt2", folder)
    special = theirs("gpt2").token_to_id("<|endoftext|>")
    assert theirs("gpt2").encode("x<|endoftext|>x").ids.count(special) == 1
    ids = tokenizer.encode("x<|endoftext|><|pad|>x")
    assert max(ids) < 420
    assert tokenizer.decode(ids) == "x<|endoftext|><|pad|>x"
    assert (tokenizer.end, tokenizer.decode([tokenizer.end])) == (special, "")


def test_a_special_token_may_stand_in_the_vocabulary_too(folder: Path) -> None:
    content = json.loads(json.dumps(saved("gpt2")))
    content["model"]["vocab"] |= {"<|pad|>": 420, "<|endoftext|>": 421}  # as GPT-2's own file has it
    assert written(folder, content).encode("<|pad|> x") == ours("gpt2", folder).encode("<|pad|> x")


def test_ids_that_stand_for_nothing_say_so(folder: Path) -> None:
    tokenizer = written(folder, saved("gpt2"), vocab_size=430, end=420)
    assert (tokenizer.vocab_size, tokenizer.end) == (430, 420)
    assert [tokenizer.label(token) for token in (420, 421, 422)] == ["<|pad|>", "<|endoftext|>", "<unused 422>"]
    assert tokenizer.token_bytes(429) == b""


def test_several_merges_may_make_one_token_where_the_file_says_all_there_are(folder: Path) -> None:
    content = json.loads(json.dumps(saved("llama3")))
    vocabulary = content["model"]["vocab"]
    pairs = [(text[:cut], text[cut:]) for text in vocabulary for cut in range(1, len(text))]
    pairs = [pair for pair in pairs if pair[0] in vocabulary and pair[1] in vocabulary]
    content["model"]["merges"] = sorted(pairs, key=lambda pair: vocabulary["".join(pair)])
    them = tokenizers.Tokenizer.from_str(json.dumps(content))
    text = "".join(CORPUS)
    assert len(pairs) > len(saved("llama3")["model"]["merges"])
    assert written(folder, content).encode(text) == them.encode(text).ids


def test_merges_may_be_written_as_one_text(folder: Path) -> None:
    content = json.loads(json.dumps(saved("gpt2")))
    content["model"]["merges"] = [" ".join(merge) for merge in content["model"]["merges"]]
    assert written(folder, content).encode(CORPUS[0]) == theirs("gpt2").encode(CORPUS[0]).ids


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*nowhere.json \(No such file or directory\)"):
        TokenizerJson(file="nowhere.json").assemble(site(directory=tmp_path))


def change(*path: str | int, to: Any) -> Callable[[Any], Any]:
    """What sets the value at that place of a file."""

    def changed(content: Any) -> Any:
        within = content
        for key in path[:-1]:
            within = within[key]
        within[path[-1]] = to
        return content

    return changed


def out_of_order(content: Any) -> Any:
    content["model"]["merges"].reverse()
    return content


def without_a_byte(content: Any) -> Any:
    del content["model"]["vocab"]["!"]
    return content


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        (change("normalizer", to={"type": "Lowercase"}), "normalizer is not known here: .*Lowercase"),
        (change("pre_tokenizer", to={"type": "Whitespace"}), "cuts texts in a way that is not known here"),
        (change("pre_tokenizer", to=None), "cuts texts in a way"),
        (change("pre_tokenizer", "add_prefix_space", to=True), "cuts texts in a way"),
        (change("model", "type", to="WordPiece"), "not of plain byte-level pairs"),
        (change("model", "dropout", to=0.1), "not of plain byte-level pairs"),
        (change("model", "end_of_word_suffix", to="</w>"), "not of plain byte-level pairs"),
        (out_of_order, "not in the order of its merges"),
        (change("model", "merges", 3, to=["Q", "Q"]), "not in the order of its merges"),
        (change("model", "merges", to=[]), "tokens that no merge makes|own library"),
        (change("model", "merges", to=[["a"]]), "no tokenizer.json of byte pairs"),
        (change("model", "merges", to=7), "no tokenizer.json of byte pairs"),
        (without_a_byte, "1 of the 256 single bytes are no tokens"),
        (change("model", "vocab", "!", to=10**12), r"has 422 tokens, and one of them has the id 1000000000000"),
        (change("added_tokens", 1, "id", to=10**12), r"has 422 tokens, and one of them has the id 1000000000000"),
        (change("added_tokens", 1, "id", to=-1), "the id of .* is -1"),
        (change("added_tokens", 1, "id", to=True), "the id of .* is True"),
        (change("added_tokens", 1, "id", to=420), "two tokens have one id"),
        (change("added_tokens", 1, "content", to=None), "the id of 'None' is 421"),
        (change("added_tokens", to=["x"]), "no tokenizer.json of byte pairs"),
        (change("added_tokens", to=[]), "no special token; say which id"),
        (change("model", "vocab", "!", to=1.5), "the id of '!' is 1.5"),
        (change("model", "vocab", "\u4e00", to=419), "two tokens have one id"),
        (change("model", "vocab", "\u4e00\u4e00", to=430), "letters of bytes"),
        (change("model", to=[]), "no tokenizer.json of byte pairs"),
        (lambda content: [], "no tokenizer.json of byte pairs"),
        (lambda content: "{", "no tokenizer.json of byte pairs"),
        (lambda content: "[" * 100_000, "no tokenizer.json of byte pairs"),
        (lambda content: json.dumps(content).replace("421", "9" * 5000), "no tokenizer.json of byte pairs"),
        (lambda content: "null", "no tokenizer.json of byte pairs"),
    ],
)
def test_what_cannot_be_read_says_what_is_wrong(
    changed: Callable[[Any], Any], problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)  # as if it were not installed
    with pytest.raises(InputError, match=problem):
        written(tmp_path, changed(json.loads(json.dumps(saved("gpt2")))))


@pytest.mark.parametrize(
    ("knobs", "problem"),
    [
        ({"vocab_size": 421}, "has 422 ids, and 421 are asked for"),
        ({"vocab_size": 10**12}, "has 422 ids, and 1000000000000 are asked for"),
        ({"end": 3}, r"3 is no special token .*420 \(<\|pad\|>\), 421 \(<\|endoftext\|>\)"),
        ({"end": 10**12}, "1000000000000 is no special token"),
    ],
)
def test_knobs_that_do_not_fit_the_file_are_refused(knobs: dict[str, int], problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=problem):
        written(tmp_path, saved("gpt2"), **knobs)


@pytest.mark.parametrize(
    "damage",
    [{"3": "name"}, {"999": "name"}, {"x": "name"}, {"301": ""}, {"301": 5}, {"0301": "name"}, ["301"]],
)
def test_damaged_names_in_a_saved_tokenizer_are_told(damage: Any) -> None:
    content = TokenizerJson(file=str(SAMPLE)).assemble(site()).to_json()
    with pytest.raises(InputError, match="damaged"):
        BytePairTokenizer.from_json({**content, "specials": damage})
    with pytest.raises(InputError, match="damaged"):
        BytePairTokenizer.from_json({**content, "form": "NFKC"})
