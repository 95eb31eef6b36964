"""Words from the company they keep: skip-gram and CBOW with negative sampling (word2vec, Mikolov et al. 2013).

Papers: arXiv:1301.3781, arXiv:1310.4546.

Shapes: B batch, T positions, C width, V vocabulary, W 2 * window, K negatives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from partwise.data import IGNORED, Batch
from partwise.modules import Hidden, LinearHead

from .drawing import uniform_per_token


class Company(nn.Module):
    """Predicts each word of a text from words around it. A model reads them in `Batch.around`.

    A word is told from `negatives` others that are drawn from the distribution in the bias of the model's head, or,
    with None, from all others. Of frequent words some are left out when a batch is posed, as `subsample` says: a word
    whose share of the text is f stays with probability sqrt(subsample / f), and the words beside it move closer.
    """

    likelihood = False
    kept: Tensor

    def __init__(
        self,
        window: int,
        negatives: int | None,
        subsample: float | None,
        vocabulary: int,
        counts: Callable[[], Tensor] | None,
    ) -> None:
        super().__init__()
        self.window, self.negatives, self.subsample = window, negatives, subsample
        self._counts = counts
        self.register_buffer("kept", torch.empty(vocabulary))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """How likely each word stays; all of them, where it is not known how frequent they are."""
        nn.init.ones_(self.kept)
        if self.subsample is not None and self._counts is not None and not self.kept.is_meta:
            counts = self._counts().double()
            shares = counts / counts.sum().clamp_min(1)
            self.kept.copy_((self.subsample / shares.clamp_min(1e-12)).sqrt().clamp_max(1))

    def chosen(self, ids: Tensor, near: Tensor, drawn: Tensor) -> Tensor:
        """The words that each position is predicted from, [B, T, N]; IGNORED where there are fewer.

        Args:
            ids: [B, T, W], the words at the distances -window ... -1, 1 ... window.
            near: [B, T, W], whether there is one.
            drawn: [B, T], uniform from 0 to 1.
        """
        raise NotImplementedError

    def pose(self, batch: Batch, salt: int | None) -> Batch:
        there = torch.ones_like(batch.tokens, dtype=torch.bool) if batch.padding is None else batch.padding
        whether, which = uniform_per_token(batch, salt, "company", 2).unbind(-1)
        stays = there & (whether < self.kept.to("cpu", torch.float64)[batch.tokens])
        ids, near = self._near(batch, stays)
        # Where too little of a row is left, none of it is left out.
        alone = ~near.any((1, 2), keepdim=True)
        if bool(alone.any()):
            stays = torch.where(alone[..., 0], there, stays)
            ids, near = self._near(batch, stays)
        around = self.chosen(ids, near, which)
        return replace(batch, targets=batch.tokens.masked_fill(~near.any(-1), IGNORED), around=around)

    def _near(self, batch: Batch, stays: Tensor) -> tuple[Tensor, Tensor]:
        """The words near each that stays, [B, T, W] ids, and whether there is one, once the others are left out."""
        length = batch.tokens.shape[1]
        place = (stays.cumsum(1) - 1).clamp_min(0)  # of each word among those that stay
        order = (~stays).to(torch.int8).argsort(dim=1, stable=True)  # those that stay first
        offsets = torch.cat((torch.arange(-self.window, 0), torch.arange(1, self.window + 1)))
        wanted = place[..., None] + offsets
        inside = (wanted >= 0) & (wanted < stays.sum(1)[:, None, None]) & stays[..., None]
        at = order.gather(1, wanted.clamp(0, length - 1).flatten(1))
        ids = batch.tokens.gather(1, at).view_as(wanted)
        if batch.documents is not None:
            inside &= batch.documents.gather(1, at).view_as(wanted) == batch.documents[..., None]
        return ids, inside

    def forward(self, hidden: Hidden, batch: Batch) -> Tensor:
        if self.negatives is None:
            return hidden.head.cross_entropy(hidden.states, batch.targets)
        scored = batch.targets != IGNORED
        right = batch.targets.where(scored, 0)[..., None]
        nats = (self._drawn if self.training else self._expected)(hidden, right, self.negatives)
        return nats.where(scored, 0.0).sum()

    def _drawn(self, hidden: Hidden, right: Tensor, negatives: int) -> Tensor:
        """[B, T], what the right word and those drawn cost; one drawn that is the right word costs nothing."""
        shape = (*right.shape[:-1], negatives)
        wrong = noise(hidden.head).multinomial(right.numel() * negatives, replacement=True).view(shape)
        logits = scores(hidden.head, hidden.states, torch.cat((right, wrong), -1))
        costs = F.softplus(logits[..., 1:]).where(wrong != right, 0.0)
        return F.softplus(-logits[..., 0]) + costs.sum(-1)

    def _expected(self, hidden: Hidden, right: Tensor, negatives: int) -> Tensor:
        """[B, T], the same on average, in evaluation mode, where nothing is drawn."""
        logits = replace(hidden.head, bias=None).logits(hidden.states)
        costs = F.softplus(logits) * noise(hidden.head)
        wrong = costs.sum(-1) - costs.gather(-1, right)[..., 0]
        return F.softplus(-logits.gather(-1, right)[..., 0]) + negatives * wrong


class SkipGram(Company):
    """Each word is predicted from one near it, drawn as often as in a window that is drawn from 1 to `window`."""

    def chosen(self, ids: Tensor, near: Tensor, drawn: Tensor) -> Tensor:
        closer = torch.arange(1, self.window + 1, dtype=torch.float64)
        reached = (torch.cat((closer, closer.flip(0))) * near).cumsum(-1)
        place = (reached > drawn[..., None] * reached[..., -1:]).to(torch.int8).argmax(-1, keepdim=True)
        return ids.gather(-1, place).masked_fill(~near.gather(-1, place), IGNORED)


class ContinuousBag(Company):
    """Each word is predicted from the mean of those in a window around it, which is drawn from 1 to `window`."""

    def chosen(self, ids: Tensor, near: Tensor, drawn: Tensor) -> Tensor:
        distances = torch.cat((torch.arange(self.window, 0, -1), torch.arange(1, self.window + 1)))
        nearest = distances.where(near, self.window).amin(-1)
        reach = torch.maximum((drawn * self.window).long() + 1, nearest)  # a word at least is in the window
        return ids.masked_fill(~near | (distances > reach[..., None]), IGNORED)


def noise(head: LinearHead) -> Tensor:
    """[V], what negatives are drawn from: the softmax of the head's bias; without one, each word alike."""
    bias = head.weight.new_zeros(len(head.weight)) if head.bias is None else head.bias
    return bias.detach().float().softmax(0)


def scores(head: LinearHead, x: Tensor, ids: Tensor) -> Tensor:
    """The logits [B, T, N] of words `ids` [B, T, N] after vectors x [B, T, C], without bias."""
    products = (F.embedding(ids, head.weight).to(x.dtype) @ x[..., None])[..., 0]
    return head.bounded(products)
