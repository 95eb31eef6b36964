"""A plugin from outside the source tree: modules of others as parts, and a kind that the core does not know."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Environment

KIT = Path(__file__).resolve().parents[1] / "fixtures" / "acme-kit"


@pytest.fixture(scope="module")
def installed(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment.install(KIT)
    return environment


def test_its_parts_hold_their_contracts(installed: Environment) -> None:
    installed.partwise("verify", "acme/torch_attention", "acme/llama_mlp", "acme/experts")
    output = installed.partwise("verify", "acme/top_k", "--kind", "router", "-v")
    assert "shares_add_up_to_one" in output  # what the kind's own author asks of it


def test_its_recipe_trains_and_the_run_says_where_every_part_is_from(installed: Environment) -> None:
    installed.partwise("train", "acme/mixture", "--out", "mixture")
    lock = json.loads((installed.place / "mixture" / "lock.json").read_text())
    assert {name for name, part in lock["parts"].items() if part["distribution"] == "acme-kit"} == {
        "attention acme/torch_attention",
        "feedforward acme/experts",
        "feedforward acme/llama_mlp",
        "router acme/top_k",
    }
    assert {part["version"] for name, part in lock["parts"].items() if "acme" in name} == {"0.3.1"}


def test_the_new_kind_is_listed_described_and_checked_like_any_other(installed: Environment) -> None:
    assert "acme/top_k" in installed.partwise("parts", "router")
    schema = json.loads(installed.partwise("schema"))
    assert "A softmax over the few experts" in json.dumps(schema["$defs"]["router.acme.top_k"])
    assert schema["$defs"]["feedforward.acme.experts"]["properties"]["router"]["$ref"] == "#/$defs/router"


def test_a_run_says_that_a_plugin_has_changed_since_it_was_trained(installed: Environment, tmp_path: Path) -> None:
    installed.partwise("train", "acme/mixture", "--out", "older", "--set", "trainer.steps=2")
    lock_file = installed.place / "older" / "lock.json"
    program = "from partwise import workflow; from pathlib import Path; print(workflow.reopen(Path('older')).changes())"
    assert installed.run("-c", program).strip() == "[]"
    module = installed.run("-c", "import acme_kit.mixture as m; print(m.__file__)").strip()
    before = Path(module).read_text()
    try:
        Path(module).write_text(before + "\n# changed\n")
        assert "acme-kit 0.3.1 has other code now" in installed.run("-c", program)
    finally:
        Path(module).write_text(before)
    assert lock_file.exists()
