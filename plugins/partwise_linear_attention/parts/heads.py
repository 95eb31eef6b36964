"""What all parts here share: heads, each with a matrix for its memory, and a norm of what it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import PositiveFloat, PositiveInt

from partwise import PartError, use
from partwise.parts import LayerSite, MixerPart, WidthSite, slots

if TYPE_CHECKING:
    from torch import nn

    from partwise_linear_attention.shape import Heads


class MatrixMemory(MixerPart):
    """Base of mixers whose memory is a matrix for each head, which maps keys to values."""

    heads: PositiveInt = 4
    """Number of heads, each with a matrix of its own."""
    key_ratio: PositiveFloat = 1.0
    """Features of all queries together, and of all keys, as a multiple of the width."""
    value_ratio: PositiveFloat = 1.0
    """Features of all values together, as a multiple of the width."""
    norm: slots.Norm = use("rms_norm")
    """Norm of what each head reads."""

    def _heads(self, site: LayerSite) -> Heads:
        """How many, and how large their matrices are.

        Raises:
            PartError: the site has an encoder to read, or the heads do not divide keys or values.
        """
        from partwise_linear_attention.shape import Heads

        if site.reads_memory:
            raise PartError(f"{self.name} cannot read an encoder's states; put an attention here")
        return Heads(self.heads, self._share(site, "key"), self._share(site, "value"))

    def _share(self, site: LayerSite, what: str) -> int:
        """Features of one head's keys or values."""
        ratio = getattr(self, f"{what}_ratio")
        features = ratio * site.width / self.heads
        whole = max(1, round(features))
        if abs(features - whole) > 1e-6:
            mend = whole * self.heads / site.width
            raise PartError(
                f"{what}_ratio {ratio:g} of width {site.width} is {ratio * site.width:g} features, which {self.heads} "
                f"heads cannot share equally; the nearest {what}_ratio with which they can is {mend:.12g}"
            )
        return whole

    def _norm(self, heads: Heads) -> nn.Module:
        return self.norm.assemble(WidthSite(heads.value))
