"""`Part`: a named choice with documented knobs.

A part says *what* is chosen and validates it; its `build` makes the plain PyTorch module (or tokenizer,
or data set ...) that does the work. Parts import no torch, so that
listing, checking and comparing recipes stays fast.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from partwise.documented import Documented
from partwise.errors import BuildError, PartError, PartwiseError, PluginError
from partwise.wording import with_article

from .old_imports import moved
from .raised import is_of_the_machine, told_as_raised

SiteT = TypeVar("SiteT", contravariant=True)
BuiltT = TypeVar("BuiltT", covariant=True)
Path = tuple[str | int, ...]


class Buildable(Protocol[SiteT, BuiltT]):
    """What `assemble` needs: an object with `build`."""

    def build(self, site: SiteT, /) -> BuiltT: ...


class Part(Documented):
    """A named choice with documented knobs, for example `{"use": "rope", "base": 10000}`.

    A *kind* of part is a direct or indirect subclass that sets `kind`; a part is a subclass of a kind
    that sets `name`. Fields are the knobs: each has a type that rejects nonsense and a docstring that
    says what it means. A field that holds another part is annotated with an alias from
    `partwise.parts.slots`.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        validate_default=True,
        allow_inf_nan=False,  # JSON has neither
        defer_build=True,  # most commands use few of the parts
    )

    kind: ClassVar[str]
    """The interface that the part fulfils, for example "position"."""

    name: ClassVar[str]
    """The name a recipe uses, without its plugin's namespace."""

    aliases: ClassVar[tuple[str, ...]] = ()
    """Former names of the part; recipes may still use them, and are resolved to its present name."""

    version: ClassVar[int] = 1
    """Raised when knobs are renamed or change their meaning; `migrate` then reads the knobs of earlier versions.

    A recipe has `"version": 2` beside `use` for knobs of version 2. Without it, the knobs are those of version 1,
    so that an update never changes what a recipe means. Resolved recipes always have it, beyond version 1.
    """

    formulas: ClassVar[tuple[str, ...]] = ()
    """What it computes, each equation in LaTeX: `(r"y = x + f(x)",)`. The catalogue and `partwise look` set them as
    formulas. They are not inherited, since a part derived from another computes something else."""

    @classmethod
    def migrate(cls, knobs: dict[str, Any], version: int) -> dict[str, Any]:
        """The present knobs for those of an earlier `version`, as recipes write them. It leaves knobs that it does not
        know unchanged: they may be present ones already.

        Raises:
            ValueError: there is no equivalent; the message says what to write instead.
        """
        return knobs

    def build(self, site: Any, /) -> Any:
        """Makes the module (or tokenizer, or data set ...) for `site`. Authors write this; parents call `assemble`."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it is built")

    def assemble(self: Buildable[SiteT, BuiltT], site: SiteT) -> BuiltT:
        """Calls `build`; if that fails, the error says where in the recipe this part is.

        Raises:
            PartError: the part does not fit its site; `path` is its place in the recipe.
            BuildError: it broke.
            PluginError: its plugin was written for an earlier partwise.
        """
        parent = _assembling.get()
        path = () if parent is None else (*parent.path, *_place_of(self, parent.part))
        token = _assembling.set(_Frame(self, path))
        try:
            _refuse_no_build(self)
            built = self.build(site)
            _refuse_no_product(self, built)
            if (record := _record.get()) is not None:
                record.append((self, site, built))
            return built
        except (PartError, BuildError) as error:
            if error.path is None:
                error.path = path
            raise
        except ImportError as error:
            told = moved(error, type(self).__module__)
            if told is None:
                raise _broken(self, error, path) from error
            raise PluginError(f"{type(self).__name__} cannot be built: {told[0]}") from error
        except PartwiseError:
            raise
        except Exception as error:
            if is_of_the_machine(error):
                raise
            raise _broken(self, error, path) from error
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
        """Checks of parts of this kind, besides the contract of every part; see `partwise.testing`.

        Each is a function of a part and a site whose docstring says what must hold.
        """
        return ()

    @classmethod
    def equals(cls) -> Iterable[tuple[Self, Self]]:
        """Pairs of settings that must do the same, such as `kv_heads` left out and `kv_heads` = `heads`."""
        return ()

    def inputs(self, site: Any, rows: int, length: int) -> tuple[Any, ...] | None:
        """Tensors to call the built module with in contract tests; a kind of your own needs this if it has modules."""
        return None

    in_updates: ClassVar[tuple[str, ...]] = ()
    """Knobs of a trainer, and of the parts in it, that count updates of the weights: whole numbers, or arrays of them.
    A training of another length scales them all alike; null stays null."""

    builds_module: ClassVar[bool] = False
    """Whether what its parts build must be a `torch.nn.Module`. Kinds say this, not parts."""

    known_failures: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Checks that the part is known to fail, by name or as "check[case]", each with the reason. Strict: see
    `partwise.testing`."""

    @classmethod
    def __pydantic_init_subclass__(cls) -> None:  # type: ignore[override]  # parts take no keywords in their class line
        super().__pydantic_init_subclass__()
        _read_class_variables(cls)

    @model_serializer(mode="wrap")
    def _dump(self, knobs: SerializerFunctionWrapHandler) -> dict[str, Any]:
        head = {"use": _name_of(type(self))}
        return {**head, **({"version": self.version} if self.version > 1 else {}), **knobs(self)}


