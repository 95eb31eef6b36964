"""The kind of part that learns beside the layers of a model whose own weights stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from .part import Part
from .sites import AdapterSite

if TYPE_CHECKING:
    from partwise.modules import Adapter


class AdapterPart(Part):
    """Learns beside chosen linear layers, whose own weights stay as they are."""

    kind = "adapter"
    builds_module = True

    targets: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)] = ("blocks",)
    """The linear layers that it stands beside, by the names that `partwise inspect` shows: "mixer", "blocks.*.output".
    A name holds for all linear layers that have it in their path. Every adapter has this knob."""

    def build(self, site: AdapterSite) -> Adapter:
        raise NotImplementedError

    @classmethod
    def sites(cls) -> Mapping[str, Any]:
        return {"layer": AdapterSite(16, (12,)), "joined": AdapterSite(16, (12, 8, 4))}


__all__ = ["AdapterPart"]
