"""From a file or a name to a study and its base recipe, or to one screen that says all that is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Any

from partwise.parts.part import Path
from partwise.recipe import LoadedRecipe, Node, Problem, RejectedError, find, read, validate
from partwise.recipe.load import extended, from_object, validated
from partwise.recipe.overrides import Override
from partwise.recipe.paths import parse_path
from partwise.recipe.reader.source import Mark, marked
from partwise.recipe.recipe import VERSION
from partwise.recipe.suggestions import did_you_mean
from partwise.runs.identity import TRAINED
from partwise.studies.validity import broken_looks

from .locate import find_study, is_study
from .study import Study


@dataclass(frozen=True)
class LoadedStudy:
    """A valid study, its base recipe, and where everything in it stands."""

    study: Study
    node: Node
    path: FilePath | None
    """The file; None for a study made in Python."""
    base: LoadedRecipe

    def at(self, path: Path) -> Node:
        """What is written at a place of the study, or the nearest that is."""
        return self.node.reach(path)[0]


def load_study(source: str | FilePath | Mapping[str, Any]) -> LoadedStudy:
    """The study in a file, of a name (`positions`), or in an object.

    Raises:
        RecipeError: all that is wrong with it.
    """
    if isinstance(source, Mapping):
        path, node = None, from_object(source, "<study>")
    else:
        path = find_study(source)
        node = read(path)
    if not isinstance(node.value, dict):
        raise RejectedError([Problem('a study is an object: {"partwise": 1, "name": ..., "base": ...}', node.mark)])
    if not is_study(node) and {"model", "extends"} & set(node.members):
        raise RejectedError([Problem("this is a recipe; a study names one as its base, and factors", node.mark)])
    node = replace(node, value={key: child for key, child in node.members.items() if key != "$schema"})
    study = validate(Study, node)
    problems = list(_broken_rules(study, node))
    base = None
    try:
        base = _base(node, path)
    except RejectedError as error:
        problems = [*problems, *error.problems]
    if problems or base is None:
        raise RejectedError(problems)
    return LoadedStudy(study, node, path, base)


def _base(node: Node, path: FilePath | None) -> LoadedRecipe:
    """The recipe that is varied.

    Raises:
        RecipeError: it is not there, or wrong.
    """
    written = node.members["base"]
    directory = FilePath.cwd() if path is None else path.absolute().parent
    if isinstance(written.value, str):
        found = find(written.value, directory, written.mark)
        inner = read(found, written.mark)
        if is_study(inner):
            raise RejectedError([Problem("this is a study, and a study varies a recipe", written.mark, ("base",))])
        directory = found.absolute().parent
        return validated(extended(inner, found, directory), found, directory)
    # A recipe written here takes the study's name unless it has one, or extends a recipe that has.
    named = {"partwise": marked(VERSION, written.mark), "name": node.members["name"]}
    if "extends" not in written.members:
        written = replace(written, value={**named, **written.members})
    return validated(extended(written, path, directory), path, directory)


def override_at(place: Node, value: Node) -> Override:
    """The change that puts `value` where the string `place` says, each segment with its place in the study.

    Raises:
        RejectedError: it is no path, or leads to what no training depends on.
    """
    path, marks = parse_path(str(place.value), place.mark, "model.blocks.*.norm")
    if path[0] not in TRAINED:
        raise RejectedError([_not_trained(path[0], marks[0])])
    return Override(path, marks, value)


def patch_of(value: Node) -> Override:
    """The change that merges an object into the recipe as a whole: an override with an empty path.

    Raises:
        RejectedError: it is no object, or changes what no training depends on.
    """
    if not isinstance(value.value, dict):
        message = 'without "at", a value is a patch of the recipe: {"model": {...}}'
        raise RejectedError([Problem(message, value.mark)])
    problems = [
        _not_trained(key, child.key or child.mark) for key, child in value.members.items() if key not in TRAINED
    ]
    if problems:
        raise RejectedError(problems)
    return Override((), (), value)


def _not_trained(key: str, mark: Mark) -> Problem:
    known = f"a study varies {', '.join(TRAINED[:-1])} and {TRAINED[-1]}"
    why = "; seeds are the study's own" if key == "seed" else ""
    return Problem(f"{key!r} is nothing that a study varies{why}; {known}{did_you_mean(key, TRAINED)}", mark)


def _broken_rules(study: Study, node: Node) -> Iterator[Problem]:
    """What the types alone do not say."""

    def problem(message: str, *path: str | int) -> Problem:
        return Problem(message, node.reach(path)[0].head, path)

    if study.design == "list":
        if not study.variants:
            yield problem('the design list runs the "variants" of the study, and there are none', "design")
        if study.factors:
            yield problem("the design list has no factors, but variants: name -> patch", "factors")
    else:
        if study.variants:
            yield problem(f"variants are for the design list; this is {study.design}", "variants")
        if not study.factors:
            yield problem("a study varies something: it needs factors (or variants, with the design list)", "design")
    if study.metric.name == "accuracy":
        for knob in ("smallest_effect", "spread"):
            given = getattr(study.metric, knob)
            if given is not None and given >= 1:
                message = f"accuracy is a share of 1, so that {knob} is less than 1, got {given:g}; write 0.05 for 5 %"
                yield problem(message, "metric", knob)
    for section, names in (("factors", study.factors), ("variants", study.variants)):
        if any(not name.strip() for name in names):
            yield problem("each of them needs a name, and there is one without", section)
    if "base" in study.variants:
        yield problem('"base" is the name of the base variant; call this one otherwise', "variants", "base")
    for name, factor in study.factors.items():
        if study.design == "leave_one_out" and "off" not in factor.model_fields_set:
            yield problem('leave_one_out needs "off": what stands here when the factor is left out', "factors", name)
        elif study.design != "leave_one_out" and not factor.values:
            yield problem("this factor has no values", "factors", name)
    seeds = study.every_seed
    twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
    if twice:
        yield problem(f"seed {twice[0]} stands twice; a run repeated with its seed is the same run", "seeds")
    if study.tune and set(study.tune.seeds) & set(seeds):
        shared = min(set(study.tune.seeds) & set(seeds))
        yield problem(f"seed {shared} is one of the study's; tuning takes seeds of its own", "tune", "seeds")
    looks = [(look.seeds, look.alpha) for look in study.looks]
    for message, place in broken_looks(looks, study.alpha, len(seeds)):
        yield problem(message, "looks", *place)


__all__ = ["LoadedStudy", "load_study", "override_at", "patch_of"]
