"""`partwise generate --draft RUN`: the same text, what was accepted, and what is no draft."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import partwise
from partwise_cli.main import cli

TINY = {"data": "grammar", "model.width": 12, "model.context": 16, "trainer.steps": 8, "trainer.batch_size": 4,
        "trainer.evaluate_batches": 1, "trainer.schedule": "constant"}  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A large run, a small one, and some that cannot help it."""
    place = tmp_path_factory.mktemp("runs")
    words = {"tokenizer": "word", "model.context": 16}
    for name, recipe, changes in (
        ("large", "char-rnn", {"model.width": 24}),
        ("small", "char-rnn", {}),
        ("short", "char-rnn", {"model.context": 8}),
        ("words", "char-rnn", words),
        ("both", "char-rnn", {"objective": "masked"}),
    ):
        wanted = partwise.change(recipe, {**TINY, **changes, "name": name})
        partwise.train(wanted, out=place / name, say=None)
    return place


def call(*arguments: Any, **more: Any) -> Result:
    return CliRunner().invoke(cli, ["generate", *map(str, arguments)], prog_name="partwise", **more)


def test_it_writes_the_likeliest_text_and_says_what_was_accepted(runs: Path) -> None:
    plain = call(runs / "large", "--sampler", "greedy", "--prompt", "the", "--tokens", 40)
    drafted = call(runs / "large", "--sampler", "greedy", "--prompt", "the", "--tokens", 40, "--draft", runs / "small")
    assert drafted.exit_code == 0, drafted.output
    assert drafted.stdout == plain.stdout
    assert " tokens of the draft were accepted (" in drafted.stderr
    again = partwise.generate(runs / "large", "the", tokens=40, sampler="greedy", draft=runs / "small", draft_tokens=2)
    assert f"the{again}\n" == plain.stdout
    with pytest.raises(partwise.InputError, match="name its run with draft"):
        partwise.generate(runs / "large", "the", draft_tokens=2)


def test_as_json_each_text_has_its_own_count(runs: Path) -> None:
    lines = [
        call(runs / "large", "--draft", runs / name, "--prompt", "the", "--prompt", "a", "--tokens", 30, "--json")
        .stdout.splitlines()
        for name in ("small", "large")
    ]  # fmt: skip
    counts = [[json.loads(line)["draft"] for line in some] for some in lines]
    assert all(0 <= one["accepted"] <= one["proposed"] for some in counts for one in some)
    assert all(one["accepted"] == one["proposed"] for one in counts[1]), "the run itself is always right"
    assert sum(one["proposed"] for one in counts[1]) > 10


def test_the_same_seed_writes_the_same_text(runs: Path) -> None:
    command = (runs / "large", "--draft", runs / "small", "--draft-tokens", 3, "--tokens", 30, "--seed")
    assert call(*command, 4).stdout == call(*command, 4).stdout != call(*command, 5).stdout


@pytest.mark.parametrize(
    ("draft", "said"),
    [
        ("words", "is no draft for"),
        ("short", "the draft has a context of 8 tokens, and the model one of 16"),
        ("both", "is no draft: this model cannot write"),
        ("none", "holds no run"),
    ],
)
def test_what_is_no_draft_is_refused(runs: Path, draft: str, said: str) -> None:
    result = call(runs / "large", "--draft", runs / draft)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--draft-tokens", 3), "name its run with --draft"),
        (("--draft", "small", "--draft-tokens", 0), "--draft-tokens"),
        (("--draft", "small", "--prompts", "x.txt"), "--draft does not go with --prompts"),
        (("--draft", "small", "--compile"), "--draft does not go with --compile"),
        (("--draft", "small", "--sampler", "beam"), "BeamSearch does not choose token by token"),
        (("--draft", "small", "--chat", "--sampler", "beam"), "BeamSearch does not choose token by token"),
    ],
)
def test_options_that_do_not_go_together_are_refused(runs: Path, options: tuple[Any, ...], said: str) -> None:
    options = tuple(runs / "small" if option == "small" else option for option in options)
    result = call(runs / "large", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
