"""For every test: one thread, random numbers that are the same each time, no clock, and a browser if asked for."""

from __future__ import annotations

import pytest
import torch
from hypothesis import settings

from .browser import browser as browser

torch.set_num_threads(1)
settings.register_profile("without a clock", deadline=None)  # a busy machine is no failure
settings.load_profile("without a clock")


@pytest.fixture(autouse=True)
def _same_random_numbers_every_time() -> None:
    torch.manual_seed(0)
