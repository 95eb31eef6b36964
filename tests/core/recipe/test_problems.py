"""What the user reads: every kind of slip in plain words, at its place, on one screen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from partwise.errors import RecipeError
from partwise.recipe import Mark, Problem, Source, load, render
from partwise.recipe.reader.problems import MOST_SHOWN, WIDEST

Write = Callable[[str, Any], Path]

RECIPE = """{
  "partwise": 1, "name": "mine", "data": "lines", "tokenizer": "chars",
  "trainer": {"use": "plain", "steps": 100},
  "model": {
    "use": "stack",
    "blocks": [{"use": "pre", "mixer": MIXER}]
  }
}
"""


def refused(write: Write, mixer: str, text: str = RECIPE) -> str:
    write("recipes/mine.json", text.replace("MIXER", mixer))
    with pytest.raises(RecipeError) as caught:
        load("recipes/mine.json")
    return str(caught.value)


def test_the_shape_of_an_error(write: Write) -> None:
    assert refused(write, '{"use": "acme/sink", "sinks": 8}').splitlines() == [
        "recipes/mine.json:6:48: unknown mixer 'acme/sink', did you mean 'acme/sinks'?",
        "  at model.blocks.0.mixer",
        '    6 |     "blocks": [{"use": "pre", "mixer": {"use": "acme/sink", "sinks": 8}}]',
        "      |                                                ^",
        "  installed: acme/sinks (acme-sinks 0.3.1), acme/experts (acme-sinks 0.3.1), heads, gru",
    ]


@pytest.mark.parametrize(
    ("mixer", "message"),
    [
        ('"haeds"', "unknown mixer 'haeds', did you mean 'heads'?"),
        ('"sinks"', "unknown mixer 'sinks', did you mean 'acme/sinks'?"),
        ('"GRU"', "unknown mixer 'GRU', did you mean 'gru'?"),
        ('"xxxxxx"', "unknown mixer 'xxxxxx'\n"),
        ('"roppe"', "unknown mixer 'roppe' ('rope' is the name of a position)"),
        ('"rope"', "'rope' is a position, but this place takes a mixer"),
        ('{"use": "rope", "base": 3}', "6:48: 'rope' is a position, but this place takes a mixer"),
        ('"zeta/a"', "note: plugin zeta (zeta-kit 0.1) failed to load: ModuleNotFoundError: No module named 'triton'"),
        ('"haeds"', "note: plugin zeta (zeta-kit 0.1) failed to load"),
        ('"beta/a"', "note: no plugin 'beta' is installed"),
        ('"toys/gru"', "note: partwise's own parts have names without a namespace"),
        ("3", """expected a mixer: a name, or an object with "use", got 3"""),
        ("[]", """expected a mixer: a name, or an object with "use", got an array of 0"""),
        ("null", """expected a mixer: a name, or an object with "use", got null"""),
        ('{"use": 3}', """6:48: expected a mixer: a name, or an object with "use", got 3"""),
        ('{"heads": 3}', 'this mixer needs "use": the name of the part'),
        ('"heads"', "6:40: heads needs 'heads': a whole number greater than 0\n"),
        ('"heads"', "  heads: Number of heads.\n"),
        ('{"use": "heads", "hads": 3}', "6:57: unknown knob 'hads' of heads, did you mean 'heads'?"),
        ('{"use": "gru", "hads": 3}', "unknown knob 'hads' of gru\n"),
        ('{"use": "gru", "hads": 3}', "it has no knobs"),
        ('{"use": "heads", "heads": "six"}', '6:66: heads: expected a whole number greater than 0, got "six"'),
        ('{"use": "heads", "heads": -1}', "heads: must be greater than 0, got -1"),
        ('{"use": "heads", "heads": 6.0}', "heads: expected a whole number greater than 0, got 6.0; write 6"),
        ('{"use": "heads", "heads": 1e300}', "heads: expected a whole number greater than 0, got 1e+300\n"),
        ('{"use": "heads", "heads": true}', "heads: expected a whole number greater than 0, got true"),
        ('{"use": "heads", "heads": null}', "heads: expected a whole number greater than 0, got null"),
        ('{"use": "heads", "heads": {}}', "heads: expected a whole number greater than 0, got an object"),
        ('{"use": "heads", "heads": 1, "dropout": 2}', "dropout: must be at least 0 and less than 1, got 2"),
        ('{"use": "heads", "heads": 1, "window": 0}', "window: must be greater than 0, got 0"),
        (
            '{"use": "heads", "heads": 1, "window": "x"}',
            'window: expected a whole number greater than 0, or null, got "x"',
        ),
        (
            '{"use": "heads", "heads": 1, "mask": "casual"}',
            """mask: expected "auto", "causal", or "none", got "casual", did you mean 'causal'?""",
        ),
        ('{"use": "heads", "heads": 1, "shared": "modle"}', "unknown position 'modle'"),
        ('{"use": "heads", "heads": 1, "shared": {"use": "rope", "base": -1}}', "base: must be greater than 0, got -1"),
        ('{"use": "heads", "heads": 1, "shared": 3}', "expected a position"),
        (
            '{"use": "heads", "heads": 1, "bias": "no"}',
            'bias: expected true or false, or an array, each "query" or "key", got "no"',
        ),
        ('{"use": "heads", "heads": 1, "bias": ["query", "kee"]}', """bias.1: expected "query" or "key", got "kee\""""),
    ],
)
def test_parts_and_knobs(write: Write, mixer: str, message: str) -> None:
    text = refused(write, mixer) + "\n"
    assert message in text
    assert text.count("recipes/mine.json:") == 1


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        ('{"use": "plain"}', "plain needs 'steps': a whole number greater than 0"),
        (
            '{"use": "plain", "steps": 1, "betas": [0.5]}',
            "betas: expected an array of 2, each a number, got an array of 1",
        ),
        (
            '{"use": "plain", "steps": 1, "betas": [1, 2, 3]}',
            "betas: expected an array of 2, each a number, got an array of 3",
        ),
        ('{"use": "plain", "steps": 1, "betas": [0.5, "x"]}', 'betas.1: expected a number, got "x"'),
        ('{"use": "plain", "steps": 1, "tags": {"a": "b"}}', 'a: expected a whole number, got "b"'),
        ('{"use": "plain", "steps": 1, "tags": 3}', "tags: expected an object, got 3"),
        ('{"use": "plain", "steps": 1, "range": {"low": 1}}', "a range needs 'high': a whole number"),
        (
            '{"use": "plain", "steps": 1, "range": {"high": 1, "lwo": 1}}',
            "unknown key 'lwo' of a range, did you mean 'low'?",
        ),
        ('{"use": "plain", "steps": 1, "warmup": 9}', "trainer: a warm-up of 9 steps does not end within 1"),
    ],
)
def test_other_knobs(write: Write, trainer: str, message: str) -> None:
    text = refused(write, '"gru"', RECIPE.replace('{"use": "plain", "steps": 100}', trainer))
    assert message in text
    assert text.count("recipes/mine.json:") == 1


