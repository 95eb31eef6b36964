"""What is said of a mixture and of given ids before anything is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from partwise.recipe import load
from partwise.workflow import survey


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTWISE_CACHE", str(tmp_path / "cache"))


def recipe(directory: Path, data: dict[str, Any]) -> Any:
    (directory / "a.txt").write_text("one two three four\n" * 40)
    content = {"extends": "gpt", "name": "surveyed", "data": data, "tokenizer": "char"}
    content |= {"model": {"width": 24, "depth": 1, "context": 8}, "trainer": {"steps": 10, "schedule": "constant"}}
    (directory / "r.json").write_text(json.dumps(content))
    return load(directory / "r.json")


def test_each_member_is_surveyed_by_itself_and_its_epochs_are_told(tmp_path: Path) -> None:
    text = {"use": "text", "files": ["a.txt"], "valid": 0.2, "test": 0.1}
    changed = {"use": "fill_in_the_middle", "data": text, "rate": 1.0, "spm": 0.0, "longest": 40}
    found = survey(recipe(tmp_path, {"use": "mixture", "members": {"plain": text, "changed": changed}}), samples=1)
    assert not found.splits
    assert found.problem is None
    plain, moved = found.members["plain"]["train"], found.members["changed"]["train"]
    assert plain.survey.bytes == moved.survey.bytes  # special tokens are no text
    shown = "".join(piece.text for piece in moved.samples[0].pieces)
    assert shown.startswith("<|fim_prefix|>")
    assert [(one.name, one.share) for one in found.mixture] == [("plain", 0.5), ("changed", 0.5)]
    assert found.mixture[0].epochs == pytest.approx(10 * 16 * 8 / 2 / plain.scored)


def test_given_ids_are_surveyed_by_the_documents_that_end_tokens_end(tmp_path: Path) -> None:
    texts = {"use": "text", "files": ["a.txt"], "valid": 0, "test": 0}
    end = len(set("one two three four\n")) + 1  # after <unk>
    ids = [0, 1, 2, end, 3, 4, end]
    np.array(ids * 5, np.uint16).tofile(tmp_path / "ids.bin")
    np.array(ids * 3, np.uint16).tofile(tmp_path / "more.bin")
    data = {"use": "shards", "files": ["ids.bin", "more.bin"], "valid_files": ["more.bin"], "texts": texts}
    found = survey(recipe(tmp_path, data), samples=1)
    train, test = found.splits["train"], found.splits["test"]
    assert train.survey.texts == 16
    assert train.survey.bytes == 5 * 8 - 2  # the first id of each file is only read
    assert train.lengths["document"].longest == 3
    assert test.tokens == 0
