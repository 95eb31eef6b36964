"""Results that are shipped: shown with the version they are of, said to be stale where the code is another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from partwise.catalogue import verified
from partwise.catalogue.check_results import CheckResult
from partwise.catalogue.html import pages
from partwise.catalogue.view import Catalogue
from partwise.parts.registry import RegisteredPart, registry

from ..studies.report.pages import parsed


def entry(name: str) -> RegisteredPart:
    return next(one for one in registry().entries() if one.name == name)


RESULTS = (
    CheckResult("norm", "rms_norm", "it_is_small", "It is small.", "passed", ""),
    CheckResult("norm", "rms_norm", "it_is_fast", "It is fast.", "skipped", "it is not built"),
    CheckResult("norm", "rms_norm", "it_is_odd", "It is odd.", "expected", "as it must be"),
    CheckResult("norm", "scale_norm", "it_is_small", "It is small.", "passed", ""),
)
ENTRIES = ("rms_norm", "scale_norm")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "verified.json"
    path.write_text(json.dumps(verified.described(RESULTS, map(entry, ENTRIES))))
    return path


def changed(file: Path, **parts: Any) -> Path:
    written = json.loads(file.read_text())
    for name, code in parts.items():
        written["parts"][f"norm {name}"]["code"] = code
    file.write_text(json.dumps(written))
    return file


def test_what_is_written_is_read_again(file: Path) -> None:
    found = verified.read_verified(registry().entries(), file)
    assert found is not None
    by_name = sorted(RESULTS, key=lambda one: one.check)
    assert found.results == {
        ("norm", name): tuple(one for one in by_name if one.part == name) for name in ENTRIES
    }  # fmt: skip
    assert not found.stale
    assert "date" not in json.loads(file.read_text())


def test_results_of_other_code_are_stale(file: Path) -> None:
    found = verified.read_verified(registry().entries(), changed(file, rms_norm="0123456789abcdef"))
    assert found is not None
    assert found.stale == {("norm", "rms_norm")}


def test_a_part_that_is_gone_or_new_has_no_results(file: Path) -> None:
    written = json.loads(file.read_text())
    written["parts"]["norm gone"] = written["parts"].pop("norm scale_norm")
    file.write_text(json.dumps(written))
    found = verified.read_verified(registry().entries(), file)
    assert found is not None
    assert list(found.results) == [("norm", "rms_norm")]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"checks": {}, "parts": {"norm rms_norm": 1}}', '{"parts": []}'])
def test_a_file_that_is_none_is_as_if_there_were_none(text: str, tmp_path: Path) -> None:
    path = tmp_path / "verified.json"
    path.write_text(text)
    assert verified.read_verified(registry().entries(), path) is None
    assert verified.read_verified(registry().entries(), tmp_path / "none.json") is None


def test_the_page_says_of_what_the_results_are_and_that_they_are_stale(file: Path) -> None:
    found = verified.read_verified(registry().entries(), changed(file, rms_norm="0123456789abcdef"))
    assert found is not None
    view = Catalogue(found.results, found.origin, found.stale)
    view.__dict__["parts"] = tuple(one for one in view.parts if one.name in ENTRIES)
    made = dict(pages(view))
    stale, fresh = (
        parsed(made[next(one.page for one in view.parts if one.name == name)]).all("main")[0].text for name in ENTRIES
    )
    for text in (stale, fresh):
        assert "partwise 0." in text
        assert "PyTorch" in text
    assert "These results are of other code" in stale
    assert "verified, with other code" in stale
    assert "other code" not in fresh
    assert "1 part had other code then" in parsed(made["index.html"]).all("main")[0].text
