"""What `partwise new plugin` writes installs, verifies and trains as it is, whatever the kind."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from partwise.parts.plugins import GROUP, Plugin, _load, load_plugins
from partwise.parts.registry import Registry, using
from partwise.scaffold import PARTS, new_plugin
from partwise.testing import contract_of, find, run_check
from partwise_cli.main import cli

from .conftest import LONG, QUICK, Environment

TRAIN = """
import json, sys
from pathlib import Path
from partwise import workflow
from partwise.recipe import load

small = ["model.width=16", "trainer.steps=3", "trainer.batch_size=2", "trainer.evaluate_every=null",
         "trainer.evaluate_batches=1"]
for name in sys.argv[1:]:
    changes = list(small)
    if name != "my-data":  # whose texts have a length of their own
        changes.append("model.context=16")
    if name == "my-trainer":  # which has other knobs
        changes = [one for one in changes if "trainer" not in one] + ["trainer.steps=3", "trainer.batch_size=2"]
    elif name != "my-schedule":
        changes.append("trainer.schedule=constant")
    run = workflow.train(load(f"{name}/example", changes), Path("runs") / name, device="cpu")
    print(json.dumps({"name": name, "steps": run.rows()[-1]["step"], "recipe": run.recipe}))
"""

TRAVELS = "it_travels_to_a_fresh_process"
"""The check that needs the plugin to be installed."""

CHECK = """
import sys
from click.testing import CliRunner
from partwise_cli.main import cli

for position in sys.argv[1:]:
    changes = ["--set", "model.blocks.0.mixer=my-attention/sinks", "--set", f"model.position={position}"]
    result = CliRunner().invoke(cli, ["check", "gpt", *changes], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    print(result.output.replace("\\n", " "))
"""


def test_every_new_plugin_loads_with_its_part_and_its_recipe(environment: Environment) -> None:
    plugins = {plugin["namespace"]: plugin for plugin in json.loads(environment.partwise("plugins", "--json"))}
    recipes = environment.partwise("recipes")
    for kind in PARTS:
        plugin = plugins[f"my-{kind}"]
        assert (plugin["problem"], plugin["warning"], plugin["parts"]) == (None, None, 2 if kind == "own" else 1)
        assert f"my-{kind}/example" in recipes


@pytest.mark.parametrize("kind", sorted(PARTS.keys() - set(LONG)))
def test_every_new_part_holds_its_contract_but_for_what_takes_long_or_needs_a_process(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"mine-{kind}"
    monkeypatch.syspath_prepend(str(new_plugin(name, kind, tmp_path)))
    package = name.replace("-", "_")
    plugin = _load(Plugin(name, package, name, "1.0"), EntryPoint(name, package, GROUP))
    with using(Registry([*load_plugins(), plugin])):
        part = find(f"{name}/{PARTS[kind]}").part
        outcomes = [
            run_check(part, check).outcome for check in contract_of(part) if not check.slow and check.name != TRAVELS
        ]
    assert outcomes.count("passed") >= 10
    assert not {"failed", "expected"} & set(outcomes)


def test_a_new_part_holds_its_whole_contract_where_it_is_installed(verified: dict[str, list[dict[str, Any]]]) -> None:
    for kind in QUICK:
        outcomes = [one["outcome"] for one in verified[f"my-{kind}/{PARTS[kind]}"]]
        assert outcomes.count("passed") >= 12
        assert not {"failed", "expected"} & set(outcomes)


@pytest.mark.exhaustive
def test_all_new_parts_hold_their_whole_contracts_and_so_does_the_layer_with_a_slot(environment: Environment) -> None:
    names = [*(f"my-{kind}/{part}" for kind, part in PARTS.items()), "my-own/bent"]
    said = json.loads(environment.partwise("verify", *names, "--jobs", "2", "--json"))
    assert (said["counts"]["failed"], said["counts"]["expected"]) == (0, 0)


def test_every_new_part_is_trained_by_its_recipe(environment: Environment) -> None:
    lines = environment.run("-c", TRAIN, *(f"my-{kind}" for kind in PARTS)).splitlines()
    trained = {one["name"]: one for one in map(json.loads, lines)}
    for kind, part in PARTS.items():
        assert trained[f"my-{kind}"]["steps"] == 3
        assert f'"my-{kind}/{part}"' in json.dumps(trained[f"my-{kind}"]["recipe"])


def test_a_new_attention_takes_the_models_position(environment: Environment) -> None:
    checked = environment.run("-c", CHECK, "rope", "alibi", "my-position/decay").splitlines()
    assert len(checked) == 3
    assert all("ok" in line for line in checked)


def test_the_tests_of_a_new_plugin_pass(environment: Environment) -> None:
    place = environment.place / "my-schedule"  # a kind whose checks take no time; `verified` is about the others
    output = environment.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", cwd=place)
    assert " passed" in output
    assert "failed" not in output


def new(place: Path, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["new", "plugin", *arguments, "--in", str(place)])
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Acme",), "not a name for a plugin"),
        (("a/../b",), "not a name for a plugin"),
        (("x" * 300,), "not a name for a plugin"),
        (("json",), "would hide or replace another one"),
        (("pydantic",), "would hide or replace another one"),
        (("pydantic-core",), "would hide or replace another one"),
        (("lambda",), "a keyword of Python"),
        (("models",), "taken by partwise"),
        (("seven-seas", "--kind", "banana"), "the kinds are adapter, attention"),
    ],
)
def test_what_cannot_be_made_is_refused_and_nothing_is_written(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    code, output = new(tmp_path, *arguments)
    assert code == 2
    assert message in output
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "seven-seas").mkdir()
    (tmp_path / "seven-seas" / "mine.txt").write_text("mine")
    code, output = new(tmp_path, "seven-seas")
    assert code == 2
    assert "exists already" in output
    assert [path.name for path in (tmp_path / "seven-seas").iterdir()] == ["mine.txt"]
