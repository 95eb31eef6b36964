"""The built-in data parts."""

from collections.abc import Iterable

from partwise import Part, hook


@hook
def partwise_parts() -> Iterable[type[Part]]:
    from . import parts

    return parts.PARTS
