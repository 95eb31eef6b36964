"""Mixtures and given ids by the real commands: what they show, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from partwise_cli.main import cli

from .test_moved import RECIPE

SONG = "row, row, row your boat\n" * 40
SHARES = {"valid": 0.2, "test": 0.2}


def partwise(*arguments: Any) -> Result:
    return CliRunner().invoke(cli, list(map(str, arguments)), prog_name="partwise", env={"COLUMNS": "160"})


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTWISE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "row.txt").write_text(SONG)
    (tmp_path / "count.txt").write_text("one two three four five\n" * 60)
    ids = np.array([sorted(set(SONG)).index(character) for character in SONG], np.uint16)
    ids[:700].tofile(tmp_path / "train.bin")
    ids[700:].tofile(tmp_path / "val.bin")


def write(data: dict[str, Any]) -> None:
    Path("r.json").write_text(json.dumps({**RECIPE, "data": data}))


def test_a_mixture_is_shown_trained_and_evaluated_member_by_member() -> None:
    row, count = ({"use": "text", "files": [name], **SHARES} for name in ("row.txt", "count.txt"))
    write({"use": "mixture", "members": {"row": row, "count": count}, "weights": {"row": 3}})
    shown = partwise("data", "r.json", "--samples", 0)
    assert shown.exit_code == 0, shown.output
    assert "member row" in shown.output
    assert "75.0%" in shown.output
    trained = partwise("train", "r.json", "--out", "run", "--device", "cpu")
    assert trained.exit_code == 0, trained.output
    assert "valid.row.loss" in trained.output
    evaluated = partwise("evaluate", "run", "--split", "test", "--device", "cpu", "--json")
    figures = json.loads(evaluated.stdout)
    assert figures["members"].keys() == {"row", "count"}
    assert figures["tokens"] == sum(one["tokens"] for one in figures["members"].values())
    assert "member" in partwise("evaluate", "run", "--device", "cpu").output


def test_nanogpts_files_are_trained_on_by_the_command() -> None:
    texts = {"use": "text", "files": ["row.txt"], "valid": 0, "test": 0}
    write({"use": "shards", "files": ["train.bin"], "valid_files": ["val.bin"], "texts": texts})
    trained = partwise("train", "r.json", "--out", "run", "--device", "cpu", "--json")
    assert trained.exit_code == 0, trained.output
    figures = json.loads(trained.stdout)["after"]
    assert figures["valid_bits_per_byte"] == pytest.approx(figures["valid_loss"] / np.log(2))


def test_a_file_of_an_odd_number_of_bytes_is_refused_with_its_place_in_the_recipe() -> None:
    Path("train.bin").write_bytes(b"\1\0\2")
    write({"use": "shards", "files": ["train.bin"], "valid_files": ["val.bin"]})
    refused = partwise("check", "r.json")
    assert refused.exit_code == 2
    assert "has 3 bytes, which is no whole number of ids" in refused.output
    assert "at data" in refused.output
