"""Talking with a run: what it reads, where its answers end, and what it forgets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from partwise import InputError
from partwise.data import ChatTemplate, Marks, Turn
from partwise.decoding import Decoder
from partwise.recipe import load
from partwise.workflow import Chat, draft_of, reopen, train, writing_of
from partwise.workflow import chatting as chatting_module
from partwise_tokenizers.bpe import BYTES, BytePairTokenizer
from partwise_tokenizers.char import CharTokenizer

CHARS = CharTokenizer(sorted(set("abcdefghijklmnopqrstuvwxyz .!?:\n<>|/")))
NAMED = BytePairTokenizer(
    [*BYTES, None, None, None], "gpt2", Marks.plain(258), {256: "<|u|>", 257: "<|x|>", 258: "<|e|>"}
)
BEGUN = BytePairTokenizer(
    [*BYTES, None, None], "gpt2", Marks(256, 257, (256,), (), 257, (), ()), {256: "</s>", 257: "<s>"}
)
ROLES = ("user", "assistant") * 2
LINES = """\
{%- for m in messages %}{{ m.role ~ ': ' ~ m.content ~ '\\n' }}{% endfor -%}
{%- if add_generation_prompt %}{{ 'assistant: ' }}{% endif -%}
"""
TURNS = """\
{%- for m in messages %}{{ '<|u|>' ~ m.role ~ '\\n' ~ m.content ~ '<|x|>\\n' }}{% endfor -%}
{%- if add_generation_prompt %}{{ '<|u|>assistant\\n' }}{% endif -%}
"""


class Says:
    """A sampler that writes given tokens, and keeps what it was asked to continue."""

    def __init__(self, *answers: Sequence[int]) -> None:
        self.answers, self.read = [list(one) for one in answers], list[list[int]]()
        self.seeds = list[int]()

    def generate(self, decoder: Decoder, limit: int, generator: torch.Generator) -> Iterator[Tensor]:
        self.read.append(decoder.text[0].tolist())
        self.seeds.append(generator.initial_seed())
        for token in [*self.answers[len(self.read) - 1], *[0] * 99][:limit]:
            yield torch.tensor([token])

    def assemble(self, site: None) -> Any:
        return self


class Mute(torch.nn.Module):
    """A model that only has a context."""

    def __init__(self, context: int) -> None:
        super().__init__()
        self.context = context

    def begin(self, prompt: Any, room: int) -> Any:
        return torch.zeros(1, 300), None

    def step(self, tokens: Any, decoding: Any) -> Any:
        return torch.zeros(1, 300)


def chat(says: Says, tokenizer: Any = CHARS, template: str | None = None, context: int = 200, **knobs: Any) -> Chat:
    """A chat with a run whose data has that template; without one, the default template."""
    made = ChatTemplate() if template is None else ChatTemplate(template)
    recipe = SimpleNamespace(
        objective=SimpleNamespace(causal=True, name="next_token"), model=SimpleNamespace(reads="sequence"), sampler=says
    )
    run = SimpleNamespace(directory=Path("run"), lock={})
    reopened: Any = SimpleNamespace(
        recipe=recipe, run=run, tokenizer=tokenizer, model=Mute(context), device="cpu", chat_template=lambda: made
    )
    settings = {name: knobs.pop(name) for name in ("limit", "stop") if name in knobs}
    return Chat(reopened, writing_of(reopened, **{"limit": 50, **settings}), **knobs)


def test_every_answer_is_asked_for_after_all_that_was_said() -> None:
    says = Says([*CHARS.encode("hello"), CHARS.end], [*CHARS.encode("fine"), CHARS.end], [CHARS.end])
    talk = chat(says, seed=7, system="be kind")
    assert "".join(talk.answer("hi")) == "hello"
    assert "".join(talk.answer("how?")) == "fine"
    assert not list(talk.answer(""))
    end, told = [CHARS.end], lambda text: CHARS.encode(text)
    first = [*end, *told("system\nbe kind"), *end, *told("user\nhi"), *end, *told("assistant\n")]
    second = [*first, *told("hello"), *end, *told("user\nhow?"), *end, *told("assistant\n")]
    assert says.read[:2] == [first, second]
    assert says.seeds == [7, 8, 9]
    assert [turn.content for turn in talk.turns] == ["hi", "hello", "how?", "fine", "", ""]
    talk.reset()
    says.read.clear()
    assert "".join(talk.answer("hi")) == "hello"
    assert says.read == [first]


def test_an_answer_ends_at_the_special_token_that_ends_its_turn() -> None:
    says = Says([*b"ok<|x|>", 257, *b"more"])
    talk = chat(says, NAMED, TURNS)
    assert "".join(talk.answer("a <|x|>")) == "ok<|x|>"
    assert says.read == [[258, 256, *b"user\na <|x|>", 257, *b"\n", 256, *b"assistant\n"]]


def test_or_before_the_string_that_does() -> None:
    says = Says(CHARS.encode(" yes\nuser: no"), [*CHARS.encode("maybe"), CHARS.end])
    talk = chat(says, template=LINES)
    assert ["".join(talk.answer("a")), "".join(talk.answer("b"))] == ["yes", "maybe"]
    assert talk.turns[1] == Turn("assistant", "yes")


def test_or_at_a_stop_string_or_when_it_is_long_enough() -> None:
    says = Says(CHARS.encode("one. two"), CHARS.encode("abcdefgh"))
    talk = chat(says, stop=(".",), limit=6)
    assert ["".join(talk.answer("a")), "".join(talk.answer("b"))] == ["one", "abcdef"]


def test_what_the_template_writes_before_an_answer_is_not_shown() -> None:
    template = LINES.replace("m.content", "('<> ' if m.role == 'assistant' else '') ~ m.content")
    says = Says(CHARS.encode("<> yes\n"), CHARS.encode("<no\n"))
    talk = chat(says, template=template)
    assert ["".join(talk.answer("a")), "".join(talk.answer("b"))] == ["yes", "<no"]


def test_the_oldest_turns_are_forgotten_when_the_context_is_full_but_not_the_system() -> None:
    says = Says(*[[*CHARS.encode("yes"), CHARS.end]] * 9)
    talk = chat(says, context=80, limit=10, system="s")
    forgotten = []
    for number in range(5):
        assert "".join(talk.answer(f"say {'ab'[number % 2]}")) == "yes"
        forgotten.append(talk.forgotten)
    assert forgotten == [0, 0, 2, 4, 6]
    assert all(len(read) <= 70 for read in says.read)
    assert all(CHARS.decode(read).startswith("system\ns") for read in says.read)
    before = list(talk.turns)
    with pytest.raises(InputError, match="and the model's context is 80; say it in fewer words"):
        talk.answer("a" * 80)
    assert talk.turns == before


def test_an_answer_that_is_broken_off_is_remembered_as_far_as_it_was_shown() -> None:
    talk = chat(Says(CHARS.encode("abcdef")))
    answer = talk.answer("a")
    assert [next(answer), next(answer)] == ["a", "b"]
    answer.close()  # type: ignore[attr-defined]
    assert talk.turns == [Turn("user", "a"), Turn("assistant", "ab")]


def test_a_run_that_learned_elsewhere_begins_as_prompts_of_its_family_do(tmp_path: Path) -> None:
    (tmp_path / "chat.jinja").write_text(LINES)
    says = Says([256], [256], [256])
    list(chat(says, BEGUN, LINES).answer("a"))
    list(chat(says, BEGUN).answer("a"))
    reopened = chat(says, BEGUN)._reopened
    list(Chat(reopened, writing_of(reopened, 50), template=tmp_path / "chat.jinja").answer("a"))
    assert [read[0] == 257 for read in says.read] == [True, True, False]


def test_without_a_template_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has not learned from conversations.*--template FILE"):
        chatting_module._template(_untaught({}), None)
    said = {"chat_template": LINES, "eos_token": "</s>"}
    template, learned = chatting_module._template(_untaught({"imported": {"chat": said}}), None)
    assert (template, learned) == (ChatTemplate(LINES, "", "</s>"), False)
    with pytest.raises(InputError, match="cannot read"):
        chatting_module._template(_untaught({}), tmp_path / "none.json")


def _untaught(lock: dict[str, Any]) -> Any:
    return SimpleNamespace(chat_template=lambda: None, run=SimpleNamespace(lock=lock, directory=Path("run")))


@pytest.mark.parametrize(
    ("causal", "reads", "problem"), [(False, "sequence", "cannot write"), (True, "pair", "--chat")]
)
def test_models_that_cannot_hold_a_conversation_are_refused(causal: bool, reads: str, problem: str) -> None:
    reopened = chat(Says())._reopened
    reopened.recipe.objective.causal, reopened.recipe.model.reads = causal, reads  # type: ignore[misc]
    with pytest.raises(InputError, match=problem):
        Chat(reopened, writing_of(reopened, 5))


def test_a_template_that_refuses_a_system_is_told_at_once() -> None:
    template = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + LINES
    with pytest.raises(InputError, match="no system"):
        chat(Says(), template=template, system="s")


def test_a_run_that_was_taught_to_answer_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTWISE_CACHE", str(tmp_path / "cache"))
    talks = {"talks.jsonl": ["cat miau dog wau", "dog wau cat miau"], "held.jsonl": ["cow muh"]}
    for name, lines in talks.items():
        said = [
            [{"role": role, "content": text} for role, text in zip(ROLES, line.split(), strict=False)] for line in lines
        ]
        (tmp_path / name).write_text("".join(json.dumps({"messages": turns}) + "\n" for turns in said))
    recipe = {
        "extends": "gpt",
        "name": "talks",
        "data": {"use": "chat", "files": ["talks.jsonl"], "test": 0, "valid_files": ["held.jsonl"]},
        "tokenizer": "char",
        "model": {"context": 90, "depth": 1, "width": 48},
        "trainer": {"steps": 60, "batch_size": 2, "evaluate_batches": 1, "schedule": {"use": "constant"}},
        "sampler": "greedy",
    }
    (tmp_path / "talks.json").write_text(json.dumps(recipe))
    run = train(load(tmp_path / "talks.json"), tmp_path / "run", device="cpu")
    reopened = reopen(run.directory, "cpu")
    draft = draft_of(reopened, reopened)
    for one in (None, draft):
        talk = Chat(reopened, writing_of(reopened, 20, draft=one))
        assert ["".join(talk.answer(said)) for said in ("dog", "cat")] == ["wau", "miau"]
    assert draft.accepted == draft.proposed > 0
