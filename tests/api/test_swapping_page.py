"""`docs/swapping.md` is followed to the letter, and each line of its table of changes is so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import partwise
from public_names import TOP

from .following import follow, is_as_shown

PAGE = (TOP / "docs" / "swapping.md").read_text()


def test_who_follows_the_page_sees_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "88")
    done = follow(PAGE, tmp_path)
    assert {command.split()[0] for command in done} == {"parts", "diff", "check", "inspect", "train", "show", "runs"}
    assert len(done) > 12


@pytest.mark.parametrize("written", re.findall(r"^\| `(\".*?)` \| ", PAGE, re.MULTILINE))
def test_a_change_of_the_table_does_what_stands_beside_it(written: str, tmp_path: Path) -> None:
    block = '[{"use": "pre_norm", "mixer": "gru", "feedforward": "gelu"}]'
    (key, value) = json.loads("{" + written.replace("[...]", block) + "}").popitem()
    change = {"model": {key: value}} if key == "position" else {key: value}
    (tmp_path / "one.json").write_text(json.dumps({"extends": "gpt", "name": "one", **change}))
    base, found = (partwise.load(one).recipe.model_dump(mode="json") for one in ("gpt", tmp_path / "one.json"))
    if key == "position":
        use = "learned" if "use" not in str(value) and isinstance(value, dict) else "rope"
        assert found["model"]["position"]["use"] == use
        assert found["model"]["position"].items() >= (value.items() if isinstance(value, dict) else set())
    elif key == "trainer":
        assert found["trainer"] == base["trainer"] | {"steps": 1200}
    elif key == "model":
        assert [one["mixer"]["use"] for one in found["model"]["blocks"]] == ["gru"]
    else:
        assert (base["sampler"]["temperature"], found["sampler"]["temperature"]) == (0.7, 1.0)


@pytest.mark.parametrize(
    ("told", "shown", "alike"),
    [
        (["loss 1.25", "b"], ["loss 3.5", "b"], True),
        (["a", "b", "c", "d"], ["a", "...", "d"], True),
        (["a", "d"], ["a", "...", "d"], True),
        (["a", "b", "d", "e"], ["a", "...", "d"], False),
        (["one and more"], ["one..."], True),
        (["a", "b"], ["a"], False),
        ([], ["a"], False),
    ],
)
def test_lines_are_those_shown(told: list[str], shown: list[str], alike: bool) -> None:
    assert is_as_shown(told, shown) == alike
