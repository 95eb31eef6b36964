"""Causal convolutions as long as the text, by Fourier transforms of pieces.

    y_t = sum over s <= t of h_{t-s} * z_s

One transform of the whole text would spread rounding errors over all positions, and so the future into the past, and
would reach across documents. So each pair of neighbouring pieces of 1, 2, 4, ... positions is computed by itself: what
the left one gives to the right one. Every s < t meets t in exactly one such pair. At most one document goes on from
left to right, and only it is let through. That takes T log(T)^2 operations for each feature.

All of it stands in an operator of its own, which `torch.compile`, `torch.export` and `vmap` take as one step, whatever
the length. There is no second derivative.

Shapes: B batch, T positions, D features, P pairs of pieces of S positions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

_DIRECT = 32
"""S up to which a matrix product is faster than a transform."""


@torch.library.custom_op(
    "partwise::long_convolution", mutates_args=(), schema="(Tensor z, Tensor filters, Tensor? segments) -> Tensor"
)
def long_convolution(z: Tensor, filters: Tensor, segments: Tensor | None) -> Tensor:
    """y [B, D, T] from z [B, D, T] and the filters h [D, T].

    Args:
        segments: [B, T], which document each position belongs to; neighbouring documents differ.
    """
    z, filters = z.contiguous(), filters.contiguous()  # everything runs along time
    y = z * filters[:, :1]
    for size in _sizes(z):
        pairs = _Pairs(size, z.shape[-1], segments)
        given = pairs.convolve(pairs.left(z), pairs.taps(filters))
        y += pairs.to_the_right(given)
    return y


@torch.library.custom_op(
    "partwise::long_convolution_gradient",
    mutates_args=(),
    schema="(Tensor z, Tensor filters, Tensor? segments, Tensor of_y) -> (Tensor, Tensor)",
)
def _gradient(z: Tensor, filters: Tensor, segments: Tensor | None, of_y: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of z and of the filters."""
    z, filters, of_y = z.contiguous(), filters.contiguous(), of_y.contiguous()
    of_z, of_filters = of_y * filters[:, :1], torch.zeros_like(filters)
    of_filters[:, 0] = (of_y * z).sum((0, 2))
    for size in _sizes(z):
        pairs = _Pairs(size, z.shape[-1], segments)
        left, right = pairs.gradients(pairs.left(z), pairs.taps(filters), pairs.right(of_y))
        of_z += pairs.to_the_left(left)
        known = min(2 * size, filters.shape[1])
        of_filters[:, :known] += right[:, :known]
    return of_z, of_filters


def _sizes(z: Tensor) -> Iterator[int]:
    size = 1
    while size < z.shape[-1]:
        yield size
        size *= 2


