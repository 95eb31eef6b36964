"""What a recipe's data holds, compared with a plain count."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from partwise.recipe import LoadedRecipe, load
from partwise.workflow import survey, surveying
from partwise.workflow.preparation import prepare

SPLITS = ("train", "valid", "test")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTWISE_CACHE", str(tmp_path / "cache"))


def recipe(folder: Path, data: dict[str, Any], base: str = "char-rnn", **model: Any) -> LoadedRecipe:
    (folder / "a.json").write_text(json.dumps({"extends": base, "data": data, "tokenizer": "char", "model": model}))
    return load(folder / "a.json")


@pytest.fixture
def documents(tmp_path: Path) -> LoadedRecipe:
    lines = [f"document {number % 90} " + "la " * (number % 37) for number in range(200)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": line}) + "\n" for line in lines))
    return recipe(tmp_path, {"use": "text", "files": ["a.jsonl"], "valid": 0.2, "test": 0.2}, context=40)


def test_the_figures_are_those_of_a_plain_count(documents: LoadedRecipe) -> None:
    found = survey(documents)
    data = prepare(documents).data
    for split in SPLITS:
        texts = ["".join(piece.text for piece in example.pieces) for example in data.examples(split)]
        told, sizes = found.splits[split], [len(text) for text in texts]  # a character is a byte and a token here
        assert told.survey.texts == len(texts)
        assert told.survey.bytes == sum(sizes)
        assert told.survey.repeated == len(texts) - len(set(texts))
        assert told.tokens == told.scored == sum(sizes) + len(texts)
        lengths = told.lengths["document"]
        assert (lengths.longest, lengths.mean) == (max(sizes), pytest.approx(statistics.mean(sizes)))
        assert lengths.median == statistics.median_low(sizes)
        assert lengths.beyond_context == sum(size > 40 for size in sizes)
    assert found.problem is None


def test_nothing_depends_on_how_much_is_looked_at_together(
    documents: LoadedRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = survey(documents, samples=7)
    monkeypatch.setattr(surveying, "AT_ONCE", 13)
    monkeypatch.setattr(surveying, "LONG", 60)
    assert survey(documents, samples=7) == whole


def test_samples_are_texts_spread_evenly_over_a_split(documents: LoadedRecipe) -> None:
    found = survey(documents, ["train"], samples=4).splits
    texts = ["".join(piece.text for piece in example.pieces) for example in prepare(documents).data.examples("train")]
    samples = found["train"].samples
    assert [one.number for one in samples] == [number * len(texts) // 4 for number in range(4)]
    assert ["".join(piece.text for piece in one.pieces) for one in samples] == [texts[one.number] for one in samples]
    assert all(one.whole for one in samples)
    assert len(survey(documents, ["valid"], samples=10_000).splits["valid"].samples) == found_texts(documents, "valid")


def found_texts(loaded: LoadedRecipe, split: Any) -> int:
    return survey(loaded, [split]).splits[split].survey.texts


def test_pairs_are_measured_as_an_encoder_and_a_decoder_read_them(tmp_path: Path) -> None:
    pairs = [("ab" * number, "c" * (number % 7)) for number in range(1, 60)]
    (tmp_path / "a.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in pairs))
    data = {"use": "pairs", "files": ["a.tsv"], "valid": 0.2, "test": 0.2}
    whole = survey(recipe(tmp_path, data, "transformer", context=200), samples=1)
    sources = [one.lengths["source"].longest for one in whole.splits.values()]
    assert (max(sources), max(one.lengths["target"].longest for one in whole.splits.values())) == (118, 7)
    assert [len(piece.text) > 0 for piece in whole.splits["train"].samples[0].pieces] == [True, True]
    short = survey(recipe(tmp_path, data, "transformer", context=50))
    assert short.problem is not None
    assert "raise the context" in short.problem
    assert sum(one.lengths["source"].beyond_context for one in short.splits.values()) == sum(
        len(source) > 50 for source, _ in pairs
    )
    read = survey(recipe(tmp_path, data, context=200)).splits
    longest = max(one.lengths["example"].longest for one in read.values())
    assert longest == max(len(source) + len(target) + 1 for source, target in pairs)


def test_labels_take_no_position(tmp_path: Path) -> None:
    loaded = recipe(tmp_path, {"use": "recall", "size": 30, "valid": 5, "test": 5}, context=200)
    prepared, found = prepare(loaded), survey(loaded)
    rows = next(prepared.batches.evaluation("valid", 5)).tokens.shape[1]
    assert found.splits["valid"].lengths["example"].longest == rows


def test_a_model_of_pairs_and_running_text_is_told(documents: LoadedRecipe, tmp_path: Path) -> None:
    found = survey(recipe(tmp_path, {"use": "text", "files": ["a.jsonl"]}, "transformer"))
    assert found.problem is not None
    assert "this model reads pairs" in found.problem
    assert found.splits["train"].lengths["document"].longest > 0
