"""Every setting of a checkpoint is heard: it decides something, has no effect, or is refused by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file

from partwise import InputError, workflow
from partwise.data import Batch
from partwise.huggingface import families as families_module
from partwise.huggingface.arithmetic import computed, refuse_unsolvable, solved
from partwise.huggingface.convert import export_run, import_checkpoint
from partwise.recipe import load

from .own_maps import MAPS, write_map
from .test_convert import END, LLAMA, SMALL, TOKENIZER, V, checkpoint

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
CLASSES = {"starcoder2": "Starcoder2", "smollm3": "SmolLM3", "stablelm": "StableLm"}


@pytest.fixture(autouse=True)
def own_families(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The families that ship, and those of `own_maps`."""
    place = tmp_path_factory.mktemp("families")
    shipped, own = families_module.files(), {name: write_map(place, name) for name in MAPS}
    monkeypatch.setattr(families_module, "files", lambda: {**shipped, **own})
    return place


def random_checkpoint(name: str, place: Path, **settings: Any) -> Any:
    """A checkpoint of one of `own_maps`, its config.json exactly as given here, and the model of transformers."""
    config = getattr(transformers, f"{CLASSES[name]}Config")(
        **{"vocab_size": V, "pad_token_id": None, "bos_token_id": END, "eos_token_id": END, **SIZES, **settings}
    )
    model = getattr(transformers, f"{CLASSES[name]}ForCausalLM")(config).eval()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            parameter.normal_(std=0.2).add_(1.0 if parameter.ndim == 1 and "bias" not in parameter_name else 0.0)
    model.save_pretrained(place)
    shutil.copy(TOKENIZER, place / "tokenizer.json")
    return model


def changed(place: Path, **settings: Any) -> None:
    config = json.loads((place / "config.json").read_text()) | settings
    kept = {key: value for key, value in config.items() if value is not ...}
    (place / "config.json").write_text(json.dumps(kept))


