"""Training, writing and evaluating as the commands show them, with a workflow that only pretends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from partwise import InputError, WorkError, workflow
from partwise.data import Example, Piece
from partwise.decoding import Writing
from partwise.recipe import load
from partwise.runs import Run
from partwise.training import Metrics, Progress
from partwise_cli import generate

RESOLVED = {
    "partwise": 1,
    "name": "toy",
    "data": {"use": "poem"},
    "tokenizer": {"use": "letters"},
    "model": {"use": "net", "width": 4},
    "trainer": {"use": "drill"},
    "sampler": {"use": "temperature", "heat": 2},
    "seed": 5,
}


class Pretended:
    """A workflow that trains nothing and writes `text`."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.steps = range(1, 4)
        self.failure: BaseException | None = None
        self.text = "once upon \x1b[2J a time\nthe end"
        self.reads = "sequence"
        self.data: list[Example] = []

    def train(self, loaded, out: Path, seed: int | None, device: str, report, say, profile: int = 0) -> Any:
        self.calls.append(("train", loaded.recipe.name, out, seed, device))
        self.directory(out)
        say("reading the poem")
        for step in self.steps:
            report(Progress(step, 3, {"loss": 2.0, "tokens_per_second": 10.0}))
        if self.failure is not None:
            raise self.failure
        rows = [{"step": 0, "valid_loss": 5.0, "valid_perplexity": 148.4, "valid_bits_per_byte": 4.0}]
        rows += [{"step": 3, "loss": 2.0, "valid_loss": 3.0, "valid_perplexity": 20.1, "valid_bits_per_byte": 2.5}]
        return SimpleNamespace(directory=out, rows=lambda: rows, recipe=RESOLVED)

    def directory(self, place: Path) -> Path:
        Run.create(place, RESOLVED, RESOLVED, RESOLVED)
        return place

    def reopen(self, directory: Path, device: str, weights: str = "last", data: Path | None = None) -> Any:
        self.calls.append(("reopen", directory, device))
        loaded = load(RESOLVED)
        data = SimpleNamespace(form="examples" if self.data else "stream", examples=lambda split: iter(self.data))
        recipe = SimpleNamespace(
            seed=5, model=SimpleNamespace(reads=self.reads), objective=SimpleNamespace(causal=True)
        )
        run = SimpleNamespace(directory=directory, recipe=RESOLVED)
        return SimpleNamespace(
            run=run, loaded=loaded, recipe=recipe, changes=list, data=lambda: data, chat_template=lambda: None,
            tokenizer=SimpleNamespace(encode=list),
        )  # fmt: skip

    def writing_of(
        self, reopened, limit: int, sampler: Any = None, stop: Any = (), special: bool = False, draft: Any = None
    ) -> Writing:
        return Writing(sampler, limit, stop, pairs=self.reads == "pair", special=special, draft=draft)

    def generate(self, reopened, prompt: str, writing: Writing, seed: int = 0) -> Iterator[str]:
        stop, special = writing.stop, writing.special
        self.calls.append(
            ("generate", prompt, writing.limit, seed, writing.sampler, *([stop] if stop else []), *([True] * special))
        )
        yield from (self.text[:5], self.text[5:])

    def evaluate(self, reopened, split: str, limit: int | None) -> Metrics:
        self.calls.append(("evaluate", split, limit))
        return Metrics(3.0, 20.0855, None, 1234)


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch, plugins) -> Pretended:
    made = Pretended()
    for name in ("train", "reopen", "writing_of", "generate", "evaluate"):
        monkeypatch.setattr(workflow, name, getattr(made, name))
    return made


def asked(pretended: Pretended, what: str) -> list[tuple[Any, ...]]:
    return [call[1:] for call in pretended.calls if call[0] == what]


# --- train


def test_training_passes_on_what_it_is_given(call, recipe, pretended) -> None:
    call("train", recipe(), "--seed", "3", "--out", "there", "--device", "cpu", "--set", "name=other")
    assert asked(pretended, "train") == [("other", Path("there"), 3, "cpu")]


def test_a_run_is_kept_under_name_fingerprint_and_seed(call, recipe, pretended) -> None:
    call("train", recipe(), "--seed", "3")
    ((_, out, _, _),) = asked(pretended, "train")
    assert out == Path("runs") / f"toy-{load('toy.json').recipe.fingerprint()}-s3"


def test_training_ends_with_figures_a_sample_the_directory_and_the_next_command(call, recipe, pretended) -> None:
    result = call("train", recipe(), "--out", "there")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert "reading the poem" in lines
    assert any(line.startswith("step 3/3   loss 2.000") for line in lines)
    assert any(line.split() == ["valid", "bits", "per", "byte", "4.000", "2.500"] for line in lines)
    assert "once upon \\x1b[2J a time" in lines
    assert lines[-2:] == ["run:  there", "next: partwise generate there"]


