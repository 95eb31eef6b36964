"""The reference pages have all that there is: every command and option, every key, every part with its knobs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import click
import pytest

from partwise.parts.registry import RegisteredPart, registry
from partwise.recipe import json_schema
from partwise.studies.definition.schema import study_schema
from partwise_cli.main import cli
from reference_pages import reference_pages
from reference_pages.markdown import plain


@pytest.fixture(scope="module")
def pages() -> Mapping[str, str]:
    return reference_pages()


def commands(command: click.Command, *words: str) -> Iterator[tuple[str, click.Command]]:
    if words:
        yield " ".join(words), command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            if (inner := command.get_command(context, name)) is not None:
                yield from commands(inner, *words, name)


COMMANDS = list(commands(cli))
DEFINED = json_schema()["$defs"]
PARTS = [entry for entry in registry().entries() if entry.plugin.builtin]


def section(page: str, title: str) -> str:
    level = re.search(rf"^(#+) {re.escape(title)}$", page, re.MULTILINE)
    assert level, title
    return re.split(rf"^#{{1,{len(level[1])}}} ", page[level.end() :], maxsplit=1, flags=re.MULTILINE)[0]


def rows(table: str) -> dict[str, list[str]]:
    found = [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines() if line[:3] == "| `"
    ]
    return {cells[0].strip("`"): cells for cells in found}


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_a_command_has_all_its_options_and_an_example(
    name: str, command: click.Command, pages: Mapping[str, str]
) -> None:
    told = section(pages["reference/commands.md"], f"partwise {name}")
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert all(f"`{option}" in told or f" {option}" in told for option in parameter.opts), parameter.name
            assert plain(str(parameter.help))[:40] in told
        else:
            assert str(parameter.human_readable_name) in told.split("```")[1]
    assert f"\npartwise {name.split()[0]}" in told.partition("Example")[2]
    assert "\b" not in told


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_the_examples_of_a_command_are_commands(name: str, command: click.Command) -> None:
    for line in re.findall(r"^ *(partwise .*)$", command.help or "", re.MULTILINE):
        _, first, *rest = shlex.split(line, comments=True)
        asked = cli.get_command(click.Context(cli), first)
        assert asked is not None
        asked.make_context(first, rest, **cli.context_settings)


@pytest.mark.parametrize(
    ("page", "schema"), [("recipes", DEFINED["recipe"]), ("studies", study_schema()["$defs"]["study"])]
)
def test_a_page_has_every_key_of_the_schema_and_says_which_are_required(
    page: str, schema: dict[str, Any], pages: Mapping[str, str]
) -> None:
    table = rows(section(pages[f"reference/{page}.md"], "Keys"))
    assert set(table) == set(schema["properties"]) - {"$schema"}
    assert {key for key, cells in table.items() if cells[2] == "required"} == set(schema["required"])
    for key, cells in table.items():
        assert plain(schema["properties"][key]["description"]) == cells[3]


@pytest.mark.parametrize(
    ("page", "at", "keys"),
    [
        ("recipes", "rows", {"documents", "draw", "packing"}),
        ("recipes", "start", {"run", "weights", "sha256"}),
        ("studies", "sizes.rates", {"at", "power"}),
        ("studies", "tune.knobs", {"low", "high", "log", "whole"}),
    ],
)
def test_an_object_at_a_key_has_a_table_of_its_own(
    page: str, at: str, keys: set[str], pages: Mapping[str, str]
) -> None:
    assert set(rows(section(pages[f"reference/{page}.md"], at))) == keys


@pytest.mark.parametrize("kind", sorted({entry.part.kind for entry in PARTS}))
def test_the_page_of_a_kind_has_its_parts_with_their_knobs_defaults_and_bounds(
    kind: str, pages: Mapping[str, str]
) -> None:
    for entry in PARTS:
        if entry.part.kind == kind:
            _has_knobs(section(pages[f"reference/parts/{kind}.md"], entry.name), entry, DEFINED)
    if kind != "engine":
        assert f"[{plain(kind)}](parts/{kind}.md)" in pages["reference/recipes.md"].replace(
            f"[{kind}]", f"[{plain(kind)}]"
        )


def _has_knobs(told: str, entry: RegisteredPart, defined: dict[str, Any]) -> None:
    table = rows(told)
    assert set(table) == set(entry.part.model_fields)
    known = defined.get(f"{entry.part.kind}.{entry.name}")
    if known is None:  # an engine, which recipes know nothing of
        return
    assert {key for key, cells in table.items() if cells[2] == "required"} == set(known["required"]) & set(table)
    for knob, cells in table.items():
        for word, bound in (("minimum", "at least"), ("exclusiveMinimum", "greater than"), ("maximum", "at most")):
            if isinstance(limit := known["properties"][knob].get(word), int | float):
                assert f"{bound} {limit:g}" in cells[1].replace(f"{limit}", f"{limit:g}"), (entry.name, knob)


def test_the_glossary_is_that_of_contributing(pages: Mapping[str, str]) -> None:
    assert "| fingerprint | Ten digits that change" in pages["reference/words.md"]
    assert len(re.findall(r"^\| [a-z]+ \|", pages["reference/words.md"], re.MULTILINE)) > 30


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a < b, x_1 * y_2, [0]", r"a \< b, x\_1 \* y\_2, \[0\]"),
        ("as `a_b | c` says\n  on two lines", "as `a_b | c` says on two lines"),
    ],
)
def test_a_text_stands_as_it_is_written(text: str, shown: str) -> None:
    assert plain(text) == shown
