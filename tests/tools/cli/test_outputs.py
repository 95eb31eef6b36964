"""Where commands write, and what they read: `-` is standard output and standard input, wherever a file is named."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from partwise_cli.main import cli

RECIPE = {"partwise": 1, "name": "piped", "extends": "char-rnn", "model": {"width": 16}}
STUDY = {
    "partwise": 1, "name": "widths", "base": "char-rnn", "seeds": 1,
    "factors": {"width": {"at": "model.width", "values": [8, 4]}},
}  # fmt: skip


def partwise(*arguments: Any, given: str | bytes | None = None) -> Result:
    return CliRunner().invoke(cli, list(map(str, arguments)), input=given, prog_name="partwise")


@pytest.mark.parametrize("study", [(), ("--study",)])
def test_a_schema_goes_to_standard_output_or_through_a_link(tmp_path: Path, study: tuple[str, ...]) -> None:
    (tmp_path / "link").symlink_to("schema.json")
    written = partwise("schema", *study, "--out", tmp_path / "link")
    assert written.exit_code == 0, written.output
    assert (tmp_path / "link").is_symlink()
    printed = partwise("schema", *study, "--out", "-")
    assert json.loads(printed.stdout) == json.loads((tmp_path / "schema.json").read_text())
    assert not (Path.cwd() / "-").exists()


def test_where_nothing_can_be_written_is_refused_first(tmp_path: Path) -> None:
    for place, told in (
        (tmp_path, "it is a directory"),
        (tmp_path / "a" / "b", "does not exist"),
        ("", "an empty name"),
    ):
        refused = partwise("schema", "--out", place)
        assert refused.exit_code == 2
        assert told in refused.output


@pytest.mark.parametrize(
    "arguments",
    [("train", "char-rnn", "--out", "-"), ("ablate", "norms", "--out", "-"), ("parts", "--html", "-"),
     ("import", "-"), ("export", "run", "-"), ("report", "-"), ("new", "plugin", "acme", "--in", "-")],
)  # fmt: skip
def test_standard_output_is_no_directory(arguments: tuple[str, ...]) -> None:
    refused = partwise(*arguments)
    assert refused.exit_code == 2
    assert "a directory is wanted; ./- is one of that name" in refused.output


def test_recipes_and_studies_are_read_from_standard_input() -> None:
    recipe, study = json.dumps(RECIPE), json.dumps(STUDY)
    assert re.fullmatch(r"-: ok( \(.* updates go through its .* training tokens .* times\))?\n",
                        partwise("check", "-", given=recipe).stdout)  # fmt: skip
    assert partwise("check", "--schema-only", "-", given=study).stdout == "-: ok\n"
    assert json.loads(partwise("inspect", "-", "--json", given=recipe).stdout)["name"] == "piped"
    assert "model.width" in partwise("diff", "char-rnn", "-", given=recipe).stdout
    assert partwise("diff", "-", "-", given=recipe).stdout == "no difference\n"
    loud = partwise("inspect", "-", given='{"partwise": 1,\n "nam": 3}')
    assert loud.exit_code == 2
    assert "standard input:2:2" in loud.stderr
    for given, told in ((b"", "it is empty"), (b"\xff\xfe{", "UTF-16"), (b'"\xff"', "not UTF-8")):
        wrong = partwise("check", "-", given=given)
        assert wrong.exit_code == 2
        assert told in wrong.stderr


def test_results_of_a_verification_are_read_from_standard_input(tmp_path: Path) -> None:
    wrong = partwise("parts", "--html", tmp_path / "pages", "--results", "-", given="[]")
    assert wrong.exit_code == 2
    assert "standard input does not hold the results of a verification" in wrong.output
    assert not (tmp_path / "pages").exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has such a device")
def test_a_process_with_links_pipes_and_full_disks(tmp_path: Path) -> None:
    """What only a shell has: a substituted process and a named pipe read twice, a reader that leaves, a full disk."""
    (tmp_path / "recipe.json").write_text(json.dumps(RECIPE))
    script = (
        'P="$0 -m partwise_cli"; '
        "$P check --schema-only <(cat recipe.json) && "
        "mkfifo named && { cat recipe.json > named & } && timeout 60 $P check --schema-only named && "
        "$P schema --out - | head -1 && "
        "! $P schema > /dev/full && $P schema --out /dev/stdout | tail -1"
    )
    done = subprocess.run(
        ["bash", "-c", script, sys.executable], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    first, second, *_, last = done.stdout.splitlines()
    assert first.endswith(": ok")
    assert second == "named: ok"
    assert last == "wrote /dev/stdout"
