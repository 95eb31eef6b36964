"""What is computed in float32 at least."""

from __future__ import annotations

import pytest
import torch

from partwise.modules import exact_dtype, in_float32


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_half_precision_becomes_single_and_nothing_loses_any(given: torch.dtype, expected: torch.dtype) -> None:
    assert exact_dtype(given) == expected
    assert in_float32(torch.zeros(1, dtype=given)).dtype == expected
