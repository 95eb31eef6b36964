"""`Slot` marks a field that holds another part; `resolve_part` finds the part that a value names."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core import PydanticCustomError, PydanticKnownError, core_schema

from partwise.errors import PartError
from partwise.wording import with_article

from .part import Part
from .raised import told_as_raised
from .registry import registry
from .shapes import SlotMark, as_knob, shape_of

_CHECK_FAILED = "{name} cannot check these knobs: a validator of {class} {reason}"
_MIGRATE_FAILED = "{name}, version {written}: its migrate() {reason}; write the knobs of version {installed} instead"


class Slot(SlotMark):
    """Marks a field as a place for a part of the annotated kind: `Annotated[MixerPart, Slot()]`.

    Accepts a built part, a name ("rope", short for {"use": "rope"}) or an object with "use". The name
    is looked up by a plain validator rather than a tagged union, so that the path of an error is the
    path in the JSON and a misspelt name gets a suggestion.
    """

    def __get_pydantic_core_schema__(self, kind: type[Part], handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def resolve(value: Any) -> Part:
            return resolve_part(kind, value)

        return core_schema.no_info_plain_validator_function(
            resolve,
            serialization=core_schema.plain_serializer_function_ser_schema(_dump_part),
            metadata={"kind": kind},
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        # A slot alone says no more than this: following every slot into every part would never end.
        # `partwise.recipe.schema` describes all parts at once and puts a reference to the kind here.
        kind: type[Part] = schema["metadata"]["kind"]
        return {"type": ["string", "object"], "description": f"{with_article(kind.kind)}: a name, or its knobs"}

    def __repr__(self) -> str:
        return "Slot()"


def _dump_part(part: Part) -> dict[str, Any]:
    return part.model_dump(mode="json")


def use(name: str) -> Any:
    """The default of a slot: `norm: Norm = use("layer_norm")`. It returns `Any`, so a type checker accepts it."""
    return name


P = TypeVar("P", bound=Part)


def resolve_part(kind: type[P], value: Any) -> P:
    """The part that `value` names, which must be of `kind`: a part, a name, or an object with "use".

    Raises pydantic errors, whose places are relative to the slot.
    """
    if isinstance(value, Part):
        if not isinstance(value, kind):
            raise _wrong_kind(registry().name_of(type(value)), type(value), kind)
        return value
    name, knobs = _name_and_knobs(kind, value)
    cls = _find(kind, name)
    return _validated(cls, name, _migrated(cls, name, knobs))


def _validated(cls: type[P], name: str, knobs: dict[str, Any]) -> P:
    """The part with these knobs, as a recipe writes them."""
    fields = cls.model_fields
    read = {knob: as_knob(shape_of(fields[knob]) if knob in fields else Any, item) for knob, item in knobs.items()}
    try:
        return cls.model_validate(read)
    except (ValidationError, PydanticCustomError, PydanticKnownError):
        raise
    except PartError as error:
        facts = {"name": repr(name), "reason": error.message}
        raise PydanticCustomError("knobs_refused", "{name}: {reason}", facts) from error
    except Exception as error:
        facts = {"name": repr(name), "reason": told_as_raised(error), "class": cls.__name__}
        raise PydanticCustomError("knobs_unchecked", _CHECK_FAILED, facts) from error


def _name_and_knobs(kind: type[Part], value: Any) -> tuple[Any, dict[str, Any]]:
    if isinstance(value, str):
        return value, {}
    facts = {"a_kind": with_article(kind.kind), "kind": kind.kind, "installed": registry().names(kind)}
    if not isinstance(value, dict):
        raise PydanticCustomError("part_expected", 'expected {a_kind}: a name, or an object with "use"', facts)
    if "use" not in value:
        raise PydanticCustomError("use_missing", 'this {kind} needs "use": the name of the part', facts)
    return value["use"], {knob: item for knob, item in value.items() if knob != "use"}


def _find(kind: type[P], name: Any) -> type[P]:
    """The part class of a name; an error says whether the name is unknown or that of another kind."""
    cls = registry().find(kind, name) if isinstance(name, str) else None
    if cls is not None:
        return cls
    others = registry().of_any_kind(name) if isinstance(name, str) else ()
    if others:
        raise _wrong_kind(name, others[0], kind)
    facts = {"kind": kind.kind, "name": repr(name), "given": name, "installed": registry().names(kind)}
    raise PydanticCustomError("part_unknown", "unknown {kind} {name}", facts)


def _migrated(cls: type[Part], name: str, knobs: dict[str, Any]) -> dict[str, Any]:
    """The knobs as the installed version of a part takes them."""
    if cls.version == 1:
        return knobs
    written = knobs.pop("version", 1)
    facts = {"name": repr(name), "written": written, "installed": cls.version}
    if type(written) is not int or written < 1:
        raise PydanticCustomError("version_wrong", "version of {name}: expected 1 to {installed}", facts)
    if written > cls.version:
        raise PydanticCustomError(
            "version_newer",
            "{name} is written for version {written}, but version {installed} is installed; update the plugin",
            facts,
        )
    if written == cls.version:
        return knobs
    try:
        migrated: Any = cls.migrate(knobs, written)
    except (ValueError, PartError) as error:
        facts["reason"] = str(error)
        raise PydanticCustomError("migration", "{name}, version {written}: {reason}", facts) from error
    except Exception as error:
        raise PydanticCustomError("migration", _MIGRATE_FAILED, facts | {"reason": told_as_raised(error)}) from error
    if not isinstance(migrated, dict):
        facts["reason"] = f"returned {migrated!r}, and not the knobs"
        raise PydanticCustomError("migration", _MIGRATE_FAILED, facts)
    return {**migrated}


def _wrong_kind(name: str, cls: type[Part], kind: type[Part]) -> PydanticCustomError:
    return PydanticCustomError(
        "part_of_another_kind",
        "{name} is {a_kind}, but this place takes {wanted}",
        {
            "name": repr(name),
            "a_kind": with_article(cls.kind),
            "wanted": with_article(kind.kind),
            "installed": registry().names(kind),
        },
    )
