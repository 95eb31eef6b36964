"""The loss by position in a text, as Press et al. (2022, ALiBi, arXiv:2108.12409) look beyond the trained length.

Shapes: T positions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from partwise import InputError
from partwise.data import Batch
from partwise.evaluation import Figure, Reader, ratio


@dataclass(frozen=True)
class Lengths:
    """The loss in nats per token of each stretch of positions; `ends` are where they end, by the figures' names."""

    documents: Sequence[str]
    ends: Mapping[str, int]

    def measure(self, reader: Reader) -> Mapping[str, Figure]:
        windows = [
            window for one in reader.texts(self.documents, max(self.ends.values())) for window in one.windows
        ]  # fmt: skip
        figures: dict[str, Figure] = {}
        begin = 0
        for name, end in self.ends.items():
            stretches = [window[begin:end] for window in windows if len(window) > begin]
            if not stretches:
                longest = max(map(len, windows))
                raise InputError(
                    f"no document has a token beyond position {begin}, so there is no {name}: the longest window has "
                    f"{longest}; give it longer documents, or let 'upto' end earlier"
                )
            figures[name] = ratio([float(one.sum()) for one in stretches], [len(one) for one in stretches])
            begin = end
        return figures


def reaches(model: nn.Module, length: int) -> str | None:
    """Why a model that has no memory yet cannot read so many tokens; None if nothing is known against it."""
    ids = torch.zeros(1, length, dtype=torch.int64, device="meta")
    reader: Any = model
    try:
        with torch.no_grad():
            reader.hidden(Batch(ids, ids))
    except ValueError as error:
        return str(error)
    except Exception:  # not every module computes without memory
        return None
    return None


__all__ = ["Lengths", "reaches"]
