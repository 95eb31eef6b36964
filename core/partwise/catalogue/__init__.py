"""The catalogue of parts as pages for a browser: what each part is, its knobs, where it goes, whether it holds.

Everything is read off what is installed: docstrings, types, registry, recipes and, if given, the results of
`partwise verify`. So kinds and parts of plugins appear like those that come with partwise.

prose       docstrings as markup; formulas and papers in them
places      what fits where, and how a recipe writes it
used        recipes and the parts they are made of
contract    results of verification
figures     what schedules and position encoders do
view, html, writing     what is said, how it is set, and where it is put
"""

from __future__ import annotations

from pathlib import Path

from .contract import Contracts, contracts, read_results
from .writing import check_directory

__all__ = ["Contracts", "check_directory", "contracts", "read_results", "write_catalogue"]


def write_catalogue(directory: Path, results: Contracts | None = None, origin: str | None = None) -> Path:
    """Writes the catalogue of everything that is installed; gives its index.

    The same parts, recipes and results give the same bytes. Nothing is written before every page is made.

    Args:
        results: what verification found, from `contracts` or `read_results`.
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
