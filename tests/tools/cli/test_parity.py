"""`partwise parity` as programs read it."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from partwise_cli.main import cli


def test_json_has_every_check_and_module_and_the_exit_code_says_whether_all_are_equal(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    right = CliRunner().invoke(cli, ["parity", str(tmp_path), "--json"])
    found = json.loads(right.stdout)
    assert right.exit_code == 0
    assert (found["equal"], found["reduced"], found["first"], len(found["checks"])) == (True, True, None, 5)
    recipe = {"extends": "families/gpt2-small", "name": "other", "model": {"final_norm": "rms_norm"}}
    (tmp_path / "other.json").write_text(json.dumps(recipe))
    refused = CliRunner().invoke(cli, ["parity", str(tmp_path), "--recipe", str(tmp_path / "other.json"), "--json"])
    assert refused.exit_code == 2
    recipe["model"] = {"logit_factor": 2.0}
    (tmp_path / "other.json").write_text(json.dumps(recipe))
    wrong = CliRunner().invoke(cli, ["parity", str(tmp_path), "--recipe", str(tmp_path / "other.json"), "--json"])
    found = json.loads(wrong.stdout)
    assert wrong.exit_code == 1
    assert (found["first"]["differs"], found["first"]["equal"]["theirs"]) == (None, ["transformer.ln_f"])
    assert {one["name"] for one in found["checks"] if not one["equal"]} >= {"logits, float32", "left padding"}
    assert all(one["equal"] for one in found["modules"])
