"""What cannot be imported is refused with its name and exit code 2, before a weight is read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from partwise.errors import WorkError
from partwise.huggingface.families import files
from partwise.runs import Run
from partwise.storage.safetensors import StoredTensors
from partwise_cli.main import cli

from .test_convert import checkpoint

Spoil = Callable[[Path], object]
UP, HEAD, EMBEDDING = "model.layers.0.mlp.up_proj.weight", "lm_head.weight", "model.embed_tokens.weight"
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("llama") / "in"
    checkpoint("llama", place)
    return place


def config(**changes: Any) -> Spoil:
    def spoil(place: Path) -> None:
        path = place / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return spoil


def tensor(name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Spoil:
    def spoil(place: Path) -> None:
        tensors = load_file(place / WEIGHTS)
        save_file({**tensors, name: change(tensors[name])}, place / WEIGHTS)

    return spoil


def write(file: str, content: bytes) -> Spoil:
    return lambda place: (place / file).write_bytes(content)


def shards(file_of: dict[str, str], also: dict[str, torch.Tensor] | None = None) -> Spoil:
    """Everything in a.safetensors, and a second file; the index as told."""

    def spoil(place: Path) -> None:
        tensors = load_file(place / WEIGHTS)
        save_file(tensors, place / "a.safetensors")
        save_file(also or {"b": torch.zeros(1)}, place / "b.safetensors")
        (place / WEIGHTS).unlink()
        index = dict.fromkeys(tensors, "a.safetensors") | file_of
        (place / INDEX).write_text(json.dumps({"weight_map": index}))

    return spoil


REFUSED: dict[str, tuple[Spoil, str]] = {
    "gptq": (config(quantization_config={"quant_method": "gptq", "bits": 4}), 'quantization_config ("gptq"): the wei'),
    "fp8": (config(quantization_config={"quant_method": "fp8"}), 'quantization_config ("fp8"): the weights are quant'),
    "quantised by no method": (config(quantization_config={}), "config.json has quantization_config: the weights"),
    "an unknown object, empty": (config(my_knobs={}), "my_knobs is {}"),
    "null": (config(hidden_size=None), "config.json: hidden_size is null, but model.width cannot be null"),
    "too small a vocabulary": (config(vocab_size=9), "config.json: vocab_size does not fit the tokenizer"),
    "no JSON": (write("config.json", b"\xff\xfe{"), "config.json holds no JSON object in UTF-8"),
    "a list": (write("config.json", b"[]"), "config.json holds no JSON object in UTF-8"),
    "no temperature": (
        write("generation_config.json", b'{"do_sample": true, "temperature": NaN}'),
        "generation_config.json: temperature is NaN",
    ),
    "int8": (tensor(HEAD, lambda one: one.to(torch.int8)), f"{HEAD} is int8: the checkpoint is quantised"),
    "float8": (tensor(UP, lambda one: one.to(torch.float8_e4m3fn)), f"{UP} is float8_e4m3fn: the checkpoint is quant"),
    "complex": (tensor(UP, lambda one: one.to(torch.complex64)), f"{UP} is complex64, and weights are float64"),
    "another shape": (tensor(HEAD, lambda one: one[1:].contiguous()), f"{HEAD} (301, 32) in the checkpoint"),
    "no file": (shards({HEAD: "c.safetensors"}), 'names "c.safetensors", which is not a file in the directory; it has'),
    "no name": (shards({HEAD: ""}), 'names "", which is not a file in the directory'),
    "no character": (shards({HEAD: "\0"}), r'names "\u0000", which is not a file in the directory'),
    "promised": (shards({"x.weight": "b.safetensors"}), "names x.weight, and no file that it names holds it"),
    "twice": (shards({HEAD: "b.safetensors"}, {HEAD: torch.zeros(1)}), f"both hold {HEAD}"),
    "no shards": (write(INDEX, b'{"weight_map": {}}'), "has no weight_map"),
    "empty": (write(WEIGHTS, b""), "not a safetensors file: it is empty"),
    "pointer": (write(WEIGHTS, b"version https://git-lfs.github.com/spec/v1\noid"), "git lfs pull fetches the file"),
    "cut short": (lambda place: (place / WEIGHTS).write_bytes((place / WEIGHTS).read_bytes()[:-9]), "it is cut short"),
    "long": (tensor(UP, lambda one: one[:0]), "in the checkpoint, but this model's"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_supported_is_refused_by_name_before_weights_are_read(
    name: str, llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil, message = REFUSED[name]
    shutil.copytree(llama, tmp_path / "in")
    spoil(tmp_path / "in")
    if name == "no shards":
        (tmp_path / "in" / WEIGHTS).unlink()

    def read(self: StoredTensors, name: str) -> torch.Tensor:
        raise AssertionError(f"{name} was read")

    monkeypatch.setattr(StoredTensors, "__getitem__", read)
    done = CliRunner().invoke(cli, ["import", str(tmp_path / "in"), "--out", str(tmp_path / "run")])
    assert done.exit_code == 2, done.output
    assert message in done.output
    assert len(done.output) < 1200
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (config(tie_word_embeddings=True), f"{HEAD} is not equal to {EMBEDDING}"),
        (tensor(UP, lambda one: one.double() * 1e300), f"{UP} has values that are too large for float32"),
    ],
)
def test_what_only_values_tell_leaves_nothing_behind(spoil: Spoil, message: str, llama: Path, tmp_path: Path) -> None:
    shutil.copytree(llama, tmp_path / "in")
    spoil(tmp_path / "in")
    done = CliRunner().invoke(cli, ["import", str(tmp_path / "in"), "--out", str(tmp_path / "run")])
    assert (done.exit_code, message in done.output) == (2, True), done.output
    assert not (tmp_path / "run").exists()


def test_an_import_that_did_not_end_can_be_begun_again(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["import", str(llama), "--out", str(tmp_path / "run")]
    finish = Run.finish
    for error, left in ((WorkError("the disk is full"), 0), (None, 4)):

        def fail(self: Run, model: torch.nn.Module, error: Exception | None = error) -> None:
            if error is not None:
                raise error
            shutil.copytree(self.directory, tmp_path / "killed")  # as it is when a process ends here

        monkeypatch.setattr(Run, "finish", fail)
        done = CliRunner().invoke(cli, command)
        assert error is None or (done.exit_code, str(error) in done.output) == (1, True)
        assert (
            len([path for path in (tmp_path / "run").iterdir() if path.suffix == ".json" and path.stem[0] != "."])
            == left
        )
    monkeypatch.setattr(Run, "finish", finish)
    command[-1] = str(tmp_path / "killed")
    assert CliRunner().invoke(cli, command).exit_code == 0
    done = CliRunner().invoke(cli, command)
    assert (done.exit_code, "holds a run already" in done.output) == (2, True)


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "computed below one": ({"groups": {"count": "0 - model.width", "pieces": [1, 1]}}, "less than 1"),
    "computed rest": (
        {"regroup": {"shape": ["0 - 2", -1], "order": [1, 0]}},
        "which is -2 in this recipe: less than 1",
    ),
    "row before the first": ({"rows": {"begin": "0 - 3"}}, "which is -3 in this recipe: less than 0"),
    "rows beyond the end": ({"rows": {"begin": 9}}, "taken from row 9 on, of 41"),
    "another view": ({"reshape": [3, -1, 1]}, "is (32, 48), and reshape says that it is (3, -1, 1)"),
    "groups that do not divide": ({"groups": {"count": 7, "pieces": [3, 1]}}, "are not 7 (7) groups of pieces"),
}


@pytest.mark.parametrize("name", [*MISTAKES, "another when"])
def test_a_line_of_a_map_that_does_not_fit_is_told_with_its_sizes(name: str, llama: Path, tmp_path: Path) -> None:
    content = json.loads(files()["llama"].read_text()) | {"recipe": "families/llama3-8b"}
    line = next(one for one in content["tensors"] if "feedforward.down" in one["ours"])
    if name in MISTAKES:
        line |= MISTAKES[name][0]
    else:
        content["when"] = {"hidden_size": 7}
    path = tmp_path / "own.weights.json"
    path.write_text(json.dumps(content))
    done = CliRunner().invoke(cli, ["import", str(llama), "--map", str(path), "--out", str(tmp_path / "run")])
    assert done.exit_code == 2, done.output
    assert (MISTAKES[name][1] if name in MISTAKES else 'is for {"hidden_size": 7}') in done.output
