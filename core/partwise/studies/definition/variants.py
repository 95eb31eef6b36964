"""The variants of a study as valid recipes that can be assembled, or everything that is wrong with them, at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from partwise.parts.part import Path
from partwise.recipe import LoadedRecipe, Node, Problem, Recipe, RejectedError, merge
from partwise.recipe.load import validated
from partwise.recipe.overrides import Override, override
from partwise.recipe.paths import values_at
from partwise.recipe.reader.problems import dotted
from partwise.recipe.reader.source import marked

from .baselines import unknown_baselines
from .designs import BASE, Choice, Level, Levels, choices, label_of, levels_of
from .evaluated import lost_figures
from .reading import LoadedStudy
from .settings import NOWHERE, Setting, settings_of
from .tuned import changes_of, tried


@dataclass(frozen=True)
class Candidate:
    """A variant that can be assembled; its budget is not matched yet, and its knob is not tuned."""

    choice: Choice
    loaded: LoadedRecipe
    setting: Setting = NOWHERE

    @property
    def name(self) -> str:
        return self.choice.name

    @property
    def title(self) -> str:
        """`position=rope at width 96 on wiki`."""
        return self.name + self.setting.words


@dataclass(frozen=True)
class Variants:
    """What a study compares."""

    factors: dict[str, list[str]]
    """Labels of each factor's levels, the baseline's first."""
    candidates: list[Candidate]
    """The base first; in a study with sizes or texts, at each of them."""

    @property
    def settings(self) -> list[Setting]:
        return list({(one.setting.size, one.setting.text): one.setting for one in self.candidates}.values())


def variants(loaded: LoadedStudy, assemble: bool = True) -> Variants:
    """Every variant of a study.

    Args:
        assemble: also assemble each on the meta device, which imports torch.

    Raises:
        RecipeError: everything that is wrong with any of them.
    """
    found, problems = list[Candidate](), list[Problem]()
    written, settings = levels_of(loaded, problems), settings_of(loaded, problems)
    try:
        base = _base_variant(loaded, written)
    except RejectedError as error:
        raise RejectedError(_once([*problems, *error.problems])) from None
    factors = _with_baselines(loaded, written, base, problems)
    problems += _tuned_with_what_fits(loaded, base)
    two_each = loaded.study.design != "fractional" or all(len(one.levels) == 2 for one in factors)
    every = choices(loaded.study.design, factors, loaded.study.resolution) if two_each else []
    for setting in settings:
        here, wrong = _at(loaded, setting, every, assemble)
        found += here
        problems += [*wrong, *_twins(here)]
    problems += _same_everywhere(found)
    problems += _wrong_comparisons(loaded, factors, [one.name for one in found])
    problems = problems or list(_nothing_varied(loaded, factors))
    if problems:
        raise RejectedError(_once(problems))
    return Variants({one.factor: [level.label for level in one.levels] for one in factors}, found)


def changed(loaded: LoadedRecipe, changes: Sequence[Override]) -> LoadedRecipe:
    """A recipe with changes applied one after the other.

    Raises:
        RecipeError: a change leads nowhere, or the recipe is no longer valid.
    """
    node, problems = loaded.node, list[Problem]()
    for change in changes:
        try:
            node = override(node, change, Recipe) if change.path else merge(node, change.value, Recipe)
        except RejectedError as error:
            problems += error.problems
    if problems:
        raise RejectedError(problems)
    return replace(validated(node, None, loaded.directory), data_directory=loaded.data_directory)


def _base_variant(loaded: LoadedStudy, written: list[Levels]) -> LoadedRecipe:
    """The base recipe with the baselines that the study declares."""
    changes = [change for one in written if one.declared for change in one.levels[0].changes]
    return changed(loaded.base, changes)


def _with_baselines(
    loaded: LoadedStudy, written: list[Levels], base: LoadedRecipe, problems: list[Problem]
) -> list[Levels]:
    """Each factor with its baseline first: the declared one, the one that changes nothing, or the base's own value.

    Levels that do not fit the base are left out, and what is wrong with them is added to `problems`.
    """
    found = []
    for one in written:
        if one.declared:
            found.append(one)
            continue
        same, wrong = list[Level](), list[Level]()
        for level in one.levels:
            try:
                if changed(base, level.changes).recipe.fingerprint() == base.recipe.fingerprint():
                    same.append(level)
            except RejectedError as error:
                wrong.append(level)
                problems += [_explained(problem, loaded, [level], "") for problem in error.problems]
        levels = tuple(level for level in one.levels if level not in (*same[:1], *wrong))
        found.append(Levels(one.factor, (*same[:1], *levels) if same else (_what_it_has(base, one), *levels), True))
    return found


def _tuned_with_what_fits(loaded: LoadedStudy, base: LoadedRecipe) -> Iterator[Problem]:
    """What is wrong in the base recipe with the values that tuning tries."""
    for combination in tried(loaded):
        try:
            changed(base, changes_of(loaded, combination))
        except RejectedError as error:
            yield from error.problems


def _wrong_comparisons(loaded: LoadedStudy, factors: list[Levels], names: list[str]) -> Iterator[Problem]:
    """A fraction of other than two values each, and baselines that are no variants."""
    for one in factors if loaded.study.design == "fractional" else ():
        if len(one.levels) != 2 and one.levels:
            place: Path = ("factors", one.factor)
            listed = ", ".join(level.label for level in one.levels)
            told = f"a fractional design takes two values of each factor, its baseline and one other; got {listed}"
            yield Problem(told, loaded.at(place).head, place)
    wrong = unknown_baselines(loaded.study, list(dict.fromkeys(names))) if names else None
    if wrong is not None:
        yield Problem(wrong, loaded.at(("baselines",)).mark, ("baselines",))


def _nothing_varied(loaded: LoadedStudy, factors: list[Levels]) -> Iterator[Problem]:
    """Factors that do not change the base, so that nothing is compared."""
    for one in factors:
        if len(one.levels) < 2:
            place: Path = ("factors", one.factor)
            has = f"has nothing but {one.levels[0].label!r}, which is what the base has"
            yield Problem(f"this factor {has}: there is nothing to compare", loaded.at(place).head, place)


def _what_it_has(base: LoadedRecipe, factor: Levels) -> Level:
    """The base recipe's own value, as a level that changes nothing."""
    taken = {level.label for level in factor.levels}
    path = factor.levels[0].changes[0].path if factor.levels else ()
    steps: Path = tuple(0 if step == "*" else int(step) if step.isdigit() else step for step in path)
    node, unwritten = base.node.reach(steps)
    label = BASE if not path else label_of(_default(base, path, node) if unwritten else node)
    return Level(label if label not in taken else f"{label} (base)", ())


