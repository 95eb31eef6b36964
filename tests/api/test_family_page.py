"""`docs/a-family.md` is followed to the letter: its files are written, its changes made, its commands run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from partwise_cli.main import cli
from public_names import TOP

PAGE = (TOP / "docs" / "a-family.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"`([\w./]+)`:\n\n")
NUMBER = re.compile(r"\d+(?:\.\d+)*(?:e[-+]\d+)?| {2,}")
"""Figures differ from machine to machine in their last digits, and so does the width of their columns."""


def changed(text: str, diff: str) -> str:
    lines = diff.splitlines()
    old, new = ("\n".join(line[1:] for line in lines if line[0] != sign) for sign in "+-")
    assert text.count(old) == 1, old
    return text.replace(old, new)


def commands(block: str) -> list[tuple[str, list[str]]]:
    """Each command of a block, with the lines that it prints."""
    parts = [part.splitlines() for part in re.split(r"^\$ partwise ", block, flags=re.MULTILINE)[1:]]
    return [(lines[0], lines[1:]) for lines in parts]


def prints(command: str) -> list[str]:
    result = CliRunner().invoke(cli, shlex.split(command))
    return result.output.rstrip("\n").splitlines()


def is_as_shown(line: str, shown: str) -> bool:
    said, expected = (NUMBER.sub("#", one).strip() for one in (line, shown.removesuffix("...")))
    return said.startswith(expected) if shown.endswith("...") else said == expected


def test_who_follows_the_page_sees_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    (tmp_path / "stablelm").mkdir()
    run = []
    for match in BLOCK.finditer(PAGE):
        kind, block = match.groups()
        named = FILE.findall(PAGE, 0, match.start())
        if kind == "json":
            (tmp_path / named[-1]).write_text(block)
        elif kind == "diff":
            place = tmp_path / named[-1]
            place.write_text(changed(place.read_text(), block))
        else:
            assert kind == "console"
            for command, shown in commands(block):
                told = prints(command)
                assert len(told) == len(shown), "\n".join(told)
                assert all(map(is_as_shown, told, shown)), "\n".join(told)
                run.append((command, told))
    assert [command.split()[0] for command, _ in run] == [
        "parity",
        "check",
        "parity",
        "parity",
        "check",
        "parity",
        "parity",
    ]
    assert "differs" not in "\n".join(run[-1][1])


def test_the_exit_code_says_whether_they_are_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(cli, ["parity", "."]).exit_code == 2
