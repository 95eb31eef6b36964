"""A trained run judged afterwards, by evaluations of its own recipe or by others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from partwise.errors import InputError, PartwiseError
from partwise.evaluation.figures import Figure, Goal
from partwise.provenance.lock import evaluation_places
from partwise.recipe.evaluations import with_evaluations
from partwise.recipe.suggestions import did_you_mean
from partwise.runs import afterwards
from partwise.runs.afterwards import Afterwards

from .evaluation_files import evaluation_hash
from .evaluations import Named, evaluations_of, figures_of, reader_of
from .reopening import Reopened, Weights

Say = Callable[[str], None]
Which = str | Path | Mapping[str, Any]
"""The name of an evaluation of the run's recipe; or others: in a file, or as an object."""


@dataclass(frozen=True)
class Judgement:
    """A figure of an evaluation."""

    figure: Figure
    goal: Goal
    """Whether less or more of it is better."""
    by: str
    """A hash of the evaluation's settings and of the files that it read: equal ones judge by the same."""


def judge(
    reopened: Reopened, which: Iterable[Which] | None = None, say: Say = lambda line: None
) -> dict[str, Judgement]:
    """The figures of a run's model by evaluations, as NAME.FIGURE.

    Args:
        which: evaluations, by name, in files or as objects; all of the run's recipe unless given.
        say: called with a line about what is worth knowing, such as prompts that were too long.

    Raises:
        RecipeError: an evaluation is not as it must be, or does not suit the model.
        InputError: there is no such evaluation.
    """
    named = list(reopened.recipe.evaluations) if which is None else list(which)
    if not named:
        raise InputError("the run's recipe has no evaluations; name a file that has some (--with FILE)")
    chosen = [one for name in named for one in _chosen(reopened, name)]  # all are read before any is run
    reader = reader_of(reopened.recipe, reopened.model, reopened.tokenizer, reopened.device)
    found: dict[str, Judgement] = {}
    for one in chosen:
        goals, by = one.part.figures(), evaluation_hash(one.part, one.directory)
        for key, figure in figures_of(one, reader, say).items():
            found[f"{one.name}.{key}"] = Judgement(figure, goals[key], by)
    return found


def keep(reopened: Reopened, found: Mapping[str, Judgement], weights: Weights = "last") -> None:
    """Keeps what `judge` has found with the run, for `partwise runs` and `show`.

    Raises:
        WorkError: it cannot be written.
    """
    run = reopened.run
    step = (run.best or 0) if weights == "best" else run.step
    afterwards.keep(
        run,
        (
            Afterwards(name, one.figure.value, one.figure.error, one.figure.count, one.goal, one.by, step, weights)
            for name, one in found.items()
        ),
    )


def _chosen(reopened: Reopened, which: Which) -> Iterator[Named]:
    own = reopened.recipe.evaluations
    if isinstance(which, str) and which in own:
        yield _own(reopened, which)
        return
    if isinstance(which, str):
        if not Path(which).exists():
            told = f"; it has {', '.join(own)}" if own else ", which has none"
            raise InputError(
                f"{which!r} is neither a file nor an evaluation of the run's recipe{told}{did_you_mean(which, own)}"
            )
        which = Path(which)
    yield from evaluations_of(with_evaluations(reopened.loaded, which), reopened.model)


def _own(reopened: Reopened, name: str) -> Named:
    """An evaluation of the run's own recipe, with its files where they are now."""
    part, run = reopened.recipe.evaluations[name], reopened.run
    alone = replace(reopened.loaded, recipe=reopened.recipe.model_copy(update={"evaluations": {name: part}}))
    moved = reopened.loaded.data_directory
    places = [*([] if moved is None else [moved]), *evaluation_places(run.lock, run.directory, name), *reopened.places]
    problem: PartwiseError | None = None
    for place in places or [reopened.loaded.directory]:
        try:
            return evaluations_of(alone, reopened.model, place)[0]
        except PartwiseError as error:
            problem = problem or error
    assert problem is not None, "there is a place"
    raise problem
