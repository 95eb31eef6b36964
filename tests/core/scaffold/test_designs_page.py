"""Every command of docs/designs.md that makes a study makes one that holds."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from partwise_cli.main import cli

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = [
    command
    for page in ("docs/designs.md", "docs/studies.md")
    for command in re.findall(r"partwise (new study [^`\n]+)", (ROOT / page).read_text(encoding="utf-8"))
    if "--vary" in command or "--variant" in command
]


def test_the_pages_have_a_command_for_every_design() -> None:
    told = " ".join(COMMANDS)
    wanted = (
        "leave_one_out",
        "grid",
        "fractional",
        "--variant",
        "--tune",
        "--draws",
        "--look",
        "--sizes",
        "--text",
        "--match",
    )
    assert [one for one in wanted if one not in told] == []


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.split()[2])
def test_a_command_of_the_page_writes_a_study(command: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, [*shlex.split(command), "--in", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert len(list(tmp_path.iterdir())) == 1