@torch.no_grad()
def equal_logits(run: Path, theirs: Any) -> None:
    tokens = torch.randint(V, (2, 24))
    expected = theirs(tokens).logits
    assert expected.std() > 0.1
    ours = workflow.reopen(run, "cpu").model(Batch(tokens, tokens))
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("starcoder2", {"sliding_window": None}),
        ("starcoder2", {"sliding_window": 5}),
        ("smollm3", {}),
        ("smollm3", {"no_rope_layers": [0, 1, 1, 0]}),
        ("smollm3", {"no_rope_layer_interval": 2}),
        (
            "smollm3",
            {
                "use_sliding_window": True,
                "sliding_window": 5,
                "layer_types": ["sliding_attention", "full_attention"] * 2,
            },
        ),
        ("stablelm", {}),
        ("stablelm", {"use_parallel_residual": True}),
        ("stablelm", {"use_parallel_residual": True, "use_qkv_bias": True}),
    ],
)
def test_models_of_own_maps_equal_transformers_and_return_unchanged(
    name: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    theirs = random_checkpoint(name, tmp_path / "in", **settings)
    run = import_checkpoint(tmp_path / "in", tmp_path / "run")
    equal_logits(run.directory, theirs)
    assert export_run(run.directory, tmp_path / "out").model_type == name
    again = type(theirs).from_pretrained(tmp_path / "out").eval()
    equal_logits(run.directory, again)
    before, after = (load_file(tmp_path / place / "model.safetensors") for place in ("in", "out"))
    assert before.keys() == after.keys()
    assert all(after[tensor].equal(before[tensor]) for tensor in before)


def test_a_list_that_is_left_out_is_computed_from_other_settings(tmp_path: Path) -> None:
    theirs = random_checkpoint("smollm3", tmp_path / "in", no_rope_layer_interval=3)
    assert theirs.config.no_rope_layers == [1, 1, 0, 1]
    changed(tmp_path / "in", no_rope_layers=..., layer_types=...)
    equal_logits(import_checkpoint(tmp_path / "in", tmp_path / "run").directory, theirs)


@pytest.mark.parametrize("value", [None, ...], ids=["null", "absent"])
def test_llama_without_a_number_of_key_value_heads_has_as_many_as_heads(value: Any, tmp_path: Path) -> None:
    config = transformers.LlamaConfig(
        vocab_size=V, bos_token_id=END, eos_token_id=END, **{**LLAMA, "num_key_value_heads": 4}
    )
    theirs = transformers.LlamaForCausalLM(config).eval()
    theirs.save_pretrained(tmp_path / "in")
    shutil.copy(TOKENIZER, tmp_path / "in" / "tokenizer.json")
    changed(tmp_path / "in", num_key_value_heads=value, head_dim=value)
    run = import_checkpoint(tmp_path / "in", tmp_path / "run")
    assert (
        workflow.reopen(run.directory, "cpu").loaded.recipe.resolved()["model"]["blocks"][0]["mixer"]["kv_heads"] == 4
    )


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("llama", {"no_rope_layers": [1, 0]}, r"no_rope_layers is \[1, 0\]"),
        ("llama", {"num_key_value_head": 2}, "num_key_value_head is 2, did you mean 'num_key_value_heads'"),
        ("llama", {"residual_multiplier": 0.2, "logits_scaling": 8.0}, "2 keys that(.|\n)*residual(.|\n)*logits_sc"),
        ("llama", {"quantization_config": {"bits": 4}}, "has quantization_config: the weights are quantised"),
        ("llama", {"is_decoder": True}, "is_decoder is true"),
        ("llama", {"attention_out_dropout": 0.5}, r"attention_out_dropout is 0\.5"),
        ("llama", {"rms_norm_eps": None}, "rms_norm_eps is null, but model.final_norm.eps stays .*cannot be null"),
        ("llama", {"tie_word_embeddings": None}, "tie_word_embeddings is null, but model.tie stays true"),
        ("llama", {"rope_theta": 5000.0}, "says two things: rope_theta is 5000.0"),
        ("llama", {"rope_parameters": {"factor": 8.0}}, "factor is 8.0, but rope_scaling.rope_type"),
        ("llama", {"rope_parameters": {"rope_type": "yarn"}}, "no choice for.*yarn"),
        ("llama", {"hidden_size": "32"}, "config.json sets model.width.*(.|\n)*whole number"),
        ("gpt2", {"activation_function": None}, "no choice for"),
        ("starcoder2", {"sliding_window": ...}, "sliding_window is not there"),
        ("starcoder2", {"hidden_size": ...}, "hidden_size is not there"),
        ("smollm3", {"no_rope_layers": [1, 1]}, "no_rope_layers has 2 values for 4 layers"),
        ("smollm3", {"no_rope_layers": 4}, "no_rope_layers is 4, where a list"),
        ("smollm3", {"layer_types": ["chunked_attention"] * 4}, '"chunked_attention" for layer 0; .*knows "full'),
    ],
)
def test_what_is_not_heard_is_refused_before_weights_are_read(
    name: str, settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    if name in CLASSES:
        random_checkpoint(name, tmp_path / "in")
    else:
        checkpoint(name, tmp_path / "in")
    changed(tmp_path / "in", **settings)
    (tmp_path / "in" / "model.safetensors").unlink()
    with pytest.raises(InputError, match=message) as caught:
        import_checkpoint(tmp_path / "in", tmp_path / "run")
    assert "config.json" in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_what_changes_no_logits_is_allowed(tmp_path: Path) -> None:
    theirs = checkpoint("llama", tmp_path / "in")
    changed(
        tmp_path / "in",
        torch_dtype="float16",
        use_cache=False,
        initializer_range=1.0,
        temperature=0.5,
        task_specific_params={"x": {"y": 1}},
        quantization_config=None,
        pruned_heads={},
        some_dropout=0.0,
        auto_map={"AutoModel": "x.Y"},
        id2label={"0": "a"},
    )
    equal_logits(import_checkpoint(tmp_path / "in", tmp_path / "run").directory, theirs)


@pytest.mark.parametrize("value", [5, None, ...], ids=["5", "null", "absent"])
def test_the_padding_token_goes_in_and_out_again(value: Any, tmp_path: Path) -> None:
    checkpoint("gpt2", tmp_path / "in")
    changed(tmp_path / "in", pad_token_id=value)
    export_run(import_checkpoint(tmp_path / "in", tmp_path / "run").directory, tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config.get("pad_token_id", ...) == value


@pytest.mark.parametrize(
    ("recipe", "changes", "family"),
    [
        ("variants/modern-gpt", [], "llama"),
        ("variants/modern-gpt", ["model.blocks.*.feedforward.ratio=2.0"], "llama"),
        ("variants/modern-gpt", ["model.blocks.*.feedforward.multiple_of=3"], "llama"),
        ("variants/char-gpt", ["model.position=learned", "model.blocks.*.feedforward.ratio=1.5"], "gpt2"),
        ("variants/char-gpt", ["model.position=learned", "model.depth=null"], "gpt2"),
    ],
)
def test_sizes_that_a_recipe_computes_are_exported(
    recipe: str, changes: list[str], family: str, tmp_path: Path
) -> None:
    loaded = load(recipe, [*SMALL, "data.text=source", *changes] if "modern" not in recipe else [*SMALL, *changes])
    run = workflow.train(loaded, tmp_path / "run", device="cpu")
    assert export_run(run.directory, tmp_path / "out").model_type == family
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    reopened = workflow.reopen(run.directory, "cpu")
    tokens = torch.randint(reopened.tokenizer.vocab_size, (2, 20))
    with torch.no_grad():
        torch.testing.assert_close(reopened.model(Batch(tokens, tokens)), theirs(tokens).logits, rtol=1e-5, atol=1e-5)


def test_a_pattern_of_layers_may_be_written_at_any_length(tmp_path: Path) -> None:
    block = {
        "use": "pre_norm",
        "mixer": {"use": "multi_head", "heads": 2},
        "feedforward": {"use": "gelu", "form": "tanh"},
    }
    loaded = load("variants/char-gpt", [*SMALL, "model.position=learned", f"model.blocks={json.dumps([block, block])}"])
    run = workflow.train(loaded, tmp_path / "run", device="cpu")
    assert export_run(run.directory, tmp_path / "out").model_type == "gpt2"


@pytest.mark.parametrize(
    ("text", "value"),
    [("a", 6), ("4 * a", 24), ("a // b.c", 1), ("a ** -0.5", 6**-0.5), ("-(a - 2) % b.c", 0), ("a / 3", 2.0)],
)
def test_arithmetic_on_settings(text: str, value: float) -> None:
    assert computed(text, {"a": 6, "b.c": 4}.__getitem__) == value


@pytest.mark.parametrize(
    "text", ["", "a +", "f(a)", "a[0]", "'x'", "a if b else c", "a == b", "True", "a" * 300, "(" * 99]
)
def test_what_is_no_arithmetic_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected keys"):
        computed(text, lambda key: 1)


@pytest.mark.parametrize("text", ["a // 0", "9 ** 9999999", "0.0 ** -1", "b * 2"])
def test_what_comes_to_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cannot be computed"):
        computed(text, {"a": 1, "b": [1]}.__getitem__)


@pytest.mark.parametrize(
    ("text", "value"),
    [("q ** -0.5", 144), ("q ** -0.5", 200), ("1 / q", 16), ("q - 2", 514), ("a * q / 3", 0.7), ("-q", 3)],
)
def test_a_setting_is_found_again_from_what_is_computed_from_it(text: str, value: float) -> None:
    knob = computed(text, {"a": 5, "q": value}.__getitem__)
    assert solved(text, "q", knob, {"a": 5}.__getitem__) == value


@pytest.mark.parametrize("text", ["q // 2", "q * q", "q % a", "3", "a ** q"])
def test_an_expression_that_loses_its_setting_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"q (cannot be found again|must stand once)"):
        refuse_unsolvable(text, "q")
