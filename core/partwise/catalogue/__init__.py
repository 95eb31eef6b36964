"""The catalogue of parts as pages for a browser: what each part is, its knobs, its slots, and whether it was verified.

Everything is read from what is installed: docstrings, types, registry, recipes and, if given, the results of
`partwise verify`. So kinds and parts of plugins appear like those that come with partwise.

prose       docstrings as markup; formulas and papers in them
slots       the slots there are, and which parts fit in them
snippets    how a recipe writes a part
check_results   what verification found
verified    what it found of the parts that come with partwise, as it is shipped
used        recipes and the parts they are made of
figures     pictures of parts: drawings of what schedules and position encoders do, and what the next five make
schematics  how data flow through a module, by running it (dataflow), as a drawing (diagram); curves of activations
seen        maps of what mixers look at
tries       commands that try a part in a shipped recipe
cuts        what samplers leave of a distribution
view        the content of the pages; `html` renders it, `writing` puts the pages into a directory
"""

from __future__ import annotations

from pathlib import Path

from .check_results import ResultsByPart, by_part, read_results, results_in
from .verified import FILE as VERIFIED
from .verified import described as verified_results
from .writing import check_directory

__all__ = [
    "VERIFIED",
    "ResultsByPart",
    "by_part",
    "check_directory",
    "read_results",
    "results_in",
    "verified_results",
    "write_catalogue",
]


def write_catalogue(directory: Path, results: ResultsByPart | None = None, origin: str | None = None) -> Path:
    """Writes the catalogue of everything that is installed; gives its index.

    The same parts, recipes and results give the same bytes. Nothing is written before every page is made.

    Args:
        results: what verification found, from `by_part` or `read_results`; None: what is shipped with partwise.
        origin: where the results are from, in words: "results of verify.json".

    Raises:
        InputError: the directory holds something that is no catalogue.
        WorkError: it cannot be written.
    """
    from partwise.parts.registry import registry

    from .html import pages
    from .verified import read_verified
    from .view import Catalogue
    from .writing import write_pages

    check_directory(directory)
    shipped = read_verified(registry().entries()) if results is None else None
    view = Catalogue(results or {}, origin) if shipped is None else Catalogue(*vars(shipped).values())
    write_pages(directory, dict(pages(view)))
    return directory / "index.html"
