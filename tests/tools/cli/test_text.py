from __future__ import annotations

import pytest

from partwise_cli.output import show_columns
from partwise_cli.text import duration, figure, first_line, in_bytes, in_words, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("back\r\x08", "back\\x0d\\x08"),
        ("\x00\x7f\x9b31m", "\\x00\\x7f\\x9b31m"),
        ("ab\u202ecd\u2066", "ab\\u202ecd\\u2066"),
        ("\ud83d half", "\\ud83d half"),
        ("naïve 漢字 👩‍🔬 é", "naïve 漢字 👩‍🔬 é"),
    ],
)
def test_only_what_would_move_the_cursor_or_the_letters_becomes_an_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_what_is_visible_can_be_encoded_and_holds_no_control_character_but_tab_and_newline() -> None:
    text = visible("".join(map(chr, range(0x11000))))
    text.encode("utf-8")
    assert {char for char in text if ord(char) < 32 or 127 <= ord(char) < 160} == {"\t", "\n"}


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1 thousand"),
        (124_439_808, "124.4 million"),
        (8.03e9, "8.0 billion"),
        (1e18, "1,000 quadrillion"),
    ],
)
def test_quantities_are_said_in_words(count: float, words: str) -> None:
    assert in_words(count) == words


def test_a_quantity_carries_its_unit() -> None:
    assert in_words(83.7e9, "FLOPs") == "83.7 billion FLOPs"


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (1536, "1.5 kB"), (32.12e9, "32.1 GB"), (4e18, "4,000.0 PB")],
)
def test_sizes_are_said_in_bytes(count: float, words: str) -> None:
    assert in_bytes(count) == words


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "0:00"), (7, "0:07"), (750, "12:30"), (11_100, "3:05:00")])
def test_durations_read_like_a_clock(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "-"),
        (3.21449, "3.214"),
        (28.506, "28.51"),
        (342.76, "342.8"),
        (20_481.3, "20,481"),
        (0.0, "0.000"),
        (float("inf"), "inf"),
    ],
)
def test_figures_have_four_digits_or_as_many_as_they_need(value: float | None, words: str) -> None:
    assert figure(value) == words


def test_the_first_line_of_no_docstring_is_empty() -> None:
    assert (first_line(None), first_line("\n  One.\n\n  Two.")) == ("", "One.")


def test_a_terminal_that_is_too_narrow_for_figures_gets_them_whole(monkeypatch, capsys) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    show_columns([("valid loss (nats per token)", "3.294", "3.113")], header=("", "before", "after"), right=(1, 2))
    expected = "before after valid loss (nats per token) 3.294 3.113"
    assert " ".join(capsys.readouterr().out.split()) == expected