def test_training_as_json_prints_one_object_and_the_progress_on_stderr(call, recipe, pretended) -> None:
    result = call("train", recipe(), "--out", "there", "--json")
    assert "step 3/3" in result.stderr
    assert json.loads(result.stdout) == {
        "run": "there",
        "name": "toy",
        "seed": 5,
        "was_finished": False,
        "continued_from": 0,
        "before": {"train_loss": 2.0, "valid_loss": 5.0, "valid_perplexity": 148.4, "valid_bits_per_byte": 4.0},
        "after": {"train_loss": 2.0, "valid_loss": 3.0, "valid_perplexity": 20.1, "valid_bits_per_byte": 2.5},
        "samples": [{"prompt": "", "text": pretended.text, "expected": None}],
    }


def test_a_run_that_was_finished_already_is_a_success(call, recipe, pretended) -> None:
    pretended.steps = range(0)
    result = call("train", recipe(), "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["was_finished"] is True
    assert json.loads(result.stdout)["continued_from"] is None


def test_a_run_that_is_continued_says_from_where(call, recipe, pretended) -> None:
    pretended.steps = range(3, 4)
    assert json.loads(call("train", recipe(), "--json").stdout)["continued_from"] == 2


def test_interrupted_training_ends_with_130_and_says_what_is_kept(call, recipe, pretended, here) -> None:
    pretended.failure = KeyboardInterrupt()
    assert "nothing was kept yet" in call("train", recipe(), "--out", "there").stderr
    (here / "there" / "checkpoint-200").mkdir()
    result = call("train", recipe(), "--out", "there")
    assert result.exit_code == 130
    assert "interrupted: step 200 is kept; the same command continues" in result.stderr


def test_training_that_fails_exits_with_1(call, recipe, pretended) -> None:
    pretended.failure = WorkError("training diverged at step 2")
    result = call("train", recipe())
    assert (result.exit_code, result.stderr) == (1, "training diverged at step 2\n")


def test_an_empty_directory_name_does_not_mean_the_current_one(call, recipe, pretended) -> None:
    result = call("train", recipe(), "--out", "")
    assert result.exit_code == 2
    assert "an empty name is no directory" in result.stderr
    assert asked(pretended, "train") == []


def test_a_wrong_recipe_exits_with_2_before_anything_is_trained(call, recipe, pretended) -> None:
    assert call("train", recipe(width=-1)).exit_code == 2
    assert not pretended.calls


@pytest.mark.parametrize("seed", ["-1", "x", "1.5"])
def test_a_seed_is_a_whole_number(call, recipe, pretended, seed: str) -> None:
    assert call("train", recipe(), "--seed", seed).exit_code == 2


def test_where_the_data_asks_for_answers_the_sample_shows_right_and_wrong_ones(call, recipe, pretended) -> None:
    pretended.text = "cba"
    pretended.data = [
        Example((Piece(source, scored=False), Piece(target))) for source, target in (("abc", "cba"), ("a\n", "b"))
    ]
    lines = call("train", recipe()).stdout.splitlines()
    assert "abc -> cba   (right)" in lines
    assert "a\\n -> cba   (expected b)" in lines
    assert lines[-1].endswith("-s0 --prompt abc")


@pytest.mark.parametrize(("end", "most"), [((), 2 + 120), ((Piece("", scored=False),), 2)])
def test_the_sample_is_as_long_as_the_answer_where_no_model_learns_its_end(
    call, recipe, pretended, end: tuple[Piece, ...], most: int
) -> None:
    pretended.text = "cb"
    pretended.data = [Example((Piece("abc", scored=False), Piece("cb"), *end))]
    assert "abc -> cb   (right)" in call("train", recipe()).stdout
    ((prompt, limit, *_),) = asked(pretended, "generate")
    assert (prompt, limit) == ("abc", most)


# --- generate


@pytest.fixture
def run(pretended: Pretended, here: Path) -> str:
    return str(pretended.directory(Path("runs/toy-abc-s5")))


def test_a_language_model_goes_on_from_the_prompt(call, run, pretended) -> None:
    pretended.text = " upon a time\nthe end"
    assert call("generate", run, "--prompt", "once").stdout == "once upon a time\nthe end\n"


def test_control_characters_of_prompt_and_text_come_out_as_escapes(call, run, pretended) -> None:
    pretended.text = "a\rb\x07"
    assert call("generate", run, "--prompt", "\x1b[2J").stdout == "\\x1b[2Ja\\x0db\\x07\n"


def test_text_is_shown_as_it_comes(call, run, monkeypatch) -> None:
    def failing(*arguments: Any) -> Iterator[str]:
        yield "the first words"
        raise WorkError("then it broke")

    monkeypatch.setattr(workflow, "generate", failing)
    result = call("generate", run)
    assert result.stdout == "the first words"
    assert result.stderr.strip() == "then it broke"


def test_generate_passes_on_tokens_seed_sampler_and_device(call, run, pretended) -> None:
    call("generate", run, "--tokens", "7", "--seed", "9", "--sampler", '{"heat": 3}', "--device", "cpu")
    ((prompt, limit, seed, sampler),) = asked(pretended, "generate")
    assert (prompt, limit, seed, sampler.heat) == ("", 7, 9, 3)
    assert asked(pretended, "reopen") == [(Path(run), "cpu")]


def test_generate_takes_names_of_special_tokens_for_these_tokens_only_if_asked(call, run, pretended) -> None:
    call("generate", run, "--prompt", "<|end|>")
    call("generate", run, "--prompt", "<|end|>", "--special")
    assert [one[4:] for one in asked(pretended, "generate")] == [(), (True,)]


def test_generate_passes_on_stop_strings_and_refuses_what_is_no_text_or_nothing(call, run, pretended) -> None:
    call("generate", run, "--stop", "\n\n", "--stop", "def ")
    assert asked(pretended, "generate")[0][4] == ["\n\n", "def "]
    for stop, told in (("", "--stop is empty"), ("caf\udce9", "--stop is not UTF-8 text: byte 3 is 0xe9")):
        result = call("generate", run, "--stop", stop)
        assert (result.exit_code, result.stdout) == (2, "")
        assert told in result.stderr


def test_a_name_means_that_sampler_with_its_defaults_whatever_the_recipe_has(call, run, pretended) -> None:
    call("generate", run, "--sampler", "temperature")
    assert asked(pretended, "generate")[0][3].heat == 1


def test_an_unknown_sampler_is_reported_as_the_option_it_was(call, run) -> None:
    result = call("generate", run, "--sampler", "temprature")
    assert result.exit_code == 2
    assert "--sampler: unknown sampler 'temprature', did you mean 'temperature'?" in result.stderr


def test_standard_input_is_one_prompt_of_a_language_model(call, run, pretended) -> None:
    call("generate", run, "--prompt", "-", input="two\nlines\n")
    assert [prompt for prompt, *_ in asked(pretended, "generate")] == ["two\nlines"]


def test_each_line_of_standard_input_is_a_source_to_be_answered_in_a_line(call, run, pretended) -> None:
    pretended.reads, pretended.text = "pair", "an\nswer"
    result = call("generate", run, "--prompt", "-", input="one\ntwo\n")
    assert [prompt for prompt, *_ in asked(pretended, "generate")] == ["one", "two"]
    assert result.stdout == "an\\nswer\nan\\nswer\n"


def test_a_model_that_answers_needs_something_to_answer(call, run, pretended) -> None:
    pretended.reads = "pair"
    result = call("generate", run)
    assert result.exit_code == 2
    assert "--prompt TEXT" in result.stderr


def test_standard_input_that_is_not_utf8_is_an_error_in_words(call, run) -> None:
    result = call("generate", run, "--prompt", "-", input=b"ab\xff")
    assert result.exit_code == 2
    assert "standard input is not UTF-8 text: byte 2 is 0xff" in result.stderr


def test_a_prompt_that_is_not_utf8_is_an_error_in_words(call, run) -> None:
    result = call("generate", run, "--prompt", "fine", "--prompt", "caf\udce9")  # as Python is given the byte 0xe9
    assert result.exit_code == 2
    assert not result.stdout
    assert "--prompt is not UTF-8 text: byte 3 is 0xe9" in result.stderr


@pytest.mark.parametrize(
    ("given", "prompt"),
    [
        (b"one\r\ntwo\r\n", "one\ntwo"),
        (b"\xef\xbb\xbfone\n", "one"),
        (b"\xef\xbb\xbf", ""),
        (b"one\n\n", "one\n"),
        (b"a\rb", "a\rb"),
    ],
)
def test_standard_input_from_windows_is_the_same_prompt(call, run, pretended, given: bytes, prompt: str) -> None:
    call("generate", run, "--prompt", "-", input=given)
    assert [text for text, *_ in asked(pretended, "generate")] == [prompt]


def test_utf_16_on_standard_input_is_told(call, run) -> None:
    result = call("generate", run, "--prompt", "-", input="hello".encode("utf-16"))
    assert result.exit_code == 2
    assert "it is UTF-16. Save it as UTF-8, or convert it: iconv -f UTF-16 -t UTF-8" in result.stderr


def test_an_empty_line_among_sources_is_answered_with_one(call, run, pretended) -> None:
    pretended.reads, pretended.text = "pair", "answer"
    given = b"\xef\xbb\xbfone\r\n\r\ntwo\x0c\xe2\x80\xa8\r\n"
    assert call("generate", run, "--prompt", "-", input=given).stdout == "answer\n\nanswer\n"
    assert [prompt for prompt, *_ in asked(pretended, "generate")] == ["one", "two\x0c\u2028"]
    lines = call("generate", run, "--prompt", "-", "--json", input=given).stdout.splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["answer", "", "answer"]


def test_nothing_is_answered_before_all_prompts_are_in_order(call, run, pretended, monkeypatch) -> None:
    pretended.reads = "pair"

    def generate(reopened: Any, prompt: str, *others: Any) -> Iterator[str]:
        if prompt == "long":
            raise InputError("too long")
        return iter(["answer"])

    monkeypatch.setattr(workflow, "generate", generate)
    result = call("generate", run, "--prompt", "-", input="one\nlong\n")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "standard input, line 2: too long" in result.stderr


def test_several_texts_are_told_apart(call, run, pretended) -> None:
    pretended.text = "!"
    assert call("generate", run, "--prompt", "a", "--prompt", "b").stdout == "---\na!\n---\nb!\n"


def test_generate_as_json_is_an_object_per_prompt_with_the_text_as_it_is(call, run, pretended) -> None:
    result = call("generate", run, "--prompt", "a", "--prompt", "b", "--json")
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"prompt": prompt, "text": pretended.text} for prompt in ("a", "b")
    ]


