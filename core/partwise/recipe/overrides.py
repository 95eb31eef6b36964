"""`--set PATH=JSON`: one change to a recipe from the command line, under the rules of `merge`.

A path is made of keys, indexes and `*`, which means every element: `model.blocks.*.norm=rms_norm`.
It may pass through defaults that are not written, and through names: `model.blocks.0.norm.eps=1e-6`
changes the norm that the recipe has, wherever that is written.

A value is JSON. Text that cannot be meant as JSON is a string, so that a name needs no quotes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import NoReturn

from pydantic import BaseModel

from partwise.parts.part import Path
from partwise.parts.shapes import Shape

from .knob_types import kind_at, takes_null
from .merge import as_object, merge
from .paths import default_at, model_at, parse_path, shape_below
from .reader.parser import parse
from .reader.problems import Problem, RejectedError, cut, dotted
from .reader.source import Mark, Node, Source
from .suggestions import did_you_mean, knob_list, name_of

OPTION = "--set "
_MEANT_AS_JSON = re.compile(
    r"""["'{\[].*|true|false|null|True|False|None|[-+]?(NaN|nan|Infinity|inf)|[-+.]*[0-9][0-9._eE+-]*""", re.DOTALL
)


@dataclass(frozen=True)
class Override:
    """One change: the segments of its path, where each is in the option, and the value."""

    path: tuple[str, ...]
    marks: tuple[Mark, ...]
    value: Node


def override_all(root: Node, options: Sequence[str], shape: Shape, label: str = OPTION) -> Node:
    """`root` with the changes applied, one after the other; messages put `label` before each.

    Raises:
        RecipeError: options that cannot be read, or that lead nowhere; all of them at once.
    """
    problems: list[Problem] = []
    for option in options:
        try:
            root = override(root, read_override(option, label), shape)
        except RejectedError as error:
            problems += error.problems
    if problems:
        raise RejectedError(problems)
    return root


def read_override(option: str, label: str = OPTION) -> Override:
    """`PATH=JSON` taken apart.

    Raises:
        RecipeError: it has no "=", a segment of the path is empty, or the value cannot be read.
    """
    text = label + option.encode("utf-8", "replace").decode()
    head = text.partition("=")[0]
    source = Source(head[:60], text, numbered=False, directory=FilePath.cwd())
    if text != label + option:
        _fail("this has bytes that are not UTF-8", Mark(source, len(label), len(text)))
    whole = Mark(source, len(label), len(head))
    path, marks = parse_path(head[len(label) :], whole, "model.blocks.0.norm=rms_norm")
    if "=" not in text:
        _fail(f"the value is missing: write {cut(option)}=VALUE", Mark(source, len(text), len(text)))
    return Override(path, marks, _value(source, len(head) + 1))


def _value(source: Source, start: int) -> Node:
    written = source.text[start:].strip()
    if not written:
        _fail('the value is missing; an empty string is written ""', Mark(source, start, start))
    if not _MEANT_AS_JSON.fullmatch(written):
        start = source.text.index(written, start)
        return Node(written, Mark(source, start, start + len(written)))
    try:
        return parse(source, start)
    except RejectedError as error:
        if written[0] in "\"'{[":
            raise
        note = f"note: where a string is meant, quote it: '\"{written}\"'"
        raise RejectedError([replace(problem, notes=(note,)) for problem in error.problems]) from None


def override(root: Node, change: Override, shape: Shape) -> Node:
    """`root` with one change applied.

    Raises:
        RecipeError: the path leads nowhere; with the nearest name, or how many elements there are.
    """
    return _Walk(change).into(root, shape, 0, ())


