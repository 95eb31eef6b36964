"""Tokenizers and the ends of texts, out to transformers and back: ids, logits and what is written are equal."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import tokenizers
import torch
import transformers

import partwise_tokenizers
from partwise import InputError, workflow
from partwise.data import Batch, Turn
from partwise.decoding import Writing, generate_texts, source_prompt, text_prompt
from partwise.huggingface.convert import export_run, import_checkpoint
from partwise.huggingface.tokenizer import tokenizer_files
from partwise.parts import TokenizerSite
from partwise.recipe import load
from partwise_sampling.stepwise import Greedy
from partwise_tokenizers.parts import TokenizerJson

from ...plugins.tokenizers.test_added_tokens import metaspace, unigram, wordpiece
from ...plugins.tokenizers.test_library import cohere, deepseek, gemma
from .both_sides import networks
from .test_convert import LLAMA, SMALL, TOKENIZER

SAMPLES = Path(partwise_tokenizers.__file__).parent / "samples"
TEXTS = [
    "The fox and the grapes.",
    "",
    " ",
    "naïve 東京 🙂\n\n  x",
    "<|end|><unk> it's  1,000.5\r\n\tdef f(x):    return",
    " " * 40,
    "e\u0301 \u2581 \x00\x85\u3000",
]
TOKENIZERS: dict[str, Any] = {
    "bpe": {"use": "bpe", "vocab_size": 400},
    "bpe-whole": {"use": "bpe", "vocab_size": 300, "pattern": "none"},
    "tiktoken": {"use": "tiktoken", "ranks": str(SAMPLES / "small.tiktoken"), "pattern": "cl100k"},
    "char": {"use": "char"},
    "word": {"use": "word", "vocab_size": 300, "lowercase": True},
}


def greedy(reopened: Any, prompt: str, limit: int = 12) -> str:
    sampler = load("gpt", ['sampler="greedy"']).recipe.sampler
    return "".join(workflow.generate(reopened, prompt, workflow.writing_of(reopened, limit, sampler)))


def theirs_after(place: Path, prompt: str, limit: int = 12) -> str:
    """What transformers writes after a prompt, left to itself."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(place)
    model = transformers.AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32).eval()
    read = tokenizer(prompt, return_tensors="pt", return_token_type_ids=False)
    written = model.generate(**read, max_new_tokens=limit, do_sample=False)
    return str(tokenizer.decode(written[0, read["input_ids"].shape[1] :], skip_special_tokens=True))


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_run_trained_here_is_read_by_transformers_and_taken_back(name: str, tmp_path: Path) -> None:
    recipe = load("variants/char-gpt", [*SMALL, f"tokenizer={json.dumps(TOKENIZERS[name])}", "model.position=learned"])
    run = workflow.train(recipe, tmp_path / "run", device="cpu")
    export_run(run.directory, tmp_path / "out")
    ours = workflow.reopen(run.directory, "cpu")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    for text in TEXTS:
        ids = ours.tokenizer.encode(text)
        assert theirs.encode(text, add_special_tokens=False) == ids, text
        assert theirs.encode(text) == [ours.tokenizer.end, *ids], text
        if ours.tokenizer.lossless and ours.tokenizer.unknown not in ids:
            assert theirs.decode(ids) == text
    assert len(theirs) == ours.tokenizer.vocab_size
    assert theirs.eos_token_id == ours.tokenizer.end
    if ours.tokenizer.unknown is None:  # transformers leaves unknowns out
        assert greedy(ours, "The").replace("\ufffd", "") == theirs_after(tmp_path / "out", "The").replace("\ufffd", "")

    places = ["own", "theirs"] if "bpe" in name or name == "tiktoken" else ["own"]
    for place in places:
        if place == "theirs":
            (tmp_path / "out" / "partwise_tokenizer.json").unlink()
        back = workflow.reopen(import_checkpoint(tmp_path / "out", tmp_path / place).directory, "cpu")
        assert all(back.tokenizer.encode(text) == ours.tokenizer.encode(text) for text in TEXTS)
        tokens = torch.randint(ours.tokenizer.vocab_size, (2, 20))
        assert back.model(Batch(tokens, tokens)).equal(ours.model(Batch(tokens, tokens)))
        assert greedy(back, "The") == greedy(ours, "The")


