"""Runs as they are named on the command line."""

from __future__ import annotations

from pathlib import Path

from partwise.errors import InputError


def directory_of(run: str) -> Path:
    """The directory that is meant by a RUN: a path, or the name of a directory in `runs`.

    Raises:
        InputError: there is no run; says which there are, or how to make one.
    """
    for path in (Path(run), Path("runs") / run):
        try:
            if (path / "recipe.json").is_file():
                return path
        except OSError as error:  # no permission, or a name too long
            raise InputError(f"cannot read {path}: {error.strerror}") from error
    raise InputError(f"{run} holds no run: there is no recipe.json in it{_hint(run)}")


def _hint(run: str) -> str:
    from partwise.recipe.names import nearest, short_list, suggestion

    known = [str(path.parent) for path in Path("runs").glob("*/recipe.json")]
    of_recipe = [path for path in known if Path(path).name.startswith(f"{Path(run).stem}-")]
    meant = suggestion(run, known) or next(iter(sorted(of_recipe)), None)
    if meant:
        return f"; did you mean {meant}?"
    if known:
        return f"\n  runs here: {short_list(nearest(run, known))}"
    return f"\n  to make one: partwise train {run if _is_recipe(run) else 'RECIPE'}"


def _is_recipe(text: str) -> bool:
    from partwise.recipe.shipped import names

    return text in names() or (text.endswith(".json") and Path(text).is_file())
