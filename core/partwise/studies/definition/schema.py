"""JSON Schema of studies. It covers everything that is installed, so that an editor can complete and check them."""

from __future__ import annotations

from partwise.recipe.schema import Schema, json_schema_of

from .study import Study

_PATCH: Schema = {"$ref": "#/$defs/recipe-patch"}


def study_schema() -> Schema:
    """The schema of studies. Only the base recipe decides what the values of a factor may be, so it accepts any."""
    base: Schema = {"anyOf": [{"type": "string", "minLength": 1}, _PATCH]}
    variants: Schema = {"type": "object", "additionalProperties": _PATCH, "default": {}}
    return json_schema_of(Study, "study", {"base": base, "variants": variants})


__all__ = ["study_schema"]
