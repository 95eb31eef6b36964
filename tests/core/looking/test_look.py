"""Looking at models of every form, with every text that somebody may give."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from partwise import InputError, PartwiseError
from partwise.data import Batch
from partwise.looking import Look, look
from partwise.looking.subject import subject
from partwise.recipe import load
from partwise.workflow import reopen, train

from .conftest import PAIRS, RECIPE, changed, with_mixer


def test_all_that_was_found_becomes_json(small: Look) -> None:
    told = json.loads(json.dumps(small.to_json(), allow_nan=False))
    assert [token["label"] for token in told["text_tokens"]][1:] == list("the dog runs")
    weights = told["mixing"]["maps"][0]["weights"]
    assert (len(weights), len(weights[0]), len(weights[0][0])) == (2, 13, 13)


def test_modules_are_named_with_the_parts_that_built_them(small: Look) -> None:
    steps = {step.path: step for step in small.facts.trace.steps}
    assert steps["stack.blocks.1.mixer"].part == "multi_head"
    assert steps["stack.blocks.0"].part == "pre_norm"
    assert "max(0, x W1 + b1) W2 + b2" in str(steps["stack.blocks.0.feedforward"].formula)
    assert steps["stack.blocks.0"].formula == "x + dropout(f(norm(x)))"
    paths = [step.path for step in small.facts.trace.steps]
    assert paths.index("input") < paths.index("stack.blocks.0") < paths.index("stack.blocks.1") < paths.index("head")


def test_the_lens_after_the_last_layer_is_the_models_own_distribution(small: Look) -> None:
    last, own = small.facts.trace.layers[-1].last, small.facts.trace.sampled[0].likeliest
    assert [guess.token for guess in last] == [guess.token for guess in own]
    assert [guess.probability for guess in last] == pytest.approx([guess.probability for guess in own], abs=1e-6)
    assert [layer.name for layer in small.facts.trace.layers] == [
        "before the first layer", "stack.blocks.0", "stack.blocks.1"
    ]  # fmt: skip


def test_first_weights_have_one_update_and_no_way_behind_them(small: Look) -> None:
    (condition,) = small.facts.health.conditions
    assert condition.loss == pytest.approx(math.log(small.facts.cuts[0].vocabulary), rel=0.2)
    assert all(depth.gradient is not None and depth.gradient > 0 for depth in condition.depths)
    assert all(one.update is not None and one.from_first is None for one in small.facts.health.moved)
    assert [(unit.path, unit.units) for unit in condition.units] == [
        (f"stack.blocks.{index}.feedforward", 32) for index in range(2)
    ]


def test_the_gradient_at_the_last_block_is_that_of_a_softmax_by_hand(looked: Callable[..., Look]) -> None:
    """Without a final norm, d loss / d stream = (softmax - target) W / positions, at each position that predicts."""
    recipe = load(changed(final_norm="none"))
    facts = looked(recipe, "the dog").facts
    one = subject(recipe, "cpu")
    ids = torch.tensor([[token.id for token in facts.text_tokens]])
    with torch.no_grad():
        hidden = one.model.hidden(Batch(ids, ids))
        shares = hidden.head.logits(hidden.states)[0].softmax(-1)
        shares[torch.arange(len(shares) - 1), ids[0, 1:]] -= 1
        gradient = shares[:-1] @ hidden.head.weight / (len(shares) - 1)
    last = facts.health.conditions[0].depths[-1]
    size = (gradient.square().sum() / hidden.states.numel()).sqrt() * len(shares)
    assert last.gradient == pytest.approx(float(size), rel=1e-4)
    assert last.norm == pytest.approx(float(hidden.states.square().mean().sqrt()), rel=1e-5)
    assert set(last.branches) == {"mixer", "feedforward"}


def test_a_relu_unit_that_never_fires_is_dead(looked: Callable[..., Look], monkeypatch: pytest.MonkeyPatch) -> None:
    from partwise import assembly

    materialise = assembly.materialise

    def silenced(model: Any, *rest: Any) -> Any:
        filled = materialise(model, *rest)
        with torch.no_grad():
            filled.stack.blocks[1].feedforward.up.bias[:5] = -1e6
        return filled

    monkeypatch.setattr(assembly, "materialise", silenced)
    (condition,) = looked(RECIPE, "the dog runs").facts.health.conditions
    assert condition.units[1].dead >= 5
    assert condition.units[0].dead < 5


@pytest.mark.parametrize(
    "mixer", ["retention", "gated_linear_attention", "delta_net", {"use": "mamba2", "head_width": 8}]
)
def test_linear_attention_and_state_spaces_show_the_weights_that_they_amount_to(
    mixer: Any, looked: Callable[..., Look]
) -> None:
    found = looked(with_mixer(mixer), "the dog").facts.mixing
    assert not found.silent
    assert found.maps[0].weights.shape[1:] == (8, 8)
    assert not found.maps[0].adds_up
    assert (found.maps[0].weights.triu(1) == 0).all()


@pytest.mark.parametrize(("mixer", "gates"), [("lstm", {"input", "forget", "output"}), ("gru", {"reset", "update"})])
def test_recurrences_show_their_gates(mixer: str, gates: set[str], looked: Callable[..., Look]) -> None:
    found = looked(with_mixer(mixer), "the dog").facts.mixing
    assert set(found.gates[0].gates) == gates
    assert not found.maps
    assert not found.silent


def test_a_mixer_that_shows_nothing_is_named(looked: Callable[..., Look]) -> None:
    found = looked(with_mixer("rnn"), "the dog")
    assert [(one.path, one.module) for one in found.facts.mixing.silent] == [("stack.blocks.0.mixer", "Recurrence")]
    assert "does not show what it mixes" in found.page()


def test_a_model_of_pairs_shows_the_alignment_of_its_own_answer(looked: Callable[..., Look]) -> None:
    facts = looked(PAIRS, source="abc").facts
    (cross,) = facts.mixing.maps
    assert (cross.rows, cross.columns) == ("text", "source")
    assert cross.weights.shape == (1, len(facts.text_tokens), len(facts.source_tokens))
    assert cross.weights.sum(-1) == pytest.approx(torch.ones(1, len(facts.text_tokens)), abs=1e-5)
    assert [one.rows for one in facts.mixing.gates] == ["source", "text"]
    assert "The text is the model's own answer, always the likeliest token." in facts.notes
    given = looked(PAIRS, source="abc", target="cba").facts
    assert [token.label for token in given.text_tokens][1:] == ["c", "b", "a"]


def test_models_that_diverged_can_be_looked_at(looked: Callable[..., Look], monkeypatch: pytest.MonkeyPatch) -> None:
    def diverged(*given: Any) -> Any:
        one = subject(*given)
        with torch.no_grad():
            for weight in one.module.parameters():
                weight.fill_(torch.nan)
        return one

    monkeypatch.setattr("partwise.looking.inside.subject", diverged)
    for found in (looked(RECIPE, "the dog"), looked(PAIRS, source="abc")):
        assert "hold numbers that are not finite" in found.page()
        json.dumps(found.to_json(), allow_nan=False)
        facts = found.facts
    assert len(facts.text_tokens) == 1
    assert any("The model has no answer: the model's logits are no numbers" in note for note in facts.notes)


def test_without_a_text_an_example_of_the_data_is_taken(looked: Callable[..., Look]) -> None:
    facts = looked(RECIPE).facts
    assert any("No prompt was given" in note for note in facts.notes)
    assert looked(PAIRS).facts.source


def test_an_empty_prompt_and_a_single_token_are_texts(looked: Callable[..., Look]) -> None:
    empty = looked(RECIPE, "")
    assert len(empty.facts.text_tokens) == 1
    assert empty.facts.health.conditions[0].loss is None
    assert "reads only the token that begins a text" in empty.page()
    assert len(looked(RECIPE, "t").facts.text_tokens) == 2


def test_of_a_text_longer_than_the_context_the_end_is_read_and_that_is_said(looked: Callable[..., Look]) -> None:
    facts = looked(RECIPE, "the dog runs . the cat runs .").facts
    assert len(facts.text_tokens) == 16
    assert "".join(token.label for token in facts.text_tokens).endswith("cat runs .")
    assert "The text has 30 tokens, and the model reads 16 at most: these are the last 16." in facts.notes


@pytest.mark.parametrize("text", ["žluťoučký 🐎\u202e \ud800", "\x00\x1b[31m\n\t</script><script>alert(1)</script>"])
def test_a_text_of_any_signs_is_shown_as_text(text: str, looked: Callable[..., Look]) -> None:
    found = looked({**RECIPE, "tokenizer": {"use": "bpe", "vocab_size": 260}}, text)
    page = found.page()
    page.encode()
    assert "<script>alert" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_a_model_that_sees_both_ways_is_shown_with_what_its_objective_hides(looked: Callable[..., Look]) -> None:
    found = looked({**RECIPE, "objective": {"use": "masked"}}, "the dog runs").facts
    assert any("fill in tokens that are hidden" in note for note in found.notes)
    assert (found.mixing.maps[0].weights.triu(1) > 0).any()
    assert found.trace.predicts == "the token at the last position"
    assert any(token.label.startswith("<") for token in found.text_tokens)


def test_others_beside_it_show_their_tokens_and_their_health(looked: Callable[..., Look]) -> None:
    post = {**changed(blocks=[{"use": "post_norm", "mixer": {"use": "multi_head", "heads": 2}}]), "name": "post"}
    facts = looked(RECIPE, "the dog", beside=[post]).facts
    assert [cut.of for cut in facts.cuts] == ["small", "post"]
    assert [one.name for one in facts.health.conditions] == ["small, first weights", "post, first weights"]


def test_merges_of_byte_pairs_lead_to_the_tokens(looked: Callable[..., Look]) -> None:
    (cut,) = looked({**RECIPE, "tokenizer": {"use": "bpe", "vocab_size": 300}}, "the dog chases").facts.cuts
    last = [piece for word in cut.merges for piece in word.steps[-1]]
    assert last == [token.label for token in cut.tokens]
    assert all(len(after) == len(before) - 1 for word in cut.merges for before, after in pairwise(word.steps))


@pytest.mark.parametrize(
    ("recipe", "texts", "complaint"),
    [
        (RECIPE, {"source": "a"}, "--source is for models of pairs"),
        (RECIPE, {"target": "a"}, "--target is for models of pairs"),
        (PAIRS, {"prompt": "a"}, "give the source with --source TEXT"),
        (PAIRS, {"source": ""}, "an empty one says nothing"),
        (RECIPE, {"beside": [RECIPE] * 3}, "at most 2 others"),
        (RECIPE, {"prompt": "the", "beside": [PAIRS]}, "cannot stand beside"),
        (RECIPE, {"prompt": "the", "analogies": [("the", "a", "b")]}, "only single tokens have a vector"),
    ],
)
def test_what_cannot_be_looked_at_is_refused(recipe: Any, texts: dict[str, Any], complaint: str) -> None:
    with pytest.raises(PartwiseError, match=complaint):
        look(recipe, **texts, device="cpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = {**RECIPE, "trainer": {**RECIPE["trainer"], "checkpoint_every": 2}}
    return train(load(recipe), tmp_path_factory.mktemp("runs") / "small", device="cpu").directory


def test_a_run_is_shown_beside_its_first_weights_with_the_updates_between_checkpoints(run: Path) -> None:
    health = look(run, "the dog", device="cpu").facts.health
    assert [one.name for one in health.conditions] == ["small, now", "small, first weights"]
    assert "the checkpoints of updates 2 and 4, divided by 2 updates" in health.update
    assert all(one.from_first and one.update and one.from_first > one.update for one in health.moved)
    first = look(RECIPE, "the dog", device="cpu").facts.health.conditions[0]
    assert health.conditions[1].depths == first.depths


def test_looking_leaves_an_opened_run_as_it_was(run: Path) -> None:
    opened = reopen(run, "cpu")
    before = {name: weight.clone() for name, weight in opened.model.named_parameters()}
    look(opened, "the dog")
    for name, weight in opened.model.named_parameters():
        assert torch.equal(weight, before[name])
        assert weight.grad is None
        assert not opened.model.training  # type: ignore[attr-defined]


def test_a_run_that_is_not_finished_is_refused(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "half")
    (tmp_path / "half" / "model.safetensors").unlink()
    with pytest.raises(InputError, match="is not finished"):
        look(tmp_path / "half", "the dog", device="cpu")
    assert look(tmp_path / "half", "the dog", device="cpu", weights="best").facts.source_of_weights.startswith("best")
