"""`partwise data`: what people see of their data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from partwise_cli.main import cli


def partwise(*arguments: Any) -> Result:
    return CliRunner().invoke(cli, list(map(str, arguments)), prog_name="partwise", env={"COLUMNS": "160"})


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PARTWISE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts").mkdir()
    for number in range(40):
        (tmp_path / "texts" / f"{number:02}.txt").write_text(f"text {number % 39}\x1b[31m " + "word " * 30)
    (tmp_path / "texts" / "empty.txt").touch()
    data = {"use": "text", "files": ["texts/*.txt"], "valid": 0.2, "test": 0.2}
    (tmp_path / "a.json").write_text(json.dumps({"extends": "char-rnn", "name": "mine", "data": data}))
    return tmp_path


def cells(output: str) -> dict[str, list[str]]:
    """The rows of the table."""
    rows = (line.split("  ") for line in output.splitlines())
    return {row[0]: [cell.strip() for cell in row[1:] if cell.strip()] for row in rows if len(row) > 2 and row[0]}


def test_the_report_is_a_table_and_samples() -> None:
    done = partwise("data", "a.json", "--samples", 1)
    assert done.exit_code == 0, done.output
    table = cells(done.stdout)
    assert sum(map(int, table["documents"])) == 40
    assert table["files"] == ["41", "-", "-"]
    assert table["left out: empty"] == ["1", "-", "-"]
    assert sum(map(int, table["repeated"])) == 1
    assert "mine: text\nrunning text, read in windows of up to 64 tokens" in done.stdout
    assert done.stdout.count("document 1 of") == 3
    assert "\\x1b[31m" in done.stdout  # a terminal only shows it
    assert "reading the texts" in done.stderr


def test_one_split_can_be_asked_for() -> None:
    done = partwise("data", "a.json", "--split", "valid", "--samples", 0)
    assert "valid" in done.stdout
    assert "train" not in done.stdout


def test_programs_are_told_the_same_as_people() -> None:
    told = json.loads(partwise("data", "a.json", "--json", "--samples", 2).stdout)
    table = cells(partwise("data", "a.json").stdout)
    for split, number in zip(("train", "valid", "test"), table["documents"], strict=True):
        assert told["splits"][split]["survey"]["texts"] == int(number)
        assert [set(piece) for one in told["splits"][split]["samples"] for piece in one["pieces"]] == [
            {"text", "scored", "read", "special", "named"}
        ] * 2
    assert (told["name"], told["data"], told["problem"]) == ("mine", "text", None)


def test_data_that_the_model_cannot_be_trained_on_is_shown_and_told() -> None:
    done = partwise(
        "data", "transformer", "--set", "model.context=12", "--set", "data.size=50", "--set", "data.valid=9"
    )
    assert done.exit_code == 2
    assert "sources beyond 12 tokens" in cells(done.stdout)
    assert "the model cannot be trained on this: the longest source" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("b.json",), "no such file"),
        (("a.json", "--split", "vald"), "vald"),
        (("a.json", "--samples", "-1"), "-1"),
        (("a.json", "--set", 'data.files=["texts/*.csv"]'), "no file matches"),
        (("a.json", "--set", 'data.field="x"', "--set", 'data.files=["bad.jsonl"]'), "bad.jsonl:2: not JSON"),
        (("a.json", "--set", "data.test=0.6", "--set", "data.valid=0.5"), "leave nothing to train on"),
    ],
)
def test_bad_input_is_one_error(place: Path, arguments: tuple[str, ...], message: str) -> None:
    (place / "bad.jsonl").write_text('{"x": "fine"}\n{"x": \n')
    done = partwise("data", *arguments)
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert "Traceback" not in done.output


def test_data_that_has_moved_is_found_with_an_option(place: Path) -> None:
    (place / "texts").rename(place / "elsewhere")
    assert partwise("data", "a.json").exit_code == 2
    (place / "there").mkdir()
    (place / "elsewhere").rename(place / "there" / "texts")
    assert partwise("data", "a.json", "--data", "there").exit_code == 0
