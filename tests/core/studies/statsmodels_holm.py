"""Holm's correction by statsmodels, to compare ours with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import numpy.typing as npt
from statsmodels.stats.multitest import multipletests


def holm_of_statsmodels(p: Sequence[float] | npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Adjusted p-values. (statsmodels collects garbage each time, which late in a long run of tests takes a second.)"""
    with patch("gc.collect"):
        adjusted: npt.NDArray[Any] = multipletests(p, method="holm")[1]
        return adjusted
