"""Checks a map as recipes are checked: what it says by itself, of its recipe, and of the models that this makes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, cast

from partwise.errors import PartwiseError
from partwise.parts.part import Path
from partwise.recipe import LoadedRecipe, Node, Problem, RejectedError
from partwise.recipe.overrides import Override, override
from partwise.recipe.paths import parse_path, values_at
from partwise.recipe.reader.source import Mark
from partwise.recipe.recipe import Recipe
from partwise.recipe.suggestions import did_you_mean, nearest

from .arithmetic import keys_in
from .config_entry import Setting
from .config_map import ConfigMap
from .facts import Facts
from .family import Family, read_map
from .weight_entry import Size, WeightEntry

if TYPE_CHECKING:
    from torch import nn

EXAMPLE = "model.blocks.*.mixer.heads"


def check_map(path: FilePath, assemble: bool = True) -> Family:
    """The map in a file.

    Args:
        assemble: whether to compare it with the models that its recipe makes, too, without memory for weights.

    Raises:
        RecipeError: everything that is wrong with it, each problem with its place.
    """
    family, node = read_map(path)
    problems = list(_within(family, node))
    if problems:
        raise RejectedError(problems)
    try:
        base = family.changed_recipe()
    except PartwiseError as error:
        raise RejectedError(
            [Problem(f"the family's recipe: {error}", node.members["recipe"].mark, ("recipe",))]
        ) from error
    variants = _Variants(family, node, base)
    problems = [*variants.problems, *_paths(family, node, variants)]
    if not problems and assemble:
        problems = list(_tensors(family, node, variants))
    if problems:
        raise RejectedError(problems)
    return family


def refuse_broken(family: Family) -> None:
    """
    Raises:
        RecipeError: what the family's map says of its recipe does not hold.
    """
    if family.file is not None:
        check_map(family.file, assemble=False)


class _Variants:
    """The recipe as each case of the map makes it, the others of its choice left out; the first is the usual one."""

    def __init__(self, family: Family, node: Node, base: LoadedRecipe) -> None:
        self.problems: list[Problem] = []
        self.nodes: list[Node] = [base.node]
        self.recipes: list[LoadedRecipe] = [base]
        if family.config is not None:
            self._add_cases(family, family.config, node.members["config"], base)

    def _add_cases(self, family: Family, config: ConfigMap, node: Node, base: LoadedRecipe) -> None:
        usual = base.node
        for number, choice in enumerate(config.choices):
            first = usual
            for index in range(len(choice)):
                made = self._add(usual, node.reach(("choices", number, index, "set"))[0], base)
                first = made if made is not None and index == 0 else first
            usual = first
        for number, one in enumerate(config.layers):
            for index, case in enumerate(one.cases):
                if case.set:
                    self._add(usual, node.reach(("layers", number, "cases", index, "set"))[0], base, f"{one.blocks}.*.")

    def _add(self, usual: Node, written: Node, base: LoadedRecipe, above: str = "") -> Node | None:
        from partwise.recipe.load import validated

        try:
            made = _with(usual, written, above)
            self.recipes.append(validated(made, base.path, base.directory))
            self.nodes.append(made)
        except RejectedError as error:
            self.problems += error.problems
            return None
        return made


def _with(recipe: Node, changes: Node, above: str = "") -> Node:
    """A recipe with what a case sets, at paths `above` all of it; what is wrong is shown where the map says it."""
    for path, value in changes.members.items():
        mark = value.key or value.mark
        segments, marks = parse_path(above + path, mark, EXAMPLE)
        recipe = override(recipe, Override(segments, marks, value), Recipe)
    return recipe


def _within(family: Family, node: Node) -> Iterator[Problem]:
    """What is wrong with a map whatever its recipe is."""
    seen: dict[str, int] = {}
    for number, entry in enumerate(family.tensors):
        for name in entry.ours:
            first = family.tensors[seen.setdefault(name, number)]
            if first is not entry and not (first.when and entry.when and first.when != entry.when):
                yield _problem(
                    node, f"two entries fill {name}: this one and tensors.{seen[name]}", ("tensors", number, "ours")
                )
        if len(set(entry.theirs)) < len(entry.theirs):
            yield _problem(node, "this names one of theirs twice", ("tensors", number, "theirs"))
    taken = {name for entry in family.tensors for name in entry.theirs}
    for copy, source in family.copies.items():
        if source not in taken:
            yield _problem(node, f"no entry takes {source}{did_you_mean(source, taken)}", ("copies", copy))
    if family.config is not None:
        yield from _within_config(family.config, node)


def _within_config(config: ConfigMap, node: Node) -> Iterator[Problem]:
    known = config.known_keys()
    for path, setting in _settings(config):
        for key in keys_in(setting.expression) if setting.expression is not None else ():
            if key not in known:
                message = f"{key!r} is no key that this map names{did_you_mean(key, known)}"
                yield _problem(node, message, (*path, "default", "computed"))
    several = [setting.key for setting in config.settings]
    for number, setting in enumerate(config.settings):
        if several.index(setting.key) < number:
            yield _problem(
                node, f"{setting.key} has a setting already; name all its knobs there", ("config", "settings", number)
            )
    fixed = {setting.key for setting in config.every_setting()} | {one.key for one in config.layers}
    for key in fixed & set(config.fixed):
        yield _problem(node, f"{key} is fixed, and a setting as well", ("config", "fixed", key))
    for alias in config.aliases:
        if config.aliases[alias] in config.aliases or alias == config.aliases[alias]:
            yield _problem(node, "an alias stands for a key that is none itself", ("config", "aliases", alias))


def _settings(config: ConfigMap) -> Iterator[tuple[Path, Setting]]:
    """Every setting that is not of a layer, with its place in the map."""
    for number, setting in enumerate(config.settings):
        yield ("config", "settings", number), setting
    for number, choice in enumerate(config.choices):
        for index, case in enumerate(choice):
            for at, setting in enumerate(case.settings):
                yield ("config", "choices", number, index, "settings", at), setting


def _paths(family: Family, node: Node, variants: _Variants) -> Iterator[Problem]:
    """Paths of the recipe that lead nowhere in any variant."""
    places: list[tuple[str, Path]] = []
    if family.config is not None:
        for path, setting in _settings(family.config):
            places += [(at, (*path, "at", index)) for index, at in enumerate(setting.at)]
            places += [(at, (*path, "computed", at)) for at in setting.computed]
        for number, one in enumerate(family.config.layers):
            places += [(one.blocks, ("config", "layers", number, "blocks"))]
            places += [(one.depth, ("config", "layers", number, "depth"))]
            yield from _in_layers(family.config, number, node, variants)
    for where, size in _sizes(family):
        for named in keys_in(size):
            places.append((named, where))
            if all(_is_no_number(one, named) for one in variants.recipes):
                yield _problem(node, f"{named} is no number in the recipe; give a number, or -1", where)
    for number, entry in enumerate(family.tensors):
        places += [(path, ("tensors", number, "when", path)) for path in entry.when]
    for text, place in places:
        yield from _leads_nowhere(text, node, place, variants)


def _sizes(family: Family) -> Iterator[tuple[Path, str]]:
    """Sizes that the recipe decides, with their places in the map."""
    said: list[tuple[Path, Size | None]] = []
    for number, entry in enumerate(family.tensors):
        at: Path = ("tensors", number)
        if entry.regroup is not None:
            said += [((*at, "regroup", "shape", index), size) for index, size in enumerate(entry.regroup.shape)]
        if entry.groups is not None:
            said += [((*at, "groups", "count"), entry.groups.count)]
            said += [((*at, "groups", "pieces", index), size) for index, size in enumerate(entry.groups.pieces)]
        if entry.rows is not None:
            said += [((*at, "rows", "begin"), entry.rows.begin), ((*at, "rows", "of"), entry.rows.of)]
        said += [((*at, "reshape", index), size) for index, size in enumerate(entry.reshape or ())]
    for number, constant in enumerate(family.constants):
        said += [(("constants", number, "shape", index), size) for index, size in enumerate(constant.shape or ())]
    return ((place, size) for place, size in said if isinstance(size, str))


def _in_layers(config: ConfigMap, number: int, node: Node, variants: _Variants) -> Iterator[Problem]:
    one = config.layers[number]
    for index, case in enumerate(one.cases):
        place = ("config", "layers", number, "cases", index)
        told: list[tuple[str, Path]] = [(path, (*place, "set", path)) for path in case.set]
        for at, setting in enumerate(case.settings):
            told += [(path, (*place, "settings", at, "at", which)) for which, path in enumerate(setting.at)]
        for path, where in told:
            yield from _leads_nowhere(f"{one.blocks}.*.{path}", node, where, variants)


def _is_no_number(loaded: LoadedRecipe, path: str) -> bool:
    found = list(values_at(loaded.recipe.resolved(), path))
    return bool(found) and (isinstance(found[0], bool) or not isinstance(found[0], int | float))


def _leads_nowhere(text: str, node: Node, place: Path, variants: _Variants) -> Iterator[Problem]:
    written = node.reach(place)[0]
    mark = written.mark if isinstance(written.value, str) else (written.key or written.mark)
    first: RejectedError | None = None
    for recipe in variants.nodes:
        try:
            whole = isinstance(written.value, str) and written.value == text
            segments, marks = parse_path(text, mark if whole else Mark(mark.source, mark.start, mark.start), EXAMPLE)
            marks = marks if whole else (mark,) * len(segments)
            override(recipe, Override(segments, marks, Node("", mark)), Recipe)
            return
        except RejectedError as error:
            first = first or error
    if first is not None:
        yield from (Problem(one.message, one.mark or mark, place, notes=one.notes) for one in first.problems)


def _tensors(family: Family, node: Node, variants: _Variants) -> Iterator[Problem]:
    """Entries that fill nothing in any of the models; and what each model has that the entries cannot fill."""
    from partwise.runs.weights import model_tensors

    own: set[str] = set()
    misfits: dict[int, str] = {}
    failed: list[str] = []
    weights = family.weights
    for loaded in variants.recipes:
        facts = Facts.of(loaded)
        for model, is_meant in _models(loaded, family):
            own |= {name for name, _ in model.named_parameters(remove_duplicate=False)} | model_tensors(model).keys()
            misfits = {id(entry): message for entry, message in weights.misfits(model, facts)} | misfits
            if is_meant:
                try:
                    weights.plan(model, facts)
                except PartwiseError as error:
                    failed.append(str(error))
    idle = {id(entry) for entry in weights.unmatched(dict.fromkeys(own))}
    for number, entry in enumerate(family.tensors):
        if id(entry) in idle:
            yield _problem(node, *_idle(entry, number, own))
        elif id(entry) in misfits:
            yield _problem(node, misfits[id(entry)].removeprefix(f"{family.place}: "), ("tensors", number, "theirs"))
    for message in dict.fromkeys(failed) if not idle and not misfits else ():
        yield _problem(node, message.removeprefix(f"{family.place}: "), ("tensors",))


def _idle(entry: WeightEntry, number: int, own: Iterable[str]) -> tuple[str, Path]:
    patterns = {".".join("{i}" if word.isdecimal() else word for word in name.split(".")) for name in own}
    wrong = next((name for name in entry.ours if name not in patterns), entry.ours[0])
    likest = ", ".join(nearest(wrong, patterns)[:3])
    index = entry.ours.index(wrong)
    return f"no model of this family has {wrong}; the nearest it has: {likest}", ("tensors", number, "ours", index)


def _models(loaded: LoadedRecipe, family: Family) -> Iterator[tuple[nn.Module, bool]]:
    """The model of a recipe, with one pattern of layers, with tied and with separate embeddings, and whether a
    checkpoint of the family may have it. None that cannot be built: its sizes are for config.json to decide."""
    from partwise import assembly
    from partwise.parts.sites import ModelSite

    site = ModelSite(loaded.recipe.tokenizer.planned_vocabulary() or 256)
    model = loaded.recipe.model
    knobs = type(model).model_fields
    if knobs.keys() >= {"blocks", "depth"}:
        model = model.model_copy(update={"depth": None})
    maps_tie = family.config is not None and any("model.tie" in one.places for one in family.config.every_setting())
    for tie in (True, False) if "tie" in knobs else (None,):
        changed = model if tie is None else model.model_copy(update={"tie": tie})
        try:
            made = assembly.skeleton(changed, site)
        except PartwiseError:
            continue
        yield cast("nn.Module", made), maps_tie or tie is None or getattr(model, "tie", None) == tie


def _problem(node: Node, message: str, path: Path) -> Problem:
    return Problem(message, node.reach(path)[0].mark, path)


__all__ = ["check_map", "refuse_broken"]
