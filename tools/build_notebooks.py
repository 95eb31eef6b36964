"""`make notebooks`: the lessons of docs/learn as notebooks in build/notebooks, by jupytext.

A lesson's page is the one source of both. Its Python becomes cells, and so do its commands; what its Python prints is
left out, as a notebook prints it itself. Where a lesson makes a page by `partwise look`, the notebook shows it in
place.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from ast import literal_eval
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jupytext
import nbformat

from partwise_cli.look import command as look_command

if TYPE_CHECKING:
    from nbformat import NotebookNode

TOP = Path(__file__).resolve().parents[1]
LEARN = TOP / "docs" / "learn"
LESSONS = sorted(LEARN.glob("[1-8]-*.md"))
MADE = TOP / "build" / "notebooks"
BLOCK = re.compile(r"^```(text|sh)\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
TITLE = re.compile(r"\A# Lesson \d: .+\n")
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^()\s]+)\)")
OPENED = re.compile(r"[Oo]pen `[\w-]+\.html`(?: in a browser)?")
BEGIN = """
This notebook is {lesson} of partwise's course. It needs `pip install partwise` in the Python that runs it, and nothing
else; if the first cell does not find it, put `%pip install partwise` before it. Run the cells from the top. Files that
they make lie beside the notebook.

```python
import os
import sysconfig

import partwise

os.environ["PATH"] = sysconfig.get_path("scripts") + os.pathsep + os.environ["PATH"]  # where the command `partwise` is
```
"""


def notebook(page: Path) -> NotebookNode:
    """A lesson as a notebook.

    Raises:
        ValueError: the page has what a notebook cannot show.
    """
    text = page.read_text()
    if (title := TITLE.match(text)) is None:
        raise ValueError(f"{page.name} does not begin with `# Lesson N: TITLE`")
    lesson = title[0].removeprefix("# ").partition(":")[0].lower()
    rest = LINK.sub(_linked, OPENED.sub(_shown, BLOCK.sub(_in_cells, text[title.end() :])))
    if file := re.search(r"`[\w-]+\.html`", rest):
        raise ValueError(f"{page.name} speaks of {file[0]}, which a notebook has not made; say: Open {file[0]}")
    made = jupytext.reads(title[0] + BEGIN.format(lesson=lesson) + rest, fmt="md")
    for number, cell in enumerate(made.cells):
        cell.id = f"cell-{number}"  # else drawn at random, and every build another
        cell.metadata = {}
        # A shell that ends at the first command that fails, so that the cell fails with it.
        cell.source = re.sub(r"\A%%sh$", "%%sh -e", cell.source, flags=re.MULTILINE)
    made.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    nbformat.validate(made)
    return made


def _in_cells(block: re.Match[str]) -> str:
    """A block of a page as a notebook has it: none for what is printed, commands in cells of their own."""
    language, text = block.groups()
    if language == "text":
        return ""
    return "\n".join(f"```{language}\n{cell}\n```\n" for language, cell in _cells(text))


def _cells(commands: str) -> Iterator[tuple[str, str]]:
    """Commands in order: those that make a page as Python that shows it, and what stands between as it is."""
    for makes_page, lines in groupby(commands.splitlines(), _makes_page):
        if makes_page:
            yield from (("python", _look(line)) for line in lines)
        else:
            yield "sh", "\n".join(lines)


def _makes_page(command: str) -> bool:
    return command.startswith("partwise look ") and "--json" not in shlex.split(command)


def _look(command: str) -> str:
    """Python that shows in a notebook what `partwise look ...` writes into a page."""
    given = look_command.make_context("look", shlex.split(command)[2:]).params
    subject = _python(given["subject"])
    if given["overrides"]:
        changes = dict(override.partition("=")[::2] for override in given["overrides"])
        subject = f"partwise.change({subject}, {_python({path: _value(text) for path, text in changes.items()})})"
    words = [subject, *([_python(given["prompt"])] if given["prompt"] else [])]
    words += [f"{name}={_python(given[name])}" for name in ("source", "target") if given[name]]
    words += [f"{name}={_python([*given[name]])}" for name in ("beside", "analogies") if given[name]]
    words += [f"weights={_python(given['weights'])}"] if given["weights"] != "last" else []
    return f"partwise.look({', '.join(words)}, say=None)"


def _value(written: str) -> Any:
    """The value of `--set PATH=VALUE`: JSON, or else a string."""
    try:
        return json.loads(written)
    except json.JSONDecodeError:
        return written


def _python(value: Any) -> str:
    """A value as Python: with the quotes of the lessons, if JSON's notation means the same."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        return text if literal_eval(text) == json.loads(text) else repr(value)
    except ValueError:
        return repr(value)


def _shown(words: re.Match[str]) -> str:
    return f"{'L' if words[0][0] == 'O' else 'l'}ook at the page above"


def _linked(link: re.Match[str]) -> str:
    """A link as it holds in a directory that has nothing but the notebooks: to those, to the web, or no link."""
    picture, words, target = link.groups()
    if picture:
        raise ValueError(f"a notebook cannot have the picture {target} of its page")
    if re.match(r"[a-z]+:", target):
        return link[0]
    if (LEARN / target) in LESSONS:
        return f"[{words}]({Path(target).with_suffix('.ipynb')})"
    return words


def write(directory: Path) -> list[Path]:
    """Writes all notebooks, and gives their files."""
    directory.mkdir(parents=True, exist_ok=True)
    files = [directory / page.with_suffix(".ipynb").name for page in LESSONS]
    for page, file in zip(LESSONS, files, strict=True):
        nbformat.write(notebook(page), file)
    return files


def main() -> int:
    files = write(MADE)
    print(f"{len(files)} notebooks in {MADE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