class _Walk:
    """Follows the path of one change."""

    def __init__(self, change: Override) -> None:
        self.change = change

    def into(self, node: Node, shape: Shape, depth: int, place: Path) -> Node:
        """`node`, which is at `place`, changed as the path says from its segment `depth` on."""
        if isinstance(node.value, tuple):
            return self.into_array(node, shape, depth, place)
        if isinstance(node.value, str) and kind_at(shape) is not None:
            node = as_object(node)
        if not isinstance(node.value, dict):
            what = "null" if node.value is None else "a single value"
            self.fail(depth, f"{dotted(place)} is {what}, which has nothing below it; set it as a whole")
        return self.into_object(node, shape, depth, place)

    def into_object(self, node: Node, shape: Shape, depth: int, place: Path) -> Node:
        key, mark = self.change.path[depth], self.change.marks[depth]
        model = model_at(shape, node)
        if model is not None:
            self.check_key(model, node, key, depth, place)
        if depth + 1 == len(self.change.path):
            return self.changed(node, key, replace(self.change.value, key=mark), shape)
        child = node.child(key) or (default_at(model, key, mark) if model else None)
        if child is None and _takes_plain_object(shape_below(shape, node, key)):
            child = Node({}, mark)
        if child is None and model is None and kind_at(shape) is not None:
            return node  # an unknown part: validation will say so
        if child is None:
            self.fail(depth, f"{dotted((*place, key))} is not set; set it as a whole")
        child = self.into(child, shape_below(shape, node, key), depth + 1, (*place, key))
        return replace(node, value={**node.members, key: replace(child, key=child.key or mark)})

    def changed(self, node: Node, key: str, value: Node, shape: Shape) -> Node:
        """`node` with `value` merged in at `key`; it keeps its mark unless it becomes another part."""
        merged = merge(node, Node({key: value}, value.mark, node.key), shape)
        return replace(merged, mark=node.mark) if merged.use == node.use else merged

    def into_array(self, node: Node, shape: Shape, depth: int, place: Path) -> Node:
        assert isinstance(node.value, tuple)
        items = list(node.value)
        for index in self.indexes(len(items), depth, place):
            below = shape_below(shape, node, index)
            items[index] = self.into_element(items[index], below, depth, (*place, index))
        return replace(node, value=tuple(items))

    def into_element(self, item: Node, shape: Shape, depth: int, place: Path) -> Node:
        if depth + 1 < len(self.change.path):
            return self.into(item, shape, depth + 1, place)
        if self.change.value.value is None and not takes_null(shape):
            self.fail(depth, f"an element cannot be deleted; set {dotted(place[:-1])} as a whole")
        merged = merge(item, self.change.value, shape)
        return replace(merged, mark=item.mark) if isinstance(merged.value, dict) and merged.use == item.use else merged

    def indexes(self, count: int, depth: int, place: Path) -> range:
        segment, array = self.change.path[depth], dotted(place)
        has = f"{array} has {count} element{'' if count == 1 else 's'}"
        if segment == "*":
            if not count:
                self.fail(depth, f"{has}, so * matches none")
            return range(count)
        if not re.fullmatch(r"0|[1-9][0-9]{0,8}", segment):
            self.fail(depth, f"{has}; give an index from 0, or * for all of them")
        index = int(segment)
        if index >= count:
            self.fail(depth, f"{has}, counted from 0; there is no {array}.{index}")
        return range(index, index + 1)

    def check_key(self, model: type[BaseModel], node: Node, key: str, depth: int, place: Path) -> None:
        """Allows the part's knobs, and keys that are written by mistake, so that they can be deleted."""
        if key in model.model_fields or key in node.members or (key == "use" and node.use is not None):
            return
        owner = name_of(model)
        guess = did_you_mean(key, model.model_fields)
        self.fail(depth, f"{owner} has no {key!r}{guess}", (knob_list(model, key),), place)

    def fail(self, depth: int, message: str, notes: tuple[str, ...] = (), place: Path = ()) -> NoReturn:
        raise RejectedError([Problem(message, self.change.marks[depth], place, notes=notes)])


def _takes_plain_object(shape: Shape) -> bool:
    """Whether an object of a recipe's own goes there, which is no part: `start`, say."""
    return kind_at(shape) is None and model_at(shape, Node({}, _NOWHERE)) is not None


_NOWHERE = Mark(Source("", ""), 0, 0)


def _fail(message: str, mark: Mark) -> NoReturn:
    raise RejectedError([Problem(message, mark)])
