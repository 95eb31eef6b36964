"""The exact match of answers is that of the training's own passes over the same examples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import partwise
from partwise.data import IGNORED

SIZES = {"size": 200, "valid": 60, "test": 1}
REVERSE = {"use": "reverse", "alphabet": "abcdefgh", "min_length": 2, "max_length": 4, **SIZES}
DATES = {"use": "dates", "first_year": 2000, "last_year": 2009, **SIZES, "size": 2000}


@pytest.mark.parametrize(
    ("data", "changes", "limit"),
    [
        (REVERSE, {"model.context": 8, "trainer.steps": 150}, 8),
        pytest.param(DATES, {"model.width": 64, "trainer.steps": 500}, 16, marks=pytest.mark.exhaustive),
    ],
    ids=["reverse", "dates"],
)
def test_the_exact_match_of_pairs_is_that_of_the_trainings_own_passes(
    data: dict[str, Any], changes: dict[str, Any], limit: int, tmp_path: Path
) -> None:
    """An answer written token by token is right exactly if every token, given the right ones before it, is."""
    changes = {
        "data": data,
        "model.width": 32,
        "model.encoder_depth": 1,
        "model.decoder_depth": 1,
        "trainer.batch_size": 32,
        "trainer.optimizer.lr": 3e-3,
        "trainer.schedule": "constant",
        "trainer.evaluate_every": None,
        **changes,
    }
    run = partwise.train(partwise.change("transformer", changes), out=tmp_path / "run", say=None)
    prepared = run.prepare()
    right, lines = [], []
    for batch in prepared.batches.evaluation("valid", 16):
        with torch.no_grad():
            likeliest = run.model(batch).argmax(-1)
        hits = (likeliest == batch.targets) | (batch.targets == IGNORED)
        right += hits.all(1).tolist()
    for example in prepared.data.examples("valid"):
        source, target = example.pieces
        lines.append(json.dumps({"prompt": source.text, "answer": target.text}))
    (tmp_path / "valid.jsonl").write_text("\n".join(lines))
    found = partwise.judge(run, {"own": {"use": "answers", "file": str(tmp_path / "valid.jsonl"), "limit": limit}})
    figure = found["own.exact_match"].figure
    assert 0 < figure.value < 1, "the model has learned something, and not everything"
    assert figure.value == sum(right) / len(right)
    assert figure.count == len(lines)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nope", "valid.jsonl:2: this is no JSON: Expecting value at column 1"),
        ("[1]", r"valid.jsonl:2: expected an object, found \[1\]"),
        ('{"prompt": "a"}', "valid.jsonl:2: 'answer' is missing; the keys here are 'prompt', and 'answer_field' names"),
        ('{"prompt": "", "answer": "b"}', "valid.jsonl:2: 'prompt' is empty; leave the line out"),
        (
            '{"prompt": "a", "answer": 4}',
            "valid.jsonl:2: 'answer' should be a string, or an array of several, and is 4",
        ),
    ],
)
def test_a_line_that_is_no_question_is_named(line: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "valid.jsonl").write_text(f'{{"prompt": "a", "answer": "b"}}\n{line}\n')
    evaluations = {"qa": {"use": "answers", "file": str(tmp_path / "valid.jsonl")}}
    with pytest.raises(partwise.RecipeError, match=words):
        partwise.check(partwise.change("transformer", {"evaluations": evaluations}))


def test_a_question_whose_right_choice_is_there_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "twice.jsonl").write_text('{"prompt": "a", "choices": ["b", "c", "b"], "answer": 2}\n')
    evaluations = {"cloze": {"use": "choices", "file": str(tmp_path / "twice.jsonl")}}
    with pytest.raises(partwise.RecipeError, match=r"twice\.jsonl:1: the right one of 'choices' is there twice"):
        partwise.check(partwise.change("char-rnn", {"evaluations": evaluations}))
