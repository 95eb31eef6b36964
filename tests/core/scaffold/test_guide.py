"""What the guide to plugins shows is what there is."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import click
import pytest
from pydantic import PositiveInt

import partwise.scaffold
from partwise.parts import AttentionPart, LayerSite, ModelPart, ModelSite, NormPart, slots
from partwise.parts.plugins import Plugin, load_plugins
from partwise.parts.registry import Registry, using
from partwise.parts.slot import resolve_part
from partwise.scaffold import PARTS
from partwise.testing import all_checks
from partwise.testing.checks import carried, models
from partwise_cli.main import cli

from ...plugged import loaded

TOP = Path(__file__).parents[3]
GUIDE = (TOP / "docs" / "plugins.md").read_text()
KIT = TOP / "tests" / "fixtures" / "acme-kit"
FILES = dict(re.findall(r"`(acme_kit/\w+\.py)`[^`]*?\n\n```python\n(.*?)```", GUIDE, re.DOTALL))
CLASSES = [block for block in re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL) if block.startswith("class")]


def test_the_code_shown_is_that_of_the_worked_examples() -> None:
    assert sorted(path.rpartition("/")[2] for path in FILES) == [
        "experts.py",
        "llama_mlp.py",
        "torch_attention.py",
        "torch_attention_module.py",
    ]
    for path, shown in FILES.items():
        assert shown == (KIT / path).read_text()


def test_a_wrapped_module_takes_fewer_than_thirty_lines_of_code_a_file() -> None:
    for path in ("acme_kit/torch_attention.py", "acme_kit/torch_attention_module.py", "acme_kit/llama_mlp.py"):
        code = re.sub(r'""".*?"""', "", FILES[path], flags=re.DOTALL)
        assert sum(bool(line.strip()) for line in code.splitlines()) < 30


def test_the_kinds_named_are_those_there_are_examples_of() -> None:
    (sentence,) = re.findall(r"`--kind` is one of (.*?)\.", GUIDE, re.DOTALL)
    assert set(re.findall(r"\w+", sentence)) - {"and"} == set(PARTS)


def test_what_authors_are_shown_imports_only_the_public_rooms() -> None:
    templates = Path(partwise.scaffold.__file__).parent / "templates"
    shown = [GUIDE, *(path.read_text() for path in templates.rglob("*.py.txt"))]
    found = {room for text in shown for room in re.findall(r"^\s*(?:from|import) (partwise[\w.]*)", text, re.MULTILINE)}
    assert found == {
        "partwise",
        "partwise.assembly",
        "partwise.data",
        "partwise.evaluation",
        "partwise.metric_names",
        "partwise.modules",
        "partwise.parts",
        "partwise.testing",
        "partwise.training",
    }


def test_every_command_shown_is_one() -> None:
    shown = set(re.findall(r"(?:^|`)partwise ([a-z]+)", GUIDE, re.MULTILINE))
    assert {"new", "verify", "train", "parts", "plugins"} <= shown <= set(cli.list_commands(click.Context(cli)))


def test_the_check_named_as_a_known_failure_is_one() -> None:
    named = set(re.findall(r'"(it_\w+)(?:\[\d\])?"', GUIDE))
    assert named
    assert named <= {check.name for check in all_checks()}


@pytest.mark.parametrize("block", CLASSES, ids=["known failures", "versions"])
def test_the_other_code_shown_runs(block: str) -> None:
    names: dict[str, Any] = {"AttentionPart": AttentionPart, "PositiveInt": PositiveInt}
    exec(block, names)
    part = names["Sinks"]
    if part.version > 1:
        assert part.migrate({"sinks": 3}, 1) == {"count": 3}


def test_a_recipe_writes_the_values_of_the_enumeration_shown_and_build_gets_its_members(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (shown,) = [block for block in re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL) if "(Enum)" in block]
    module = ModuleType("shown")
    monkeypatch.setitem(sys.modules, "shown", module)
    names = vars(module)
    exec(shown, names)
    knobs = re.findall(r'says (\{"use": "acme/shifted".*\})\.', shown)
    (given,) = [{key: value for key, value in json.loads(one).items() if key != "use"} for one in knobs]
    plugin = Plugin("acme", "acme", "acme", "1")
    found = Registry([*load_plugins(), loaded(plugin, [names["Shifted"]])])
    assert [one.problem for one in found.broken] == []
    with using(found):
        part: Any = resolve_part(NormPart, {"use": "acme/shifted", **given})
        assert part.side is names["Side"].BEFORE
        assert part.model_dump(mode="json") == {"use": "acme/shifted", **given}


class LoopedPart(ModelPart):
    """The part of the guide's model, which holds one layer."""

    name = "looped"
    module: ClassVar[Any] = None
    width: PositiveInt = 8
    context: PositiveInt = 16
    block: slots.Block

    def build(self, site: ModelSite) -> Any:
        block = self.block.assemble(LayerSite(width=self.width, context=self.context))
        return self.module(block, self.width, 3, self.context, site.vocabulary)


@pytest.mark.parametrize(
    "check",
    [
        carried.its_hidden_states_give_its_logits,
        carried.what_its_layers_leave_behind_is_kept,
        models.its_loss_is_cross_entropy_of_its_logits,
        models.packed_texts_are_apart,
        models.cached_decoding_equals_one_pass,
        models.padded_prompts_continue_as_they_do_alone,
        models.rows_of_a_decoding_can_be_reordered,
    ],
)
def test_the_model_shown_holds_the_contract(check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (shown,) = [block for block in re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL) if "class Looped" in block]
    names: dict[str, Any] = {}
    exec(shown, names)
    monkeypatch.setattr(LoopedPart, "module", names["Looped"])
    layer = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2, "position": "rope"}}
    check(LoopedPart.model_validate({"block": layer}), ModelSite(vocabulary=13))
