"""JSON Schema of recipes, with every part that is installed, so that an editor completes and checks them.

Draft 2020-12. `$defs` has, for every kind, what fits there ("mixer") and, for every part, its knobs
("mixer.gru", "mixer.acme.sinks").

A recipe that extends another one says only what changes: no key is required, and null deletes. Which of its
objects replace a part and which are merged into one depends on the recipe it extends, which a schema cannot
read. So everything has a second definition ("mixer-patch"), which accepts whatever is right for *some*
recipe. The key "extends" decides which of the two applies. A recipe with a "start" ("recipe-started") may leave
tokenizer, model and objective to it, or change those of the start.

For a recipe that extends nothing, the schema accepts what `load` accepts, except for what a schema cannot
say: checks that a part makes across its knobs, numbers beyond 64 bits, and that 600.0 is not a whole number
here, though it is one in JSON Schema.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema

from partwise.parts.part import Part
from partwise.parts.registry import RegisteredPart, registry
from partwise.parts.shapes import shape_of

from .recipe import Recipe
from .starting import LEFT, START

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_HAS_START: Schema = {"properties": {START: {"type": "object"}}, "required": [START]}
_SELF: Schema = {"type": "string", "description": "Where editors find this schema."}
_EXTENDS: Schema = {
    "type": "string",
    "description": "The recipe that this one changes: a file relative to this one, or the name of a shipped recipe. "
    "Objects are merged, null deletes, and a part that changes replaces the old one whole.",
}


def json_schema() -> Schema:
    """The schema of recipes, given what is installed."""
    kinds = registry().kinds()
    whole = _definitions(Recipe, "recipe", kinds)
    for entry in registry().entries():
        whole |= _definitions(entry.part, _key(entry), kinds, entry.name)
    whole |= {name: _any_part(kind, "") for name, kind in kinds.items()}
    patches = {f"{key}-patch": _relaxed(definition) for key, definition in whole.items() if key not in kinds}
    patches |= {f"{name}-patch": _any_part(kind, "-patch") for name, kind in kinds.items()}
    whole["recipe-started"] = _started(whole["recipe"])
    heads = {"recipe": {"$schema": _SELF}, "recipe-started": {"$schema": _SELF}}
    for key, head in (heads | {"recipe-patch": {"$schema": _SELF, "extends": _EXTENDS}}).items():
        definition = (whole | patches)[key]
        definition["properties"] = head | definition["properties"]
    return {
        "$schema": DIALECT,
        "title": "partwise recipe",
        "type": "object",
        "if": {"required": ["extends"]},
        "then": _ref("recipe-patch"),
        "else": {"if": _HAS_START, "then": _ref("recipe-started"), "else": _ref("recipe")},
        "$defs": whole | patches,
    }


def _started(recipe: Schema) -> Schema:
    """A recipe that starts from a run."""
    properties = {
        key: schema if key not in LEFT else {"anyOf": [schema, _PATCH]} for key, schema in recipe["properties"].items()
    }
    required = [key for key in recipe["required"] if key not in LEFT]
    return recipe | {"properties": properties, "required": required}


_PATCH: Schema = {"type": "object", "not": {"required": ["use"]}}
"""Changes to a part that is written elsewhere."""


def json_schema_of(model: type[BaseModel], key: str, places: Mapping[str, Schema]) -> Schema:
    """The schema of a file that is a `model`, called `key`, and has recipes in it.

    `places` replaces the schemas of fields; they may refer to what `json_schema` defines.
    """
    kinds = registry().kinds()
    own = _definitions(model, key, kinds)
    properties = own[key]["properties"]
    for name, schema in places.items():
        properties[name] = {**schema, "description": properties[name].get("description", "")}
    own[key]["properties"] = {"$schema": _SELF} | properties
    others = {name: _any_part(kind, "") for name, kind in kinds.items()}
    title = {"$schema": DIALECT, "title": f"partwise {key}", "$ref": f"#/$defs/{key}"}
    return {**title, "$defs": {**others, **json_schema()["$defs"], **own}}


class _Generator(GenerateJsonSchema):
    """Refers to the definition of the kind at every slot: following slots into parts would never end."""

    def __init__(self, key: str, kinds: dict[str, type[Part]]) -> None:
        super().__init__(ref_template=f"#/$defs/{key}.{{model}}")
        self.kinds = kinds

    def generate_inner(self, schema: Any) -> Schema:
        kind = (schema.get("metadata") or {}).get("kind")
        if isinstance(kind, type) and issubclass(kind, Part):
            self.kinds.setdefault(kind.kind, kind)
            return {_SLOT: kind.kind}
        return super().generate_inner(schema)

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


_SLOT = "partwise-slot"
_VERSION = "Version of the part that the knobs are written for; 1 if left out."


def _former_names(part: type[Part], name: str) -> list[str]:
    head = name.removesuffix(part.name)
    return [head + alias for alias in part.aliases]


def _definitions(model: type[BaseModel], key: str, kinds: dict[str, type[Part]], name: str | None = None) -> Schema:
    """The definition of a part (or of the recipe itself), and of the plain models among its knobs.

    Adds the kinds of its slots to `kinds`."""
    schema = _resolved(_Generator(key, kinds).generate(model.__pydantic_core_schema__))
    inner = {f"{key}.{local}": definition for local, definition in schema.pop("$defs", {}).items()}
    properties, required = schema.get("properties", {}), schema.get("required", [])
    for knob, field in model.model_fields.items():
        if knob in properties and not field.is_required():
            properties[knob]["default"] = _default(field, properties[knob].get("default"))
    if name is not None and issubclass(model, Part):
        names = {"enum": [name, *_former_names(model, name)]} if model.aliases else {"const": name}
        properties = {"use": names | {"description": inspect.getdoc(model) or name}} | properties
        required = ["use", *required]
        if model.version > 1:
            # Only `migrate` knows the knobs of earlier versions, so any key may be one.
            properties["version"] = {"enum": list(range(1, model.version + 1)), "description": _VERSION}
            schema, required = schema | {"additionalProperties": True}, ["use"]
    return {key: schema | {"title": name or key, "properties": properties, "required": required}, **inner}


def _resolved(schema: Any) -> Any:
    """A schema in which slots are references."""
    if isinstance(schema, list):
        return [_resolved(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    rest = {key: _resolved(item) for key, item in schema.items() if key != _SLOT}
    return _ref(schema[_SLOT]) | rest if isinstance(schema.get(_SLOT), str) else rest


def _default(field: FieldInfo, written: Any) -> Any:
    """The default as a dump writes it: a part with all its knobs."""
    adapter = TypeAdapter[Any](shape_of(field))
    try:
        value = adapter.validate_python(field.get_default(call_default_factory=True))
    except ValueError:  # the part is not installed, or the default follows from other knobs
        return written
    return adapter.dump_python(value, mode="json")


def _any_part(kind: type[Part], suffix: str) -> Schema:
    """What fits in a slot: the name of a part that needs no knobs, or any part with knobs."""
    entries = registry().entries(kind)
    bare = [entry for entry in entries if not any(field.is_required() for field in entry.part.model_fields.values())]
    names = {"enum": [entry.name for entry in bare], "enumDescriptions": [_summary(entry.part) for entry in bare]}
    parts = [_ref(_key(entry) + suffix) for entry in entries]
    return {"description": _summary(kind), "anyOf": [*([names] if bare else []), *parts] or [False]}


def _relaxed(schema: Schema) -> Schema:
    """The schema of a patch: no key is required, and any may be deleted."""
    if "$ref" in schema:
        return schema | {"$ref": schema["$ref"] + "-patch"}
    relaxed = {key: value for key, value in schema.items() if key not in ("required", "minProperties")}
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            relaxed[several] = [_relaxed(one) for one in schema[several]]
    if "properties" in schema:
        relaxed["properties"] = {key: _deletable(key, one) for key, one in schema["properties"].items()}
    if isinstance(schema.get("additionalProperties"), dict):
        relaxed["additionalProperties"] = _deletable("", schema["additionalProperties"])
    return relaxed


def _deletable(key: str, schema: Schema) -> Schema:
    if key == "use":
        return schema
    labels: Schema = {label: schema[label] for label in ("description", "default") if label in schema}
    bare = {word: value for word, value in schema.items() if word not in labels}
    return {"anyOf": [_relaxed(bare), {"type": "null"}], **labels}


def _key(entry: RegisteredPart) -> str:
    return f"{entry.part.kind}.{entry.name.replace('/', '.')}"


def _ref(key: str) -> Schema:
    return {"$ref": f"#/$defs/{key}"}


def _summary(thing: type[Part]) -> str:
    return (inspect.getdoc(thing) or thing.kind).partition("\n\n")[0].replace("\n", " ")
