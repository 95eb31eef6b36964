"""`partwise verify`: what it prints, and how it exits."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from pydantic import PositiveInt

from partwise.parts import kinds
from partwise.parts.plugins import Plugin, load_plugins
from partwise.parts.registry import Registry, using
from partwise_cli.main import cli


class Clumsy(kinds.SchedulePart):
    """A schedule whose first update is wasted."""

    name = "clumsy"

    def build(self, site):
        return lambda step: step / (site.steps - 1)


class Unbuildable(kinds.SchedulePart):
    """A schedule that asks its site for what it does not have."""

    name = "unbuildable"

    def build(self, site):
        return lambda step: site.epochs


class Endless(kinds.SchedulePart):
    """A schedule whose example is none that may be."""

    name = "endless"
    cycles: PositiveInt = 1
    """How often it goes down."""

    @classmethod
    def examples(cls):
        yield cls(cycles=0)


@pytest.fixture
def with_clumsy():
    class Planted:
        def call(self, hook):
            return [Clumsy, Unbuildable, Endless] if hook == "partwise_parts" else [], Plugin(
                "acme", "acme", "acme-parts", "0.3"
            )

    with using(Registry([*load_plugins(), Planted()])):
        yield


def verify(*arguments: str):
    return CliRunner().invoke(cli, ["verify", *arguments], env={"COLUMNS": "400"})


def test_a_sound_part_passes_and_all_four_counts_are_printed() -> None:
    done = verify("constant", "--kind", "schedule", "-v", "--jobs", "1")
    assert done.exit_code == 0, done.output
    assert "skipped: equal_settings_do_the_same (it declares no settings that mean the same)" in done.output
    assert done.output.rstrip().endswith("18 passed, 1 skipped, 0 failed as expected, 0 failed")


@pytest.mark.usefixtures("with_clumsy")
def test_what_is_violated_is_said_in_plain_words() -> None:
    done = verify("acme/clumsy")
    assert done.exit_code == 1
    assert "FAILED its_factors_are_sound" in done.output
    assert "the first update is wasted: its factor is 0" in done.output


@pytest.mark.usefixtures("with_clumsy")
def test_one_cause_of_many_failures_is_told_once_with_the_authors_line() -> None:
    done = verify("acme/unbuildable")
    line = Unbuildable.build.__code__.co_firstlineno + 1
    message = (
        f"it raised AttributeError: 'ScheduleSite' object has no attribute 'epochs' (at cli/test_verify.py:{line})"
    )
    assert done.exit_code == 1
    assert done.output.count(message) == 1
    assert "FAILED its_factors_are_sound, it_rises_without_a_step_back, it_serves_runs_of_any_length" in done.output


@pytest.mark.usefixtures("with_clumsy")
def test_an_example_that_may_not_be_is_told_by_its_knob() -> None:
    assert "ValidationError: cycles: Input should be greater than 0 (at " in verify("acme/endless").output


@pytest.mark.usefixtures("with_clumsy")
@pytest.mark.parametrize(
    ("name", "hint"),
    [("acme", "acme is a plugin; its parts are acme/"), ("norm", "all its parts: partwise verify --kind norm")],
)
def test_a_plugin_or_a_kind_in_place_of_a_part_is_recognised(name: str, hint: str) -> None:
    done = verify(name)
    assert done.exit_code == 2
    assert hint in done.stderr


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