def _default(base: LoadedRecipe, path: tuple[str, ...], near: Node) -> Node:
    """The value at a path of the recipe where nothing is written; the name of a part stands for the part."""
    for value in values_at(base.recipe.resolved(), ".".join(path)):
        return marked(value.get("use", value) if isinstance(value, dict) else value, near.mark)
    return near  # the path leads nowhere, as applying a level will report


def _at(
    loaded: LoadedStudy, setting: Setting, every: list[Choice], assemble: bool
) -> tuple[list[Candidate], list[Problem]]:
    """The variants at one setting, and what is wrong with them; what is wrong with the base is not said again."""
    found, problems, of_base = list[Candidate](), list[Problem](), set[tuple[str, Path]]()
    for choice in every:
        try:
            found.append(_candidate(loaded, setting, choice, assemble))
        except RejectedError as error:
            problems += [one for one in error.problems if (one.message, one.path) not in of_base]
            if choice.name == BASE and setting.levels:
                of_base |= {(one.message, one.path) for one in error.problems}
    return found, problems


def _candidate(loaded: LoadedStudy, setting: Setting, choice: Choice, assemble: bool) -> Candidate:
    levels = [level for _, level in choice.levels]
    try:
        recipe = changed(loaded.base, [*setting.changes, *choice.changes])
        if assemble:
            from partwise import workflow

            workflow.check(recipe)
    except RejectedError as error:
        told = [_explained(problem, loaded, levels, choice.name, setting) for problem in error.problems]
        raise RejectedError(told) from None
    if setting.of_text is not None and choice.name == BASE and setting.rung == 0:
        _refuse_lost_figures(loaded, setting.of_text, recipe)
    return Candidate(choice, recipe, setting)


