"""Beam search with the length normalisation of GNMT (Wu et al. 2016, arXiv:1609.08144).

Shapes: B rows, W beams of each row, V vocabulary, E end tokens, n tokens written.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from partwise.decoding import Decoder


class BeamSearch:
    """Keeps the `width` likeliest beginnings of each row, and yields the best text when the search is over.

    The score of a text of n tokens, its end token included, is its log-probability divided by ((5 + n) / 6) ** alpha.
    A text is complete when its end token, or the token that completes a stop string, is among the `width` best
    continuations. The search of a row is over when
    `width` texts are complete, or when no beginning can still become better than the best of them. At the limit,
    beginnings count as texts, too.
    """

    def __init__(self, width: int, length_penalty: float) -> None:
        self.width = width
        self.alpha = length_penalty

    def generate(self, decoder: Decoder, limit: int, generator: Generator) -> Iterator[Tensor]:
        yield from self.search(decoder, limit).unbind(1)

    @torch.inference_mode()
    def search(self, decoder: Decoder, limit: int) -> Tensor:
        """The best text of each row, [B, n], padded with the end token."""
        B, V = decoder.logits.shape
        W, E, device = self.width, len(decoder.ends), decoder.logits.device
        rows = torch.arange(B, device=device)[:, None]
        decoder.reorder(rows.expand(B, W).flatten())
        # A row begins with one beam and W - 1 impossible ones, which the continuations of the first step replace.
        scores = torch.full((B, W), -torch.inf, device=device)
        scores[:, 0] = 0.0
        beams = torch.full((B, W, limit), decoder.end, device=device)
        best = beams[:, 0].clone()
        best_worth = torch.full((B,), -torch.inf, device=device)
        lengths = torch.zeros(B, dtype=torch.int64, device=device)
        complete = lengths.clone()
        open_rows = torch.ones(B, dtype=torch.bool, device=device)
        for n in range(1, limit + 1):
            log_probabilities = decoder.logits.log_softmax(-1, torch.float32).view(B, W, V)
            continued = (scores[:, :, None] + log_probabilities).flatten(1)
            # A beam has E ways to end, so at most E W of these end, and at least W go on. (Any number may stop for
            # another reason; an impossible beam then takes the place of one that would have gone on.)
            candidates, index = continued.topk(min((E + 1) * W, W * V))
            parents, tokens = index // V, index % V
            grown = beams[rows, parents]
            grown[:, :, n - 1] = tokens

            ends = decoder.ended(tokens) | decoder.stopped(grown[:, :, :n])
            counted = ends | (n == limit)
            counted[:, W:] = False
            worth = (candidates / self._penalty(n)).masked_fill(~counted, -torch.inf)
            worth, place = worth.max(1)
            better = (worth > best_worth) & open_rows
            best_worth = torch.where(better, worth, best_worth)
            best[better] = grown[rows[:, 0], place][better]
            lengths[better] = n
            complete += (counted & (candidates > -torch.inf)).sum(1)

            scores, kept = candidates.masked_fill(ends, -torch.inf).topk(W)
            # Log-probabilities only fall, and no penalty is larger than that of the longest text.
            open_rows &= (complete < W) & (scores[:, 0] / self._penalty(limit) > best_worth)
            if n == limit or not bool(open_rows.any()):
                break
            beams = grown[rows, kept]
            if W > 1:
                decoder.reorder((parents.gather(1, kept) + rows * W).flatten())
            decoder.advance(beams[:, :, n - 1].flatten())
        return best[:, : int(lengths.max())]

    def _penalty(self, length: int) -> float:
        return ((5 + length) / 6) ** self.alpha