def llama(place: Path, eos: int | list[int], template: bool = True) -> None:
    """A checkpoint whose texts begin otherwise than they end."""
    content = json.loads(TOKENIZER.read_text())
    token = content["added_tokens"][0]
    content["added_tokens"].append({**token, "id": 302, "content": "<|begin|>"})
    content["added_tokens"].append({**token, "id": 303, "content": "<|eot|>"})
    begin = {"SpecialToken": {"id": "<|begin|>", "type_id": 0}}
    sequence = {"Sequence": {"id": "A", "type_id": 0}}
    if template:
        content["post_processor"] = {
            "type": "TemplateProcessing",
            "single": [begin, sequence],
            "pair": [begin, sequence, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<|begin|>": {"id": "<|begin|>", "ids": [302], "tokens": ["<|begin|>"]}},
        }
    torch.manual_seed(0)
    config = transformers.LlamaConfig(vocab_size=304, bos_token_id=302, eos_token_id=eos, **LLAMA)
    model = transformers.LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(std=0.15).add_(1.0 if parameter.ndim == 1 and "bias" not in name else 0.0)
    model.generation_config.bos_token_id, model.generation_config.eos_token_id = 302, eos
    model.save_pretrained(place)
    (place / "tokenizer.json").write_text(json.dumps(content))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|begin|>", "eos_token": "<|eot|>"}
    (place / "tokenizer_config.json").write_text(json.dumps(settings))


def test_a_run_keeps_the_chat_template_and_reads_conversations_as_transformers_does(tmp_path: Path) -> None:
    llama(tmp_path / "in", 303, True)
    path = tmp_path / "in" / "tokenizer_config.json"
    template = (
        "{{ bos_token }}{% for m in messages %}{{ m.role }}\n{{ m.content }}{{ eos_token }}\n{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant\n' }}{% endif %}"
    )
    path.write_text(json.dumps({**json.loads(path.read_text()), "chat_template": template}))
    run = workflow.reopen(import_checkpoint(tmp_path / "in", tmp_path / "run").directory, "cpu")
    assert run.run.lock["imported"]["chat"] == {
        "chat_template": template,
        "bos_token": "<|begin|>",
        "eos_token": "<|eot|>",
    }
    turns = [Turn("user", "The fox"), Turn("assistant", "a dog"), Turn("user", "and?")]
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "in").apply_chat_template(
        [vars(turn) for turn in turns], add_generation_prompt=True, return_dict=False
    )
    assert workflow.Chat(run, workflow.writing_of(run, 5))._ids(turns) == theirs


@pytest.mark.parametrize("template", [True, False])
@pytest.mark.parametrize("eos", [303, [301, 303]])
def test_the_first_token_and_the_last_are_the_familys(eos: int | list[int], template: bool, tmp_path: Path) -> None:
    llama(tmp_path / "in", eos, template)
    run = import_checkpoint(tmp_path / "in", tmp_path / "run")
    ours = workflow.reopen(run.directory, "cpu")
    prompt = text_prompt(ours.tokenizer, ["The fox"]).tokens[0].tolist()
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "in")
    assert prompt == theirs("The fox")["input_ids"]
    assert (prompt[0] == 302) == template
    for text in ("The fox", "grapes", "and the"):
        written = greedy(ours, text, 20)
        assert written.replace("\ufffd", "") == theirs_after(tmp_path / "in", text, 20).replace("\ufffd", "")
    export_run(run.directory, tmp_path / "out")
    for file in ("config.json", "generation_config.json"):
        found = json.loads((tmp_path / "out" / file).read_text())
        assert (found["bos_token_id"], found["eos_token_id"]) == (302, eos)
    again = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    assert again("The fox")["input_ids"] == prompt
    (tmp_path / "out" / "partwise_tokenizer.json").unlink()
    back = workflow.reopen(import_checkpoint(tmp_path / "out", tmp_path / "back").directory, "cpu")
    assert back.tokenizer.marks == ours.tokenizer.marks
    assert greedy(back, "The fox") == greedy(ours, "The fox")


def test_every_end_ends_what_is_written(tmp_path: Path) -> None:
    """Each token that the model would write next is made an end, and nothing is written."""
    llama(tmp_path / "in", [301, 303])
    ours = workflow.reopen(import_checkpoint(tmp_path / "in", tmp_path / "run").directory, "cpu")
    prompt = text_prompt(ours.tokenizer, ["The fox"])
    head = ours.model.get_parameter("head.linear.weight")
    state, _ = head.data.clone(), None
    first = int(ours.model(prompt)[0, -1].argmax())
    for end in (301, 303):
        with torch.no_grad():
            head.copy_(state)
            head[end] = 2 * state[first]
        assert "".join(row for (row,) in generate_texts(ours.model, ours.tokenizer, prompt, Writing(Greedy(), 9))) == ""


