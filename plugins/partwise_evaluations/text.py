"""Bits per byte and loss on other texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from partwise.evaluation import Figure, Reader, ratio


@dataclass(frozen=True)
class Texts:
    """Two figures of documents.

    bits_per_byte    length of a message from which the documents can be restored, for each of their bytes
    loss             nats per token, the one that ends a document included unless `end` is false
    """

    documents: Sequence[str]
    end: bool = True

    def measure(self, reader: Reader) -> Mapping[str, Figure]:
        readings = list(reader.texts(self.documents, end=self.end))
        loss = ratio([one.nats for one in readings], [one.tokens for one in readings])
        bits = [one.bits for one in readings if one.bits is not None]
        if len(bits) < len(readings):
            return {"loss": loss}
        return {"bits_per_byte": ratio(bits, [one.bytes for one in readings]), "loss": loss}


__all__ = ["Texts"]
