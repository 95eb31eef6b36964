"""Many prompts at once, against each of them alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from partwise import InputError
from partwise.assembly.build import assemble
from partwise.decoding import Decoder, Wanted, Writing, compile_steps, generate_many, generate_text, rows_can_change
from partwise.modules import Model
from partwise.parts import ModelPart, ModelSite, SamplerPart, resolve_part

from .writing import ByteTokenizer, Summing

PROMPTS = ["a", "abbabbaabbab", "", "bb", "ababab", "b" * 30, "aab", "ba" * 7, "a", "abab"]
MIXERS: dict[str, Any] = {
    "attention": {"use": "multi_head", "heads": 2},
    "a window": {"use": "multi_head", "heads": 2, "window": 5},
    "latent attention": {"use": "latent", "heads": 2, "kv_rank": 8},
    "gru": "gru",
    "mamba2": {"use": "mamba2", "head_width": 8},
    "delta_net": {"use": "delta_net", "heads": 2},
    "hyena": "hyena",
}


def model_of(mixer: Any, position: str = "rope", context: int = 24) -> Model:
    blocks = [{"use": "pre_norm", "mixer": mixer, "feedforward": "gelu"}]
    sharp = {"use": "normal", "std": 0.4}
    choice = {"width": 16, "depth": 2, "context": context, "position": position, "initializer": sharp, "blocks": blocks}
    model = assemble(
        resolve_part(ModelPart, {"use": "language_model", **choice}), ModelSite(ByteTokenizer.vocab_size), 3
    )
    model.eval()
    return model


def pair_model() -> Model:
    layer = {"use": "pre_norm", "mixer": MIXERS["attention"], "feedforward": "gelu"}
    stacks = {"encoder": [layer], "decoder": [{**layer, "cross": MIXERS["attention"]}]}
    choice = {"use": "seq2seq", "width": 16, "context": 24, "initializer": {"use": "normal", "std": 0.4}, **stacks}
    model = assemble(resolve_part(ModelPart, choice), ModelSite(ByteTokenizer.vocab_size), 3)
    model.eval()
    return model


def sampler_of(choice: Any) -> Any:
    return resolve_part(SamplerPart, choice).assemble(None)


def both(
    model: Model, sampler: Any, limit: int, rows: int = 3, pairs: bool = False, prompts: list[str] = PROMPTS
) -> tuple[dict[int, str], dict[int, str]]:
    """Many at once, and each alone."""
    wanted = [Wanted(prompt, seed) for seed, prompt in enumerate(prompts)]
    writing = Writing(sampler, limit, stop=["abb", "€"], pairs=pairs)
    tokenizer = ByteTokenizer()
    many = dict(generate_many(model, tokenizer, wanted, writing, rows))
    alone = {
        index: "".join(generate_text(model, tokenizer, one.prompt, writing, one.seed))
        for index, one in enumerate(wanted)
    }
    return many, alone


@pytest.mark.parametrize("mixer", MIXERS)
def test_each_text_is_what_it_is_alone(mixer: str) -> None:
    """Beyond the context too, where a window begins anew."""
    position = "rope" if "attention" in mixer or "window" in mixer else "none"
    many, alone = both(model_of(MIXERS[mixer], position), sampler_of("temperature"), 30)
    assert many == alone
    assert len({len(text) for text in alone.values()}) > 3, "they end at different times"


@pytest.mark.parametrize("position", ["learned", "alibi", "t5_bias", "sinusoidal"])
def test_positions_are_counted_from_the_beginning_of_each_text(position: str) -> None:
    many, alone = both(model_of(MIXERS["attention"], position), sampler_of({"use": "top_k", "k": 4}), 20, rows=4)
    assert many == alone


@pytest.mark.parametrize("sampler", ["greedy", "temperature", "repetition_penalty", {"use": "beam", "width": 2}])
def test_every_sampler_writes_as_it_does_alone(sampler: Any) -> None:
    many, alone = both(model_of(MIXERS["attention"]), sampler_of(sampler), 12)
    assert many == alone


def test_a_model_of_pairs_answers_sources_of_unequal_length() -> None:
    many, alone = both(
        pair_model(), sampler_of("temperature"), 40, 4, True, [prompt[:20] for prompt in PROMPTS if prompt]
    )
    assert many == alone


@pytest.mark.parametrize("rows", [1, 2, 10, 99])
def test_any_number_of_rows_writes_the_same(rows: int) -> None:
    many, alone = both(model_of(MIXERS["attention"]), sampler_of("temperature"), 9, rows)
    assert many == alone


def test_a_text_that_ends_makes_room_at_once() -> None:
    model, steps = model_of(MIXERS["attention"]), list[int]()
    plain = model.step

    def step(tokens: Tensor, decoding: Any) -> Tensor:
        steps.append(len(tokens))
        return plain(tokens, decoding)

    model.step = step  # type: ignore[method-assign]
    lengths = [18, 2, 2, 2, 2, 2, 2, 2, 2]

    class Counting:
        def generate(self, decoder: Decoder, limit: int, generator: torch.Generator) -> Iterator[Tensor]:
            for _ in range(lengths[generator.initial_seed()]):
                token = torch.tensor([1])
                yield token
                decoder.advance(token)

    wanted = [Wanted("a", seed) for seed in range(len(lengths))]
    found = list(generate_many(model, ByteTokenizer(), wanted, Writing(Counting(), 20), rows=2))
    assert [len(text) for _, text in sorted(found)] == lengths
    assert len(steps) < sum(lengths) * 2 / 3, "the short ones are written beside the long one"


def test_a_compiled_step_writes_the_same() -> None:
    torch.compiler.reset()
    model = model_of(MIXERS["attention"])
    _, alone = both(model, sampler_of("temperature"), 8)
    compile_steps(model, "eager")
    wanted = [Wanted(prompt, seed) for seed, prompt in enumerate(PROMPTS)]
    writing = Writing(sampler_of("temperature"), 8, stop=["abb", "€"])
    many = generate_many(model, ByteTokenizer(), wanted, writing, 4)
    assert dict(many) == alone


def test_what_cannot_refill_says_so() -> None:
    assert rows_can_change(model_of(MIXERS["attention"]))
    assert not rows_can_change(model_of("hyena", "none"))
    assert not rows_can_change(Summing())


def test_nothing_wanted_is_nothing_written() -> None:
    assert list(generate_many(model_of("gru", "none"), ByteTokenizer(), [], Writing(sampler_of("greedy"), 5))) == []


def test_what_is_wrong_is_said_before_anything_is_written() -> None:
    model, tokenizer, greedy = pair_model(), ByteTokenizer(), Writing(sampler_of("greedy"), 5, pairs=True)
    with pytest.raises(InputError, match="line 2: this model answers a source"):
        generate_many(model, tokenizer, [Wanted("a"), Wanted("", 0, "line 2")], greedy)
    with pytest.raises(InputError, match="30 tokens is too long"):
        generate_many(model, tokenizer, [Wanted("a" * 30)], greedy)
    with pytest.raises(InputError, match="not 0"):
        generate_many(model, tokenizer, [Wanted("a")], greedy, 0)
    with pytest.raises(InputError, match="stop string is empty"):
        generate_many(model, tokenizer, [Wanted("a")], replace(greedy, stop=[""]))
