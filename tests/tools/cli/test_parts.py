from __future__ import annotations

import json

import pytest

from partwise.parts import kinds


class Sinks(kinds.PositionPart):
    """Positions of a third party."""

    name = "sinks"


@pytest.fixture
def acme(plugins) -> None:
    plugins(parts=[Sinks])


def test_parts_are_listed_by_kind_with_a_line_each(call) -> None:
    lines = call("parts").output.splitlines()
    kind = lines.index(
        "position: Encodes the position of a token: added to the embedding, by rotating queries and keys, or as a bias."
    )
    assert lines[kind + 1].split(maxsplit=1) == ["spin", "Spins the features (Nobody 2020)."]
    assert lines[kind + 2].split(maxsplit=1) == ["still", "Leaves everything where it is."]


def test_in_a_pipe_every_part_is_one_line(call) -> None:
    lines = [line for line in call("parts", "position").output.splitlines() if line.startswith("  ")]
    assert [line.split()[0] for line in lines] == ["spin", "still"]


def test_a_part_of_a_third_party_says_where_it_is_from(call, acme) -> None:
    (line,) = (line for line in call("parts").output.splitlines() if "acme/sinks" in line)
    assert line.endswith("  Positions of a third party. [acme-parts 0.3.1]")


def test_a_kind_restricts_the_list(call) -> None:
    output = call("parts", "sampler").output
    assert "temperature" in output
    assert "spin" not in output


def test_a_part_is_shown_with_its_whole_description_and_every_knob(call) -> None:
    output = call("parts", "position", "spin").output
    assert "Spins the features (Nobody 2020)." in output
    assert "A second paragraph, for the detail page only." in output
    assert "from partwise 0.3.1, cli/conftest.py:" in output
    assert "speed = 3   a whole number greater than 0" in output
    assert "Turns per position." in output


def test_a_knob_without_default_is_required_and_a_slot_says_where_its_parts_are_listed(call) -> None:
    output = call("parts", "model", "net").output
    assert "width   a whole number greater than 0, required" in output
    assert 'position = "still"   a position' in output
    assert "See `partwise parts position`." in output


def test_a_part_without_knobs_says_so(call) -> None:
    assert "It has no knobs." in call("parts", "position", "still").output


def test_json_has_all_that_the_page_has(call) -> None:
    (spin,) = json.loads(call("parts", "position", "spin", "--json").output)
    assert spin.pop("source").startswith("cli/conftest.py:")
    assert spin == {
        "kind": "position",
        "name": "spin",
        "about": "Spins the features (Nobody 2020).",
        "distribution": "partwise",
        "version": "0.3.1",
        "knobs": [
            {
                "name": "speed",
                "type": "a whole number greater than 0",
                "required": False,
                "default": 3,
                "slot": None,
                "about": "Turns per position.",
            }
        ],
    }


def test_json_of_all_parts_names_each_once(call, acme) -> None:
    found = [(one["kind"], one["name"]) for one in json.loads(call("parts", "--json").output)]
    assert len(found) == len(set(found)) == 9
    assert ("position", "acme/sinks") in found


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["postion"], ["there is no kind of part 'postion', did you mean 'position'?", "kinds: data, model,"]),
        (["spin"], ["there is no kind of part 'spin', did you mean `partwise parts position spin`?"]),
        (["position", "spinn"], ["unknown position 'spinn', did you mean 'spin'?", "installed: spin, still"]),
        (["position", "acme/sinks"], ["unknown position 'acme/sinks'", "no plugin 'acme' is installed"]),
        (["position", "temperature"], ["unknown position 'temperature'"]),
    ],
    ids=" ".join,
)
def test_what_is_unknown_gets_a_suggestion_and_exit_code_2(call, monkeypatch, arguments, words) -> None:
    monkeypatch.delenv("PARTWISE_PLUGINS", raising=False)
    result = call("parts", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    for word in words:
        assert word in result.stderr


def test_a_broken_plugin_is_mentioned_below_the_list(call, plugins) -> None:
    plugins(problem="ImportError: no acme")
    assert "Plugin acme (acme-parts 0.3.1) failed to load: ImportError: no acme" in call("parts").output


def test_plugins_are_listed_with_the_number_of_their_parts(call, acme) -> None:
    lines = [line.split() for line in call("plugins").output.splitlines()]
    assert ["toys", "partwise", "0.3.1", "8", "loaded"] in lines
    assert ["acme", "acme-parts", "0.3.1", "1", "loaded"] in lines


def test_a_broken_plugin_is_listed_with_the_reason_and_on_demand_with_the_traceback(call, plugins) -> None:
    plugins(problem="ImportError: no acme", details="Traceback (most recent call last): ...")
    plain = call("plugins")
    assert plain.exit_code == 0
    assert "broken: ImportError: no acme" in plain.output
    assert "Traceback" not in plain.output
    assert "partwise plugins --details" in plain.output
    assert "Traceback (most recent call last)" in call("plugins", "--details").output


def test_a_plugin_with_a_warning_is_listed_with_it(call, plugins) -> None:
    plugins(parts=[Sinks], warning="unknown hook partwise_prats")
    assert "loaded, but: unknown hook partwise_prats" in call("plugins").output


def test_a_plugin_that_is_asked_for_and_not_there_is_told_of(call, acme, monkeypatch) -> None:
    monkeypatch.setenv("PARTWISE_PLUGINS", "acme, zeta")
    assert "PARTWISE_PLUGINS names zeta, and no plugin of this namespace" in call("plugins").output
    assert "PARTWISE_PLUGINS names acme" not in call("plugins").output


def test_plugins_as_json_have_stable_keys(call, plugins) -> None:
    plugins(problem="ImportError: no acme", details="Traceback")
    _, acme = json.loads(call("plugins", "--json").output)
    assert acme == {
        "namespace": "acme",
        "module": "acme_module",
        "distribution": "acme-parts",
        "version": "0.3.1",
        "builtin": False,
        "parts": 0,
        "problem": "ImportError: no acme",
        "warning": None,
        "details": "Traceback",
    }


def test_a_narrow_terminal_wraps_descriptions_beside_the_names(call) -> None:
    lines = call("parts", "position", env={"COLUMNS": "40"}).output.splitlines()
    assert max(map(len, lines)) <= 40
    start = lines.index("  spin   Spins the features (Nobody")
    assert lines[start + 1] == "         2020)."
