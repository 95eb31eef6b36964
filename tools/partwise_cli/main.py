"""The `partwise` command: imports only the subcommand that is asked for, and shows every error as one screen."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from importlib import import_module
from importlib.metadata import version
from typing import Any

import click

from partwise.errors import PartwiseError
from partwise.storage.pipes import pipes_read_once

from .failures import fail, told, unexpected
from .output import write
from .plugged import plugged

SECTIONS = {
    "Recipes": ("recipes", "check", "inspect", "data", "diff"),
    "Runs": ("train", "runs", "show", "look", "generate", "evaluate", "import", "export", "parity"),
    "Words": ("neighbours", "analogy"),
    "Studies": ("ablate", "noise", "report"),
    "What is installed": ("parts", "plugins", "schema", "verify"),
    "Your own": ("new",),
}
BUILT_IN = tuple(name for names in SECTIONS.values() for name in names)


class Commands(click.Group):
    """Subcommands by name: `partwise train` is `partwise_cli.train.command`; plugins add theirs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*BUILT_IN, *plugged(BUILT_IN).commands]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in BUILT_IN:
            command: click.Command = import_module(f"{__package__}.{name}").command
            return command
        return plugged(BUILT_IN).commands.get(name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            from partwise.recipe.suggestions import did_you_mean

            notes = "".join(f"\nnote: {note}" for note in plugged(BUILT_IN).notes)
            ctx.fail(f"there is no command {name!r}{did_you_mean(name, self.list_commands(ctx))}{notes}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections = {**SECTIONS, "From plugins": tuple(plugged(BUILT_IN).commands)}
        widest = max(len(name) for names in sections.values() for name in names)
        for title, names in sections.items():
            found = [(name, self.get_command(ctx, name)) for name in names]
            room = formatter.width - 6 - widest
            # Padded alike, so that the help texts of all sections stand in one column.
            rows = [(name.ljust(widest), command.get_short_help_str(room)) for name, command in found if command]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        for note in plugged(BUILT_IN).notes:
            formatter.write_paragraph()
            formatter.write_text(f"note: {note}")

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except PartwiseError as error:
            fail(told(error), error.exit_code)
        except KeyboardInterrupt:
            fail("\ninterrupted", 130)
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise  # whoever read our output has seen enough; click ends quietly
            if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
                raise  # the output goes to a disk that is full
            fail(unexpected(error), 1)


def _show_version(ctx: click.Context, option: click.Parameter, asked: bool) -> None:
    if asked:
        click.echo(f"partwise {version('partwise')}")
        ctx.exit()


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Begin with: partwise train char-rnn",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show the version."
)
@click.pass_context
def cli(context: click.Context) -> None:
    """Builds language models part by part from JSON recipes.

    A recipe names the parts; plugins supply them. Change one line of a recipe, or set it with
    --set model.position=rope, and train the variant.
    """
    context.with_resource(pipes_read_once())


def run() -> None:
    """What the console command `partwise` calls."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller, who wants none of it
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            # A terminal that cannot show a character gets its escape, rather than the command an error.
            reconfigure(errors="backslashreplace")
    try:
        cli(prog_name="partwise")
    except OSError as error:  # while it showed help or an error: there is nowhere to show anything
        if error.errno != errno.EPIPE:
            with suppress(OSError):
                write(f"cannot write the output: {error.strerror}", err=True)
        _discard_output()
        sys.exit(1)


def _discard_output() -> None:
    """So that what is still buffered raises no further error when the interpreter ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
