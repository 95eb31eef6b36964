"""The files of each split, as a recipe names them: those that are divided by shares, and those of a split's own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from partwise.data import Split

from .files import find_files, others
from .formats import check_libraries


def chosen_files(
    files: Iterable[str], valid_files: Iterable[str], test_files: Iterable[str], directory: Path
) -> tuple[list[Path], dict[Split, tuple[Path, ...]]]:
    """What is divided, without what stands in files of a split's own; and these.

    Raises:
        PartError: a file is not there, nothing is left to divide, or a library that reads one of them is missing.
    """
    own_files: dict[Split, tuple[Path, ...]] = {
        "valid": find_files(valid_files, directory),
        "test": find_files(test_files, directory),
    }
    held_out = [*own_files["valid"], *own_files["test"]]
    divided = others(find_files(files, directory), held_out)
    check_libraries([*divided, *held_out])
    return divided, own_files
