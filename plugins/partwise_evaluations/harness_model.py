"""A trained model as lm-evaluation-harness asks it (Gao et al. 2021, doi:10.5281/zenodo.5371628)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lm_eval.api.model import LM

from partwise import InputError
from partwise.evaluation import Reader

MOST_TOKENS = 256
"""Of a text that is written, where a task does not say; the harness's own default."""


class HarnessModel(LM):
    """What the harness asks for, read and written by a reader."""

    def __init__(self, reader: Reader) -> None:
        super().__init__()
        self.reader = reader

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        found = self.reader.log_likelihoods([one.args[:2] for one in requests])
        return [(-one.nats, one.greedy) for one in found]

    def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[float]:
        if not self.reader.restores:
            raise InputError(
                "its figures are per byte or word of a text, and this model's tokenizer loses some of each text"
            )
        readings = self.reader.rolling([one.args[0] for one in requests])
        return [-(one.bits or 0.0) * math.log(2) for one in readings]

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        written = [""] * len(requests)
        alike: dict[tuple[int, tuple[str, ...]], list[int]] = {}
        for index, one in enumerate(requests):
            alike.setdefault(asked(one.args[1]), []).append(index)
        for (limit, stop), indices in alike.items():
            texts = self.reader.write([requests[index].args[0] for index in indices], limit, stop)
            for index, text in zip(indices, texts, strict=True):
                written[index] = text
        return written


def asked(settings: dict[str, Any]) -> tuple[int, tuple[str, ...]]:
    """Most tokens of a text, and the strings that end it, by a task's `generation_kwargs`.

    Raises:
        ValueError: they ask for something else than the likeliest token.
    """
    if settings.get("do_sample") or settings.get("num_beams", 1) != 1:
        raise ValueError("it draws or searches what is written, and here a model writes its likeliest token each time")
    until = settings.get("until") or ()
    stop = (until,) if isinstance(until, str) else tuple(until)
    return int(settings.get("max_gen_toks", MOST_TOKENS)), tuple(one for one in stop if one)


__all__ = ["HarnessModel", "asked"]
