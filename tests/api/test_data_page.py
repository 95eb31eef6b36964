"""What the page on data shows works: its recipe finds its files, its table names the formats, its report is one."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from partwise_cli.main import cli
from partwise_data.formats import format_of
from partwise_data.plain_text import PlainText
from partwise_data.records import LONGEST

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
(RECIPE,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
(REPORT,) = re.findall(r"```\n(mine: .*?)```", PAGE, re.DOTALL)


def test_the_recipe_reads_its_files_and_the_report_has_the_rows_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARTWISE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes" / "old").mkdir(parents=True)
    for number in range(60):
        (tmp_path / "notes" / "old" / f"{number}.md").write_text(f"note {number}\n" + "a line\n" * 40 * (number > 0))
    (tmp_path / "notes" / "empty.md").touch()
    with gzip.open(tmp_path / "news.jsonl.gz", "wt") as file:
        file.writelines(json.dumps({"text": f"news {number % 50}"}) + "\n" for number in range(100))
    (tmp_path / "stories.txt").write_text("one\n<|endoftext|>\ntwo\n")
    (tmp_path / "mine.json").write_text(RECIPE)
    arguments = ["data", "mine.json", "--set", 'tokenizer="char"', "--json"]
    told = json.loads(CliRunner().invoke(cli, arguments).stdout)
    assert sum(split["survey"]["texts"] for split in told["splits"].values()) == 60 + 100 + 2
    shown = CliRunner().invoke(cli, arguments[:-1], env={"COLUMNS": "160"}).stdout
    for row in REPORT.splitlines()[4:]:
        assert row.split("  ")[0] in shown


def test_every_format_stands_in_the_table() -> None:
    rows = re.findall(r"^\| (`\..*?) \| (.*?) \|$", PAGE, re.MULTILINE)
    for suffixes, meaning in rows:
        for suffix in re.findall(r"`(\.\w+)`", suffixes):
            found = format_of(Path(f"a{suffix}"), "text", None)
            assert isinstance(found, PlainText) == ("the file" in meaning), suffix
            assert format_of(Path(f"a{suffix}.gz"), "text", None) == found
    assert f"{LONGEST / 1e6:.0f} MB" in PAGE
