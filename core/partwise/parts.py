"""`Part`, a named choice with documented knobs, and `Slot`, a place in a part that holds another part.

A part is vocabulary: it says *what* is chosen and validates it, and its `build` makes the plain
PyTorch module (or tokenizer, or data set ...) that does the work. Parts import no torch, so that
listing, checking and comparing recipes stays fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from pydantic_core import PydanticCustomError, core_schema

from .errors import PartError

SiteT = TypeVar("SiteT", contravariant=True)
BuiltT = TypeVar("BuiltT", covariant=True)
Path = tuple[str | int, ...]


class Buildable(Protocol[SiteT, BuiltT]):
    """What `assemble` needs: something that builds a thing for a site."""

    def build(self, site: SiteT, /) -> BuiltT: ...


class Part(BaseModel):
    """A named choice with documented knobs, for example `{"use": "rope", "base": 10000}`.

    A *kind* of part is a direct or indirect subclass that sets `kind`; a part is a subclass of a kind
    that sets `name`. Fields are the knobs: each has a type that rejects nonsense and a docstring that
    says what it means. A field that holds another part is annotated with an alias from
    `partwise.slots`.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        validate_default=True,
        use_attribute_docstrings=True,
        defer_build=True,  # most commands look at few of the parts there are
    )

    kind: ClassVar[str]
    """The interface that the part fulfils, for example "position"."""

    name: ClassVar[str]
    """The name a recipe uses, without its plugin's namespace."""

    aliases: ClassVar[tuple[str, ...]] = ()
    """Names the part had before; recipes that use one still mean this part, and are resolved to its name of today."""

    version: ClassVar[int] = 1
    """Raised when knobs are renamed or change their meaning; `migrate` then reads the knobs of earlier versions.

    A recipe says `"version": 2` beside `use` for knobs of version 2. One that says nothing was written for
    version 1: so an update never changes what a recipe means. Resolved recipes always say it.
    """

    @classmethod
    def migrate(cls, knobs: dict[str, Any], version: int) -> dict[str, Any]:
        """The knobs of today for those of an earlier `version`, as recipes write them. Knobs it does not know
        (they may be of today already) it leaves as they are.

        Raises:
            ValueError: they can no longer be had; says what to write instead.
        """
        return knobs

    def build(self, site: Any, /) -> Any:
        """Makes what the part stands for, at `site`. Authors write this; parents call `assemble`."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it is built")

    def assemble(self: Buildable[SiteT, BuiltT], site: SiteT) -> BuiltT:
        """Calls `build` and, should it fail, says at which place of the recipe this part stands.

        Raises:
            PartError: the part does not fit its site; `path` names the place.
        """
        parent = _assembling.get()
        path = () if parent is None else (*parent.path, *_place_of(self, parent.part))
        token = _assembling.set(_Frame(self, path))
        try:
            return self.build(site)
        except PartError as error:
            if error.path is None:
                error.path = path
            raise
        finally:
            _assembling.reset(token)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        """The settings under which the contract tests build this part; its defaults unless overridden."""
        yield cls()

    @classmethod
    def sites(cls) -> Mapping[str, Any]:
        """Small sites at which the contract tests build parts of this kind, by the names of the places.

        Kinds say this, not parts. Numbers should differ wherever code could mistake one for another.
        """
        return {"anywhere": None}

    @classmethod
    def checks(cls) -> Iterable[Callable[..., None]]:
        """What parts of this kind must hold besides the contract of every part; see `partwise.testing`.

        Each is a function of a part and a site whose docstring says what must hold.
        """
        return ()

    @classmethod
    def equals(cls) -> Iterable[tuple[Self, Self]]:
        """Pairs of settings that must do the same, such as `kv_heads` left out and `kv_heads` = `heads`."""
        return ()

    def inputs(self, site: Any, rows: int, length: int) -> tuple[Any, ...] | None:
        """Tensors to call the built module with in contract tests; a kind of your own says this, if it has modules."""
        return None

    known_failures: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """What the part is known not to hold: name of a check, or "check[case]", to the reason. Strict: see
    `partwise.testing`."""

    @model_serializer(mode="wrap")
    def _dump(self, knobs: SerializerFunctionWrapHandler) -> dict[str, Any]:
        from .registry import registry

        head = {"use": registry().name_of(type(self))}
        return {**head, **({"version": self.version} if self.version > 1 else {}), **knobs(self)}


@dataclass(frozen=True)
class _Frame:
    part: object
    path: Path


_assembling: ContextVar[_Frame | None] = ContextVar("partwise_assembling", default=None)


def _place_of(child: object, parent: object) -> Path:
    """Where in `parent` the part `child` stands, found by identity: assembly needs no bookkeeping for it."""
    if isinstance(parent, BaseModel):
        for path, part in parts_within(parent):
            if part is child:
                return path
    return ()


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
    from .registry import registry

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
    from .registry import registry

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


def with_article(noun: str) -> str:
    """`a mixer`, `an attention`."""
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def parts_within(part: BaseModel) -> Iterator[tuple[Path, Part]]:
    """Every part held by `part`, however deep, with its path; parents before children."""
    for field in type(part).model_fields:
        value = getattr(part, field)
        items = enumerate(value) if isinstance(value, tuple) else [(None, value)]
        for index, item in items:
            if isinstance(item, Part):
                path: Path = (field,) if index is None else (field, index)
                yield path, item
                for deeper, inner in parts_within(item):
                    yield (*path, *deeper), inner