def test_all_that_is_wrong_within_one_alternative_is_said(write: Write) -> None:
    text = refused(write, '{"use": "heads", "heads": 1, "shared": {"use": "rope", "base": -1, "bsae": 2}}')
    assert "base: must be greater than 0, got -1" in text
    assert "unknown knob 'bsae' of rope" in text
    assert text.count("recipes/mine.json:") == 2


def test_tokenizer_constraints(write: Write) -> None:
    text = refused(write, '"gru"', RECIPE.replace('"chars"', '{"use": "pairs", "vocab_size": 257}'))
    assert "vocab_size: must be at least 256 and a multiple of 8, got 257" in text


def test_an_empty_array(write: Write) -> None:
    text = refused(write, '"gru"', RECIPE.replace('{"use": "pre", "mixer": MIXER}', '{"use": "group", "blocks": []}'))
    assert "blocks: must be not empty, got an array of 0" in text


def test_elements_that_fail_do_not_make_an_array_empty(write: Write) -> None:
    blocks = '{"use": "group", "blocks": ["prre", {"use": "pre", "mixer": "gruu"}]}'
    text = refused(write, "", RECIPE.replace('{"use": "pre", "mixer": MIXER}', blocks))
    assert "not empty" not in text
    assert text.count("unknown") == 2


def test_an_empty_recipe_says_all_that_is_missing(write: Write) -> None:
    text = refused(write, "", "{}")
    for key in ("partwise", "name", "data", "tokenizer", "model", "trainer"):
        assert f"recipes/mine.json:1:1: a recipe needs '{key}'" in text


def test_a_default_that_is_not_installed_is_called_one(base: dict[str, Any]) -> None:
    from partwise.parts.registry import Registry, using

    with using(Registry([])), pytest.raises(RecipeError) as caught:
        load(base)
    assert "unknown sampler 'temperature'\n  at sampler, which is a default" in str(caught.value)
    assert "installed: no sampler" in str(caught.value)


