"""`partwise generate --prompts FILE`: each answer is the one that the command gives alone, and none is ever lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import partwise
from partwise import InputError, decoding, workflow
from partwise.decoding import Wanted
from partwise.errors import WorkError
from partwise.storage import locks, write_text
from partwise.workflow import writing_many
from partwise_cli.main import cli

TINY = {"name": "tiny", "data": "grammar", "model.width": 8, "model.context": 16, "trainer.steps": 4,
        "trainer.batch_size": 2, "trainer.evaluate_batches": 1, "trainer.schedule": "constant"}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    place = tmp_path_factory.mktemp("runs") / "tiny"
    partwise.train(partwise.change("char-rnn", TINY), out=place, say=None)
    return str(place)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    place = tmp_path / "prompts.txt"
    place.write_text("the\n\na dog sees\nthe cat\n")
    return place


def call(*arguments: Any, **more: Any) -> Result:
    return CliRunner().invoke(cli, ["generate", *map(str, arguments)], prog_name="partwise", **more)


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_each_answer_is_the_one_given_alone_in_the_order_of_the_prompts(run: str, file: Path) -> None:
    result = call(run, "--prompts", file, "--tokens", 30, "--seed", 5, "--rows", 2)
    assert result.exit_code == 0, result.output
    found = lines_of(result.stdout)
    assert [(one["line"], one["prompt"], one["seed"]) for one in found] == [
        (1, "the", 5), (2, "", 6), (3, "a dog sees", 7), (4, "the cat", 8),
    ]  # fmt: skip
    for one in found:
        alone = call(run, "--prompt", one["prompt"], "--seed", one["seed"], "--tokens", 30, "--json")
        assert one["text"] == json.loads(alone.stdout)["text"]


def test_lines_of_json_have_seeds_of_their_own_and_line_breaks(run: str, tmp_path: Path) -> None:
    place = tmp_path / "prompts.jsonl"
    place.write_text('{"prompt": "the\\ncat", "seed": 9}\n\n{"prompt": "a"}\n')
    found = lines_of(call(run, "--prompts", place, "--tokens", 3).stdout)
    assert [(one["prompt"], one["seed"]) for one in found] == [("the\ncat", 9), ("a", 1)]


def test_standard_input_has_a_prompt_on_each_line(run: str) -> None:
    found = lines_of(call(run, "--prompts", "-", "--tokens", 3, input="the\r\ncat").stdout)
    assert [one["prompt"] for one in found] == ["the", "cat"]


def test_what_was_written_before_the_command_was_stopped_is_kept(
    run: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, output = tmp_path / "whole.jsonl", tmp_path / "answers.jsonl"
    command = (run, "--prompts", file, "--tokens", 20)
    assert call(*command, "--output", whole).exit_code == 0
    plain = workflow.generate_many

    def stopped(*arguments: Any) -> Any:
        texts = plain(*arguments)
        yield next(texts)
        yield next(texts)
        raise KeyboardInterrupt

    monkeypatch.setattr(workflow, "generate_many", stopped)
    assert call(*command, "--output", output).exit_code == 130
    shown = call(*command)
    assert (shown.exit_code, len(lines_of(shown.stdout))) == (130, 2), "on standard output, too"
    monkeypatch.undo()
    assert len(output.read_text().splitlines()) == 2
    with output.open("a") as half:
        half.write('{"line": 3, "pro')
    again = call(*command, "--output", output)
    assert "has 2 of 4 answers already" in again.stderr
    assert output.read_text() == whole.read_text()
    assert call(*command, "--output", output).exit_code == 0, "when all is there, nothing is left to do"


@pytest.mark.parametrize("changed", [("--tokens", 21), ("--seed", 1), ("--sampler", "greedy"), ("--stop", "x")])
def test_answers_to_something_else_are_left_alone(run: str, file: Path, tmp_path: Path, changed: tuple[Any]) -> None:
    output = tmp_path / "answers.jsonl"
    call(run, "--prompts", file, "--tokens", 20, "--output", output)
    before = output.read_text()
    result = call(run, "--prompts", file, "--tokens", 20, "--output", output, *changed)
    assert result.exit_code == 2
    assert "line 1: this is no answer to the prompts asked now" in result.stderr
    assert output.read_text() == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "has no prompt in it"),
        ("{", "line 1: this is no JSON"),
        ("[1]", 'line 1: there is no "prompt" with a text'),
        ('{"prompt": 3}', 'line 1: there is no "prompt" with a text'),
        ('{"prompt": "a"}\n{"prompt": "b", "sed": 1}', 'line 2: "sed" means nothing here'),
        ('{"prompt": "a", "seed": -1}', 'line 1: "seed" is -1'),
        ('{"prompt": "a", "seed": true}', 'line 1: "seed" is true'),
        ('{"prompt": "\\ud800"}', "lone surrogate"),
        ("[" * 100_000, "line 1: this is no JSON"),
    ],
)
def test_a_line_that_is_no_prompt_is_refused(run: str, tmp_path: Path, content: str, said: str) -> None:
    place = tmp_path / "prompts.jsonl"
    place.write_text(content)
    result = call(run, "--prompts", place)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not result.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--rows", 3), "--rows is for many prompts"),
        (("--output", "x"), "--output is for many prompts"),
        (("--prompts", "x", "--prompt", "a"), "--prompts does not go with --prompt"),
        (("--prompts", "x", "--chat"), "--prompts does not go with --chat"),
        (("--prompts", "nowhere.txt"), "cannot read nowhere.txt"),
        (("--prompts", "/dev/zero"), "not a regular file"),
    ],
)
def test_options_that_do_not_go_together_are_refused(run: str, options: tuple[Any, ...], said: str) -> None:
    result = call(run, *options)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_place_that_cannot_hold_answers_is_refused_before_anything_is_written(run: str, file: Path) -> None:
    for place in ("/dev/null", file.parent, file.parent / "none" / "x.jsonl"):
        result = call(run, "--prompts", file, "--tokens", 3, "--output", place)
        assert result.exit_code in (1, 2)
        assert str(place) in result.stderr
        assert "Traceback" not in result.stderr


def test_two_commands_never_write_one_file_at_once(
    run: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "answers.jsonl"
    command = (run, "--prompts", file, "--tokens", 20, "--output", output)
    plain, during = workflow.generate_many, list[Result]()

    def with_another(*arguments: Any) -> Any:
        texts = plain(*arguments)
        yield next(texts)
        monkeypatch.undo()
        before = output.read_text()
        during.append(call(*command))
        assert output.read_text() == before
        yield from texts

    monkeypatch.setattr(workflow, "generate_many", with_another)
    first = call(*command)
    assert first.exit_code == 0, first.output
    assert (during[0].exit_code, during[0].stdout) == (1, "")
    assert f"another process is writing answers into {output}; wait until it ends" in during[0].stderr
    assert [one["line"] for one in lines_of(output.read_text())] == [1, 2, 3, 4]
    assert call(*command).exit_code == 0, "it is free again"


def test_a_file_that_was_exchanged_while_it_was_opened_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, wanted = tmp_path / "answers.jsonl", [Wanted("a"), Wanted("b")]
    plain, lines = locks.lock, [workflow.answer(index, one, "x", "s") + "\n" for index, one in enumerate(wanted)]

    def finished_meanwhile(handle: int) -> Any:
        monkeypatch.undo()
        write_text(place, "".join(lines))
        return plain(handle)

    monkeypatch.setattr(writing_many, "lock", finished_meanwhile)
    with workflow.answers_in(place, wanted, "s") as answers:
        assert not answers.missing
        with pytest.raises(WorkError, match="another process is writing"), workflow.answers_in(place, wanted, "s"):
            pass


@pytest.mark.parametrize("content", ["my only notes", '{"line": 1}', '{"lin', "\n", "\ufeff", "{", "\x89PNG"])
def test_only_half_a_line_of_answers_is_ever_thrown_away(tmp_path: Path, content: str) -> None:
    place, ours = tmp_path / "notes.txt", content in ('{"lin', "{", '{"line": 1}')
    place.write_text(content)
    if ours:
        with workflow.answers_in(place, [Wanted("a")], "s") as answers:
            assert answers.missing == [0]
        assert place.read_text() == ""
        return
    with pytest.raises(InputError, match="line 1: this is no answer"), workflow.answers_in(place, [Wanted("a")], "s"):
        pass
    assert place.read_text() == content


def test_an_answer_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    place = tmp_path / "answers.jsonl"
    with workflow.answers_in(place, [Wanted("a")], "s") as answers:
        place.unlink()
        place.mkdir()
        with pytest.raises(WorkError, match="Is a directory; whatever was there"):
            answers.add(0, "b")


def test_steps_are_compiled_only_for_texts_that_are_still_missing(
    run: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "PAYS_FROM", 20 * 4)
    compiled = list[str]()
    monkeypatch.setattr(decoding, "compile_steps", lambda model, say: compiled.append("compiled"))
    command = (run, "--prompts", file, "--tokens", 20, "--rows", 1, "--output", tmp_path / "answers.jsonl")
    for _ in range(2):
        assert call(*command).exit_code == 0
        assert compiled == ["compiled"], "the second time all is there"
