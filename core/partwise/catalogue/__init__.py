"""The catalogue of parts as pages for a browser: what each part is, its knobs, its slots, and whether it was verified.

Everything is read from what is installed: docstrings, types, registry, recipes and, if given, the results of
`partwise verify`. So kinds and parts of plugins appear like those that come with partwise.

prose       docstrings as markup; formulas and papers in them
slots       the slots there are, and which parts fit in them
snippets    how a recipe writes a part
check_results   what verification found
used        recipes and the parts they are made of
figures     pictures of parts: drawings of what schedules and position encoders do, and what the next five make
schematics  how data flow through a module, by running it (dataflow), as a drawing (diagram); curves of activations
seen        maps of what mixers look at
cuts        what samplers leave of a distribution
view        the content of the pages; `html` renders it, `writing` puts the pages into a directory
"""

from __future__ import annotations

from pathlib import Path

from .check_results import ResultsByPart, by_part, read_results, results_in
from .writing import check_directory

__all__ = ["ResultsByPart", "by_part", "check_directory", "read_results", "results_in", "write_catalogue"]


def write_catalogue(directory: Path, results: ResultsByPart | None = None, origin: str | None = None) -> Path:
    """Writes the catalogue of everything that is installed; gives its index.

    The same parts, recipes and results give the same bytes. Nothing is written before every page is made.

    Args:
        results: what verification found, from `by_part` or `read_results`.
        origin: where the results are from, in words: "results of verify.json".

    Raises:
        InputError: the directory holds something that is no catalogue.
        WorkError: it cannot be written.
    """
    from .html import pages
    from .view import Catalogue
    from .writing import write_pages

    check_directory(directory)
    write_pages(directory, dict(pages(Catalogue(results or {}, origin))))
    return directory / "index.html"
