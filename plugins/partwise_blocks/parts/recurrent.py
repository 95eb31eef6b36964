"""The block of recurrent networks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from partwise.parts import BlockPart, LayerSite, slots

from .shared import Probability, fails_around_recurrence

if TYPE_CHECKING:
    from partwise_blocks.recurrent import RecurrentBlock


class Recurrent(BlockPart):
    """Bare recurrence (Elman 1990), no residual, no norm; with `cross`, tanh(W [h; context]) (Luong et al. 2015)."""

    name = "recurrent"
    formulas = (
        r"h = \operatorname{mixer}(x)",
        r"y = \tanh(W\, [h; \operatorname{cross}(h, m)]) \quad \text{(with cross)}",
    )
    keeps_stream = False

    mixer: slots.Mixer
    """The recurrence."""
    cross: slots.Mixer | None = None
    """An attention over the encoder's states, for decoders; null means none."""
    dropout: Probability = 0.0
    """Probability that a feature of the output is dropped in training."""

    known_failures = fails_around_recurrence()

    def build(self, site: LayerSite) -> RecurrentBlock:
        from partwise_blocks.recurrent import RecurrentBlock

        cross = self.cross.assemble(site.over_memory()) if self.cross is not None else None
        return RecurrentBlock(self.mixer.assemble(site), cross, site.width, self.dropout)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        additive = {"use": "multi_head", "heads": 1, "score": "additive"}
        return (
            cls.model_validate({"mixer": "rnn"}),
            cls.model_validate({"mixer": "lstm", "cross": additive, "dropout": 0.2}),
        )
