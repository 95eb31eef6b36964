"""What any page shows can be done: its commands are commands, and quick ones run; its JSON is valid; its Python runs.

Pages that have a test of their own, which follows them, are in `FOLLOWED`; of all others everything is tried here.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

import partwise
from partwise.recipe import json_schema
from partwise.studies.definition.schema import study_schema
from partwise.studies.definition.study import Study
from partwise_cli.main import cli
from public_names import TOP

from .following import blocks

PAGES = {
    page.relative_to(TOP).as_posix(): page.read_text()
    for page in (TOP / "README.md", TOP / "CONTRIBUTING.md", *sorted((TOP / "docs").rglob("*.md")))
}
SHELL = {"", "sh", "console"}
FOLLOWED = {
    "docs/a-family.md": "test_family_page.py",
    "docs/data.md": "test_data_page.py",
    "docs/evaluations.md": "test_evaluations_page.py",
    "docs/maps.md": "../core/huggingface/test_map_page.py",
    "docs/openings.md": "../core/scaffold/test_openings_page.py",
    "docs/plugins.md": "../core/scaffold/test_guide.py",
    "docs/swapping.md": "test_swapping_page.py",
    "docs/word-vectors.md": "test_word_vectors_page.py",
    **{name: "test_lessons.py" for name in PAGES if name.startswith("docs/learn/")},
}
IN_EXAMPLES = {"README.md", "docs/results.md"}
"""Pages whose Python is run by test_examples.py."""


def fenced(text: str) -> list[str]:
    """The commands in blocks, a comment behind them included."""
    shown = "\n".join(block for language, block, _ in blocks(text) if language in SHELL)
    return re.findall(r"^(?:\$ )?(partwise [a-z-].*)$", re.sub(r"\\\n\s*", "", shown), re.MULTILINE)


def commands(text: str) -> Iterator[str]:
    """Every command that a page shows, in blocks and in lines of prose."""
    yield from fenced(text)
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from (" ".join(one.split()) for one in re.findall(r"`(partwise [a-z-][^`]*)`", prose))


def words_of(command: str) -> list[str]:
    words = shlex.split(command, comments=True)
    return words[1 : words.index("|") if "|" in words else None]


SHOWN = sorted({(page, command) for page, text in PAGES.items() for command in commands(text)})


def test_pages_that_are_followed_elsewhere_are_read_there() -> None:
    for page, test in FOLLOWED.items():
        assert Path(page).name in (text := (Path(__file__).parent / test).read_text()) or "LEARN" in text, page


@pytest.mark.parametrize(("page", "command"), SHOWN, ids=[f"{page}: {command}" for page, command in SHOWN])
def test_a_command_that_a_page_shows_is_one(
    page: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words, asked = words_of(command), cli
    while isinstance(asked, click.Group) and words and not words[0].startswith("-"):
        found = asked.get_command(click.Context(asked), words.pop(0))
        assert found is not None, "there is no such command"
        asked = found
    try:
        asked.make_context("partwise", words, **cli.context_settings)
    except (click.exceptions.NoArgsIsHelpError, click.exceptions.Exit):
        pass
    except click.MissingParameter:
        assert not words, "an argument is missing"


# --- commands that take seconds are run

SMALL = {
    "gpt": ["data=grammar", "tokenizer=char", "model.width=24", "model.context=32"],
    "my-gpt.json": ["data=grammar", "tokenizer=char", "model.width=24", "model.context=32"],
    "char-rnn": ["data=grammar", "model.width=16"],
}
"""What makes a training of the recipe one of a second."""
QUICK = ("trainer.steps=2", "trainer.schedule=constant", "trainer.evaluate_every=null")
RUN = ("check", "data", "diff", "evaluate", "generate", "inspect", "look", "parts", "recipes", "show", "train")
TALKS = "docs/chat.md"
"""Its commands are run by tests/tools/cli/test_chat.py: the model learns for minutes before it can answer."""
TO_RUN = {
    page: found
    for page, text in PAGES.items()
    if page not in {*FOLLOWED, TALKS} and (found := [one for one in fenced(text) if words_of(one)[0] in RUN])
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small run of each of the recipes that pages have runs of."""
    place, found = tmp_path_factory.mktemp("runs"), {}
    for name, changes in {
        "gpt": {"data": "grammar", "tokenizer": "char", "model.width": 24, "model.context": 32},
        "char-rnn": {"data": "grammar", "model.width": 16},
        "transformer": {"model.width": 16},
    }.items():
        quick = {"trainer.steps": 2, "trainer.schedule": "constant", "trainer.evaluate_every": None}
        found[name] = place / name
        partwise.train(partwise.change(name, {**changes, **quick}), out=place / name, say=None)
    return found


