"""The lessons can be followed word for word: their Python prints what stands below it, their commands run.

`python tests/api/test_lessons.py` in an empty directory writes into the pages what their Python prints.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from partwise.parts.registry import registry
from partwise_cli.main import cli
from partwise_data.drawing import Sizes
from partwise_data.grammar import GrammarText

TOP = Path(__file__).parents[2]
LEARN = TOP / "docs" / "learn"
LESSONS = sorted(LEARN.glob("[1-8]-*.md"))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SHORT = ["--set", "trainer.steps=4", "--set", "trainer.schedule=constant", "--set", "trainer.evaluate_every=null"]
"""Enough training to have a run, whose answers are nothing to go by."""
SLOW = {"2-embeddings", "3-attention", "4-memory", "5-encoder-and-decoder", "6-the-block"}
"""Lessons that train for more than some seconds."""
HOLD = {"7-gpt": 3}
"""Of such lessons, how many outputs hold after a short training, if not all but the last."""
STUDIES = {"8-is-it-better"}
"""Lessons that run a study, which has no short form."""


def follow(page: Path, short: bool = False) -> list[tuple[str, str]]:
    """Does what a lesson says, in the current directory: what it shows below its Python, each with what was printed."""
    known: dict[str, Any] = {"__name__": "__main__"}
    found, printed = [], ""
    for language, block in BLOCK.findall(page.read_text()):
        if language == "python":
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(block, page.name, "exec", dont_inherit=True), known)
            printed = out.getvalue()
        elif language == "text":
            found.append((block, printed))
        else:
            assert language == "sh", f"{page.name}: a block of {language!r} cannot be followed"
            for command in block.splitlines():
                words = shlex.split(command)
                assert words[0] == "partwise"
                more = SHORT if short and words[1] == "train" else []
                result = CliRunner().invoke(cli, [*words[1:], *more], catch_exceptions=False)
                assert result.exit_code == 0, result.output
    return found


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PARTWISE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def marked(page: Path) -> Any:
    long = page.stem in SLOW | set(HOLD) | STUDIES
    return pytest.param(page, id=page.stem, marks=[pytest.mark.exhaustive] if long else [])


@pytest.mark.parametrize("page", [marked(page) for page in LESSONS])
def test_a_lesson_followed_word_for_word_prints_what_it_shows(page: Path, place: Path) -> None:
    found = follow(page)
    assert len(found) > 3
    for shown, printed in found:
        assert printed == shown
    for name in re.findall(r"Open `(\w+\.html)`", page.read_text()):
        assert (place / name).read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    "page", [page for page in LESSONS if page.stem in SLOW | set(HOLD)], ids=lambda page: page.stem
)
def test_a_lesson_that_trains_for_long_works_with_a_short_training_too(page: Path, place: Path) -> None:
    found = follow(page, short=True)[: HOLD.get(page.stem, -1)]
    assert [printed for _, printed in found] == [shown for shown, _ in found]


@pytest.mark.exhaustive
def test_capitals_come_before_people_as_the_second_lesson_says(place: Path) -> None:
    import partwise

    third = partwise.change("lessons/word-vectors-kinship", {"trainer.steps": 200})
    found = partwise.judge(partwise.train(third, say=None), say=None)
    assert found["analogies.accuracy_capitals"].figure.value > 0.95
    assert found["analogies.accuracy_kin-and-royalty"].figure.value < 0.7


def test_no_model_gets_below_the_loss_that_the_seventh_lesson_names() -> None:
    import partwise

    data = partwise.load("lessons/small-gpt").recipe.data
    sentences = list(
        GrammarText(data.relative, data.words, data.skew, Sizes(0, data.valid, 0), data.seed).sentences("valid")
    )
    floor = sum(nats for _, nats in sentences) / sum(len(sentence.split()) for sentence, _ in sentences)
    assert round(floor, 2) == 1.34
    assert "everything = log(31), 1.34" in (LEARN / "7-gpt.md").read_text()


ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (LEARN / "concepts.md").read_text().splitlines()
    if "`tests/" in line
]


@pytest.mark.parametrize(("concept", "parts", "lesson", "test"), ROWS, ids=[row[0] for row in ROWS])
def test_every_concept_has_a_part_a_lesson_and_a_test(concept: str, parts: str, lesson: str, test: str) -> None:
    installed = {(entry.part.kind, entry.name) for entry in registry().entries()}
    named = re.findall(r"(\w+) `(\w+)`", parts)
    assert named
    assert set(named) <= installed
    assert lesson in {"1", "2", "3", "4", "5", "6", "7", "8"}
    files = [TOP / file for file in re.findall(r"`(tests/[\w/]+\.py)`", test)]
    assert files
    text = "".join(file.read_text() for file in files)
    for _, name in named:
        assert re.search(f"(?i){name.replace('_', '[ _]?')}", text), f"{test} does not speak of {name}"


def test_the_table_has_every_concept_of_the_curricula() -> None:
    text = " ".join(" ".join(row[:2]) for row in ROWS).lower()
    concepts = [
        "tokens",
        "embedding",
        "additive",
        "dot-product",
        "scaled",
        "ladder",
        "rnn",
        "gru",
        "lstm",
        "encoder",
        "decoder",
        "block",
        "normalisation",
        "residual",
        "feed-forward",
        "cross-entropy",
        "optimizer",
        "schedule",
        "regularisation",
    ]
    assert [concept for concept in concepts if concept not in text] == []


def test_the_index_names_recipes_that_there_are_and_links_the_lessons_that_are_written() -> None:
    import partwise

    page = (LEARN / "index.md").read_text()
    assert re.findall(r"\]\((\d-[\w-]+\.md)\)", page) == [lesson.name for lesson in LESSONS]
    rows = [line.split("|") for line in page.splitlines() if re.match(r"\| \[?\d\. ", line)]
    assert len(rows) == 8
    for row in rows:
        for name in re.findall(r"`([^`]+)`", row[2]):
            assert partwise.load(name)


def write_outputs() -> None:
    """Writes into every lesson what its Python prints, here and now; runs lie in the current directory."""
    for page in LESSONS:
        printed = iter([text for _, text in follow(page)])
        outputs = re.compile(r"^```text\n.*?^```$", re.DOTALL | re.MULTILINE)
        page.write_text(outputs.sub(lambda _, texts=printed: f"```text\n{next(texts)}```", page.read_text()))


if __name__ == "__main__":
    write_outputs()
