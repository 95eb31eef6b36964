"""Similarity against ranks by hand and SciPy, analogies against a plain loop, and files that are wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau, spearmanr

from partwise import PartError
from partwise.assembly import assemble, skeleton
from partwise.evaluation import Figure, Reader, measured
from partwise.parts import EvaluationPart, EvaluationSite, ModelPart, ModelSite, resolve_part
from partwise_tokenizers.word import WordTokenizer

WORDS = [f"w{number}" for number in range(30)]
TOKENIZER = WordTokenizer(WORDS, lowercase=False, newlines=False)
SITE = ModelSite(TOKENIZER.vocab_size)


@pytest.fixture(scope="module")
def reader() -> Reader:
    part: Any = resolve_part(ModelPart, {"use": "word_vectors", "width": 5})
    return Reader(assemble(part, SITE, seed=4), TOKENIZER)


def unit(reader: Reader, word: str) -> np.ndarray[Any, Any]:
    model: Any = reader.model
    row = model.input.weight[WORDS.index(word)].detach().double().numpy()
    return row / np.linalg.norm(row)


def judge(reader: Reader, tmp_path: Path, name: str, text: str, **knobs: Any) -> dict[str, Figure]:
    (tmp_path / "file").write_text(text)
    part: Any = resolve_part(EvaluationPart, {"use": name, "file": "file", **knobs})
    return measured(part.assemble(EvaluationSite(16, tmp_path)), reader)


def scored(separator: str) -> tuple[list[tuple[str, str, float]], str]:
    generator = np.random.default_rng(3)
    pairs = [(*generator.choice(WORDS, 2, replace=False), float(generator.integers(0, 8))) for _ in range(40)]
    return pairs, "".join(f"{separator.join(map(str, pair))}\n" for pair in pairs)


def ranks(values: list[float]) -> np.ndarray[Any, Any]:
    """Ranks, those of equals their mean."""
    return np.array([sum(other < one for other in values) + (values.count(one) + 1) / 2 for one in values])


@pytest.mark.parametrize("separator", ["\t", ",", " , ", " "])
def test_similarity_is_the_rank_correlation_with_the_judgements(reader: Reader, tmp_path: Path, separator: str) -> None:
    pairs, text = scored(separator)
    cosines = [float(unit(reader, one) @ unit(reader, other)) for one, other, _ in pairs]
    judgements = [score for *_, score in pairs]
    found = judge(reader, tmp_path, "similarity", text)
    by_hand = np.corrcoef(ranks(cosines), ranks(judgements))[0, 1]
    assert found["spearman"].value == pytest.approx(by_hand, abs=1e-6)
    assert found["spearman"].value == pytest.approx(spearmanr(cosines, judgements).statistic, abs=1e-6)
    assert found["spearman"].value != pytest.approx(kendalltau(cosines, judgements).statistic, abs=1e-3)
    assert found["known"] == Figure(1.0, 40, 0.0)


def test_the_standard_error_of_similarity_is_the_spread_over_samples_of_pairs() -> None:
    from partwise_evaluations.similarity import _error

    generator = np.random.default_rng(0)
    normal = generator.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=(2000, 60))
    drawn = [spearmanr(one[:, 0], one[:, 1]).statistic for one in normal]
    assert _error(float(np.mean(drawn)), 60) == pytest.approx(np.std(drawn), rel=0.08)


def test_titles_and_other_columns_are_known_by_the_first_line(reader: Reader, tmp_path: Path) -> None:
    pairs, text = scored("\t")
    plain = judge(reader, tmp_path, "similarity", text)
    assert judge(reader, tmp_path, "similarity", "Word 1\tWord 2\tHuman (mean)\n" + text) == plain
    simlex = "word1\tword2\tPOS\tSimLex999\n" + "".join(f"{a}\t{b}\tA\t{score}\n" for a, b, score in pairs)
    assert judge(reader, tmp_path, "similarity", simlex, score="SimLex999") == plain


def test_pairs_and_questions_with_unknown_words_are_left_out_and_counted(reader: Reader, tmp_path: Path) -> None:
    _, text = scored(",")
    plain = judge(reader, tmp_path, "similarity", text)
    more = judge(reader, tmp_path, "similarity", text + "w1,nowhere,3\n" * 10)
    assert more["spearman"] == plain["spearman"]
    assert (more["known"].value, more["known"].count) == (0.8, 50)
    questions = judge(reader, tmp_path, "analogies", "w1 w2 w3 w4\nw1 w2 w3 nowhere\n")
    assert (questions["known"].value, questions["accuracy"].count) == (0.5, 1)


def test_analogies_are_answered_as_by_a_plain_loop_and_by_section(reader: Reader, tmp_path: Path) -> None:
    generator = np.random.default_rng(5)
    sections: dict[str, list[bool]] = {"one": [], "two-words": []}
    lines = []
    for name, right in sections.items():
        lines.append(f": {name}")
        for _ in range(30):
            a, b, c = generator.choice(WORDS, 3, replace=False)
            wanted = unit(reader, b) - unit(reader, a) + unit(reader, c)
            best = max((word for word in WORDS if word not in (a, b, c)), key=lambda word: unit(reader, word) @ wanted)
            answer = best if generator.random() < 0.5 else generator.choice(WORDS)
            lines.append(f"{a} {b} {c} {answer}")
            right.append(answer == best)
    found = judge(reader, tmp_path, "analogies", "\n".join(lines), sections=["two-words"])
    every = [one for right in sections.values() for one in right]
    assert found["accuracy"].value == pytest.approx(np.mean(every))
    assert found["accuracy"].error == pytest.approx(np.std(every, ddof=1) / 60**0.5)
    assert found["accuracy_two-words"].value == pytest.approx(np.mean(sections["two-words"]))
    assert set(found) == {"accuracy", "known", "accuracy_two-words"}


@pytest.mark.parametrize(
    ("name", "text", "knobs", "told"),
    [
        ("similarity", "", {}, "file is empty; an evaluation needs an item"),
        ("similarity", "\n \n", {}, "holds nothing but empty lines"),
        ("similarity", "word 1,word 2,score\n", {}, "holds a line of titles and no pair"),
        ("similarity", "w1,w2,3\n\nw1,w2\n", {}, r"file:3: 2 of 3 columns are there; expected two words and a number"),
        ("similarity", "w1,w2,3\nw1,w2,high\n", {}, r'file:2: "high" is no number'),
        ("similarity", "w1,w2,3\nw1,w2,nan\n", {}, r'file:2: "nan" is no number'),
        ("similarity", "w1,w2,3\n,w2,4\n", {}, r"file:2: a word is missing"),
        ("similarity", "a,b,c\nw1,w2,4\n", {"score": "d"}, r"no column is called 'd'; the first line names"),
        ("analogies", ": family\n", {}, "holds names of sections and no question"),
        ("analogies", ": family\nw1 w2 w3\n", {}, r"file:2: a question is four words, .* and here are 3"),
        ("analogies", ":\nw1 w2 w3 w4\n", {}, r"file:1: a section has no name"),
        ("analogies", ": family\nw1 w2 w3 w4\n", {"sections": ["famly"]}, "'famly'; did you mean 'family'?"),
        ("analogies", "w1 w2 w3 w4\n", {"sections": ["x"]}, r"no question in a section 'x'; there are none"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_is_told_by_its_line(
    reader: Reader, tmp_path: Path, name: str, text: str, knobs: Any, told: str
) -> None:
    with pytest.raises(PartError, match=told):
        judge(reader, tmp_path, name, text, **knobs)


def test_a_file_that_is_not_there_or_not_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"w1,w2,3\nw1,\xff\xfe,2\n")
    for name, told in (("missing", "there is no file"), ("binary", "not UTF-8|UTF-8")):
        part: Any = resolve_part(EvaluationPart, {"use": "similarity", "file": name})
        with pytest.raises(PartError, match=told):
            part.assemble(EvaluationSite(16, tmp_path))


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("similarity", "a,b,1\nc,d,2\n", "of the 2 pairs, 0 have words that the model knows"),
        ("analogies", "a b c d\n", "the model knows the words of none of the 1 questions"),
    ],
)
def test_a_model_that_knows_none_of_the_words_is_told(
    reader: Reader, tmp_path: Path, name: str, text: str, told: str
) -> None:
    with pytest.raises(Exception, match=told):
        judge(reader, tmp_path, name, text)


@pytest.mark.parametrize("name", ["similarity", "analogies"])
def test_a_model_without_a_table_of_vectors_is_refused_before_it_has_memory(name: str) -> None:
    settings: Any = {"use": "language_model", "width": 8, "context": 8, "blocks": [], "embedding": "one_hot"}
    model: Any = skeleton(resolve_part(ModelPart, {**settings, "tie": False}), SITE)  # type: ignore[arg-type]
    part: Any = resolve_part(EvaluationPart, {"use": name, "file": "x"})
    with pytest.raises(PartError, match=f"'{name}' cannot judge this model: this model has no table"):
        part.suits(model)
    with torch.device("meta"):
        part.suits(skeleton(resolve_part(ModelPart, {"use": "word_vectors", "width": 8}), SITE))  # type: ignore[arg-type]
