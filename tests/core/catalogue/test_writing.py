"""Where a catalogue is put, the option that asks for it, and the schema beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from partwise import InputError
from partwise.catalogue import by_part, read_results
from partwise.catalogue.writing import MARKER, write_pages
from partwise.parts.registry import Registry
from partwise.recipe import json_schema

PAGES = {"index.html": "index", "parts/a.html": "a"}


def test_an_old_catalogue_is_replaced_and_what_is_gone_is_removed(tmp_path: Path) -> None:
    write_pages(tmp_path, PAGES | {"parts/old.html": "old"})
    write_pages(tmp_path, PAGES | {"index.html": "new"})
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["a.html", MARKER, "index.html"]
    assert (tmp_path / "index.html").read_text() == "new"


def test_what_others_put_beside_a_catalogue_stays(tmp_path: Path) -> None:
    write_pages(tmp_path, PAGES)
    (tmp_path / ".nojekyll").touch()
    write_pages(tmp_path, PAGES)
    assert (tmp_path / ".nojekyll").exists()


@pytest.mark.parametrize("name", ["thesis.txt", "index.html", ".git/config"])
def test_a_directory_with_other_files_is_refused_and_left_as_it_is(name: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match="is not empty and not a catalogue"):
        write_pages(tmp_path, PAGES)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / name]


def test_a_file_that_no_catalogue_wrote_is_not_written_over(tmp_path: Path) -> None:
    write_pages(tmp_path, {"index.html": "index"})
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/a.html").write_text("mine")
    with pytest.raises(InputError, match=r"holds parts/a\.html, which is not a catalogue's"):
        write_pages(tmp_path, PAGES)
    assert (tmp_path / "parts/a.html").read_text() == "mine"


@pytest.mark.parametrize("listed", ["../outside.html", "parts/../../outside.html", "/etc/passwd", "thesis.html", 7])
def test_a_marker_that_lists_what_is_not_ours_removes_none_of_it(listed: Any, tmp_path: Path) -> None:
    directory = tmp_path / "html"
    directory.mkdir()
    for path in (tmp_path / "outside.html", directory / "thesis.html"):
        path.write_text("mine")
    (directory / MARKER).write_text(json.dumps({"files": [listed]}))
    write_pages(directory, PAGES)
    assert (tmp_path / "outside.html").exists()
    assert (directory / "thesis.html").exists()


def test_a_file_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        write_pages(tmp_path / "file", PAGES)


def test_a_new_directory_that_cannot_be_filled_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError("full")

    monkeypatch.setattr("partwise.catalogue.writing.write_output", full)
    with pytest.raises(OSError, match="full"):
        write_pages(tmp_path / "html", PAGES)
    assert not (tmp_path / "html").exists()


# --- the option ---------------------------------------------------------------------------------------


@pytest.fixture
def call(installed: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    from partwise_cli.main import cli

    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(cli, list(arguments), prog_name="partwise")


def results(outcome: str = "passed", **more: Any) -> str:
    one = {"kind": "position", "part": "rope", "check": "is_deep", "about": "It is.", "outcome": outcome, "message": ""}
    return json.dumps({"counts": {}, "results": [one | {"cases": 1, "seconds": 0.1, "details": ""} | more]})


def test_the_command_writes_a_catalogue_with_results_from_a_file(call: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "verify.json").write_text(results())
    done = call("parts", "--html", "out", "--results", "verify.json")
    assert (done.exit_code, done.output) == (0, "wrote out/index.html\n")
    page = (tmp_path / "out/parts/position.rope.html").read_text()
    assert "the results in verify.json" in page
    assert "✓ verified" in page


def test_the_command_names_parts_that_failed(call: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "verify.json").write_text(results("failed"))
    done = call("parts", "--html", "out", "--results", "verify.json")
    assert done.exit_code == 0
    assert "Checks of these parts failed, as their pages show: rope" in done.output


@pytest.mark.parametrize(("outcome", "code"), [("passed", 0), ("failed", 1)])
def test_asked_to_the_command_verifies_and_exits_as_verify_does(
    outcome: Any, code: int, call: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from partwise.testing import Result as Found

    def verify_parts(entries: Any, *_: Any) -> Any:
        return (Found(e.part.kind, e.name, "is_deep", "It is.", outcome, "", 1, 0.0) for e in entries)

    monkeypatch.setattr("partwise.testing.verify_parts", verify_parts)
    assert call("parts", "--html", "out", "--verify").exit_code == code
    assert f"1</b> {outcome}" in (tmp_path / "out/parts/norm.dyt.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("position", "--html", "out"), "leave out KIND"),
        (("--html", "out", "--json"), "leave out --json"),
        (("--verify",), "need --html DIR"),
        (("--results", "f"), "need --html DIR"),
        (("--html", "out", "--verify", "--results", "f"), "give either"),
        (("--html", "out", "--results", "missing.json"), "missing.json does not hold the results of a verification"),
        (("--html", "full"), "is not empty and not a catalogue"),
        (("--html", ""), "an empty name is no directory"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    arguments: tuple[str, ...], message: str, call: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.txt").touch()
    done = call("parts", *arguments)
    assert done.exit_code == 2
    assert message in done.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"results": 3}', '{"results": [3]}', '{"results": [{"part": "rope"}]}', results("splendid")],
)
def test_files_that_are_no_results_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "f.json").write_text(text)
    with pytest.raises(InputError, match="does not hold the results of a verification"):
        read_results(tmp_path / "f.json")


def test_what_verify_prints_can_be_read_back(tmp_path: Path) -> None:
    from partwise.testing import Result as Found
    from partwise_cli.verify import described

    found = [Found("norm", "dyt", f"is_{x}", "It <is>.", x, "why", 1, 0.1) for x in ("passed", "skipped", "expected")]
    (tmp_path / "f.json").write_text(json.dumps(described(found)))
    assert read_results(tmp_path / "f.json") == by_part(found)


# --- the schema, for editors --------------------------------------------------------------------------


def test_the_schema_describes_parts_of_plugins_as_it_does_our_own(installed: Registry) -> None:
    definitions = json_schema()["$defs"]
    top_two = definitions["gate.acme.top_two"]["properties"]
    assert top_two["use"]["description"].startswith("Sends each token to two experts")
    assert "y = p_1 f_1(x) + p_2 f_2(x)" in top_two["use"]["description"]
    assert top_two["spare"]["description"] == "How many zebras each expert has room for."
    assert top_two["norm"]["description"] == "What is done before."
    gate = definitions["gate"]
    assert gate["description"] == "Sends each token to some experts."
    names = dict(zip(gate["anyOf"][0]["enum"], gate["anyOf"][0]["enumDescriptions"], strict=True))
    assert names["acme/top_two"].startswith("Sends each token to two experts")


def test_no_knob_of_any_part_is_without_description_in_the_schema(installed: Registry) -> None:
    definitions = json_schema()["$defs"]
    for entry in installed.entries():
        properties = definitions[f"{entry.part.kind}.{entry.name.replace('/', '.')}"]["properties"]
        assert [knob for knob, schema in properties.items() if not schema.get("description", "").strip()] == []