class _Pairs:
    """The text as pairs of pieces of `size` positions. What is let through is multiplied by masks of 0 and 1."""

    def __init__(self, size: int, length: int, segments: Tensor | None) -> None:
        self.size, self.length, self.missing = size, length, -length % (2 * size)
        self.goes_on: Tensor | None = None
        if segments is not None:
            numbers = pad(segments, (0, self.missing), value=-1).unflatten(-1, (-1, 2, size))
            self.goes_on = (numbers == numbers[:, :, :1, -1:]).unsqueeze(1)
            """[B, 1, P, 2, S]: of the document at the left piece's end."""

    def left(self, x: Tensor) -> Tensor:
        """The left pieces of x [B, D, T], as far as their document goes on: [B, D, P, S]."""
        return self._side(x, 0)

    def right(self, x: Tensor) -> Tensor:
        """The right pieces, as far as their document began in the left one."""
        return self._side(x, 1)

    def _side(self, x: Tensor, side: int) -> Tensor:
        piece = pad(x, (0, self.missing)).unflatten(-1, (-1, 2, self.size))[..., side, :]
        return piece if self.goes_on is None else torch.where(self.goes_on[..., side, :], piece, 0)

    def taps(self, filters: Tensor) -> Tensor:
        """The filters at the distances that occur, with zeros beyond the text: [D, 2 S]."""
        return pad(filters, (0, max(0, 2 * self.size - filters.shape[1])))[:, : 2 * self.size]

    def to_the_right(self, piece: Tensor) -> Tensor:
        """[B, D, T] with [B, D, P, S] in the right pieces, as far as their document began in the left one."""
        return self._put(piece, 1)

    def to_the_left(self, piece: Tensor) -> Tensor:
        return self._put(piece, 0)

    def _put(self, piece: Tensor, side: int) -> Tensor:
        piece = piece if self.goes_on is None else torch.where(self.goes_on[..., side, :], piece, 0)
        around = (0, self.size) if side == 0 else (self.size, 0)
        return pad(piece, around).flatten(-2)[..., : self.length]

    def convolve(self, left: Tensor, taps: Tensor) -> Tensor:
        """For i < S: the sum over j < S of taps[S + i - j] * left[j]."""
        if self.size <= _DIRECT:
            return torch.einsum("bdpj,dij->bdpi", left, taps[:, self._distances(taps)])
        # What comes round in a circular convolution falls on the left piece, and is dropped.
        return self._back(self._spectrum(left) * self._spectrum(taps).unsqueeze(1))[..., self.size :]

    def gradients(self, left: Tensor, taps: Tensor, of_right: Tensor) -> tuple[Tensor, Tensor]:
        """Those of left [B, D, P, S] and of taps [D, 2 S]."""
        if self.size <= _DIRECT:
            distances = self._distances(taps)
            of_left = torch.einsum("bdpi,dij->bdpj", of_right, taps[:, distances])
            of_matrices = torch.einsum("bdpi,bdpj->dij", of_right, left)
            return of_left, torch.zeros_like(taps).index_add_(1, distances.flatten(), of_matrices.flatten(1))
        given = self._spectrum(pad(of_right, (self.size, 0)))
        of_left = self._back(given * _conjugate(self._spectrum(taps)).unsqueeze(1))[..., : self.size]
        return of_left, self._back((given * _conjugate(self._spectrum(left))).sum((0, 2)))

    def _distances(self, taps: Tensor) -> Tensor:
        """[S, S], from each right position to each left one."""
        places = torch.arange(self.size, device=taps.device)
        return self.size + places[:, None] - places

    def _spectrum(self, x: Tensor) -> Tensor:
        return torch.fft.rfft(x, n=2 * self.size)

    def _back(self, spectrum: Tensor) -> Tensor:
        return torch.fft.irfft(spectrum, n=2 * self.size)


def _conjugate(spectrum: Tensor) -> Tensor:
    """Written out: a tensor that is only marked as conjugated is taken for itself where a compiled graph calls us."""
    return torch.conj_physical(spectrum)


@long_convolution.register_fake
def _(z: Tensor, filters: Tensor, segments: Tensor | None) -> Tensor:
    return torch.empty_like(z, memory_format=torch.contiguous_format)


@_gradient.register_fake
def _(z: Tensor, filters: Tensor, segments: Tensor | None, of_y: Tensor) -> tuple[Tensor, Tensor]:
    dense = torch.contiguous_format
    return torch.empty_like(of_y, memory_format=dense), torch.empty_like(filters, memory_format=dense)


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _differentiate(ctx: Any, of_y: Tensor) -> tuple[Tensor, Tensor, None]:
    of_z, of_filters = _gradient(*ctx.saved_tensors, of_y)
    return of_z, of_filters, None


long_convolution.register_autograd(_differentiate, setup_context=_keep)


@long_convolution.register_vmap
def _(
    info: Any, dims: tuple[int | None, ...], z: Tensor, filters: Tensor, segments: Tensor | None
) -> tuple[Tensor, int]:
    """What is mapped over stands beside the features."""

    def beside(x: Tensor, dim: int | None, place: int) -> Tensor:
        x = (
            x.unsqueeze(place).expand(*x.shape[:place], info.batch_size, *x.shape[place:])
            if dim is None
            else x.movedim(dim, place)
        )
        return x.flatten(place, place + 1)

    if segments is not None and dims[2] is not None:
        raise NotImplementedError("documents that differ between what is mapped over")
    y = long_convolution(beside(z, dims[0], 1), beside(filters, dims[1], 0), segments)
    return y.unflatten(1, (info.batch_size, -1)), 1
