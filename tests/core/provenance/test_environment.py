"""The revision of the code, as a study's provenance records it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from partwise.provenance.environment import revision


def test_a_repository_is_described_with_what_was_changed(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        name = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *name, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init", "--quiet")
    (tmp_path / "a.txt").write_text("one\n")
    git("add", "a.txt")
    git("commit", "--quiet", "-m", "one")
    clean = revision(tmp_path)
    assert clean is not None
    assert (clean["dirty"], clean["diff"]) == (False, "")
    (tmp_path / "a.txt").write_text("two\n")
    (tmp_path / "new.txt").write_text("")
    found = revision(tmp_path)
    assert found is not None
    assert found["revision"] == clean["revision"]
    assert found["dirty"]
    assert "+two" in found["diff"]
    assert found["untracked"] == ["new.txt"]


def test_without_git_there_is_no_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert revision(tmp_path) is None
