"""The keys of a file that people write, from the pydantic model that reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from partwise import Part
from partwise.catalogue.slots import kinds_within
from partwise.catalogue.snippets import default_of
from partwise.documented import field_docs
from partwise.parts.shapes import bare_of, members, shape_of
from partwise.recipe.knob_types import in_words

from .markdown import code, plain, table

HEADER = ("key", "takes", "default", "what it is")


def keys_of(model: type[BaseModel], to_parts: str) -> str:
    """The table of a model's keys. `to_parts` is the way from the page to the pages of the kinds."""
    fields = model.model_fields
    return table(HEADER, [_row(name, fields[name], about, to_parts) for name, about in field_docs(model).items()])


def _row(name: str, field: FieldInfo, about: str, to_parts: str) -> tuple[str, str, str, str]:
    shape = shape_of(field)
    takes = plain(in_words(shape))
    for kind in kinds_within(shape):
        takes = _linked(takes, plain(kind.kind), f"{to_parts}{kind.kind}.md")
    default = "required" if field.is_required() else code(json.dumps(default_of(field), ensure_ascii=False))
    return code(name), takes, default, plain(about)


def _linked(takes: str, kind: str, page: str) -> str:
    """The words for what a key takes, with the kind among them as a link; behind them if it is not."""
    words, found = re.subn(rf"\b(an? ){re.escape(kind)}\b", rf"\1[{re.escape(kind)}]({page})", takes)
    return words if found else f"{takes} of [{kind}]({page})"


def models_within(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """The objects that are no parts and may stand at a model's keys: each with the path of the key, once."""
    seen: set[type[BaseModel]] = set()
    waiting = [(name, shape_of(field)) for name, field in model.model_fields.items()]
    while waiting:
        path, shape = waiting.pop(0)
        for inner in _models(shape):
            if inner not in seen:
                seen.add(inner)
                yield path, inner
                waiting += [(f"{path}.{name}", shape_of(field)) for name, field in inner.model_fields.items()]


def _models(shape: Any) -> Iterable[type[BaseModel]]:
    for member in members(shape):
        bare = bare_of(member)
        if isinstance(bare, type) and issubclass(bare, BaseModel):
            if not issubclass(bare, Part):
                yield bare
        else:
            yield from (one for inner in get_args(bare) if not isinstance(inner, str | int) for one in _models(inner))


__all__ = ["keys_of", "models_within"]