def checkpoint(place: Path, made: tokenizers.Tokenizer, eos: str, **settings: Any) -> Any:
    """A checkpoint of Llama's form with that tokenizer; gives what transformers loads of it as its tokenizer."""
    specials, size = {"eos_token": eos, **settings}, made.get_vocab_size()
    config = transformers.LlamaConfig(vocab_size=size, bos_token_id=None, eos_token_id=made.token_to_id(eos), **LLAMA)
    torch.manual_seed(0)
    transformers.LlamaForCausalLM(config).save_pretrained(place)
    made.save(str(place / "tokenizer.json"))
    (place / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", **specials}))
    return transformers.AutoTokenizer.from_pretrained(place)


PUBLIC = {
    "deepseek": (deepseek, "<|endoftext|>"),
    "cohere": (cohere, "<|endoftext|>"),
    "llama2": (metaspace, "</s>"),
    "gemma": (gemma, "</s>"),
    "t5": (unigram, "</s>"),
    "bert": (wordpiece, "[SEP]"),
}


@pytest.mark.parametrize("name", PUBLIC)
def test_public_tokenizers_go_out_to_transformers_as_they_came(name: str, tmp_path: Path) -> None:
    make, end = PUBLIC[name]
    theirs = checkpoint(tmp_path / "in", make(), end)
    run = import_checkpoint(tmp_path / "in", tmp_path / "run")
    export_run(run.directory, tmp_path / "out")
    ours = workflow.reopen(run.directory, "cpu").tokenizer
    again = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    (tmp_path / "out" / "partwise_tokenizer.json").unlink()
    back = workflow.reopen(import_checkpoint(tmp_path / "out", tmp_path / "back").directory, "cpu").tokenizer
    for text in (*TEXTS, f"x{end}<|user|> y"):
        assert again.encode(text) == theirs.encode(text, split_special_tokens=True), text
        assert back.encode(text) == ours.encode(text)
        if name == "t5" and end in text:  # a unigram model of that library finds the name among its pieces
            assert ours.end not in ours.encode(text)
        else:
            assert ours.encode(text) == theirs.encode(text, split_special_tokens=True, add_special_tokens=False), text
        prompt = text_prompt(ours, [text], special=True).tokens[0].tolist()
        spoken = theirs.encode(text)
        assert [*prompt, *ours.after_source] == spoken or not text, text
    assert (back.marks, back.lossless) == (ours.marks, ours.lossless)
    assert len(again) == ours.vocab_size


def test_a_checkpoint_with_a_sentencepiece_model_only_is_read_and_goes_out_with_a_tokenizer_json(
    tmp_path: Path,
) -> None:
    config = transformers.LlamaConfig(vocab_size=432, bos_token_id=1, eos_token_id=2, **LLAMA)
    transformers.LlamaForCausalLM(config).save_pretrained(tmp_path / "in")
    shutil.copy(SAMPLES / "public.model", tmp_path / "in" / "tokenizer.model")
    run = import_checkpoint(tmp_path / "in", tmp_path / "run")
    export_run(run.directory, tmp_path / "out")
    ours = workflow.reopen(run.directory, "cpu").tokenizer
    (tmp_path / "out" / "partwise_tokenizer.json").unlink()
    back = workflow.reopen(import_checkpoint(tmp_path / "out", tmp_path / "back").directory, "cpu").tokenizer
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(SAMPLES / "public.model"))
    assert ours.vocab_size == 432
    for text in TEXTS:
        assert ours.encode(text) == back.encode(text) == pieces.encode(text), text
        assert theirs.encode(text) == [1, *ours.encode(text)], text
    assert back.marks == ours.marks


