"""Commands that try a part work as they are typed."""

from __future__ import annotations

import shlex

import click
import pytest

from partwise import workflow
from partwise.catalogue.html import _trial
from partwise.catalogue.view import Catalogue
from partwise.parts.part import parts_within
from partwise.parts.registry import registry
from partwise.recipe import load
from partwise_cli.main import cli

CHOSEN = {"rms_norm", "swiglu", "alibi", "mup", "value_residual", "last_state", "lion", "top_p", "recall", "word"}


@pytest.fixture(scope="module")
def commands() -> dict[tuple[str, str], str | None]:
    return {(one.kind, one.name): _trial(one) for one in Catalogue().parts if one.plugin.builtin}


def given(command: str) -> tuple[str, list[str]]:
    """The recipe and the changes, as the command line reads them."""
    program, name, *words = shlex.split(command)
    assert (program, name) == ("partwise", "train")
    train = cli.get_command(click.Context(cli), name)
    assert train is not None
    context = train.make_context(name, words, **cli.context_settings)
    return context.params["recipe"], list(context.params["overrides"])


def test_each_is_read_and_has_the_part_in_it(commands: dict[tuple[str, str], str | None]) -> None:
    classes = {(one.part.kind, one.name): one.part for one in registry().entries()}
    for key, command in commands.items():
        if command is not None:
            recipe, changes = given(command)
            loaded = load(recipe, changes)
            assert classes[key] in {type(part) for _, part in parts_within(loaded.recipe)}, command


def test_most_parts_have_one(commands: dict[tuple[str, str], str | None]) -> None:
    without = [f"{kind} {name}" for (kind, name), command in commands.items() if command is None]
    # CBOW needs a model that reads the words around a word, and no shipped recipe has it.
    kinds = {name.split()[0] for name in without if name != "objective cbow"}
    assert kinds <= {"data", "engine", "evaluation", "rope_scaling", "router", "tokenizer", "trainer"}, without
    assert len(without) < 45, without


def test_some_are_assembled(commands: dict[tuple[str, str], str | None]) -> None:
    for (_, name), command in commands.items():
        if name in CHOSEN and command is not None:
            recipe, changes = given(command)
            workflow.check(load(recipe, changes))


@pytest.mark.exhaustive
def test_all_are_assembled(commands: dict[tuple[str, str], str | None]) -> None:
    for command in filter(None, commands.values()):
        recipe, changes = given(command)
        workflow.check(load(recipe, changes))
