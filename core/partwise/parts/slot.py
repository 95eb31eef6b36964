"""`Slot`: a field of a part that holds another part, and how the part it names is found."""

from __future__ import annotations

from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from partwise.wording import with_article

from .part import Part
from .registry import registry


class Slot:
    """Marks a field as a place for a part of the annotated kind: `Annotated[MixerPart, Slot()]`.

    Accepts a built part, a name ("rope", short for {"use": "rope"}) or an object with "use". The name
    is looked up by a plain validator rather than a tagged union, so that the path of an error is the
    path in the JSON and a misspelt name gets a suggestion.
    """

    def __get_pydantic_core_schema__(self, kind: type[Part], handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def fit(value: Any) -> Part:
            return fit_part(kind, value)

        return core_schema.no_info_plain_validator_function(
            fit,
            serialization=core_schema.plain_serializer_function_ser_schema(_dump_part),
            metadata={"kind": kind},
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        # On its own, a slot says no more than this: following every slot into every part would never end.
        # `partwise.recipe.schema` describes all parts at once and puts a reference to the kind here.
        kind: type[Part] = schema["metadata"]["kind"]
        return {"type": ["string", "object"], "description": f"{with_article(kind.kind)}: a name, or its knobs"}

    def __repr__(self) -> str:
        return "Slot()"


def _dump_part(part: Part) -> dict[str, Any]:
    return part.model_dump(mode="json")


def use(name: str) -> Any:
    """The default of a slot: `norm: Norm = use("layer_norm")`. Typed so that a name may stand for a part."""
    return name


def fit_part(kind: type[Part], value: Any) -> Part:
    """The part that `value` (a part, a name, or an object with "use") names, which must be of `kind`.

    Raises pydantic errors, whose places are relative to the slot.
    """
    if isinstance(value, Part):
        if not isinstance(value, kind):
            raise _wrong_kind(registry().name_of(type(value)), type(value), kind)
        return value
    if isinstance(value, str):
        value = {"use": value}
    if not isinstance(value, dict):
        raise PydanticCustomError(
            "part_expected",
            'expected {a_kind}: a name, or an object with "use"',
            {"a_kind": with_article(kind.kind), "kind": kind.kind, "installed": registry().names(kind)},
        )
    if "use" not in value:
        raise PydanticCustomError(
            "use_missing",
            'this {kind} does not say which: "use" is missing',
            {"kind": kind.kind, "installed": registry().names(kind)},
        )
    name = value["use"]
    cls = registry().find(kind, name) if isinstance(name, str) else None
    if cls is None:
        others = registry().of_any_kind(name) if isinstance(name, str) else ()
        if others:
            raise _wrong_kind(name, others[0], kind)
        raise PydanticCustomError(
            "part_unknown",
            "unknown {kind} {name}",
            {"kind": kind.kind, "name": repr(name), "given": name, "installed": registry().names(kind)},
        )
    knobs = {knob: item for knob, item in value.items() if knob != "use"}
    return cls.model_validate({knob: _frozen(item) for knob, item in _of_today(cls, name, knobs).items()})


def _of_today(cls: type[Part], name: str, knobs: dict[str, Any]) -> dict[str, Any]:
    """The knobs as the installed version of a part takes them."""
    if cls.version == 1:
        return knobs  # a `version` is then a knob like any other
    written = knobs.pop("version", 1)
    facts = {"name": repr(name), "written": written, "installed": cls.version}
    if type(written) is not int or written < 1:
        raise PydanticCustomError("version_wrong", "version of {name}: expected 1 to {installed}", facts)
    if written > cls.version:
        raise PydanticCustomError(
            "version_newer",
            "{name} is written for version {written}, and version {installed} is installed; update the plugin",
            facts,
        )
    try:
        return knobs if written == cls.version else cls.migrate(knobs, written)
    except ValueError as error:
        raise PydanticCustomError(
            "migration", "{name}, version {written}: {reason}", facts | {"reason": str(error)}
        ) from error


def _wrong_kind(name: str, cls: type[Part], kind: type[Part]) -> PydanticCustomError:
    return PydanticCustomError(
        "part_of_another_kind",
        "{name} is {a_kind}, and this place takes {wanted}",
        {
            "name": repr(name),
            "a_kind": with_article(cls.kind),
            "wanted": with_article(kind.kind),
            "installed": registry().names(kind),
        },
    )


def _frozen(value: Any) -> Any:
    """Lists as tuples, all the way down to the next slot: strict validation takes no list for a tuple."""
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