def test_plugins_that_are_shut_out_are_said_to_be(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTWISE_PLUGINS", "acme")
    assert "note: no plugin 'beta' is loaded; PARTWISE_PLUGINS=acme restricts which are" in refused(write, '"beta/a"')


def test_no_word_of_pydantic_reaches_the_user(write: Write) -> None:
    wrong = [
        '{"use": "heads", "heads": "x", "window": [], "mask": 3, "dropout": "y", "position": 3, "bias": {}, "z": 1}',
        "[[]]",
        '{"use": []}',
        '{"use": "heads", "heads": 1e300}',
    ]
    for mixer in wrong:
        text = refused(write, mixer)
        assert not any(word in text for word in ("Input should", "pydantic", "https", "Field required", "Extra inputs"))
        assert not any(word in text for word in ("valid integer", "tuple", "dict", "function-", "literal"))


# --- rendering ----------------------------------------------------------------------------------------


def excerpt(line: str, at: str) -> list[str]:
    source = Source("x.json", f"first\n{line}\nlast")
    start = source.text.index(at)
    return render([Problem("m", Mark(source, start, start + 1))]).splitlines()[1:]


def test_the_caret_stands_under_wide_and_combining_characters_and_tabs() -> None:
    assert excerpt('\t"日本": "é", x', "x") == ['    2 |     "日本": "é", x', "      | " + " " * 17 + "^"]
    assert excerpt('"e\u0301": x', "x") == ['    2 | "e\u0301": x', "      | " + " " * 5 + "^"]


def test_a_long_line_is_cut_round_the_caret() -> None:
    for before, after in ((0, 500), (500, 0), (500, 500), (90, 5), (300_000, 300_000)):
        line, caret = excerpt("a" * before + "X" + "b" * after, "X")
        assert line[caret.index("^")] == "X"
        assert len(line) <= WIDEST + len("    2 | ") + 2
        assert line.endswith("…") == (after > WIDEST)
        assert line.startswith("    2 | …") == (before > WIDEST)


def test_wide_characters_are_cut_round_the_caret_too() -> None:
    line, caret = excerpt("日" * 300 + "X" + "本" * 300, "X")
    left = line[: line.index("X")]
    assert len(left) + left.count("日") == caret.index("^")


def test_nothing_in_a_file_can_move_the_cursor() -> None:
    text = "\n".join(excerpt('"\x1b[2J\u202e" x', "x"))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert text.splitlines()[0].index("x") == text.splitlines()[1].index("^")
    assert "\x1b" not in render([Problem("a\x1bb", None, ("c\x1bd",), notes=("e\x1bf",))])


def test_a_mark_at_the_very_end_has_a_line() -> None:
    source = Source("x.json", "{\n")
    assert render([Problem("m", Mark(source, 2, 2))]).splitlines() == ["x.json:2:1: m", "    2 |", "      | ^"]


def test_columns_are_those_of_lines_that_end_the_windows_way() -> None:
    source = Source("x.json", '{\r\n "a": x\r\n}')
    assert render([Problem("m", Mark(source, 9, 10))]).splitlines() == [
        "x.json:2:7: m",
        '    2 |  "a": x',
        "      |       ^",
    ]


def test_many_problems_are_counted() -> None:
    source = Source("x.json", "\n" * 100)
    text = render([Problem(f"m{line}", Mark(source, line, line)) for line in range(50)])
    assert f"x.json:{MOST_SHOWN}:1: m{MOST_SHOWN - 1}\n" in text
    assert f"m{MOST_SHOWN}" not in text
    assert text.endswith(f"and {50 - MOST_SHOWN} more problems")


def test_problems_come_in_the_order_of_their_places() -> None:
    source = Source("x.json", "\n" * 9)
    text = render([Problem("late", Mark(source, 5, 5)), Problem("soon", Mark(source, 2, 2))])
    assert text.index("soon") < text.index("late")


def test_thousands_of_unknown_parts_are_answered_soon(write: Write) -> None:
    blocks = ",".join(['{"use": "pre", "mixer": "nonsense"}'] * 2_000)
    text = refused(write, "", RECIPE.replace('{"use": "pre", "mixer": MIXER}', blocks))
    assert text.count("unknown mixer") == MOST_SHOWN
    assert text.endswith(f"and {2_000 - MOST_SHOWN} more problems")
    assert text.count("installed:") == 1
