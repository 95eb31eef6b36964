"""Checkpoints in, checkpoints out: nothing is lost, and what cannot be told is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import torch
import transformers
from safetensors.torch import load_file, save_file

import partwise_tokenizers
from partwise import InputError, PartwiseError, workflow
from partwise.data import Batch
from partwise.huggingface.convert import _config, export_run, import_checkpoint
from partwise.huggingface.families import families
from partwise.recipe import load
from partwise.runs import Run
from partwise.runs.manifest import FileEntry, Manifest

TOKENIZER = Path(partwise_tokenizers.__file__).parent / "samples" / "small-tokenizer.json"
V, END = 302, 301
LLAMA: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
STRETCHED = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
CHECKPOINTS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}),
    "gpt2-exact-gelu": (
        "GPT2",
        {"n_embd": 32, "n_layer": 2, "n_head": 2, "activation_function": "gelu", "n_inner": 48},
    ),
    "llama": ("Llama", LLAMA),
    "llama-wide-heads": ("Llama", {**LLAMA, "head_dim": 12, "tie_word_embeddings": True}),
    "llama-stretched": ("Llama", {**LLAMA, "rope_parameters": STRETCHED}),
}

SMALL = (
    "model.width=32",
    "model.depth=2",
    "model.context=32",
    "model.blocks.*.mixer.heads=2",
    "trainer.steps=2",
    "trainer.schedule=constant",
    "trainer.evaluate_batches=1",
)


def trained(place: Path, position: str) -> Run:
    """A small model, trained here for a moment."""
    return workflow.train(load("variants/char-gpt", [*SMALL, f"model.position={position}"]), place, device="cpu")


def model_class(kind: str) -> Any:
    return getattr(transformers, kind + ("LMHeadModel" if kind == "GPT2" else "ForCausalLM"))


def checkpoint(name: str, place: Path, dtype: torch.dtype = torch.float32) -> Any:
    """A checkpoint directory as transformers writes it, with every weight random, and the model it is of."""
    kind, settings = CHECKPOINTS[name]
    config = getattr(transformers, kind + "Config")(vocab_size=V, bos_token_id=END, eos_token_id=END, **settings)
    model = model_class(kind)(config).eval()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            gain = 1.0 if parameter.ndim == 1 and "bias" not in parameter_name else 0.0
            parameter.normal_(std=0.15).add_(gain)
    model = model.to(dtype)
    model.save_pretrained(place)
    shutil.copy(TOKENIZER, place / "tokenizer.json")
    return model


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", CHECKPOINTS)
@torch.no_grad()
def test_what_goes_in_and_out_again_is_the_same_to_the_bit(name: str, dtype: torch.dtype, tmp_path: Path) -> None:
    checkpoint(name, tmp_path / "in", dtype)
    kind = model_class(CHECKPOINTS[name][0])
    run = import_checkpoint(tmp_path / "in", tmp_path / "run")
    tokens = torch.randint(V, (2, 20))
    ours = workflow.reopen(run.directory, "cpu").model(Batch(tokens, tokens))
    theirs = kind.from_pretrained(tmp_path / "in", dtype=torch.float32).eval()
    torch.testing.assert_close(ours, theirs(tokens).logits, rtol=1e-5, atol=2e-5)
    export_run(run.directory, tmp_path / "out")
    before, after = (load_file(tmp_path / place / "model.safetensors") for place in ("in", "out"))
    assert {n: t.dtype for n, t in after.items()} == {n: t.dtype for n, t in before.items()}
    assert all(after[tensor].equal(before[tensor]) for tensor in before)
    first, again = (kind.from_pretrained(tmp_path / place).eval()(tokens).logits for place in ("in", "out"))
    assert again.dtype == dtype
    assert again.equal(first)


def test_an_imported_run_reads_and_writes_text_as_the_checkpoints_own_tokenizer_does(tmp_path: Path) -> None:
    checkpoint("gpt2", tmp_path / "in")
    reopened = workflow.reopen(import_checkpoint(tmp_path / "in", tmp_path / "run").directory, "cpu")
    theirs = tokenizers.Tokenizer.from_file(str(TOKENIZER))
    for text in ("The fox and the grapes.", "naïve 東京 🙂\n\n  x", "<|end|>"):
        assert reopened.tokenizer.encode(text) == theirs.encode(text).ids
        assert reopened.tokenizer.decode(theirs.encode(text).ids) == text
    assert reopened.tokenizer.end == END
    assert "".join(workflow.generate(reopened, "The ", workflow.writing_of(reopened, 8)))


def test_an_imported_run_can_be_judged_on_its_recipes_data(tmp_path: Path) -> None:
    checkpoint("gpt2", tmp_path / "in")
    reopened = workflow.reopen(import_checkpoint(tmp_path / "in", tmp_path / "run").directory, "cpu")
    assert workflow.evaluate(reopened, "valid", limit=1).loss > 1


def test_what_generate_is_told_comes_out_as_it_went_in(tmp_path: Path) -> None:
    checkpoint("gpt2", tmp_path / "in")
    said = {"do_sample": True, "temperature": 0.7, "top_k": 20, "repetition_penalty": 1.05, "pad_token_id": 7}
    for file in ("generation_config.json", "config.json"):
        path = tmp_path / "in" / file
        path.write_text(
            json.dumps({**json.loads(path.read_text()), **(said if "gen" in file else {"pad_token_id": 7})})
        )
    run = import_checkpoint(tmp_path / "in", tmp_path / "run")
    export_run(run.directory, tmp_path / "out")
    settings = [transformers.GenerationConfig.from_pretrained(tmp_path / place) for place in ("in", "out")]
    for key in (*said, "eos_token_id", "bos_token_id"):
        first, again = (getattr(one, key) for one in settings)
        assert first == again, key
    assert json.loads((tmp_path / "out" / "config.json").read_text())["pad_token_id"] == 7


def test_shards_are_read_together(tmp_path: Path) -> None:
    checkpoint("llama", tmp_path / "in")
    tensors = load_file(tmp_path / "in" / "model.safetensors")
    names = sorted(tensors)
    whole = import_checkpoint(tmp_path / "in", tmp_path / "whole")
    (tmp_path / "in" / "model.safetensors").unlink()
    shards = {name: f"model-{i % 2}.safetensors" for i, name in enumerate(names)}
    for file in set(shards.values()):
        save_file({n: tensors[n] for n in names if shards[n] == file}, tmp_path / "in" / file)
    (tmp_path / "in" / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    run = import_checkpoint(tmp_path / "in", tmp_path / "run")
    a, b = (load_file(one.directory / "model.safetensors") for one in (whole, run))
    assert a.keys() == b.keys()
    assert all(a[name].equal(b[name]) for name in a)


def test_an_index_cannot_name_files_elsewhere(tmp_path: Path) -> None:
    checkpoint("llama", tmp_path / "in")
    (tmp_path / "in" / "model.safetensors").rename(tmp_path / "stolen.safetensors")
    (tmp_path / "in" / "model.safetensors.index.json").write_text('{"weight_map": {"x": "../stolen.safetensors"}}')
    with pytest.raises(InputError, match="not a file in the directory"):
        import_checkpoint(tmp_path / "in", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_checkpoints_without_the_head_leave_the_prefix_out(tmp_path: Path) -> None:
    theirs = checkpoint("gpt2", tmp_path / "in")
    theirs.transformer.save_pretrained(tmp_path / "bare")
    shutil.copy(TOKENIZER, tmp_path / "bare" / "tokenizer.json")
    assert "wte.weight" in load_file(tmp_path / "bare" / "model.safetensors")
    runs = [import_checkpoint(tmp_path / place, tmp_path / f"run-{place}") for place in ("in", "bare")]
    a, b = (load_file(run.directory / "model.safetensors") for run in runs)
    assert all(a[name].equal(b[name]) for name in a)


def test_a_run_trained_here_becomes_a_gpt2_for_transformers(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", position="learned")
    assert export_run(run.directory, tmp_path / "out").model_type == "gpt2"
    reopened = workflow.reopen(run.directory, "cpu")
    theirs = transformers.GPT2LMHeadModel.from_pretrained(tmp_path / "out").eval()
    tokens = torch.randint(reopened.tokenizer.vocab_size, (2, 20))
    with torch.no_grad():
        torch.testing.assert_close(reopened.model(Batch(tokens, tokens)), theirs(tokens).logits, rtol=1e-5, atol=1e-5)


def test_adapters_are_merged_into_what_transformers_loads(tmp_path: Path) -> None:
    """A GPT-2 of theirs, imported, with adapters that have learned; logits in transformers are those here."""
    checkpoint("gpt2", tmp_path / "in")
    base = import_checkpoint(tmp_path / "in", tmp_path / "base")
    (tmp_path / "text.txt").write_text("the cat sat on the mat. " * 200)
    recipe = {
        "partwise": 1,
        "name": "adapted",
        "start": {"run": str(base.directory)},
        "adapter": {"use": "lora", "rank": 2, "alpha": 32.0},
        "data": {"use": "text", "files": [str(tmp_path / "text.txt")]},
        "trainer": {"use": "standard", "steps": 4, "batch_size": 2, "optimizer": {"use": "adamw", "lr": 0.01}},
    }
    run = workflow.train(load(recipe), tmp_path / "run", device="cpu")
    assert run.rows()[-1]["valid_loss"] < run.rows()[0]["valid_loss"]
    export_run(run.directory, tmp_path / "out")
    theirs = transformers.GPT2LMHeadModel.from_pretrained(tmp_path / "out").eval()
    reopened = workflow.reopen(run.directory, "cpu")
    tokens = torch.randint(V, (2, 20))
    with torch.no_grad():
        torch.testing.assert_close(reopened.model(Batch(tokens, tokens)), theirs(tokens).logits, rtol=1e-5, atol=1e-5)


def test_a_model_that_no_family_has_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", position="alibi")
    with pytest.raises(InputError, match=r"gpt2: model\.position: learned -> alibi"):
        export_run(run.directory, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", {"model_type": "rwkv"}, "model_type 'rwkv' cannot be imported.*gpt2, .*llama"),
        ("config.json", {}, "does not say which model_type"),
        ("config.json", {"model_type": "gpt2", "add_cross_attention": True}, "add_cross_attention is true"),
        ("config.json", {"model_type": "gpt2", "activation_function": "swish"}, 'has no choice for.*"swish"'),
        ("config.json", {"model_type": "gpt2", "n_embd": 30, "n_head": 4, "vocab_size": V}, "heads"),
        ("tokenizer.json", {"model": {"type": "Unigram", "vocab": {}}}, "not of plain byte-level pairs"),
        ("tokenizer.json", {}, "no tokenizer.json"),
    ],
)
def test_what_is_not_known_is_refused_by_name(file: str, content: Any, message: str, tmp_path: Path) -> None:
    checkpoint("gpt2", tmp_path / "in")
    (tmp_path / "in" / file).write_text(json.dumps(content))
    with pytest.raises(PartwiseError, match=message):
        import_checkpoint(tmp_path / "in", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_weights_that_do_not_fit_the_settings_are_refused_by_name(tmp_path: Path) -> None:
    checkpoint("gpt2", tmp_path / "in")
    config = json.loads((tmp_path / "in" / "config.json").read_text())
    (tmp_path / "in" / "config.json").write_text(json.dumps({**config, "n_layer": 3}))
    with pytest.raises(InputError, match=r"lacks transformer\.h\.2|says nothing"):
        import_checkpoint(tmp_path / "in", tmp_path / "run")


OTHER_SHAPES = [
    (which, shape)
    for which in ("q_proj", "k_proj", "gate_proj", "o_proj")
    for shape in ((), (1,), (16,), (3, 5), (0, 32), (2, 3, 4), (48, 32))
    if (which, shape) != ("gate_proj", (48, 32))
]


@pytest.mark.parametrize(("which", "shape"), OTHER_SHAPES)
def test_a_tensor_of_another_shape_is_refused(which: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    checkpoint("llama", tmp_path / "in")
    tensors = load_file(tmp_path / "in" / "model.safetensors")
    (name,) = [name for name in tensors if f"layers.0.{'mlp' if 'gate' in which else 'self_attn'}.{which}" in name]
    assert tensors[name].shape != shape
    save_file({**tensors, name: torch.zeros(shape)}, tmp_path / "in" / "model.safetensors")
    with pytest.raises(InputError, match=which if which in ("q_proj", "k_proj") else "model's"):
        import_checkpoint(tmp_path / "in", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_rows_that_would_end_in_another_layer_are_refused(tmp_path: Path) -> None:
    checkpoint("llama", tmp_path / "in")
    tensors = load_file(tmp_path / "in" / "model.safetensors")
    layer = "model.layers.0.self_attn."
    tensors |= {f"{layer}q_proj.weight": torch.zeros(16, 32), f"{layer}k_proj.weight": torch.zeros(32, 32)}
    save_file(tensors, tmp_path / "in" / "model.safetensors")
    with pytest.raises(InputError, match=r"q_proj\.weight is \(16, 32\), which does not make 32 rows"):
        import_checkpoint(tmp_path / "in", tmp_path / "run")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda tensor: tensor * torch.nan, "not finite"),
        (lambda tensor: tensor.to(torch.int8), "int8: the checkpoint is quantised"),
        (lambda tensor: tensor.to(torch.float8_e4m3fn), "float8_e4m3fn: the checkpoint is quantised"),
    ],
)
def test_weights_that_would_only_write_nonsense_are_refused(spoil: Any, message: str, tmp_path: Path) -> None:
    checkpoint("gpt2", tmp_path / "in")
    tensors = load_file(tmp_path / "in" / "model.safetensors")
    name = "transformer.wte.weight"
    save_file({**tensors, name: spoil(tensors[name])}, tmp_path / "in" / "model.safetensors")
    with pytest.raises(InputError, match=message):
        import_checkpoint(tmp_path / "in", tmp_path / "run")


def test_a_checkpoint_without_its_tokenizer_is_refused_with_how_to_get_it(tmp_path: Path) -> None:
    checkpoint("gpt2", tmp_path / "in")
    (tmp_path / "in" / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"lacks tokenizer\.json and tokenizer\.model; .*save_pretrained"):
        import_checkpoint(tmp_path / "in", tmp_path / "run")


def test_a_vocab_size_of_null_is_the_tokenizers_own(tmp_path: Path) -> None:
    checkpoint("gpt2", tmp_path / "in")
    config = json.loads((tmp_path / "in" / "config.json").read_text())
    (tmp_path / "in" / "config.json").write_text(json.dumps({**config, "vocab_size": None}))
    assert import_checkpoint(tmp_path / "in", tmp_path / "run").finished


@pytest.mark.parametrize("imported", [[], {"dtype": "load"}, {"dtype": {}}])
def test_what_a_strangers_lock_says_of_the_import_leads_nowhere(imported: Any, tmp_path: Path) -> None:
    checkpoint("gpt2", tmp_path / "in")
    run = import_checkpoint(tmp_path / "in", tmp_path / "run")
    (run.directory / "lock.json").write_text(json.dumps({**run.lock, "imported": imported}))
    manifest = Manifest.read(run.directory)
    manifest.files["lock.json"] = FileEntry.of_file(run.directory / "lock.json")
    manifest.write()
    export_run(run.directory, tmp_path / "out")
    assert {t.dtype for t in load_file(tmp_path / "out" / "model.safetensors").values()} == {torch.float32}


def test_what_sees_both_ways_is_not_exported_as_a_family_that_looks_back() -> None:
    with pytest.raises(InputError, match=r"objective: next_token -> masked; .* see earlier positions only"):
        _config(families()["gpt2"], load("families/gpt2-small", ["objective=masked"]), {})


@pytest.mark.parametrize("name", ["char-rnn", "transformer", "lstm-attention"])
def test_what_a_run_has_no_choice_for_is_not_called_null(name: str) -> None:
    with pytest.raises(InputError, match="this run has no such choice; its model") as caught:
        families()["gpt2"].config.config(load(name).recipe.resolved())
    assert "null" not in str(caught.value)