def test_where_there_is_no_standard_input_none_is_read(call, run, pretended, monkeypatch) -> None:
    monkeypatch.setattr(generate, "sys", SimpleNamespace(stdin=None))
    result = call("generate", run, "--prompt", "-")
    assert result.exit_code == 2
    assert "there is no standard input" in result.stderr


# --- which run


def test_a_name_too_long_for_a_file_is_a_wrong_call(call, run) -> None:
    result = call("generate", "x" * 300)
    assert result.exit_code == 2
    assert "File name too long" in result.stderr


def test_a_run_in_the_folder_of_runs_may_be_named_without_it(call, run, pretended) -> None:
    assert call("generate", "toy-abc-s5").exit_code == 0
    assert asked(pretended, "reopen")[0][0] == Path(run)


def test_a_misspelt_run_gets_a_suggestion(call, run) -> None:
    result = call("generate", "runs/toy-abd-s5")
    assert result.exit_code == 2
    assert "did you mean runs/toy-abc-s5?" in result.stderr


def test_a_recipe_in_place_of_a_run_gets_its_run_suggested_or_how_to_make_one(call, run, here) -> None:
    assert "did you mean runs/toy-abc-s5?" in call("generate", "toy.json").stderr
    (here / run / "recipe.json").unlink()
    assert "to make one: partwise train gpt" in call("generate", "gpt").stderr
    assert "to make one: partwise train RECIPE" in call("generate", "nothing").stderr


