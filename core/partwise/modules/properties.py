"""`cached_property` for code that `torch.compile` traces: Python 3.11 puts a lock around its own and has no graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

ValueT = TypeVar("ValueT")


class cached_property(Generic[ValueT]):  # noqa: N801 - named and used as Python's own
    """A property that is computed at its first use and then kept in the instance."""

    def __init__(self, compute: Callable[[Any], ValueT]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> ValueT: ...

    def __get__(self, instance: object | None, owner: type) -> ValueT | Self:
        if instance is None:
            return self
        value = self._compute(instance)
        instance.__dict__[self._name] = value  # from now on Python finds it there, before this descriptor
        return value
