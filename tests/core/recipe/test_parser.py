"""The JSON reader against Python's own, and everything it refuses, each at its place."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partwise.errors import RecipeError
from partwise.recipe import Node, Source, parse, read
from partwise.recipe.files import LARGEST_FILE
from partwise.recipe.reader.parser import DEEPEST, MOST_VALUES

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64) + 1, 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def plain(text: str) -> Any:
    return parse(Source("x.json", text)).plain()


def as_tuples(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(as_tuples, value))
    return {key: as_tuples(item) for key, item in value.items()} if isinstance(value, dict) else value


@given(JSON, st.sampled_from([None, 0, 3]), st.booleans())
def test_reads_what_python_writes(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert plain(text) == as_tuples(json.loads(text))
    assert repr(plain(text)) == repr(as_tuples(json.loads(text)))  # 1, 1.0 and true are equal in Python


@given(JSON)
def test_every_node_knows_its_stretch_of_the_text(value: Any) -> None:
    source = Source("x.json", json.dumps(value, indent=1))

    def check(node: Node) -> None:
        assert as_tuples(json.loads(source.text[node.mark.start : node.mark.end])) == node.plain()
        below = node.value if isinstance(node.value, tuple) else node.members.values()
        for child in below:
            check(child)
        for key, child in node.members.items():
            assert child.key is not None
            assert json.loads(source.text[child.key.start : child.key.end]) == key

    check(parse(source))


@given(st.text(alphabet='{}[]",:0123456789.eE+-truefalsn \\u\n/', max_size=30))
def test_takes_no_text_that_python_refuses(text: str) -> None:
    try:
        value = plain(text)
    except RecipeError:
        return
    assert value == as_tuples(json.loads(text))


WRONG = [
    ("", "1:1: the file holds nothing"),
    (" \n ", "2:2: the file holds nothing"),
    ('{"a": 1,}', '1:8: a comma before "}": remove it'),
    ("[1, 2, ]", '1:6: a comma before "]": remove it'),
    ('{"a": 1 // why\n}', "1:9: JSON has no comments"),
    ('{"a": 1 # why\n}', "1:9: JSON has no comments"),
    ('/* a */ {"a": 1}', "1:1: JSON has no comments"),
    ('{"a": [1, /* b */ 2]}', "1:11: JSON has no comments"),
    ("{'a': 1}", "1:2: strings and keys take straight double quotes"),
    ('{"a": ‘b’}', "1:7: strings and keys take straight double quotes"),
    ('{a: 1}', '1:2: a key takes double quotes: "a"'),
    ('{"a": rope}', '1:7: a string takes double quotes: "rope"'),
    ('{"a": 1, "b": 2, "a": 3}', '1:18: the key "a" appears twice in this object; first at line 1, column 2'),
    ('{"a": NaN}', "1:7: NaN is not a number in JSON"),
    ('{"a": -Infinity}', "1:7: -Infinity is not a number in JSON"),
    ('{"a": True}', "1:7: True is not JSON, did you mean true?"),
    ('{"a": None}', "1:7: None is not JSON, did you mean null?"),
    ('{"a": 01}', "1:7: 01 is not a number in JSON; write"),
    ('{"a": .5}', "1:7: .5 is not a number"),
    ('{"a": 1_000}', "1:7: 1_000 is not a number"),
    ('{"a": 0x10}', "1:7: 0x10 is not a number"),
    ('{"a": 1e400}', "1:7: 1e400 is too large"),
    ('{"a": ' + "9" * 5000 + "}", "is too large: the largest whole number is 2^64 - 1"),
    ('{"a": 18446744073709551616}', "1:7: 18446744073709551616 is too large"),
    ('{"a": "b\tc"}', "1:9: a tab: write \\t for it inside a string"),
    ('{"a": "b\x01c"}', "1:9: a control character: write \\u0001"),
    ('{"a": "b\nc"}', '1:7: the string that begins here has no closing "'),
    ('{"a": "b', '1:7: the string that begins here has no closing "'),
    (r'{"a": "C:\dir"}', r"1:10: \d means nothing in JSON; a backslash is written \\"),
    (r'{"a": "\u12"}', "1:8: \\u takes four hexadecimal digits"),
    (r'{"a": "\ud800"}', "1:8: \\ud800 is half a character"),
    (r'{"a": "\ud800\ud800"}', "1:8: \\ud800 is half a character"),
    (r'{"a": "\udc00"}', "1:8: \\udc00 is half a character"),
    ('{"a": 1 "b": 2}', "1:9: a comma is missing before this"),
    ('{"a" 1}', '1:6: expected ":" after the key "a", found "1"'),
    ('{"a": 1]', '1:8: expected "," or "}", found "]"'),
    ('{"a": 1} {}', '1:10: expected nothing after the end of the object, found "{"'),
    ('{\n  "a": [1,\n', '2:11: the text ends before the array that began at line 2, column 8 is closed by "]"'),
    ('{"a":\n', '1:6: the text ends before the object that began at line 1, column 1 is closed by "}"'),
    ('{"a"', '1:5: the text ends before the object'),
    ("{", '1:2: the text ends before the object'),
    ('{"a":\u00a01}', "1:6: an invisible character, U+00A0; remove it"),
    ("[" * (DEEPEST + 1), f"1:{DEEPEST + 1}: nested deeper than {DEEPEST} levels"),
    ("[" * 200_000, f"1:{DEEPEST + 1}: nested deeper than {DEEPEST} levels"),
    ('{"a":' * 200_000, f"nested deeper than {DEEPEST} levels"),
    ("[" + "0," * MOST_VALUES + "0]", "more than 50,000 values"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), WRONG, ids=lambda text: repr(text[:30]))
def test_says_what_is_wrong_and_where(text: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        plain(text)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 4
    assert max(map(len, str(caught.value).splitlines())) < 200


def test_nests_as_deep_as_is_allowed() -> None:
    assert plain("[" * DEEPEST + "]" * DEEPEST)


def test_reads_numbers_as_python_does() -> None:
    assert plain("[0, -0.0, 1e-400, 18446744073709551615]") == (0, -0.0, 0.0, 2**64 - 1)
    assert math.copysign(1, plain("-0.0")) == -1


# --- files --------------------------------------------------------------------------------------------


def refused(path: Path) -> str:
    with pytest.raises(RecipeError) as caught:
        read(path)
    return str(caught.value)


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "bom.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": x}')
    assert "bom.json:1:7: a string takes double quotes" in refused(path)
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read(path).plain() == {"a": 1}


def test_names_the_byte_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "latin.json"
    path.write_bytes('{\n"a": "é"}'.encode("latin-1"))
    assert "latin.json is not UTF-8 text: byte 8 is 0xe9 (line 2, " in refused(path)
    path.write_bytes('{"a": 1}'.encode("utf-16"))
    assert "latin.json is not UTF-8 text: it is UTF-16. Save it as UTF-8, or convert it: iconv -f UTF-16" in refused(
        path
    )


def test_refuses_a_file_that_is_too_large_with_its_size(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(LARGEST_FILE * 50)
    assert "too large for a recipe: it has 100.0 MiB; a recipe has at most 2 MiB" in refused(path)


def test_reads_no_more_than_that_of_an_endless_file() -> None:
    assert "too large for a recipe: it does not end" in refused(Path("/dev/zero"))


def test_reads_a_pipe() -> None:
    out, into = os.pipe()
    os.write(into, b'{"a": 1}')
    os.close(into)
    assert read(Path(f"/dev/fd/{out}")).plain() == {"a": 1}
    os.close(out)


def test_says_that_a_directory_is_one(tmp_path: Path) -> None:
    assert "this is a directory, not a recipe" in refused(tmp_path)


def test_says_that_a_file_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*_: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "secret.json").write_text("{}")
    monkeypatch.setattr("builtins.open", deny)
    assert "secret.json: permission denied" in refused(tmp_path / "secret.json")
