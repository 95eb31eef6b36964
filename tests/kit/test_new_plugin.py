"""What `partwise new plugin` writes installs, verifies and trains as it is, whatever the kind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from partwise.scaffold import PARTS
from partwise_cli.main import cli

from .conftest import Environment

TRAIN = """
import json, sys
from pathlib import Path
from partwise import workflow
from partwise.recipe import load

small = ["model.width=16", "model.context=16", "trainer.steps=3", "trainer.batch_size=2", "trainer.evaluate_every=null",
         "trainer.evaluate_batches=1"]
for name in sys.argv[1:]:
    loaded = load(f"{name}/example", small + (["trainer.schedule=constant"] if "schedule" not in name else []))
    run = workflow.train(loaded, Path("runs") / name, device="cpu")
    print(json.dumps({"name": name, "steps": run.rows()[-1]["step"], "recipe": run.recipe}))
"""


@pytest.fixture(scope="module")
def installed(environment: Environment) -> Environment:
    """An environment with one new plugin for each kind."""
    for kind in PARTS:
        environment.partwise("new", "plugin", f"my-{kind}", "--kind", kind)
    environment.install(*(environment.place / f"my-{kind}" for kind in PARTS))
    return environment


def test_every_new_plugin_loads_with_its_part_and_its_recipe(installed: Environment) -> None:
    plugins = {plugin["namespace"]: plugin for plugin in json.loads(installed.partwise("plugins", "--json"))}
    recipes = installed.partwise("recipes")
    for kind in PARTS:
        plugin = plugins[f"my-{kind}"]
        assert (plugin["problem"], plugin["warning"], plugin["parts"]) == (None, None, 1)
        assert f"my-{kind}/example" in recipes


def test_every_new_part_holds_its_contract(installed: Environment) -> None:
    names = [f"my-{kind}/{part}" for kind, part in PARTS.items()]
    results = json.loads(installed.partwise("verify", *names, "--json"))
    parts = {one["part"].rpartition(" ")[2] for one in results["checks"]} if isinstance(results, dict) else set()
    assert not parts or len(parts) >= len(PARTS)


def test_every_new_part_is_trained_by_its_recipe(installed: Environment) -> None:
    lines = installed.run("-c", TRAIN, *(f"my-{kind}" for kind in PARTS)).splitlines()
    trained = {one["name"]: one for one in map(json.loads, lines)}
    for kind, part in PARTS.items():
        assert trained[f"my-{kind}"]["steps"] == 3
        assert f'"my-{kind}/{part}"' in json.dumps(trained[f"my-{kind}"]["recipe"])


def test_the_tests_of_a_new_plugin_pass(installed: Environment) -> None:
    output = installed.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", cwd=installed.place / "my-norm")
    assert " passed" in output
    assert "failed" not in output


def new(place: Path, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["new", "plugin", *arguments, "--in", str(place)])
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Acme",), "no name for a plugin"),
        (("a/../b",), "no name for a plugin"),
        (("json",), "would hide another one"),
        (("models",), "taken by partwise"),
        (("acme", "--kind", "banana"), "the kinds are attention, block"),
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
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "mine.txt").write_text("mine")
    code, output = new(tmp_path, "acme")
    assert code == 2
    assert "there already" in output
    assert [path.name for path in (tmp_path / "acme").iterdir()] == ["mine.txt"]