@pytest.mark.parametrize("page", TO_RUN)
def test_the_commands_of_a_page_run(
    page: str, runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for language, block, _ in blocks(PAGES[page]):
        if language == "json" and (name := re.search(r'"name": "([\w-]+)"', block)) and '"extends"' in block:
            (tmp_path / f"{name[1]}.json").write_text(block)
    for command in TO_RUN[page]:
        first, *rest = words_of(command)
        for run in (word for word in rest if re.fullmatch(r"runs/[\w.-]+", word)):
            if not Path(run).exists() and "--out" not in rest:
                recipe = next((one for one in runs if run.removeprefix("runs/").startswith(one)), "gpt")
                shutil.copytree(runs[recipe], run)
        if first == "train":
            if not (rest[0] in SMALL or rest[0].startswith(("runs/", "variants/"))):
                continue  # of files that the reader has
            if rest[0].startswith("runs/"):
                rest = [*rest[:1], *(["--steps", "1"] if "--steps" in rest else [])]
            else:
                rest += [word for change in (*SMALL.get(rest[0], []), *QUICK) for word in ("--set", change)]
        result = CliRunner().invoke(cli, [first, *rest], input="Hello\n")
        allowed = {0, 1} if first == "diff" else {0}
        assert result.exit_code in allowed, f"{command}\n{result.output}"


# --- JSON


@cache
def validators() -> tuple[Draft202012Validator, Draft202012Validator]:
    return Draft202012Validator(json_schema()), Draft202012Validator(study_schema())


def as_files(block: str) -> Iterator[tuple[str, Any]]:
    """What a block of JSON is: whole files, or some keys of one."""
    try:
        value = json.loads(block)
    except json.JSONDecodeError:
        if re.match(r'\{"(messages|conversations)"', block):
            yield from (("line", json.loads(line)) for line in block.splitlines())
            return
        value = json.loads("{" + block + "}")
    if "schedule" in value:
        value = {"trainer": value}
    if set(value) & (set(Study.model_fields) - {"partwise", "name", "about", "data"}):
        yield "study", {"partwise": 1, "name": "shown", "base": "gpt", **value}
    elif "start" in value:
        yield "recipe", value
    else:
        yield "recipe", {"extends": "gpt", **value}


JSON = [(page, block) for page, text in PAGES.items() if page not in FOLLOWED
        for language, block, _ in blocks(text) if language == "json"]  # fmt: skip


@pytest.mark.parametrize(("page", "block"), JSON, ids=[page for page, _ in JSON])
def test_the_json_of_a_page_is_a_recipe_or_a_study_or_some_keys_of_one(page: str, block: str) -> None:
    recipes, studies = validators()
    for kind, value in as_files(block):
        if kind != "line":
            errors = list((studies if kind == "study" else recipes).iter_errors(value))
            assert not errors, errors[0].message


def test_a_mistake_in_a_block_would_be_found() -> None:
    recipes, studies = validators()
    for block, validator in (('"rows": {"document": "masked"}', recipes), ('"tune": {"knob": {}}', studies)):
        ((_, value),) = as_files(block)
        assert list(validator.iter_errors(value))


# --- Python


def test_every_page_with_python_has_it_run_by_a_test() -> None:
    shown = {page for page, text in PAGES.items() if any(language == "python" for language, _, _ in blocks(text))}
    assert shown - set(FOLLOWED) - IN_EXAMPLES == {"docs/encoding.md", "docs/generating.md", "docs/look.md"}


def python_of(page: str) -> dict[str, Any]:
    known: dict[str, Any] = {}
    ((_, block),) = [(language, block) for language, block, _ in blocks(PAGES[page]) if language == "python"]
    exec(f"from __future__ import annotations\nimport torch\nfrom torch import Tensor, nn\n{block}", known)
    return known


def test_the_page_on_writing_text_writes_a_text_for_each_seed(
    runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = partwise.open(runs["gpt"])
    monkeypatch.setattr(partwise, "open", lambda directory: run)
    python_of("docs/generating.md")
    seeds = [int(line.split(" ")[0]) for line in capsys.readouterr().out.splitlines() if re.match(r"\d+ ", line)]
    assert sorted(seeds) == list(range(200))


def test_the_mixer_of_the_page_on_looking_shows_its_output_taken_apart() -> None:
    import torch

    mixer = python_of("docs/look.md")["Mean"]()
    mixer.forget = torch.nn.Linear(3, 3)
    x = torch.randn(2, 5, 3)
    shown = mixer.shown(x, None)
    assert torch.allclose(shown.weights.sum(-1), torch.ones(2, 1, 5))
    means = torch.stack([x[:, : t + 1].mean(1) for t in range(5)], 1)
    assert torch.allclose(shown.finish(shown.weights @ shown.values), means, atol=1e-6)
    assert mixer.gates(x, None)["forget"].shape == x.shape


def test_the_method_of_the_page_on_encoding_is_that_of_the_protocol() -> None:
    import inspect

    from partwise_tokenizers.bpe import BytePairTokenizer

    shown = inspect.signature(python_of("docs/encoding.md")["encode_array"])
    assert list(shown.parameters) == list(inspect.signature(BytePairTokenizer.encode_array).parameters)
