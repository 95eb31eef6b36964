"""Weights as bytes: read back as the page's script reads them, they are what they were, to what a byte can tell."""

from __future__ import annotations

import base64
import zlib

import pytest
import torch
from torch import Tensor

from partwise.looking import packed as packing
from partwise.looking.packed import packed


def unpacked(maps: list[Tensor]) -> list[Tensor]:
    """As look.js does it."""
    found = packed(maps)
    content, at, read = zlib.decompress(base64.b64decode(found.content)), 0, []
    for facts in found.maps:
        H, T, S = facts["heads"], facts["rows"], facts["columns"]
        back = torch.zeros(H, T, S)
        for head in range(H):
            for t in range(T):
                for s in range(t + 1 if facts["triangle"] else S):
                    byte = content[at]
                    at += 1
                    root = (byte - 128) / 127 if facts["signed"] else byte / 255
                    back[head, t, s] = root * abs(root) * facts["largest"]
        read.append(back)
    assert at == len(content)
    return read


def test_what_is_read_back_is_what_was_there() -> None:
    shares = torch.rand(2, 5, 7).softmax(-1)
    causal = torch.rand(3, 6, 6).tril()
    signed = torch.randn(1, 4, 4)
    for before, after in zip((shares, causal, signed), unpacked([shares, causal, signed]), strict=True):
        # A step of the root is 1 / 255, or 1 / 127 with signs; that of its square at most twice as much.
        assert (after - before).abs().max() <= before.abs().max() * 2 * 0.5 / 127 + 1e-6


def test_the_future_is_not_stored() -> None:
    assert [facts["triangle"] for facts in packed([torch.rand(1, 9, 9).tril(), torch.rand(1, 9, 9)]).maps] == [
        True,
        False,
    ]
    assert len(zlib.decompress(base64.b64decode(packed([torch.rand(1, 9, 9).tril()]).content))) == 45


def test_maps_that_would_not_fit_are_told_more_coarsely(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = [torch.rand(2, 40, 40)]
    fine = packed(maps)
    monkeypatch.setattr(packing, "LARGEST", len(base64.b64decode(fine.content)) - 1)
    coarse = packed(maps)
    assert coarse.levels < fine.levels == 255
    assert (unpacked(maps)[0] - maps[0]).abs().max() < 0.05


@pytest.mark.parametrize("weights", [torch.zeros(1, 3, 3), torch.full((1, 2, 2), float("nan")), torch.ones(1, 1, 1)])
def test_odd_maps_are_packed_too(weights: Tensor) -> None:
    assert torch.isfinite(unpacked([weights])[0]).all()
