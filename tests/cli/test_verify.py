"""`partwise verify`: what it prints, and how it exits."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from partwise import kinds
from partwise.plugins import Plugin, load_plugins
from partwise.registry import Registry, using
from partwise_cli.main import cli


class Clumsy(kinds.SchedulePart):
    """A schedule whose first update is wasted."""

    name = "clumsy"

    def build(self, site):
        return lambda step: step / (site.steps - 1)


@pytest.fixture
def with_clumsy():
    class Planted:
        def call(self, hook):
            return [Clumsy] if hook == "partwise_parts" else [], Plugin("acme", "acme", "acme-parts", "0.3")

    with using(Registry([*load_plugins(), Planted()])):
        yield


def verify(*arguments: str):
    return CliRunner().invoke(cli, ["verify", *arguments], env={"COLUMNS": "400"})


def test_a_sound_part_passes_and_all_four_counts_are_printed() -> None:
    done = verify("constant", "--kind", "schedule", "-v")
    assert done.exit_code == 0, done.output
    assert "skipped: equal_settings_do_the_same (it declares no settings that mean the same)" in done.output
    assert done.output.rstrip().endswith("16 passed, 1 skipped, 0 failed as expected, 0 failed")


@pytest.mark.usefixtures("with_clumsy")
def test_what_is_violated_is_said_in_plain_words() -> None:
    done = verify("acme/clumsy")
    assert done.exit_code == 1
    assert "FAILED its_factors_are_sound" in done.output
    assert "the first update is wasted: its factor is 0" in done.output


@pytest.mark.usefixtures("with_clumsy")
def test_json_holds_counts_and_every_result() -> None:
    done = verify("acme/clumsy", "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == 1
    assert sum(told["counts"].values()) == len(told["results"])
    assert told["counts"]["failed"] >= 1
    assert {"part", "check", "about", "outcome", "message"} <= set(told["results"][0])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say which part to verify"),
        (("constnt",), "did you mean 'constant'"),
        (("linear",), "say which with --kind"),
        (("--all", "rope"), "leave the names out, or --all"),
        (("--kind", "shedule"), "there is no kind of part"),
    ],
)
def test_what_cannot_be_verified_is_wrong_input(arguments: tuple[str, ...], said: str) -> None:
    done = verify(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr


def test_several_processes_find_what_one_does() -> None:
    one, two = (json.loads(verify("constant", "cosine", "--jobs", jobs, "--json").stdout) for jobs in ("1", "2"))
    assert one["counts"] == two["counts"]
