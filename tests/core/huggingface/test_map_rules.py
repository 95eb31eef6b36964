"""A map is checked like a recipe: each mistake with its place, by `partwise check` and before anything is imported."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from partwise import InputError, PartwiseError
from partwise.huggingface import families as families_module
from partwise.huggingface.convert import export_run, import_checkpoint
from partwise.huggingface.families import files
from partwise.huggingface.map_rules import check_map
from partwise_cli.main import cli

from .own_maps import MAPS, STARCODER2, write_map
from .test_convert import checkpoint, trained

LLAMA = json.loads(files()["llama"].read_text())
GPT2 = json.loads(files()["gpt2"].read_text())
Spoil = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize("name", [*files(), *MAPS])
def test_good_maps_hold(name: str, tmp_path: Path) -> None:
    check_map(files()[name] if name in files() else write_map(tmp_path, name))


def entry(content: dict[str, Any], ours: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in content["tensors"] if ours in one["ours"])
    return found


def put(*path: Any, value: Any) -> Spoil:
    """Sets what is at a path of the map."""

    def spoil(content: dict[str, Any]) -> None:
        place: Any = content
        for segment in path[:-1]:
            place = place[segment]
        place[path[-1]] = value

    return spoil


def add(**line: Any) -> Spoil:
    return lambda content: content["tensors"].append(line)


def change(which: str, /, **changes: Any) -> Spoil:
    return lambda content: entry(content, which).update(changes)


PROJECT = "mixer.project.linear.weight"
SPOILED: dict[str, tuple[Spoil, str]] = {
    "fused where ours is one": (
        change("mixer.output.weight", theirs=["a.{i}.x", "a.{i}.y"]),
        "2 of theirs .* cannot be joined into .*mixer.output.weight, which is one layer",
    ),
    "fused of another number": (
        change(PROJECT, theirs=["a.{i}.x", "a.{i}.y"]),
        "2 of theirs .* which is made of 3 layers",
    ),
    "path in regroup": (
        change(PROJECT, regroup={"shape": ["model.blocks.0.mixer.haeds", -1], "order": [1, 0]}),
        "no 'haeds', did you mean 'heads'",
    ),
    "text in regroup": (
        change(PROJECT, regroup={"shape": ["model.blocks.0.mixer.backend", -1], "order": [1, 0]}),
        "backend is no number in the recipe",
    ),
    "null in regroup": (change(PROJECT, regroup={"shape": [None, -1], "order": [1, 0]}), "shape.0: expected .*null"),
    "order": (change(PROJECT, regroup={"shape": [2, -1], "order": [1, 1]}), "order has each axis of shape once"),
    "order too short": (change(PROJECT, regroup={"shape": [2, -1], "order": [0]}), r"once \(0, 1\), got \[0\]"),
    "two rests": (change(PROJECT, regroup={"shape": [-1, -1], "order": [1, 0]}), "only one size can be the rest"),
    "size of zero": (change(PROJECT, regroup={"shape": [0, -1], "order": [1, 0]}), "a size is 1 or more"),
    "two entries": (
        add(ours="stack.final_norm.weight", theirs="x"),
        "two entries fill stack.final_norm.weight: this one and tensors.1",
    ),
    "one of theirs twice": (change(PROJECT, theirs=["a.{i}", "a.{i}", "b.{i}"]), "one of theirs twice"),
    "null path": (put("config", "settings", 0, "at", value=None), "at: expected an array.*got null"),
    "null in a path": (put("config", "settings", 0, "at", value=[None]), "at.0: expected a string, got null"),
    "path": (put("config", "settings", 0, "at", value=["model.widht"]), "no 'widht', did you mean 'width'"),
    "empty path": (put("config", "settings", 0, "at", value=["model..width"]), "names with dots between"),
    "path in set": (put("config", "choices", 0, 0, "set", value={"model.positon": "rope"}), "did you mean 'position'"),
    "part in set": (put("config", "choices", 0, 0, "set", value={"model.position": "roep"}), "did you mean 'rope'"),
    "null ours": (change(PROJECT, ours=None), "ours: expected an array.*null"),
    "no theirs": (change(PROJECT, theirs=[]), "theirs: .*not empty"),
    "number for a name": (change(PROJECT, theirs=[1]), "theirs.0: expected a string, got 1"),
    "placeholder": (
        change(PROJECT, theirs="a.{layer}.x"),
        "{i} stands for a layer, and {e} for an expert, got 'a.{layer}.x'",
    ),
    "layers of theirs only": (add(ours="head.linear.bias", theirs="a.{i}"), "theirs are of a layer"),
    "misspelt tensor": (
        change("mixer.output.weight", ours="stack.blocks.{i}.mixer.outptu.weight"),
        "no model of this family has .*outptu.weight; the nearest it has: stack.blocks.{i}.mixer.output.weight",
    ),
    "tensor that none fills": (
        lambda content: content["tensors"].remove(entry(content, "mixer.output.weight")),
        r"no entry fills this model's stack\.blocks\.0\.mixer\.output\.weight",
    ),
    "unknown key": (put("tensor", value=[]), "unknown key 'tensor' of a family, did you mean 'tensors'"),
    "unknown key of an entry": (change(PROJECT, their="x"), "unknown key 'their' of a weight entry"),
    "no tensors": (lambda content: content.pop("tensors"), "a family needs 'tensors'"),
    "version": (put("partwise_weights", value=2), "partwise_weights: expected 1, got 2"),
    "recipe": (put("recipe", value="families/llama3-9b"), "did you mean 'families/llama3-8b'"),
    "null recipe": (put("recipe", value=None), "recipe: expected a string, got null"),
    "empty choice": (put("config", "choices", 0, value=[]), "not empty"),
    "default": (put("config", "settings", 0, "default", value={"compute": "1"}), 'expected a value, or {"computed"'),
    "no arithmetic": (put("config", "settings", 0, "default", value={"computed": "f(x)"}), "expected keys of config"),
    "unknown in arithmetic": (
        put("config", "settings", 0, "default", value={"computed": "2 * head_dims"}),
        "'head_dims' is no key that this map names, did you mean 'head_dim'",
    ),
    "fixed and a setting": (put("config", "fixed", "head_dim", value=1), "head_dim is fixed, and a setting as well"),
    "setting twice": (
        lambda content: content["config"]["settings"].append({"key": "head_dim", "at": ["model.context"]}),
        "head_dim has a setting already",
    ),
    "transpose": (change(PROJECT, transpose="yes"), 'transpose: expected true or false, got "yes"'),
    "alias of an alias": (
        put("config", "aliases", "theta", value="rope_parameters.rope_theta"),
        "an alias stands for a key that is none itself",
    ),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_mistake_in_a_map_is_shown_at_its_place(name: str, tmp_path: Path) -> None:
    spoil, message = SPOILED[name]
    content = copy.deepcopy(LLAMA)
    spoil(content)
    (tmp_path / "mine.weights.json").write_text(json.dumps(content, indent=1))
    result = CliRunner().invoke(cli, ["check", str(tmp_path / "mine.weights.json")])
    assert result.exit_code == 2, result.output
    with pytest.raises(InputError, match=message) as caught:
        check_map(tmp_path / "mine.weights.json")
    assert str(caught.value) == result.output.strip()
    assert "mine.weights.json" in result.output
    assert "^" in result.output


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"a": 1, "a": 2}', "\xff"])
def test_what_is_no_map_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "mine.weights.json").write_bytes(text.encode("latin1"))
    result = CliRunner().invoke(cli, ["check", str(tmp_path / "mine.weights.json")])
    assert result.exit_code == 2
    assert "mine.weights.json" in result.output


def with_maps(monkeypatch: pytest.MonkeyPatch, **more: Path) -> None:
    every = {**families_module.files(), **more}
    monkeypatch.setattr(families_module, "files", lambda: dict(sorted(every.items())))


@pytest.mark.parametrize("text", ["{", "[]", '{"model_type": "starcoder2"}', json.dumps({**STARCODER2, "tensors": 1})])
def test_a_broken_map_breaks_its_own_family_only(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "starcoder2.weights.json").write_text(text)
    with_maps(monkeypatch, starcoder2=tmp_path / "starcoder2.weights.json")
    checkpoint("gpt2", tmp_path / "in")
    run = import_checkpoint(tmp_path / "in", tmp_path / "run")
    assert export_run(run.directory, tmp_path / "out").model_type == "gpt2"
    (tmp_path / "in" / "config.json").write_text('{"model_type": "starcoder2"}')
    with pytest.raises(PartwiseError, match=r"starcoder2\.weights\.json"):
        import_checkpoint(tmp_path / "in", tmp_path / "run2")
    with pytest.raises(PartwiseError, match=r"starcoder2\.weights\.json"):
        export_run(run.directory, tmp_path / "out2", "starcoder2")
    (tmp_path / "in" / "config.json").write_text('{"model_type": "gpt3"}')
    with pytest.raises(PartwiseError, match=r"did you mean 'gpt2'(.|\n)*starcoder2\.weights\.json is broken"):
        import_checkpoint(tmp_path / "in", tmp_path / "run3")


STRUCTURAL = ["fused where ours is one", "fused of another number", "misspelt tensor", "tensor that none fills"]


@pytest.mark.parametrize("name", [*STRUCTURAL, "two entries", "order", "path in regroup", "null path", "path"])
def test_an_import_with_a_mistaken_map_names_the_map_before_weights_are_read(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = copy.deepcopy(LLAMA)
    SPOILED[name][0](content)
    (tmp_path / "llama.weights.json").write_text(json.dumps(content, indent=1))
    with_maps(monkeypatch, llama=tmp_path / "llama.weights.json")
    checkpoint("llama", tmp_path / "in")
    (tmp_path / "in" / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"llama\.weights\.json"):
        import_checkpoint(tmp_path / "in", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def renamed(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.replace("0.attn.c_proj.weight", "0.attn.c_porj.weight"): one for name, one in tensors.items()}


def test_tensors_that_do_not_meet_are_named_on_both_sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint("gpt2", tmp_path / "in")
    weights = tmp_path / "in" / "model.safetensors"
    tensors = load_file(weights)
    name = "transformer.h.0.attn.c_proj.weight"

    def refused(message: str, **changed: torch.Tensor) -> None:
        save_file({**tensors, **changed}, weights)
        with pytest.raises(InputError, match=message):
            import_checkpoint(tmp_path / "in", tmp_path / "run")

    refused(r"extra.*gpt2\.weights\.json has no entry.*nearest in the map", **{"transformer.h.0.extra": torch.ones(2)})
    refused(
        rf"{name} \(32, 96\), which becomes \(96, 32\) .* stack\.blocks\.0\.mixer\.output\.weight is \(32, 32\)",
        **{name: torch.ones(32, 96)},
    )
    refused(
        r"h\.0\.attn\.c_attn\.weight \(1, 96, 32\).* stack\.blocks\.0\.mixer\.project\.linear\.weight is \(96, 32\)",
        **{"transformer.h.0.attn.c_attn.weight": torch.ones(1, 96, 32)},
    )
    save_file(renamed(tensors), weights)
    with pytest.raises(InputError, match=r"lacks .*h\.0\.attn\.c_proj\.weight, .*output\.weight; the nearest .*c_porj"):
        import_checkpoint(tmp_path / "in", tmp_path / "run")
    content = copy.deepcopy(GPT2)
    content["tensors"].append({"ours": "stack.blocks.{i}.mixer.oputput.gain", "theirs": "transformer.h.{i}.gain"})
    (tmp_path / "gpt2.weights.json").write_text(json.dumps(content))
    with_maps(monkeypatch, gpt2=tmp_path / "gpt2.weights.json")
    refused(
        r"h\.0\.gain; the entry of gpt2\.weights\.json for it fills stack\.blocks\.0\.mixer\.oputput\.gain, which this "
        r"model does not have; the nearest in this model are stack\.blocks\.0\.mixer\.output",
        **{"transformer.h.0.gain": torch.ones(2)},
    )


def test_cut_rows_name_the_tensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = copy.deepcopy(LLAMA)
    gate, up = (entry(content, f"feedforward.{name}.weight") for name in ("gate", "up"))
    content["tensors"].remove(up)
    gate["ours"], gate["theirs"] = [gate["ours"], up["ours"]], "model.layers.{i}.mlp.gate_up.weight"
    (tmp_path / "llama.weights.json").write_text(json.dumps(content))
    check_map(tmp_path / "llama.weights.json")
    with_maps(monkeypatch, llama=tmp_path / "llama.weights.json")
    checkpoint("llama", tmp_path / "in")
    weights = tmp_path / "in" / "model.safetensors"
    tensors = load_file(weights)
    for i in range(2):
        two = [tensors.pop(f"model.layers.{i}.mlp.{name}_proj.weight") for name in ("gate", "up")]
        tensors[f"model.layers.{i}.mlp.gate_up.weight"] = torch.cat(two)
    save_file(tensors, weights)
    run = import_checkpoint(tmp_path / "in", tmp_path / "run")
    export_run(run.directory, tmp_path / "out")
    after = load_file(tmp_path / "out" / "model.safetensors")
    assert all(after[name].equal(tensors[name]) for name in tensors)
    save_file({**tensors, "model.layers.1.mlp.gate_up.weight": torch.ones(1, 96, 32)}, weights)
    with pytest.raises(
        InputError,
        match=r"layers\.1\.mlp\.gate_up\.weight is \(1, 96, 32\), where this model's stack\.blocks\.1\.feedforward\."
        r"gate\.weight \+ stack\.blocks\.1\.feedforward\.up\.weight need 48 \+ 48 rows",
    ):
        import_checkpoint(tmp_path / "in", tmp_path / "run2")


def test_transposed_pieces_are_joined_and_cut_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = copy.deepcopy(LLAMA)
    entry(content, PROJECT)["transpose"] = True
    (tmp_path / "llama.weights.json").write_text(json.dumps(content))
    with_maps(monkeypatch, llama=tmp_path / "llama.weights.json")
    checkpoint("llama", tmp_path / "in")
    weights = tmp_path / "in" / "model.safetensors"
    tensors = load_file(weights)
    tensors = {
        name: one.T.contiguous() if "self_attn" in name and "o_proj" not in name else one
        for name, one in tensors.items()
    }
    save_file(tensors, weights)
    export_run(import_checkpoint(tmp_path / "in", tmp_path / "run").directory, tmp_path / "out")
    after = load_file(tmp_path / "out" / "model.safetensors")
    assert all(after[name].equal(tensors[name]) for name in tensors)


def test_one_of_theirs_cannot_be_two_of_ours_that_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = copy.deepcopy(GPT2)
    entry(content, "stack.final_norm.weight")["theirs"] = "transformer.h.0.ln_1.weight"
    (tmp_path / "gpt2.weights.json").write_text(json.dumps(content))
    run = trained(tmp_path / "run", position="learned")
    with_maps(monkeypatch, gpt2=tmp_path / "gpt2.weights.json")
    with pytest.raises(InputError, match=r"h\.0\.ln_1\.weight has to hold stack\.final_norm\.weight and another"):
        export_run(run.directory, tmp_path / "out")
    assert not (tmp_path / "out").exists()
