"""How one recipe changes another: JSON merge patch (RFC 7396), with two rules of our own.

An object in the patch is merged into the value that it changes, `null` deletes, and anything else replaces
the value. On top of that:

- A node whose `use` changes is replaced, never merged: the knobs of the old part mean nothing to the new
  one. A name counts as {"use": name}. A value that is not written counts as its default, so that
  {"norm": {"eps": 1e-6}} changes the norm even where the recipe leaves it at its default.
- Where a knob takes null, `null` is its value and deletes nothing. By the RFC alone, nothing that is on by
  default could be switched off.

Every node keeps its mark, so that errors point at the file in which it is written.
"""

from __future__ import annotations

from dataclasses import replace

from partwise.parts.shapes import Shape

from .knob_types import takes_null
from .paths import default_at, model_at, shape_below
from .reader.source import Node


def merge(base: Node | None, patch: Node, shape: Shape = None) -> Node:
    """`base` changed by `patch`; `shape` is the type of the place, if it is known."""
    if not isinstance(patch.value, dict):
        return patch
    met = _met(base, patch)
    children = dict(met or {})
    if patch.use is not None:
        children["use"] = patch.members["use"]
    model = model_at(shape, Node(children, patch.mark))
    for key, change in patch.members.items():
        below = None if shape is None else shape_below(shape, Node(children, patch.mark), key)
        if change.value is not None or takes_null(below):
            child = children.get(key)
            if child is None and met is not None and model is not None and isinstance(change.value, dict):
                child = default_at(model, key, change.mark)
            children[key] = merge(child, change, below)
        elif key in children or model is None or key in model.model_fields:
            children.pop(key, None)
        else:
            children[key] = change  # deletes a knob that no part has: a slip, which validation reports
    return Node(children, patch.mark, patch.key)


def _met(base: Node | None, patch: Node) -> dict[str, Node] | None:
    """The members of `base` that an object `patch` changes; None if it replaces `base`."""
    if base is None:
        return None
    if isinstance(base.value, str):
        base = as_object(base)
    if "use" in patch.members and patch.members["use"].value is not None and patch.use != base.use:
        return None
    return base.members if isinstance(base.value, dict) else None


def as_object(name: Node) -> Node:
    """A name written out: "rope" as {"use": "rope"}."""
    return Node({"use": replace(name, key=None)}, name.mark, name.key)
