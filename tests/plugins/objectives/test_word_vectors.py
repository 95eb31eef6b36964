"""Word vectors in a whole training: what is known of analogies, what cannot be asked, and runs that are killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import partwise
from partwise import RecipeError
from partwise.looking import WordTable
from partwise.recipe import load
from partwise.runs import Run
from partwise.training import Progress
from partwise.workflow import generate, reopen, train, writing_of

KINSHIP = "lessons/word-vectors-kinship"
SMALL: dict[str, Any] = {
    "data": {"use": "relations", "size": 400, "valid": 60, "test": 10},
    "model": {"use": "word_vectors", "width": 8, "context": 32},
    "evaluations": {},
    "trainer.steps": 6,
    "trainer.batch_size": 4,
    "trainer.evaluate_every": 3,
    "trainer.schedule": "constant",
}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTWISE_CACHE", str(tmp_path / "cache"))


def trained(tmp_path: Path, name: str, report: Any = lambda progress: None, **changes: Any) -> Run:
    return train(partwise.change(KINSHIP, {**SMALL, **changes}), tmp_path / name, device="cpu", report=report)


@pytest.mark.parametrize("objective", ["skip_gram", "cbow"])
def test_a_run_that_is_killed_goes_on_to_the_same_bits(tmp_path: Path, objective: str) -> None:
    changes: Any = {"objective.use": objective, "trainer.checkpoint_every": 2}
    whole = trained(tmp_path, "whole", **changes)

    def kill(progress: Progress) -> None:
        if progress.step == 5:
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        trained(tmp_path, "killed", kill, **changes)
    again = trained(tmp_path, "killed", **changes)
    expected = load_file(whole.directory / "model.safetensors")
    for name, weight in load_file(again.directory / "model.safetensors").items():
        assert weight.equal(expected[name]), name
    assert [row["loss"] for row in again.rows() if "loss" in row] == [
        row["loss"] for row in whole.rows() if "loss" in row
    ]


def test_it_learns_how_often_words_are_and_has_no_bits_per_byte_and_cannot_write(tmp_path: Path) -> None:
    run = trained(tmp_path, "run")
    assert all(row["valid_bits_per_byte"] is None for row in run.rows() if "valid_loss" in row)
    reopened = reopen(run.directory, "cpu")
    counts = torch.from_numpy(reopened.prepare().batches.encoded["train"].token_counts())
    model: Any = reopened.model
    powers = counts.clamp_min(1).double() ** 0.75
    shares = model.bias.double().exp()[: len(counts)]
    torch.testing.assert_close(shares / shares.sum(), powers / powers.sum(), rtol=1e-4, atol=1e-7)
    with pytest.raises(Exception, match="cannot write: its objective 'skip_gram'"):
        list(generate(reopened, "the king", writing_of(reopened, 5)))


def test_evaluation_is_the_same_for_any_size_of_batch(tmp_path: Path) -> None:
    reopened = reopen(trained(tmp_path, "run").directory, "cpu")
    batches = reopened.prepare().batches
    from partwise.training import evaluate

    whole, one = (evaluate(reopened.model, batches, "valid", size).loss for size in (16, 1))
    assert one == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"evaluations": {"news": {"use": "text", "files": ["news.txt"]}}},
            "needs the likelihood of every token of a text, and the objective 'skip_gram' teaches only some",
        ),
        (
            {"evaluations": {"sums": {"use": "answers", "file": "sums.jsonl"}}},
            "the objective 'skip_gram' makes one that sees both ways",
        ),
        (
            {"model": {"use": "language_model", "width": 8, "context": 32, "blocks": []}},
            "'skip_gram' predicts a word from the words around it, which the model 'language_model' does not read",
        ),
        ({"objective.window": 0}, "window"),
        ({"objective.negatives": 0}, "negatives"),
    ],
    ids=["likelihood", "writing", "model", "window", "negatives"],
)
def test_what_it_cannot_do_is_said_before_anything_is_trained(tmp_path: Path, changes: Any, told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        trained(tmp_path, "run", **changes)
    assert not (tmp_path / "run").exists()


def test_a_corpus_of_one_word_trains_and_has_no_neighbours(tmp_path: Path) -> None:
    (tmp_path / "sun.txt").write_text("sun " * 400)
    data = {"use": "text", "files": [str(tmp_path / "sun.txt")], "valid": 0.2, "test": 0.1}
    reopened = reopen(trained(tmp_path, "run", data=data).directory, "cpu")
    assert WordTable.of(reopened.model, reopened.tokenizer).neighbours("sun", 5) == []


def test_a_text_that_is_shorter_than_a_row_is_told(tmp_path: Path) -> None:
    (tmp_path / "sun.txt").write_text("sun moon sun moon")
    data = {"use": "text", "files": [str(tmp_path / "sun.txt")], "valid": 0.0, "test": 0.0}
    with pytest.raises(partwise.PartwiseError, match="context"):
        trained(tmp_path, "run", data=data)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "changes",
    [{"seed": 1}, {"objective.use": "cbow", "objective.window": 5, "trainer.steps": 800}],
    ids=["skip_gram", "cbow"],
)
def test_on_the_corpus_of_kin_and_capitals_analogies_are_right(tmp_path: Path, changes: Any) -> None:
    run = train(partwise.change(KINSHIP, {"trainer.evaluate_every": None, **changes}), tmp_path / "run", device="cpu")
    last = run.rows()[-1]
    assert last["analogies.accuracy"] >= 0.95
    assert last["analogies.known"] == 1
    assert last["similarity.spearman"] > 0.7


def test_the_questions_that_ship_are_those_of_the_corpus() -> None:
    from partwise_data.relations import PEOPLE, PLACES

    directory = load(KINSHIP).directory
    text = (directory / "word-vectors-kinship.analogies.txt").read_text()
    pairs = {tuple(one[:2]) for one in (*PEOPLE, *PLACES)}
    questions = [line.split() for line in text.splitlines() if not line.startswith(":")]
    assert len(questions) == len({tuple(one) for one in questions}) == 2 * (13 * 12 + 12 * 11)
    for a, b, c, d in questions:
        assert {(a, b), (c, d)} <= pairs or {(b, a), (d, c)} <= pairs