def _read_class_variables(part: type[BaseModel]) -> None:
    """Says that its class variables are some in a form that needs no parsing.

    pydantic reads the annotations of a class once for each class below it, and half of those that it would parse, as
    text, are class variables of parts.
    """
    own = vars(part).get("__annotations__", {})
    for name, annotation in own.items():
        if isinstance(annotation, str) and annotation.startswith("ClassVar["):
            own[name] = ClassVar


_read_class_variables(Part)


def _refuse_no_build(part: object) -> None:
    owner = next(base for base in type(part).__mro__ if "build" in vars(base))
    if owner is Part or (issubclass(owner, Part) and "kind" in vars(owner) and owner is not type(part)):
        raise PartError(f"{_told(part)} does not say how it is built: its class needs a method build(self, site)")


def _refuse_no_product(part: object, built: object) -> None:
    """What a plugin's author may forget, and what would otherwise go unnoticed until training, or for ever."""
    if built is None:
        raise PartError(f"{_told(part)} builds nothing: its build() returns None, and must return what it has made")
    if isinstance(built, type):
        raise PartError(f"{_told(part)} builds the class {built.__name__}, and must return an instance of it")
    torch: Any = sys.modules.get("torch")
    if getattr(part, "builds_module", False) and torch is not None and not isinstance(built, torch.nn.Module):
        what = with_article(type(built).__name__)
        raise PartError(f"{_told(part)} builds {what}, and what it builds must be a torch.nn.Module")


def _broken(part: object, error: Exception, path: Path) -> BuildError:
    what = told_as_raised(error, type(part).__module__)
    return BuildError(f"{_told(part)}: its build() {what}", path)


def _told(part: object) -> str:
    return f"{_name_of(type(part))} ({type(part).__name__})" if isinstance(part, Part) else type(part).__name__


def _bare_name(part: type[Part]) -> str:
    return part.name


_name_of: Callable[[type[Part]], str] = _bare_name


def named_by(name_of: Callable[[type[Part]], str]) -> None:
    """Sets the function that names part classes when parts are dumped; the registry calls this."""
    global _name_of
    _name_of = name_of


@dataclass(frozen=True)
class _Frame:
    part: object
    path: Path


_assembling: ContextVar[_Frame | None] = ContextVar("partwise_assembling", default=None)
_record: ContextVar[list[tuple[object, object, object]] | None] = ContextVar("partwise_record", default=None)


@contextmanager
def recorded_assembly() -> Iterator[list[tuple[Any, Any, Any]]]:
    """Lists what is assembled within it: each part, its site and what it has built there, children before parents."""
    record: list[tuple[Any, Any, Any]] = []
    token = _record.set(record)
    try:
        yield record
    finally:
        _record.reset(token)


def _place_of(child: object, parent: object) -> Path:
    """The path of the part `child` in `parent`, found by identity, so that assembly needs no bookkeeping."""
    if isinstance(parent, BaseModel):
        for path, part in parts_within(parent):
            if part is child:
                return path
    return ()


def parts_within(part: BaseModel) -> Iterator[tuple[Path, Part]]:
    """Every part within `part`, at any depth, with its path; parents before children."""
    for field in type(part).model_fields:
        value = getattr(part, field)
        for key, item in _items(value):
            if isinstance(item, Part):
                path: Path = (field,) if key is None else (field, key)
                yield path, item
                for deeper, inner in parts_within(item):
                    yield (*path, *deeper), inner


def _items(value: Any) -> Iterable[tuple[str | int | None, Any]]:
    """What a field holds, each with its index or name; None where it is the field's own value."""
    if isinstance(value, tuple):
        return enumerate(value)
    return value.items() if isinstance(value, dict) else [(None, value)]


def kinds_of(part: type[Part]) -> list[type[Part]]:
    """The kinds of a part class, the most specific first: an attention is also a mixer."""
    return [base for base in part.__mro__ if issubclass(base, Part) and "kind" in vars(base)]


def formulas_of(part: type[Part]) -> tuple[str, ...]:
    """The equations of a part class, in LaTeX: its own, not those of what it derives from."""
    own = vars(part).get("formulas", ())
    return (own,) if isinstance(own, str) else tuple(own)


def family(part: type[Part]) -> type[Part]:
    """The most general kind of a part class; names are unique within it."""
    return kinds_of(part)[-1]
