"""Where chat templates are rendered: Jinja in its sandbox, with bounds on how long it runs and how much it writes.

A template may come from a stranger's checkpoint. It reaches nothing but the conversation, changes none of it, and gives
the same on every day and machine. What it may use is what transformers offers, except for the clock.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NoReturn, cast

from jinja2 import nodes
from jinja2.exceptions import SecurityError, TemplateError, TemplateSyntaxError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

STEPS = 1_000_000
"""Turns of loops in one conversation."""
CALL = 20
"""Turns of a loop that a call takes as long as."""
LONGEST = 10_000_000
"""Characters of any string that a template makes, and items of any list."""
WITHOUT = frozenset(
    {"attr", "batch", "center", "format", "indent", "pprint", "random", "slice", "urlize", "wordwrap", "xmlattr"}
)
"""Filters of Jinja that are not there: they are another text each time, or as long as they are told."""
_UNBOUNDED = frozenset({"center", "ljust", "rjust", "zfill", "expandtabs", "format", "format_map", "translate"})


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja as chat templates expect it: blocks take their line with them, and loops may be left."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[GenerationTag, loopcontrols])
        self.filters = {name: known for name, known in self.filters.items() if name not in WITHOUT}
        self.filters |= {"tojson": _as_json, "replace": _replaced, "join": _joined}
        del self.globals["lipsum"]  # which is another text each time
        self.globals["raise_exception"] = _refuse
        self._left = STEPS

    def begin(self) -> None:
        """To be called before a conversation is rendered."""
        self._left = STEPS

    def counted(self, items: Any) -> Iterator[Any]:
        """The items, as long as there are steps left. Every loop runs over this."""
        for item in items:
            self._step()
            yield item

    def joined(self, *values: Any) -> str:
        """Values one after the other: the operator `~`."""
        return str(_bounded("".join(map(str, values))))

    def is_safe_callable(self, obj: Any) -> bool:
        if getattr(obj, "__self__", None) is not self:  # asked before each call
            self._step(CALL)
        return super().is_safe_callable(obj)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" and not (isinstance(left, int | float) and abs(left) < 1e6 and abs(right) < 50):
            raise SecurityError("it computes too large a power")
        if operator == "*":
            sized, times = (left, right) if isinstance(left, Sequence) else (right, left)
            if isinstance(sized, Sequence) and isinstance(times, int):
                _check_size(len(sized) * times)
            elif isinstance(left, int) and isinstance(right, int) and left.bit_length() + right.bit_length() > 1000:
                raise SecurityError("it computes too large a product")
        if operator == "%" and isinstance(left, str) and re.search(r"%[^A-Za-z%]*(\d{4}|\*)", left):
            raise SecurityError("it formats with a width that is too large")
        return _bounded(super().call_binop(context, operator, left, right))

    def getattr(self, obj: Any, attribute: str) -> Any:
        return _measured_method(obj, attribute) or super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return _measured_method(obj, argument) or super().getitem(obj, argument)

    def _step(self, steps: int = 1) -> None:
        self._left -= steps
        if self._left < 0:
            raise SecurityError(f"it takes more than {STEPS:,} steps for one conversation, and may never end")

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        """The tree of a template, in which loops are counted and joined strings are measured."""
        tree = super()._parse(source, name, filename)
        for loop in list(tree.find_all(nodes.For)):
            if loop.recursive:
                raise TemplateSyntaxError("loops that call themselves are not there", loop.lineno, name, filename)
            loop.iter = self._through("counted", [cast("nodes.Expr", loop.iter)])
        return _with_concatenations(tree, lambda parts: self._through("joined", parts))

    def _through(self, method: str, values: list[nodes.Expr]) -> nodes.Call:
        made = nodes.Call(nodes.EnvironmentAttribute(method), values, [], None, None)
        made.set_lineno(values[0].lineno)
        made.set_environment(self)
        return made


def _with_concatenations(tree: nodes.Template, made: Callable[[list[nodes.Expr]], nodes.Expr]) -> nodes.Template:
    from jinja2.visitor import NodeTransformer

    class Concatenations(NodeTransformer):
        def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
            self.generic_visit(node)
            return made(node.nodes)

    changed: nodes.Template = Concatenations().visit(tree)
    return changed


class GenerationTag(Extension):
    """`{% generation %} ... {% endgeneration %}`, which marks what a model writes in templates for transformers."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _refuse(message: object) -> NoReturn:
    raise TemplateError(str(message))


def _measured_method(obj: Any, name: Any) -> Callable[..., str] | None:
    """A method of a string whose result is measured before it is made; None for all others."""
    if not isinstance(obj, str | bytes) or not isinstance(name, str):
        return None
    if name in _UNBOUNDED:
        raise SecurityError(f"it uses the method {name!r}, whose text is as long as it is told")
    return {"replace": partial(_replaced, obj), "join": partial(_joined, d=str(obj))}.get(name)


def _check_size(size: int) -> None:
    if size > LONGEST:
        raise SecurityError(f"it makes a text of more than {LONGEST:,} characters")


def _bounded(made: Any) -> Any:
    if isinstance(made, str | list | tuple):
        _check_size(len(made))
    return made


def _as_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    if indent is not None and not 0 <= indent <= 16:
        raise SecurityError("it indents JSON too far")
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _replaced(text: Any, old: str, new: str, count: int | None = None) -> str:
    text = str(text)
    found = text.count(old) if count is None or count < 0 else min(count, text.count(old))
    _check_size(len(text) + found * (len(new) - len(old)))
    return text.replace(old, new, -1 if count is None else count)


def _joined(values: Iterable[Any], d: str = "", attribute: str | None = None) -> str:
    texts = [str(value if attribute is None else value[attribute]) for value in values]
    _check_size(sum(map(len, texts)) + len(d) * len(texts))
    return d.join(texts)
