"""Added tokens of a tokenizer.json, and pipelines of all kinds: ids are those of the `tokenizers` library."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors, trainers

from partwise import InputError, PartError
from partwise.data import Tokenizer
from partwise_tokenizers.bpe import BytePairTokenizer
from partwise_tokenizers.library import LibraryTokenizer
from partwise_tokenizers.parts import TokenizerJson

from .samples import CORPUS, hard_texts, mended, site
from .test_tokenizer_json import splitter

END = "<|endoftext|>"
PLAIN = [
    *(AddedToken(" " * count, normalized=True, special=False) for count in range(24, 1, -1)),
    AddedToken("<think>", normalized=False, special=False),
    AddedToken("</think>", normalized=False, special=False),
    AddedToken("thin", single_word=True, normalized=False, special=False),
    AddedToken("Ab", single_word=True, normalized=True, special=False),
    AddedToken("<left>", lstrip=True, normalized=False, special=False),
    AddedToken("<right>", rstrip=True, normalized=False, special=False),
    AddedToken("<both>", lstrip=True, rstrip=True, single_word=True, normalized=True, special=False),
    AddedToken(" <x", normalized=False, special=False),
    AddedToken("\u00e9\u0301", normalized=True, special=False),
    AddedToken("e\u0301", normalized=False, special=False),
    AddedToken("\u1e69", normalized=True, special=False),
    AddedToken("狐狐", normalized=True, special=False),
]
SPECIAL = [
    AddedToken(END, normalized=False, special=True),
    AddedToken("<|a  b|>", normalized=False, special=True),
    AddedToken("<unk>", normalized=True, special=True, lstrip=True),
]
PIECES = [token.content for token in (*PLAIN, *SPECIAL)]
nasty = st.one_of(
    hard_texts,
    st.lists(
        st.sampled_from(
            [*PIECES, *PIECES, " ", "  ", "\n", "\t", "\u3000", "\x1c", "a", "_", "\u200d", "\u0301", "s\u0323\u0307"]
        )
        | st.text(max_size=3),
        max_size=25,
    ).map("".join),
)


def library(name: str, form: str | None = None, added: bool = True) -> tokenizers.Tokenizer:
    made = tokenizers.Tokenizer(models.BPE(ignore_merges=name == "llama3"))
    made.pre_tokenizer, made.decoder = splitter(name), decoders.ByteLevel()
    if form:
        made.normalizer = getattr(normalizers, form)()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=420, initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator(CORPUS, trainer)
    if added:
        made.add_special_tokens(SPECIAL)
        made.add_tokens(PLAIN)
    else:
        made.add_special_tokens([END])
    made.encode_special_tokens = True
    return made


@cache
def both(folder: Path, name: str, form: str | None) -> tuple[tokenizers.Tokenizer, Tokenizer]:
    theirs = library(name, form)
    return theirs, read(folder, json.loads(theirs.to_str()))


def read(folder: Path, content: Any, beside: dict[str, Any] | None = None, **knobs: Any) -> Tokenizer:
    (folder / "tokenizer.json").write_text(json.dumps(content))
    for file, said in (beside or {}).items():
        (folder / file).write_text(json.dumps(said))
    return TokenizerJson(**knobs).assemble(site(directory=folder))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("added")


PIPELINES = [("gpt2", None), ("llama3", None), ("qwen2", "NFC"), ("o200k", None), ("digits", None), ("none", None)]


@pytest.mark.parametrize(("name", "form"), [*PIPELINES, ("gpt2", "NFD"), ("gpt2", "NFKC")])
@given(text=nasty)
def test_ids_are_those_of_the_library(name: str, form: str | None, folder: Path, text: str) -> None:
    theirs, ours = both(folder, name, form)
    assert isinstance(ours, BytePairTokenizer if form in (None, "NFC") else LibraryTokenizer)
    assert ours.encode(text) == theirs.encode(mended(text)).ids


@pytest.mark.parametrize(("name", "form"), PIPELINES)
@given(text=nasty)
@settings(max_examples=40)
def test_names_of_special_tokens_are_these_tokens_where_it_is_asked(
    name: str, form: str | None, folder: Path, text: str
) -> None:
    theirs, ours = both(folder, name, form)
    theirs.encode_special_tokens = False
    expected = theirs.encode(mended(text)).ids
    theirs.encode_special_tokens = True
    assert ours.encode_special(text) == expected  # type: ignore[attr-defined]


def test_special_tokens_without_rules_or_company_are_found_by_name(folder: Path) -> None:
    theirs = library("llama3", added=False)
    ours: Any = read(folder, json.loads(theirs.to_str()), vocab_size=430)
    theirs.encode_special_tokens = False
    text = f"a{END} <unused 425>{END}"
    assert ours.encode_special(text) == theirs.encode(text).ids
    again = TokenizerJson().restore(json.loads(json.dumps(ours.to_json())))
    assert again.encode_special(text) == theirs.encode(text).ids  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "form"), PIPELINES)
@given(text=nasty)
def test_it_is_restored_with_its_added_tokens(name: str, form: str | None, folder: Path, text: str) -> None:
    _, ours = both(folder, name, form)
    again = TokenizerJson().restore(json.loads(json.dumps(ours.to_json())))
    assert again.encode(text) == ours.encode(text)
    assert again.decode(ours.encode(text)) == ours.decode(ours.encode(text))
    assert again.lossless == ours.lossless


@pytest.mark.parametrize("name", ["gpt2", "llama3", "qwen2", "cl100k", "o200k", "digits", "none"])
@pytest.mark.parametrize("text", [" " * 30_001 + "a", "a" + " " * 25_000, "\t \n" * 9000 + "\n 1", "x " * 12_000])
def test_long_white_space_is_cut_as_the_library_cuts_it(name: str, text: str, tmp_path: Path) -> None:
    theirs = library(name, added=False)
    assert read(tmp_path, json.loads(theirs.to_str())).encode(text) == theirs.encode(text).ids


def test_runs_of_spaces_and_marks_of_thinking_are_one_token_each(folder: Path) -> None:
    _, ours = both(folder, "gpt2", None)
    ids = ours.encode(" " * 24 + "<think></think>")
    assert [ours.token_bytes(token) for token in ids] == [b" " * 24, b"<think>", b"</think>"]
    assert ours.decode(ids) == " " * 24 + "<think></think>"
    assert ours.end == library("gpt2").token_to_id(END)


def test_without_tokens_that_take_space_along_every_text_comes_back(tmp_path: Path) -> None:
    theirs = library("gpt2", added=False)
    theirs.add_tokens(PLAIN[:26])
    ours = read(tmp_path, json.loads(theirs.to_str()))
    assert ours.lossless
    for text in ("a  b   <think>x</think>\n\n    ", "thin thinner <left>"):
        assert ours.decode(ours.encode(text)) == text


# Which token ends a text, and what begins one


def marked(folder: Path, beside: dict[str, Any], **knobs: Any) -> Any:
    theirs = library("llama3", added=False)
    theirs.add_special_tokens(["<|begin|>", "<|eot|>", "<|pad|>"])
    theirs.add_tokens([AddedToken("  ", special=False)])
    content = json.loads(theirs.to_str())
    return read(folder, {**content, **knobs.pop("content", {})}, beside, **knobs)


TEMPLATE = {
    "post_processor": json.loads(
        tokenizers.Tokenizer(models.BPE()).to_str()
        and json.dumps(
            {
                "type": "TemplateProcessing",
                "single": [
                    {"SpecialToken": {"id": "<|begin|>", "type_id": 0}},
                    {"Sequence": {"id": "A", "type_id": 0}},
                ],
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {"<|begin|>": {"id": "<|begin|>", "ids": [421], "tokens": ["<|begin|>"]}},
            }
        )
    )
}


def test_the_end_is_the_one_that_the_files_beside_it_name(tmp_path: Path) -> None:
    places = {"<|endoftext|>": 420, "<|begin|>": 421, "<|eot|>": 422, "<|pad|>": 423}
    for index, (beside, end) in enumerate(
        [
            ({}, 420),
            ({"tokenizer_config.json": {"eos_token": "<|eot|>"}}, 422),
            ({"tokenizer_config.json": {"eos_token": {"content": "<|eot|>"}}}, 422),
            ({"config.json": {"eos_token_id": 422}}, 422),
            ({"config.json": {"eos_token_id": 422}, "generation_config.json": {"eos_token_id": [420, 422]}}, 420),
        ]
    ):
        place = tmp_path / str(index)
        place.mkdir()
        assert marked(place, beside).end == end, beside
    assert places[END] == 420


def test_texts_begin_and_end_as_the_family_says(tmp_path: Path) -> None:
    beside = {"config.json": {"bos_token_id": 421, "eos_token_id": [420, 422]}}
    found = marked(tmp_path, beside, content=TEMPLATE)
    assert (found.end, found.begin, found.ends, found.before_prompt) == (420, 421, (420, 422), (421,))
    again = TokenizerJson().restore(json.loads(json.dumps(found.to_json())))
    assert again.marks == found.marks
    bare = marked(tmp_path, beside)
    assert (bare.begin, bare.before_prompt) == (421, ())


def test_settings_of_the_tokenizer_outdo_its_template(tmp_path: Path) -> None:
    without = {"tokenizer_config.json": {"add_bos_token": False, "bos_token": "<|begin|>", "eos_token": END}}
    assert marked(tmp_path, without, content=TEMPLATE).before_prompt == ()
    added = {"tokenizer_config.json": {"add_bos_token": True, "bos_token": "<|pad|>", "eos_token": END}}
    assert marked(tmp_path, added, content=TEMPLATE).before_prompt == (423,)


def test_an_end_among_several_that_nothing_names_is_asked_for(tmp_path: Path) -> None:
    theirs = library("gpt2", added=False)
    content = json.loads(theirs.to_str())
    content["added_tokens"][0]["content"] = "<one>"
    content["added_tokens"].append({**content["added_tokens"][0], "content": "<two>", "id": 421})
    with pytest.raises(
        PartError, match=r"does not say which .* ends a text: 420 \(<one>\), 421 \(<two>\); give its id"
    ):
        read(tmp_path, content)
    assert read(tmp_path, content, end=421).end == 421


@pytest.mark.parametrize(
    ("file", "said", "problem"),
    [
        ("config.json", {"eos_token_id": 10**9}, "1000000000 is no special token"),
        ("config.json", {"eos_token_id": 3}, "3 is no special token"),
        ("config.json", {"bos_token_id": -1}, "-1 is no special token"),
        ("tokenizer_config.json", [1], "tokenizer_config.json, .*holds no JSON object"),
    ],
)
def test_marks_that_are_no_ids_are_refused(file: str, said: Any, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=problem):
        marked(tmp_path, {file: said})


# By the library itself


def unigram() -> tokenizers.Tokenizer:
    made = tokenizers.Tokenizer(models.Unigram())
    made.normalizer, made.pre_tokenizer = normalizers.NFKC(), pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    made.train_from_iterator(
        CORPUS, trainers.UnigramTrainer(vocab_size=90, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>")
    )
    made.post_processor = processors.TemplateProcessing("$A </s>", "$A </s> $B </s>", [("</s>", 1)])
    return made


def metaspace() -> tokenizers.Tokenizer:
    made = tokenizers.Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    made.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    specials = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    made.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=400, special_tokens=specials))
    made.post_processor = processors.TemplateProcessing("<s> $A", "<s> $A <s> $B", [("<s>", 1)])
    content = json.loads(made.to_str())
    content["added_tokens"] = content["added_tokens"][:3]
    return tokenizers.Tokenizer.from_str(json.dumps(content))


def wordpiece() -> tokenizers.Tokenizer:
    made = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece(cleanup=False)
    made.train_from_iterator(
        CORPUS, trainers.WordPieceTrainer(vocab_size=120, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    )
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return made


OTHERS = {"unigram": unigram, "metaspace": metaspace, "wordpiece": wordpiece}


@cache
def other(kind: str, folder: Path) -> tuple[tokenizers.Tokenizer, Any]:
    theirs = OTHERS[kind]()
    ours = read(folder, json.loads(theirs.to_str()))
    theirs.encode_special_tokens = True
    return theirs, ours


@pytest.mark.parametrize("kind", OTHERS)
@given(text=nasty)
def test_ids_of_other_kinds_are_the_librarys_too(kind: str, folder: Path, text: str) -> None:
    theirs, ours = other(kind, folder)
    ids = ours.encode(text)
    assert ids == theirs.encode(mended(text), add_special_tokens=False).ids
    if "\u2581" not in text and (ours.unknown is None or ours.unknown not in ids):
        assert ours.decode(ids) == theirs.decode(ids)


def test_their_marks_are_those_of_the_template(folder: Path) -> None:
    assert other("unigram", folder)[1].after_source == (1,)
    assert other("metaspace", folder)[1].before_prompt == (1,)
    bert = other("wordpiece", folder)[1]
    assert (bert.before_source, bert.after_source) == ((2,), (3,))


@pytest.mark.parametrize("kind", OTHERS)
def test_without_the_library_they_are_refused_with_how_to_get_it(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = json.loads(OTHERS[kind]().to_str())
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(PartError, match=r"not known here.*pip install 'partwise\[tokenizers\]'"):
        read(tmp_path, content)


@pytest.mark.parametrize("kind", OTHERS)
def test_they_are_restored(kind: str, folder: Path) -> None:
    _, ours = other(kind, folder)
    again = TokenizerJson().restore(json.loads(json.dumps(ours.to_json())))
    assert (again.encode(CORPUS[0]), again.marks, again.unknown) == (ours.encode(CORPUS[0]), ours.marks, ours.unknown)


def test_a_pipeline_that_draws_is_refused(tmp_path: Path) -> None:
    content = json.loads(library("gpt2", added=False).to_str())
    content["model"]["dropout"] = 0.5
    with pytest.raises(PartError, match=r"its dropout is 0\.5"):
        read(tmp_path, content)


def test_merges_that_leave_tokens_unmade_are_not_read_as_if_they_made_them(tmp_path: Path) -> None:
    letters = {letter: rank for rank, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    vocabulary = {**letters, "ab": 256, "bc": 257, "abc": 258, END: 259}
    for merges in ([("a", "b"), ("b", "c"), ("a", "bc")], [("a", "b"), ("b", "c"), ("ab", "c")]):
        for ignore in (False, True):
            theirs = tokenizers.Tokenizer(models.BPE(vocabulary, merges, ignore_merges=ignore))
            theirs.pre_tokenizer = splitter("gpt2")
            theirs.add_special_tokens([END])
            ours = read(tmp_path, json.loads(theirs.to_str()))
            for text in ("abc", "abcabc", "xabc", "bcabc"):
                assert ours.encode(text) == theirs.encode(text).ids, (merges, ignore, text)
