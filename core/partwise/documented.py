"""Models whose knobs are documented by docstrings below them, which are read from the source when somebody asks.

pydantic can read them as a class is made (`use_attribute_docstrings`), which took a third of the time of every command
that only reads a recipe.
"""

from __future__ import annotations

import ast
import inspect
import linecache
from collections.abc import Iterator, Mapping
from functools import cache
from inspect import get_annotations
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic_core import CoreSchema


class Documented(BaseModel):
    """A model whose JSON Schema has the docstrings of its fields as descriptions."""

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler, /) -> dict[str, Any]:
        made = handler(schema)
        properties = handler.resolve_ref_schema(made).get("properties", {})
        for name, text in field_docs(cls).items():
            if text and name in properties:
                properties[name].setdefault("description", text)
        return made


@cache
def field_docs(model: type[BaseModel]) -> Mapping[str, str]:
    """Field -> what it means: its declared description or the docstring below it, its own or an ancestor's."""
    found: dict[str, str] = {}
    for ancestor in reversed(model.__mro__):
        if issubclass(ancestor, BaseModel) and ancestor is not BaseModel:
            own = _classes_in(_file_of(ancestor)).get(ancestor.__qualname__, {})
            # A field that is declared anew means something else, and what its forebear said no longer holds.
            found = {name: text for name, text in found.items() if name not in get_annotations(ancestor)} | dict(own)
    fields = model.model_fields
    return {name: fields[name].description or found.get(name, "") for name in fields}


def _file_of(model: type[BaseModel]) -> str | None:
    """Where a class is written. A notebook's classes have no file that Python knows, but their methods have."""
    try:
        return inspect.getsourcefile(model)
    except (OSError, TypeError):
        codes = (getattr(member, "__code__", None) for member in vars(model).values())
        return next((code.co_filename for code in codes if code is not None), None)


@cache
def _classes_in(file: str | None) -> Mapping[str, Mapping[str, str]]:
    """Qualified name of a class -> attribute -> docstring, of all classes in a source file."""
    if file is None:
        return {}
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return {}
    return {name: dict(_attributes(node)) for name, node in _classes(tree, "")}


def _classes(tree: ast.AST, prefix: str) -> Iterator[tuple[str, ast.ClassDef]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield prefix + node.name, node
            yield from _classes(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _classes(node, f"{prefix}{node.name}.<locals>.")
        else:
            yield from _classes(node, prefix)


def _attributes(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for above, below in zip(node.body, node.body[1:], strict=False):
        if isinstance(above, ast.AnnAssign) and isinstance(above.target, ast.Name) and isinstance(below, ast.Expr):
            text = below.value
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield above.target.id, inspect.cleandoc(text.value)


__all__ = ["Documented", "field_docs"]