@pytest.mark.parametrize(
    "content", [{}, {"partwise_tokenizer": 2}, {"partwise_tokenizer": 1, "part": "x", "state": {}}]
)
def test_a_tokenizer_of_ours_that_is_not_as_written_is_told(content: Any, tmp_path: Path) -> None:
    llama(tmp_path / "in", 303)
    (tmp_path / "in" / "partwise_tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"partwise_tokenizer\.json is not as export writes it"):
        import_checkpoint(tmp_path / "in", tmp_path / "run")
    assert not (tmp_path / "run").exists()


# Every family that has a recipe

WORDS = [
    "zero",
    "the",
    "fox",
    "and",
    "grapes",
    "a",
    "an",
    "of",
    "he",
    "she",
    "it",
    "was",
    "is",
    "not",
    "sour",
    "high",
    "jump",
    "reach",
    "far",
    "near",
    "tree",
    "vine",
    "said",
    "away",
]
WITH_BEGIN = {"llama3", "mistral", "gemma2"}


def family_tokenizer(place: Path, config: Any, before: bool, after: bool) -> Any:
    """61 words as tokens for transformers; beside them, what the family's own files say of beginning and end."""
    vocabulary = {word: rank for rank, word in enumerate(["<pad>", "</s>", "<s>", "<unk>", *WORDS])}
    vocabulary |= {f"w{rank}": rank for rank in range(len(vocabulary), 61)}
    special = [(1, "</s>"), (2, "<s>"), (0, "<pad>"), (3, "<unk>")]
    single = [{"SpecialToken": {"id": "<s>", "type_id": 0}}] * before + [{"Sequence": {"id": "A", "type_id": 0}}]
    single += [{"SpecialToken": {"id": "</s>", "type_id": 0}}] * after
    content = {
        "version": "1.0",
        "added_tokens": [
            {"id": token, "content": name, "special": True, "single_word": False}
            | {"lstrip": False, "rstrip": False, "normalized": False}
            for token, name in sorted(special)
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": single,
            "pair": [*single, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {
                name: {"id": name, "ids": [token], "tokens": [name]} for token, name in ((1, "</s>"), (2, "<s>"))
            },
        },
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"},
    }
    place.mkdir()
    (place / "tokenizer.json").write_text(json.dumps(content))
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    (place / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", **names}))
    config.save_pretrained(place)
    return TokenizerJson().assemble(TokenizerSite(lambda: iter(()), place))


@pytest.mark.parametrize("name", ["gemma2", "gptj"])
def test_text_written_equals_transformers_text(name: str, tmp_path: Path) -> None:
    theirs, ours = networks(name, 61)
    theirs.config.bos_token_id, theirs.config.eos_token_id = 2, [1, 2]
    theirs.generation_config = transformers.GenerationConfig(bos_token_id=2, eos_token_id=[1, 2], pad_token_id=0)
    tokenizer = family_tokenizer(tmp_path / name, theirs.config, name in WITH_BEGIN, after=False)
    auto = transformers.AutoTokenizer.from_pretrained(tmp_path / name)
    for text in ("the fox", "grapes of the vine", "it was not"):
        read = auto(text, return_tensors="pt", return_token_type_ids=False)
        written = theirs.generate(**read, max_new_tokens=12, do_sample=False)[0, read["input_ids"].shape[1] :]
        expected = auto.decode(written, skip_special_tokens=True)
        pieces = generate_texts(ours, tokenizer, text_prompt(tokenizer, [text]), Writing(Greedy(), 12))
        assert "".join(piece for (piece,) in pieces).replace("\ufffd", "").split() == expected.split()


def test_pairs_begin_with_their_start_and_sources_end_as_the_familys_do(tmp_path: Path) -> None:
    theirs, ours = networks("t5", 61)
    theirs.config.eos_token_id, theirs.config.decoder_start_token_id = 1, 0
    theirs.generation_config = transformers.GenerationConfig(eos_token_id=1, pad_token_id=0, decoder_start_token_id=0)
    tokenizer = family_tokenizer(tmp_path / "t5", theirs.config, before=False, after=True)
    assert (tokenizer.start, tokenizer.after_source) == (0, (1,))
    auto = transformers.AutoTokenizer.from_pretrained(tmp_path / "t5")
    texts = ["the fox said it was sour", "grapes"]
    read = auto(texts, return_tensors="pt", padding=True, return_token_type_ids=False)
    prompt = source_prompt(tokenizer, texts)
    assert prompt.source is not None
    assert prompt.source[0].tolist() == read["input_ids"][0].tolist()
    written = theirs.generate(**read, max_new_tokens=12, do_sample=False)
    expected = [auto.decode(row, skip_special_tokens=True) for row in written]
    rows = zip(*generate_texts(ours, tokenizer, prompt, Writing(Greedy(), 12)), strict=True)
    assert ["".join(row).replace("\ufffd", "").split() for row in rows] == [row.split() for row in expected]


def test_a_tokenizer_of_a_plugin_without_their_form_is_kept_for_us(tmp_path: Path) -> None:
    class Plain:
        end, unknown, vocab_size = 0, None, 2

        def to_json(self) -> dict[str, Any]:
            return {"x": 1}

    files = tokenizer_files(load("gpt"), Plain())  # type: ignore[arg-type]
    assert set(files) == {"partwise_tokenizer.json", "generation_config.json"}
    assert files["generation_config.json"]["eos_token_id"] == 0
