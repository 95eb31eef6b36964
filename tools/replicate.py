"""`make replicate`: published results, expected beside obtained, from recipes and studies in recipes/replications.

    python tools/replicate.py [NAME ...] [--text FILE] [--page FILE]

Without names all of them, but for nanogpt-cpu if no FILE with the text of tiny-shakespeare is given; nanogpt-own-text
takes any FILE, and Python's docstrings without one. What was run before (runs/replications) is not run again. Exits
with 1 if a result is not obtained.

replication/  what is replicated, one file per group, and what came out of it, row by row (rows.py)
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from partwise.errors import PartwiseError
from replication.formal_languages import FORMAL_LANGUAGES
from replication.gradients import GRADIENTS
from replication.language_models import LANGUAGE_MODELS
from replication.memory import MEMORY
from replication.own_text import NAME, OWN_TEXT, own_text
from replication.probes import PROBES
from replication.result import RUNS, Replication, partwise
from replication.rows import Row, cpu_seconds, kept, page, table_head
from replication.transfer import TRANSFER

REPLICATIONS: Mapping[str, Replication] = {
    **LANGUAGE_MODELS,
    **OWN_TEXT,
    **PROBES,
    **GRADIENTS,
    **FORMAL_LANGUAGES,
    **TRANSFER,
    **MEMORY,
}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(REPLICATIONS)))
@click.option(
    "--text",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The text of tiny-shakespeare, for nanogpt-cpu; any text of yours, for nanogpt-own-text.",
)
@click.option(
    "--page",
    "page_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page of all rows that there are into this file.",
)
def main(names: tuple[str, ...], text: Path | None, page_file: Path | None) -> None:
    """Train what is not trained, in runs/replications, and print a table in Markdown.

    Without names, all of them; nanogpt-cpu needs a text. The exit code is 1 if a result is not obtained.
    """
    try:
        held = replicate(names or tuple(REPLICATIONS), text)
        if page_file is not None:
            page_file.write_text(page(REPLICATIONS))
        sys.exit(0 if held else 1)
    except PartwiseError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


def replicate(names: Sequence[str], text: Path | None) -> bool:
    """Prints the table, a row when it is known; whether every result was obtained.

    Raises:
        PartwiseError: something cannot be trained or measured.
        SystemExit: the same, in a command of partwise.
    """
    print(table_head(), flush=True)
    held = True
    for name in names:
        replication = REPLICATIONS[name]
        begun = cpu_seconds()
        if name == "nanogpt-cpu":
            if text is None:
                print(f"| {name} | {replication.source} | {replication.expected} | not run: --text FILE | - | - |")
                continue
            files = f"data.files={json.dumps([str(text.absolute())])}"
            partwise("train", f"replications/{name}", "--set", files, "--out", str(RUNS / name))
        obtained = own_text(name, text) if name == NAME else replication.obtain(name)
        held &= obtained.holds
        row = kept(name, Row(obtained.figures, obtained.holds, cpu_seconds() - begun))
        print(row.line(name, replication), flush=True)
    return held


if __name__ == "__main__":
    main()
