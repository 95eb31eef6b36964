"""A plugin from outside the source tree: modules of others as parts, and a kind that the core does not know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import ACME, LONG_OF_ACME, Environment

CHANGES = """
import sys
from pathlib import Path
from partwise import workflow

print(workflow.reopen(Path(sys.argv[1])).changes())
"""


@pytest.fixture(scope="module")
def mixture(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of its recipe."""
    place = tmp_path_factory.mktemp("run") / "mixture"
    environment.partwise("train", "acme/mixture", "--out", place)
    return place


def test_its_parts_hold_their_contracts(verified: dict[str, list[dict[str, Any]]]) -> None:
    for part in set(ACME) - set(LONG_OF_ACME):
        outcomes = {one["check"]: one["outcome"] for one in verified[f"acme/{part}"]}
        assert outcomes["it_compiles_to_one_graph"] == "passed"
        assert "failed" not in outcomes.values()
        assert ("shares_add_up_to_one" in outcomes) == (part == "top_k")  # what the kind's own author asks of it


@pytest.mark.exhaustive
def test_its_modules_of_torch_and_transformers_hold_theirs(environment: Environment) -> None:
    names = [f"acme/{part}" for part in LONG_OF_ACME]
    said = json.loads(environment.partwise("verify", *names, "--jobs", "2", "--json"))
    assert said["counts"]["failed"] == 0
    compiled = [one["outcome"] for one in said["results"] if one["check"] == "it_compiles_to_one_graph"]
    assert compiled == ["passed"] * len(names)


def test_its_recipe_trains_and_the_run_says_where_every_part_is_from(mixture: Path) -> None:
    lock = json.loads((mixture / "lock.json").read_text())
    assert {name for name, part in lock["parts"].items() if part["distribution"] == "acme-kit"} == {
        "attention acme/torch_attention",
        "feedforward acme/experts",
        "feedforward acme/llama_mlp",
        "gate acme/top_k",
    }
    assert {part["version"] for name, part in lock["parts"].items() if "acme" in name} == {"0.3.1"}


def test_the_new_kind_is_listed_described_and_checked_like_any_other(environment: Environment) -> None:
    assert "acme/top_k" in environment.partwise("parts", "gate")
    schema = json.loads(environment.partwise("schema"))
    assert "A softmax over the few experts" in json.dumps(schema["$defs"]["gate.acme.top_k"])
    assert schema["$defs"]["feedforward.acme.experts"]["properties"]["gate"]["$ref"] == "#/$defs/gate"


def test_a_run_says_that_a_plugin_has_changed_since_it_was_trained(environment: Environment, mixture: Path) -> None:
    assert environment.run("-c", CHANGES, mixture).strip() == "[]"
    (module,) = environment.place.glob("venv/**/acme_kit/mixture.py")
    before = module.read_text()
    try:
        module.write_text(before + "\n# changed\n")
        assert "acme-kit 0.3.1 has other code now" in environment.run("-c", CHANGES, mixture)
    finally:
        module.write_text(before)
