"""`partwise neighbours` and `partwise analogy`, on small runs of several kinds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import partwise
from partwise.looking import WordTable
from partwise.workflow import Reopened
from partwise_cli.main import cli

TRAINER: Any = {"use": "standard", "steps": 2, "batch_size": 2, "evaluate_batches": 1}
RELATIONS = {"use": "relations", "size": 1500, "valid": 40, "test": 10}
VECTORS: Any = {
    "partwise": 1,
    "name": "vectors",
    "data": RELATIONS,
    "tokenizer": {"use": "word", "min_count": 1, "newlines": False},
    "objective": "skip_gram",
    "model": {"use": "word_vectors", "width": 8, "context": 32},
    "trainer": TRAINER,
}
LAYER = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}}
STACK: Any = {"use": "language_model", "width": 8, "context": 16, "position": "learned", "blocks": [LAYER]}


def run_of(place: Path, **changes: Any) -> Reopened:
    return partwise.train({**VECTORS, **changes}, out=place, device="cpu", say=None)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Word vectors, a model of letters, and one whose letters are one-hot."""
    place = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PARTWISE_CACHE", str(place / "cache"))
        run_of(place / "vectors")
        letters: Any = {"tokenizer": "char", "objective": "next_token"}
        run_of(place / "letters", model=STACK, **letters)
        run_of(place / "one_hot", model={**STACK, "embedding": "one_hot", "tie": False}, **letters)
    return place


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), prog_name="partwise", env={"COLUMNS": "100"})


def test_neighbours_are_listed_nearest_first_with_their_cosines(runs: Path) -> None:
    result = call("neighbours", str(runs / "vectors"), "queen", "--count", "4")
    assert result.exit_code == 0, result.output
    reopened = partwise.open(runs / "vectors", device="cpu", say=None)
    expected = WordTable.of(reopened.model, reopened.tokenizer).neighbours("queen", 4)
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines == [["word", "cosine"], *([word, f"{cosine:.3f}"] for word, cosine in expected)]
    told = json.loads(call("neighbours", str(runs / "vectors"), "queen", "--count", "4", "--json").stdout)
    assert [(one["word"], one["cosine"]) for one in told["neighbours"]] == [
        (word, pytest.approx(cosine)) for word, cosine in expected
    ]


def test_an_analogy_is_the_sum_as_it_is_read_aloud(runs: Path) -> None:
    result = call("analogy", str(runs / "vectors"), "king", "man", "woman", "--count", "3")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("king - man + woman\n")
    told = json.loads(call("analogy", str(runs / "vectors"), "king", "man", "woman", "--json", "--count", "3").stdout)
    table = partwise.open(runs / "vectors", device="cpu", say=None)
    words = WordTable.of(table.model, table.tokenizer)
    assert [one["word"] for one in told["answers"]] == [word for word, _ in words.analogy("king", "man", "woman", 3)]
    assert not {one["word"] for one in told["answers"]} & {"king", "man", "woman"}
    assert (told["word"], told["minus"], told["plus"]) == ("king", "man", "woman")


def test_a_language_model_has_neighbours_too(runs: Path) -> None:
    result = call("neighbours", str(runs / "letters"), "a", "--count", "3")
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 4


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("neighbours", "vectors", "qeen"), "'qeen' is not among the"),
        (("neighbours", "vectors", "qeen"), "did you mean 'queen'?"),
        (("analogy", "vectors", "king", "man", "woma"), "did you mean 'woman'?"),
        (("neighbours", "letters", "king"), "'king' is 4 tokens here ('k', 'i', 'n', 'g'), and only single tokens"),
        (("neighbours", "one_hot", "a"), "no table with a vector for each token"),
        (("neighbours", "nowhere", "a"), "holds no run"),
        (("neighbours", "vectors", ""), "an empty word has no vector"),
        (("neighbours", "vectors", "king", "--count", "0"), "0 is not between 1"),
        (("analogy", "vectors", "king", "man"), "Missing argument 'WOMAN'"),
    ],
)
def test_what_has_no_answer_is_told(runs: Path, arguments: tuple[str, ...], told: str) -> None:
    name, run, *rest = arguments
    result = call(name, str(runs / run), *rest)
    assert result.exit_code == 2
    assert told in " ".join(result.output.split())
    assert "Traceback" not in result.output
