"""The text of Python's standard library."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

from partwise import InputError
from partwise.parts import DataSite
from partwise_data.library import LibraryText, docstrings, modules
from partwise_data.parts import Library
from partwise_data.splits import Shares

SPLITS = ("train", "valid", "test")


@functools.cache
def whole(text: str) -> dict[str, list[str]]:
    data = Library(text=text).build(DataSite())
    return {split: [example.pieces[0].text for example in data.examples(split)] for split in SPLITS}


@pytest.mark.parametrize(("text", "least"), [("prose", 800_000), ("source", 4_000_000)])
def test_there_is_plenty_and_about_a_tenth_is_held_out(text: str, least: int) -> None:
    sizes = {split: sum(map(len, texts)) for split, texts in whole(text).items()}
    assert sizes["train"] > least
    for split in ("valid", "test"):
        assert 0.01 < sizes[split] / sum(sizes.values()) < 0.12


@pytest.mark.parametrize("text", ["prose", "source"])
def test_the_character_vocabulary_is_small(text: str) -> None:
    characters = {char for texts in whole(text).values() for char in "".join(texts)}
    assert len(characters) < 110
    assert all(char.isascii() for char in characters)


def test_prose_holds_known_docstrings_and_no_code() -> None:
    everything = "\n".join(text for texts in whole("prose").values() for text in texts)
    assert "Return the canonical path of the specified filename" in everything
    assert not re.search(r"(?m)^\s*>>>", everything)
    assert not re.search(r"(?m)[ \t]+$", everything)


def test_no_docstring_stands_in_two_splits(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"m{number}.py").write_text(f'"""Common to all."""\ndef f():\n    """Only in {number}."""\n')
    data = LibraryText("prose", Shares(0.3, 0.3), tmp_path)
    texts = {split: "".join(example.pieces[0].text for example in data.examples(split)) for split in SPLITS}
    assert sum(text.count("Common to all.") for text in texts.values()) == 1
    assert all(text.count("Only in") for text in texts.values())
    assert sum(text.count("Only in") for text in texts.values()) == 40


def test_docstrings_come_in_the_order_of_the_file_wherever_they_are_nested() -> None:
    source = b'''"""One."""
if True:
    class A:
        """Two."""
        async def f(self):
            """Three.

            >>> 1 + 1
            2

                indented
            """
            try:
                pass
            except ValueError:
                def g():
                    """Four."""
def h():
    """Five."""
'''
    assert [text for text in docstrings(source) if text] == ["One.", "Two.", "Three.\n\n    indented", "Four.", "Five."]


def test_what_is_no_module_or_not_ascii_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text('"""Kept."""\n')
    (tmp_path / "b.py").write_text("this is not python\n")
    (tmp_path / "c.py").write_text('"""Café."""\n', encoding="utf-8")
    everything = [e for split in SPLITS for e in LibraryText("prose", Shares(0.3, 0.3), tmp_path).examples(split)]
    assert [example.pieces[0].text for example in everything] == ["Kept.\n"]
    sources = [e for split in SPLITS for e in LibraryText("source", Shares(0.3, 0.3), tmp_path).examples(split)]
    assert len(sources) == 2


def test_tests_tables_and_installed_packages_are_not_read(tmp_path: Path) -> None:
    for name in ("os.py", "json/decoder.py", "json/tests/test_x.py", "site-packages/p.py", "encodings/cp1.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    (tmp_path / "table.py").write_text("x = 1\n" * 60_000)
    assert sorted(modules(tmp_path)) == ["json/decoder.py", "os.py"]


def test_adding_a_module_moves_no_other_to_another_split(tmp_path: Path) -> None:
    def placed() -> dict[str, str]:
        data = LibraryText("source", Shares(0.3, 0.3), tmp_path)
        return {example.pieces[0].text: split for split in SPLITS for example in data.examples(split)}

    for number in range(20):
        (tmp_path / f"m{number}.py").write_text(f"x = {number}\n")
    before = placed()
    (tmp_path / "another.py").write_text("y = 1\n")
    assert before.items() < placed().items()


def test_the_identity_follows_the_files_and_the_knobs(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")

    def identity(text: str = "source", valid: float = 0.1) -> str:
        return LibraryText(text, Shares(valid, 0.1), tmp_path).identity()

    first = identity()
    assert first == identity()
    assert len({first, identity("prose"), identity(valid=0.2)}) == 3
    (tmp_path / "a.py").write_text("x = 10\n")
    assert identity() != first


def test_a_python_without_its_source_is_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"keeps no source of its standard library.*install it"):
        LibraryText("prose", Shares(0.1, 0.1), tmp_path).identity()