def _refuse_lost_figures(loaded: LoadedStudy, text: Level, recipe: LoadedRecipe) -> None:
    """
    Raises:
        RecipeError: with this text there is no such figure as the study compares.
    """
    mark = loaded.at(text.path).head
    lost = [Problem(told, mark, text.path) for told in lost_figures(loaded.study, recipe.recipe)]
    if lost:
        raise RejectedError(lost)


def _explained(
    problem: Problem, loaded: LoadedStudy, levels: list[Level], name: str, setting: Setting = NOWHERE
) -> Problem:
    """A problem of a variant, shown at the value in the study that causes it."""
    notes = problem.notes
    causes = [level for level in levels if level.changes and level.node is not None and level.label != BASE]
    if name and name != BASE:
        causes = [level for level in causes if f"={level.label}" in name or level.label == name] or causes
    elif setting.levels:  # the base's own baselines fit it without the setting, or it would be said of the base alone
        causes = []
    causes = [*setting.levels, *causes]
    if name and (name != BASE or setting.levels):
        where = ", ".join(dotted(level.path) for level in causes)
        notes = (*notes, f"note: in variant {name}{setting.words} ({where})")
    in_study = problem.mark is not None and problem.mark.source is loaded.node.mark.source
    if in_study or not causes or causes[-1].node is None:
        return replace(problem, notes=notes)
    return replace(problem, mark=causes[-1].node.head, notes=notes)


def _twins(found: list[Candidate]) -> Iterator[Problem]:
    """Variants that are the same recipe: one of them adds nothing, and would count as a comparison."""
    first: dict[str, Candidate] = {}
    for one in found:
        twin = first.setdefault(one.loaded.recipe.fingerprint(), one)
        if twin is not one:
            level = next((level for _, level in reversed(one.choice.levels) if level.changes), None)
            mark = level.node.head if level and level.node else None
            message = f"variants {twin.name} and {one.name} are one and the same recipe; leave one out"
            yield Problem(message, mark, level.path if level else ())


def _same_everywhere(found: list[Candidate]) -> Iterator[Problem]:
    """Settings that are one and the same for a variant: sizes or texts that change nothing, or that it undoes."""
    first: dict[tuple[str, str], Candidate] = {}
    for one in found:
        twin = first.setdefault((one.name, one.loaded.recipe.fingerprint()), one)
        if twin is one:
            continue
        sizes = twin.setting.size != one.setting.size
        level = one.setting.of_size if sizes else one.setting.of_text
        both = [of.setting.size if sizes else of.setting.text for of in (twin, one)]
        kind = "sizes" if sizes else "texts"
        if one.name == BASE:
            message = f"the {kind} {both[0]!r} and {both[1]!r} are one and the same recipe; leave one out"
        else:
            message = f"variant {one.name} is the same recipe at the {kind} {both[0]!r} and {both[1]!r}: it undoes them"
        mark = level.node.head if level is not None and level.node is not None else None
        yield Problem(message, mark, level.path if level is not None else ())


def _once(problems: list[Problem]) -> list[Problem]:
    """Each problem once, even if many variants have it; the first of them is named."""
    seen: dict[object, Problem] = {}
    for problem in problems:
        mark = problem.mark
        seen.setdefault((problem.message, problem.path, mark and (mark.source, mark.start)), problem)
    return list(seen.values())


__all__ = ["Candidate", "Variants", "changed", "variants"]
