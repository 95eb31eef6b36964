"""What fine-tuning is worth, small: weights of a GPT-2 of transformers, imported, on a text for three epochs."""

from __future__ import annotations

from pathlib import Path

import pytest

import fine_tuning
from partwise.huggingface.convert import import_checkpoint

NEAR = 0.25
"""Nats per token that adapters, with the embedding and the last norm, may end above all weights."""


@pytest.mark.exhaustive
def test_fine_tuning_ends_below_first_and_frozen_weights_and_adapters_near_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fine_tuning, "RATES", (5e-3,))
    sources = sorted(fine_tuning.HERE.glob("core/partwise/*/*.py"))
    fine_tuning.make_checkpoint(tmp_path / "gpt2", sources, updates=120, width=32, layers=2)
    base = import_checkpoint(tmp_path / "gpt2", tmp_path / "base").directory
    data = fine_tuning.held_out(sorted(fine_tuning.HERE.glob("docs/*.md")), tmp_path)
    ended = {name: one.loss for name, one in fine_tuning.outcomes(base, data, tmp_path)}
    tuned, scratch = ended.pop("all weights"), ended.pop("from first weights")
    assert tuned < min(ended["frozen but embedding and last norm"], scratch)
    assert ended["LoRA, rank 8, with embedding and last norm"] < tuned + NEAR