# --- evaluate


def test_evaluation_is_shown_as_figures(call, run, pretended) -> None:
    result = call("evaluate", run, "--split", "test", "--limit", "3")
    assert asked(pretended, "evaluate") == [("test", 3)]
    assert [line.split(maxsplit=3)[:2] for line in result.stdout.splitlines()] == [
        ["loss", "3.000"],
        ["perplexity", "20.09"],
        ["bits", "per"],
        ["tokens", "1,234"],
    ]


def test_evaluation_as_json_has_stable_keys(call, run) -> None:
    assert json.loads(call("evaluate", run, "--json").stdout) == {
        "run": run,
        "split": "valid",
        "loss": 3.0,
        "perplexity": 20.0855,
        "bits_per_byte": None,
        "tokens": 1234,
        "accuracy": None,
    }


def test_an_unknown_split_is_a_wrong_call(call, run) -> None:
    result = call("evaluate", run, "--split", "dev")
    assert result.exit_code == 2
    assert "valid" in result.stderr


def test_to_go_on_with_what_is_no_run_is_answered_with_the_nearest(call, run) -> None:
    result = call("train", "runs/toy-abc-s6", "--steps", "5")
    assert result.exit_code == 2
    assert result.stderr == f"--steps has no meaning here: runs/toy-abc-s6 is no run; did you mean {run}?\n"
