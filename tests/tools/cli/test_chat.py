"""`partwise generate --chat`: lines in, answers out, with a conversation that only pretends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from partwise import InputError, workflow
from partwise.data import ChatTemplate, Example, Turn
from partwise.decoding import Writing
from partwise.recipe import load
from partwise.runs import Run
from partwise_cli import chatting
from partwise_cli.samples import samples

RESOLVED = {
    "partwise": 1,
    "name": "toy",
    "data": {"use": "poem"},
    "tokenizer": {"use": "letters"},
    "model": {"use": "net", "width": 4},
    "trainer": {"use": "drill"},
    "sampler": {"use": "temperature", "heat": 2},
}


class Echo:
    """Says again what it is told, and remembers how often; two turns fit."""

    made: tuple[Any, ...] = ()

    def __init__(self, *given: Any) -> None:
        Echo.made = given
        self.said = 0
        self.forgotten = 0

    def reset(self) -> None:
        self.said = self.forgotten = 0

    def answer(self, said: str) -> Iterator[str]:
        if said == "too long":
            raise InputError("say it in fewer words")
        self.said += 1
        self.forgotten += 2 * (self.said > 2)
        return _pieces(f"{self.said} ", said)


def _pieces(*pieces: str) -> Iterator[str]:
    yield from pieces
    if "stop me" in pieces:
        raise KeyboardInterrupt


@pytest.fixture
def run(here: Path, plugins: object, monkeypatch: pytest.MonkeyPatch) -> str:
    place = Path("runs/toy-abc-s5")
    Run.create(place, RESOLVED, RESOLVED, RESOLVED)
    reopened = SimpleNamespace(loaded=load(RESOLVED), run=SimpleNamespace(recipe=RESOLVED), changes=list)
    monkeypatch.setattr(workflow, "reopen", lambda *given: reopened)
    monkeypatch.setattr(workflow, "writing_of", lambda reopened, *given: Writing(given[1], given[0], given[2]))
    monkeypatch.setattr(workflow, "Chat", Echo)
    return str(place)


def test_every_line_of_standard_input_is_answered_in_the_same_conversation(call, run) -> None:
    result = call("generate", run, "--chat", input="hi\n\n  \nho\x1b\r\n/reset\nha")
    assert (result.exit_code, result.stdout) == (0, "1 hi\n2 ho\\x1b\n1 ha\n")
    assert not result.stderr


def test_that_turns_are_forgotten_is_told_once_in_a_conversation(call, run) -> None:
    result = call("generate", run, "--chat", input="a\nb\nc\nd\n/reset\na\nb\nc\n")
    assert result.stderr.count("note: the conversation no longer fits") == 2


def test_it_passes_on_its_options(call, run, tmp_path) -> None:
    options = ("--tokens", "7", "--seed", "9", "--stop", ".", "--system", "be kind", "--template", "a.jinja")
    call("generate", run, "--chat", *options, "--sampler", '{"heat": 3}', input="a")
    _, writing, seed, system, template = Echo.made
    assert (writing.limit, writing.sampler.heat, writing.stop) == (7, 3, ["."])
    assert (seed, system, template) == (9, "be kind", Path("a.jinja"))


def test_as_json_there_is_an_object_for_each_answer(call, run) -> None:
    lines = call("generate", run, "--chat", "--json", input="\N{SNOWMAN}\nb").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [
        {"prompt": "\N{SNOWMAN}", "text": "1 \N{SNOWMAN}"},
        {"prompt": "b", "text": "2 b"},
    ]


def test_a_line_that_cannot_be_answered_ends_the_command_where_nobody_can_say_it_otherwise(call, run) -> None:
    result = call("generate", run, "--chat", input="a\ntoo long\nb\n")
    assert (result.exit_code, result.stdout) == (2, "1 a\n")
    assert result.stderr.strip() == "standard input, line 2: say it in fewer words"


def test_a_line_that_is_no_text_is_told(call, run) -> None:
    result = call("generate", run, "--chat", input=b"a\nb\xff\n")
    assert (result.exit_code, result.stdout) == (2, "1 a\n")
    assert "standard input, line 2 is not UTF-8 text" in result.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--chat", "--prompt", "a"), "--prompt does not go with --chat"),
        (("--chat", "--special"), "--special does not go with --chat"),
        (("--system", "a"), "--system is for conversations; add --chat"),
        (("--template", "a"), "--template is for conversations; add --chat"),
        (("--chat", "--system", "caf\udce9"), "--system is not UTF-8 text"),
    ],
)
def test_options_that_do_not_go_together_are_told(call, run, options: tuple[str, ...], told: str) -> None:
    result = call("generate", run, *options, input="")
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr


def typed(monkeypatch: pytest.MonkeyPatch, *lines: str | type[BaseException]) -> None:
    """Makes standard input a terminal at which somebody types these lines, and then Ctrl-D."""
    coming = iter(lines)

    def line(_: str) -> str:
        said = next(coming, EOFError)
        if isinstance(said, str):
            return said
        raise said

    monkeypatch.setattr(chatting.sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("click.termui.visible_prompt_func", line)


def test_at_a_terminal_ctrl_c_ends_an_answer_and_ctrl_d_leaves(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    typed(monkeypatch, "a", "stop me", "too long", "", "b")
    chatting.talk(Echo(), as_json=False)  # type: ignore[arg-type]
    shown = capsys.readouterr()
    assert [line for line in shown.out.replace("> ", "").split("\n") if line] == ["1 a", "2 stop me", "3 b"]
    assert shown.err.startswith("Say something. /reset begins anew, Ctrl-D leaves.\nsay it in fewer words\n")


def test_and_where_nothing_is_being_answered_ctrl_c_leaves(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    typed(monkeypatch, "a", KeyboardInterrupt, "b")
    chatting.talk(Echo(), as_json=False)  # type: ignore[arg-type]
    assert "1 a" in capsys.readouterr().out


def test_training_ends_with_the_first_answers_of_conversations_that_were_held_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def generate(reopened: Any, prompt: str, writing: Writing, seed: int) -> Iterator[str]:
        asked.append((prompt, writing.limit, seed, writing.stop, writing.special))
        yield "Hello"

    monkeypatch.setattr(workflow, "generate", generate)
    turns = [Turn("user", "Hi"), Turn("assistant", "Hello"), Turn("user", "Ho"), Turn("assistant", "Hey")]
    held_out = [Example(ChatTemplate().conversation(turns)), Example(ChatTemplate().conversation(turns[2:]))]
    reopened: Any = SimpleNamespace(
        recipe=SimpleNamespace(
            seed=3,
            objective=SimpleNamespace(causal=True),
            model=SimpleNamespace(reads="sequence"),
            sampler=SimpleNamespace(assemble=lambda site: None),
        ),
        chat_template=ChatTemplate,
        tokenizer=SimpleNamespace(end=9, label=lambda token: "</s>"),
        data=lambda: SimpleNamespace(examples=lambda split: iter(held_out)),
    )
    found = list(samples(reopened))
    assert asked[0] == ("user\nHi</s>assistant\n", 125, 3, ["<|end|>"], True)
    assert [(one.prompt, one.text, one.expected) for one in found] == [
        ("user\nHi<|end|>assistant\n", "Hello", "Hello"),
        ("user\nHo<|end|>assistant\n", "Hello", "Hey"),
    ]
