"""The page of all commands, from click's own description of them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from partwise_cli.main import SECTIONS, cli

from . import markdown

HEAD = """\
All commands of partwise, in the order of `partwise --help`; `partwise COMMAND --help` says the same in a terminal. Each
has `--help` (`-h`), too. What a plugin adds is listed on no page but in your own `partwise --help`."""
EXITS = """\
| exit code | meaning |
|---|---|
| 0 | It is done. |
| 1 | What was asked for was right, and the work failed: a loss that diverged, a disk that is full. Of commands that \
compare or verify, as said there: a difference, a check that failed. |
| 2 | What was asked for is wrong: an option, a recipe, a file. The message says where, what is allowed and how to \
mend it; nothing has been done. |
| 130 | You stopped it. What is done is kept, and the same command goes on. |"""


def page() -> str:
    """The text of the page."""
    pieces = ["# Commands", HEAD, "## Exit codes", EXITS]
    for title, names in SECTIONS.items():
        pieces.append(f"## {title}")
        for name in names:
            for words, command in _commands([name], cli.get_command(click.Context(cli), name)):
                pieces += _described(words, command)
    return markdown.page(*pieces)


def _commands(words: list[str], command: click.Command | None) -> Iterator[tuple[list[str], click.Command]]:
    """A command with its own subcommands."""
    assert command is not None
    yield words, command
    if isinstance(command, click.Group):
        context = _context(words, command)
        for name in command.list_commands(context):
            yield from _commands([*words, name], command.get_command(context, name))


def _context(words: list[str], command: click.Command) -> click.Context:
    """As the command line has it: a command keeps the help option that it makes of the names in its first context."""
    names = cli.context_settings["help_option_names"]
    return click.Context(command, info_name=" ".join(["partwise", *words]), help_option_names=names)


def _described(words: list[str], command: click.Command) -> list[str]:
    context = _context(words, command)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    options = [one for one in command.get_params(context) if isinstance(one, click.Option) and "--help" not in one.opts]
    pieces = [f"### {context.command_path}", markdown.block(usage), *_help(command)]
    if options:
        pieces.append(markdown.table(("option", "meaning"), [_option(one, context) for one in options]))
    return pieces


def _help(command: click.Command) -> Iterator[str]:
    """The paragraphs of a help text; those after a line with \\b are as they are, and examples are a block."""
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if not paragraph.startswith("\b\n"):
            yield markdown.plain(paragraph)
            continue
        first, *lines = paragraph[2:].split("\n")
        if re.fullmatch(r"\w[^`]*:", first):
            yield first
        else:
            lines.insert(0, first)
        yield markdown.block(inspect.cleandoc("\n" + "\n".join(lines)))


def _option(option: click.Option, context: click.Context) -> tuple[str, str]:
    record = option.get_help_record(context)
    assert record is not None, option.name
    return markdown.code(record[0]), markdown.plain(record[1])


__all__ = ["page"]
