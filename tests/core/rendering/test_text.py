"""Texts that come from elsewhere, as reports print them."""

from __future__ import annotations

from partwise.rendering.text import flat, last_lines, lines, plain, printable


def test_a_terminals_colours_and_control_characters_are_left_out() -> None:
    assert lines("\x1b[31mred\x1b[0m\x1b]0;title\x07 \x00 tab\tstays\n") == "red \ufffd tab\tstays\n"
    assert lines("10%\r50%\r100%\r\nnext") == "100%\nnext"
    assert printable(" a\n b\u202e\ud800 ") == "a b\ufffd\ufffd"


def test_only_the_end_of_a_long_output_is_kept() -> None:
    text = "\n".join(map(str, range(100))) + "\n\n"
    assert last_lines(text, 3) == "…\n97\n98\n99"
    assert last_lines("a\nb\n", 3) == "a\nb"


def test_values_of_knobs_read_as_people_write_them() -> None:
    assert plain({"use": "rope", "base": 10000.0}) == "rope (base = 10000)"
    assert plain([True, None, 0.1 + 0.2, "x"]) == "true, null, 0.3, x"
    assert flat({"git": {"dirty": False, "diff": "-a\n+b"}, "n": 2}) == [
        ("git.dirty", "false"), ("git.diff", "-a\n+b"), ("n", "2"),
    ]  # fmt: skip
