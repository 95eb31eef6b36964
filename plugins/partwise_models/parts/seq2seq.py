"""The model of pairs: an encoder and a decoder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from annotated_types import MinLen

from partwise import PartError
from partwise.parts import LayerSite, MemoryReaders, ModelSite, slots

from .network import MUP, UNUSUAL, Layers, Network, fails_around_recurrence, planned_depth

if TYPE_CHECKING:
    from partwise_models.seq2seq import Seq2Seq


class Seq2SeqPart(Network):
    """An encoder that reads a source and a decoder that writes a target (Sutskever et al. 2014)."""

    name = "seq2seq"
    formulas = (
        r"P(y_1, \ldots, y_T \mid x) = \prod_{t=1}^{T} P(y_t \mid y_1, \ldots, y_{t-1}, "
        r"\operatorname{encoder}(x))",
    )
    known_failures: ClassVar[Mapping[str, str]] = {
        **fails_around_recurrence("[1]"),
        "it_is_a_function_of_its_parameters[0]": "functional_call cannot put back a module that stands in two places",
        "it_can_be_mapped_over_parameters[0]": "functional_call cannot put back a module that stands in two places",
    }
    reads = "pair"

    encoder: Annotated[tuple[slots.Block, ...], MinLen(1)]
    """The pattern of encoder layers, which see the whole source."""
    encoder_depth: Layers | None = None
    """Number of encoder layers; null means one pattern."""
    decoder: Annotated[tuple[slots.Block, ...], MinLen(1)]
    """The pattern of decoder layers; give them a `cross` attention to read the encoder's states."""
    decoder_depth: Layers | None = None
    """Number of decoder layers; null means one pattern."""
    share_embedding: bool = True
    """Whether encoder and decoder use one embedding."""

    def build(self, site: ModelSite) -> Seq2Seq:
        from partwise_models.seq2seq import Seq2Seq

        place = LayerSite(width=self.width, context=self.context)
        depth = max(
            planned_depth(self.encoder, self.encoder_depth), planned_depth(self.decoder, self.decoder_depth)
        )  # each stack has a residual stream of its own
        parametrisation = self._parametrised(depth)
        encoder_input = self._input(site)
        decoder_input = encoder_input if self.share_embedding else self._input(site)
        encoder = self._stack(self.encoder, self.encoder_depth, replace(place, causal=False), parametrisation, site)
        readers = MemoryReaders()
        over_memory = replace(place, memory_width=self.width, memory_readers=readers)
        decoder = self._stack(self.decoder, self.decoder_depth, over_memory, parametrisation, site)
        if readers.count == 0:
            raise PartError(
                "no layer of the decoder reads the encoder's states, so that the source would change nothing; give one "
                'or more an attention over them, such as "cross": {"use": "multi_head", "heads": 4}'
            )
        layers = max(len(encoder.blocks), len(decoder.blocks))
        return Seq2Seq(
            encoder_input,
            encoder,
            decoder_input,
            decoder,
            self._head(site, decoder_input, parametrisation.logits),
            self.width,
            self.context,
            site.vocabulary,
            self._initializer(layers, parametrisation),
            parametrisation,
        )

    @classmethod
    def examples(cls) -> Iterable[Self]:
        attention = {"use": "multi_head", "heads": 2}
        return (
            cls.model_validate(
                {
                    "width": 8,
                    "context": 16,
                    "position": "sinusoidal",
                    "parametrisation": MUP,
                    "residual": {"use": "scaled", "stream": 1.5},
                    "encoder": ({"use": "post_norm", "mixer": attention},),
                    "decoder": ({"use": "post_norm", "mixer": attention, "cross": attention},),
                    "encoder_depth": 2,
                    "decoder_depth": 2,
                }
            ),
            cls.model_validate(
                {
                    **UNUSUAL,
                    "encoder": ({"use": "recurrent", "mixer": {"use": "lstm", "bidirectional": True}},),
                    "decoder": ({"use": "recurrent", "mixer": "lstm", "cross": attention},),
                    "share_embedding": False,
                }
            ),
        )
