"""The summary of fixed length that attention replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from partwise import PartError
from partwise.parts import AttentionPart, LayerSite

if TYPE_CHECKING:
    from partwise_attention.last_state import LastState as LastStateModule


class LastState(AttentionPart):
    """The encoder's last state at every position, without any weighing: what attention replaced (Cho et al. 2014)."""

    name = "last_state"
    formulas = (r"y_t = W m_M + b",)

    def build(self, site: LayerSite) -> LastStateModule:
        from partwise_attention.last_state import LastState as LastStateModule

        if not site.reads_memory or site.memory_width is None:
            raise PartError('last_state reads the states of an encoder; it belongs in the "cross" of a decoder')
        return LastStateModule(site.width, site.memory_width)

    def sees_order(self) -> bool:
        return True  # in another order, another state is the last
