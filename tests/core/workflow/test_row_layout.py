"""What a recipe's "rows" do to training and evaluation, against plain loops over documents and examples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from partwise import RecipeError
from partwise.assembly import assemble
from partwise.data import IGNORED, Batch
from partwise.modules import TrainingLoss
from partwise.recipe import LoadedRecipe, load
from partwise.runs.identity import ADDED
from partwise.workflow import check, evaluate, prepare, reopen, train
from partwise_data.text_files import TextFiles

MIXERS: list[dict[str, Any]] = [
    {"use": "multi_head", "heads": 2},
    {"use": "gru"},
    {"use": "mamba2", "state": 4, "head_width": 8},
    {"use": "short_convolution"},
]


@pytest.fixture(autouse=True, scope="module")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        place = tmp_path_factory.mktemp("cache")
        patch.setenv("PARTWISE_CACHE", str(place))
        words = ["the", "old", "dog", "sees", "a", "cat", "and", "it", "runs", "home", "again"]
        texts = [" ".join(words[: 1 + index % len(words)]) for index in range(120)]
        (place / "sentences.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        patch.chdir(place)
        yield


def recipe(data: Any, rows: Any, mixers: list[dict[str, Any]] = MIXERS[:1], **trainer: Any) -> LoadedRecipe:
    return load(
        {
            "partwise": 1,
            "name": "laid-out",
            "data": data,
            "rows": rows,
            "tokenizer": "char",
            "model": {
                "use": "language_model",
                "width": 16,
                "context": 96,
                "position": "learned",
                "dropout": 0.0,
                "blocks": [{"use": "pre_norm", "mixer": mixer} for mixer in mixers],
            },
            "trainer": {
                "use": "standard",
                "steps": 6,
                "batch_size": 4,
                "optimizer": {"use": "adamw", "lr": 1e-3},
                "evaluate_batches": 2,
                **trainer,
            },
        }
    )


SENTENCES = {"use": "text", "files": ["sentences.jsonl"], "valid": 0.1, "test": 0.1}
EXAMPLES = {"use": "reverse", "size": 200, "valid": 20, "test": 20, "max_length": 20}


def one_by_one(model: Any, batch: Batch, loss: Any) -> Any:
    """The summed loss of a batch whose documents are cut out and read one at a time."""
    total = 0
    for row, tokens in enumerate(batch.tokens):
        documents = torch.zeros_like(tokens) if batch.documents is None else batch.documents[row]
        real = torch.ones_like(tokens, dtype=torch.bool) if batch.padding is None else batch.padding[row]
        for document in documents.unique():
            here = (documents == document) & real
            total = total + loss(model, Batch(tokens[None, here], batch.targets[row][None, here]))
    return total


@pytest.mark.parametrize("data", [SENTENCES, EXAMPLES], ids=["masked", "packed"])
def test_in_training_what_shares_a_row_costs_what_it_costs_alone(data: Any) -> None:
    rows = {"documents": "masked"} if data is SENTENCES else {"packing": "best_fit"}
    prepared = prepare(recipe(data, rows, MIXERS))
    model: Any = assemble(prepared.loaded.recipe.model, prepared.site, seed=1)
    model.train()
    batch = prepared.batches.train(3, 4, seed=0)
    assert batch.documents is not None
    assert len(batch.documents[0].unique()) > 1

    def slopes(loss: Any) -> list[torch.Tensor]:
        return [loss.detach(), *torch.autograd.grad(loss, list(model.parameters()))]

    packed = slopes(TrainingLoss(model)(batch)[0])
    apart = slopes(one_by_one(model, batch, lambda network, one: TrainingLoss(network)(one)[0]))
    for ours, theirs in zip(packed, apart, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4)


def test_evaluation_of_masked_documents_is_that_of_each_by_itself(tmp_path: Path) -> None:
    run = train(recipe(SENTENCES, {"documents": "masked"}), tmp_path / "run", device="cpu")
    again = reopen(run.directory, "cpu")
    found = evaluate(again, "valid")
    batches = list(prepare(again.loaded).batches.evaluation("valid", 4))
    with torch.no_grad():
        nats = sum(one_by_one(again.model, batch, lambda network, one: network.loss(one)) for batch in batches)
    count = sum(int((batch.targets != IGNORED).sum()) for batch in batches)
    assert found.tokens == count
    assert found.loss == pytest.approx(float(nats) / count, rel=1e-5)


@pytest.mark.parametrize("data", [SENTENCES, EXAMPLES], ids=["masked", "packed"])
def test_an_interrupted_run_ends_with_the_bits_of_an_undisturbed_one(tmp_path: Path, data: Any) -> None:
    rows = {"draw": "once", **({"documents": "masked"} if data is SENTENCES else {"packing": "best_fit"})}
    loaded = recipe(data, rows, accumulate=2, batch_size=2, checkpoint_every=2)
    whole = train(loaded, tmp_path / "whole", device="cpu")

    def stop(progress: Any) -> None:
        if progress.step == 3:
            raise RuntimeError("the power is cut")

    with pytest.raises(RuntimeError, match="power"):
        train(loaded, tmp_path / "broken", device="cpu", report=stop)
    broken = train(loaded, tmp_path / "broken", device="cpu")
    for name in ("model.safetensors", "metrics.jsonl"):
        assert (broken.directory / name).read_bytes() == (whole.directory / name).read_bytes()


def test_packing_is_told_and_changes_how_many_tokens_a_row_has() -> None:
    lines: list[str] = []
    packed = prepare(recipe(EXAMPLES, {"packing": "best_fit"}), lines.append)
    plain = prepare(recipe(EXAMPLES, {}))
    assert any(line.startswith("packed 200 examples into ") and "is padding" in line for line in lines)
    assert packed.tokens_per_row > 3 * plain.tokens_per_row


def test_recipes_from_before_there_were_rows_keep_their_fingerprint() -> None:
    loaded = recipe(EXAMPLES, {})
    assert loaded.recipe.resolved()["rows"] == ADDED["rows"]
    named = [recipe(EXAMPLES, rows).recipe.fingerprint() for rows in ({}, {"draw": "once"}, {"packing": "best_fit"})]
    assert len({*named}) == 3
    check(loaded)


@pytest.mark.parametrize(
    ("data", "rows", "place"),
    [
        (SENTENCES, {"packing": "best_fit"}, "at rows.packing"),
        ({"use": "mixture", "members": {"a": SENTENCES, "b": SENTENCES}}, {"draw": "once"}, "at rows.draw"),
    ],
)
def test_rows_that_do_not_suit_the_data_are_refused_at_their_place_and_before_it_is_read(
    data: Any, rows: Any, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = recipe(data, rows)
    monkeypatch.setattr(TextFiles, "identity", lambda self: pytest.fail("the data was read"))
    with pytest.raises(RecipeError, match=place):
        check(loaded)
