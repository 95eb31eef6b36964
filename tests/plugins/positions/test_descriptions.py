"""What the knobs of positions say is what their modules do."""

from __future__ import annotations

import math

import pytest
import torch

from partwise.documented import field_docs
from partwise_positions.frequencies import frequencies
from partwise_positions.parts import Rope, Sinusoidal


@pytest.mark.parametrize("part", [Rope, Sinusoidal])
@pytest.mark.parametrize(("width", "base"), [(8, 10_000.0), (64, 500.0)])
def test_the_base_is_described_as_what_it_is(part: type, width: int, base: float) -> None:
    told = " ".join(field_docs(part)["base"].split())
    assert "Pair i of n" in told
    assert "base^(-i/n)" in told
    assert "from 2 pi towards 2 pi base" in told
    count = width // 2
    told_frequencies = torch.tensor([base ** (-pair / count) for pair in range(count)])
    torch.testing.assert_close(frequencies(width, base), told_frequencies)
    wavelengths = 2 * math.pi / told_frequencies
    assert wavelengths[0] == pytest.approx(2 * math.pi)
    assert wavelengths[-1] < 2 * math.pi * base
