"""Conversations from JSON lines."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from partwise import InputError, PartError
from partwise.data import Data
from partwise.parts import DataSite
from partwise_data.parts import SAMPLES, Chat

SPLITS = ("train", "valid", "test")


def line(*said: str, **more: Any) -> str:
    """A conversation of user and assistant by turns."""
    roles = ("user", "assistant")
    turns = [{"role": roles[place % 2], "content": text} for place, text in enumerate(said)]
    return json.dumps({"messages": turns, **more}) + "\n"


def texts(data: Data, split: Any = "train") -> list[str]:
    """Conversations, what is scored in brackets."""
    return [
        "".join(f"[{piece.text}]" if piece.scored else piece.text for piece in example.pieces)
        for example in data.examples(split)
    ]


def built(folder: Path, content: str, **knobs: Any) -> Data:
    (folder / "talks.jsonl").write_text(content)
    return Chat(**{"files": ("talks.jsonl",), "valid": 0, "test": 0, **knobs}).build(DataSite(folder))


def test_answers_are_scored_and_all_else_is_read(tmp_path: Path) -> None:
    data = built(tmp_path, line("Hi", "Hello", "And?", "", note=1) + "\n" + line("x", "y", "who asks?"))
    assert texts(data) == [
        "user\nHi<|end|>assistant\n[Hello<|end|>]user\nAnd?<|end|>assistant\n[<|end|>]",
        "user\nx<|end|>assistant\n[y<|end|>]",
    ]
    assert texts(built(tmp_path, line("a", "b", "c", "d"), answers="last"))[0].count("[") == 1


def test_sharegpt_has_other_names_for_the_same(tmp_path: Path) -> None:
    turns = [{"from": "system", "value": "s"}, {"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]
    assert texts(built(tmp_path, json.dumps({"conversations": turns}))) == [
        "system\ns<|end|>user\na<|end|>assistant\n[b<|end|>]"
    ]
    named = json.dumps({"messages": 3, "log": turns})
    assert texts(built(tmp_path, named, field="log")) == texts(built(tmp_path, json.dumps({"conversations": turns})))


def test_contents_may_be_lists_of_texts(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    turns = [{"role": "user", "content": parts}, {"role": "assistant", "content": "\ud800 c"}]
    assert texts(built(tmp_path, json.dumps({"messages": turns}))) == ["user\nab<|end|>assistant\n[? c<|end|>]"]


def test_conversations_that_begin_alike_are_in_one_split_and_the_shares_hold(tmp_path: Path) -> None:
    content = "".join(line(f"question {number % 100}", f"answer {number}") for number in range(400))
    data = built(tmp_path, content, valid=0.2, test=0.2)
    questions = [{text.split("<")[0] for text in texts(data, split)} for split in SPLITS]
    assert sum(map(len, questions)) == len(set.union(*questions)) == 100
    assert 10 < len(questions[1]) < 35
    assert 10 < len(questions[2]) < 35


def test_files_may_be_compressed(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(line("a", "b").encode()))
    data = Chat(files=("a.jsonl.gz",), valid=0, test=0).build(DataSite(tmp_path))
    assert texts(data) == ["user\na<|end|>assistant\n[b<|end|>]"]


def test_what_stands_in_files_of_a_splits_own_is_not_trained_on(tmp_path: Path) -> None:
    (tmp_path / "held.jsonl").write_text(line("a", "other") + line("b", "2"))
    content = line("a", "1") + line("c", "3")
    data = built(tmp_path, content, valid_files=("held.jsonl",))
    assert texts(data) == ["user\nc<|end|>assistant\n[3<|end|>]"]
    assert len(texts(data, "valid")) == 2
    with pytest.raises(PartError, match="nothing is left to train on"):
        Chat(files=("held.jsonl",), valid_files=("held.jsonl",)).build(DataSite(tmp_path))


def test_a_template_may_be_given_as_text_or_in_a_file(tmp_path: Path) -> None:
    jinja = "{% for m in messages %}{{ m.role }}>{{ m.content }}{{ eos_token }}\n{% endfor %}"
    (tmp_path / "chat.jinja").write_text(jinja)
    config = {
        "bos_token": None,
        "eos_token": {"content": "</s>"},
        "chat_template": [{"name": "default", "template": jinja}],
    }
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    beside = tmp_path / "beside"
    beside.mkdir()
    (beside / "chat_template.jinja").write_text(jinja)
    (beside / "tokenizer_config.json").write_text(json.dumps({"eos_token": "</s>"}))
    for knobs in (
        {"template": jinja, "eos_token": "</s>"},
        {"template_file": "chat.jinja", "eos_token": "</s>"},
        {"template_file": "tokenizer_config.json"},
        {"template_file": "beside/tokenizer_config.json"},
    ):
        assert texts(built(tmp_path, line("a", "b"), **knobs)) == ["user>a</s>\n[assistant>b</s>]"]


BAD_LINES = {
    "{": "not JSON",
    "3": "expected an object with the turns of a conversation, found 3",
    "{}": r'under "messages" or "conversations", found the keys \(none\)',
    '{"turns": []}': "found the keys turns; the knob",
    '{"messages": []}': "at least one",
    '{"messages": "a"}': "should be a list of turns",
    '{"messages": ["a"]}': "turn 1 should be an object",
    '{"messages": [{"role": "user"}]}': 'turn 1 lacks "content"',
    '{"messages": [{"content": "a"}]}': 'turn 1 lacks "role"',
    '{"messages": [{"role": 3, "content": "a"}]}': 'the "role" of turn 1',
    '{"messages": [{"role": "user", "content": null}]}': 'the "content" of turn 1 should be a string, and is null',
    '{"messages": [{"role": "user", "content": [{"type": "image"}]}]}': "only texts can be learned",
    '{"messages": [{"role": "assistant", "content": "", "tool_calls": [1]}]}': "calls of tools",
    '{"messages": [{"role": "user", "content": "a"}]}': 'no turn of the role "assistant"',
    "[" * 100_000: "nested too deep",
    '{"messages": ' + "9" * 9999 + "}": "a number that is too long",
}


ROLES_THAT_LOOK_LIKE = {"Assistant": "assistant", "asistant": "assistant", "assistent": "assistant", "GPT": "gpt"}


@pytest.mark.parametrize("role", ROLES_THAT_LOOK_LIKE)
def test_a_role_that_only_looks_like_the_one_that_is_learned_is_refused(role: str, tmp_path: Path) -> None:
    names = ("from", "value") if role == "GPT" else ("role", "content")
    said = [dict(zip(names, turn, strict=True)) for turn in (("human", "a"), (role, "b"), ("human", "c"))]
    answer = dict(zip(names, (ROLES_THAT_LOOK_LIKE[role], "d"), strict=True))
    data = built(tmp_path, json.dumps({"messages": [*said, answer]}))
    with pytest.raises(InputError, match=rf'talks.jsonl:1: .* of turn 2 is "{role}", .*{ROLES_THAT_LOOK_LIKE[role]}'):
        texts(data)


@pytest.mark.parametrize("part", [{"type": "text", "txt": "a"}, {"type": "text", "text": None}])
def test_a_part_without_a_text_is_refused(part: Any, tmp_path: Path) -> None:
    turns = [{"role": "user", "content": [part]}, {"role": "assistant", "content": "b"}]
    with pytest.raises(InputError, match=r'talks.jsonl:1: the "content" of turn 1 has a part whose "text" is no'):
        texts(built(tmp_path, json.dumps({"messages": turns})))


@pytest.mark.parametrize("template", ["no conversation", "{{ messages[0].contnt }}", " "])
def test_a_template_that_writes_no_answers_is_refused(template: str, tmp_path: Path) -> None:
    data = built(tmp_path, line("a", "b"), template=template)
    with pytest.raises(InputError, match=r"talks.jsonl:1: the chat template adds nothing where turn 2 is an answer"):
        texts(data)


@pytest.mark.parametrize("bad", BAD_LINES)
def test_a_line_that_is_no_conversation_is_told_with_its_place(bad: str, tmp_path: Path) -> None:
    data = built(tmp_path, line("a", "b") + bad)
    with pytest.raises(InputError, match=BAD_LINES[bad]) as raised:
        list(data.examples("train"))
    assert str(raised.value).startswith(f"{tmp_path / 'talks.jsonl'}:2: ")


def test_what_the_template_refuses_is_told_with_its_place(tmp_path: Path) -> None:
    template = "{% if messages[0].role != 'user' %}{{ raise_exception('users first') }}{% endif %}"
    data = built(tmp_path, json.dumps({"messages": [{"role": "assistant", "content": "a"}]}), template=template)
    with pytest.raises(InputError, match=r"talks.jsonl:1: the chat template refuses the conversation: users first"):
        list(data.examples("train"))


@pytest.mark.parametrize(
    ("knobs", "problem"),
    [
        ({"template": "{% if"}, "no Jinja: line 1"),
        ({"template_file": "none.jinja"}, "cannot read .*none.jinja"),
        ({"template_file": "empty.json"}, "has no chat_template"),
        ({"template_file": "list.json"}, "should be a JSON object"),
        ({"template_file": "wrong.json"}, "chat_template should be a string"),
        ({"template_file": "broken.json"}, "is no JSON"),
    ],
)
def test_a_template_that_cannot_be_read_is_told_before_anything_else(
    knobs: dict[str, str], problem: str, tmp_path: Path
) -> None:
    for name, content in {"empty": "{}", "list": "[]", "wrong": '{"chat_template": 3}', "broken": "{"}.items():
        (tmp_path / f"{name}.json").write_text(content)
    with pytest.raises(PartError, match=problem):
        built(tmp_path, line("a", "b"), **knobs)


def test_either_a_template_or_a_file_of_one() -> None:
    with pytest.raises(ValueError, match="not both"):
        Chat(files=("a",), template="a", template_file="b")


def test_an_empty_split_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"splits would be empty: there is 1 conversation in .*and a hash"):
        list(built(tmp_path, line("a", "b"), valid=0.1, test=0.1).examples("train"))


def test_the_samples_are_conversations() -> None:
    for name in ("talks.jsonl", "talks-sharegpt.jsonl"):
        data = Chat(files=(str(SAMPLES / name),), valid=0, test=0).build(DataSite())
        assert len(texts(data)) > 5
