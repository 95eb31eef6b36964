"""Texts and lengths find what training's own evaluation and plain loops find."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
from pathlib import Path
from typing import Any

import pyarrow
import pytest
import torch
import zstandard
from pyarrow import parquet

import partwise
from partwise import RecipeError
from partwise.data import Batch
from partwise.recipe import LoadedRecipe
from partwise.workflow import Reopened, check, evaluate
from partwise_evaluations.parts import Text

TEXT = "the old cat sees a small dog . a bird sings .\n" * 12
CONTEXT = 16
SHARES = {"valid": 0, "test": 0}
BLOCK = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}, "feedforward": "gelu"}


def write_documents(path: Path, documents: list[str]) -> None:
    """Writes a file of any format, with the libraries that made it known."""
    suffix = next(one for one in path.suffixes if one not in (".gz", ".zst"))
    if suffix == ".parquet":
        parquet.write_table(pyarrow.table({"text": documents}), path)
        return
    out = io.StringIO(newline="")
    if suffix == ".jsonl":
        out.write("".join(json.dumps({"text": one}) + "\n" for one in documents))
    elif suffix == ".txt":
        out.write("<|end|>".join(documents))
    else:
        csv.writer(out, delimiter="\t" if suffix == ".tsv" else ",").writerows(
            [["text"], *([one] for one in documents)]
        )
    raw = out.getvalue().encode()
    packed = {".gz": gzip.compress, ".zst": zstandard.compress}.get(path.suffix, bytes)
    path.write_bytes(packed(raw))


def recipe(place: Path, **changes: Any) -> LoadedRecipe:
    (place / "text.txt").write_text(TEXT)
    (place / "valid.txt").write_text("a dog sings .\n" * 9)
    node = {
        "partwise": 1,
        "name": "small",
        "data": {
            "use": "text",
            "files": [str(place / "text.txt")],
            "valid_files": [str(place / "valid.txt")],
            **SHARES,
        },
        "tokenizer": "char",
        "model": {
            "use": "language_model",
            "width": 16,
            "context": CONTEXT,
            "depth": 1,
            "position": "rope",
            "blocks": [BLOCK],
        },
        "trainer": {"use": "standard", "steps": 2, "batch_size": 4, "schedule": "constant"},
    }
    return partwise.change(partwise.load(node), changes)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Reopened:
    place = tmp_path_factory.mktemp("texts")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        return partwise.train(recipe(place), out=place / "run", say=None)


def test_the_loss_of_one_document_is_that_of_a_split_that_holds_it(run: Reopened, tmp_path: Path) -> None:
    (tmp_path / "same.txt").write_text(TEXT)
    found = partwise.judge(run, {"same": {"use": "text", "files": [str(tmp_path / "same.txt")]}})
    own = evaluate(run, "train")
    assert found["same.loss"].figure.value == pytest.approx(own.loss, rel=1e-6)
    assert found["same.bits_per_byte"].figure.value == pytest.approx(own.bits_per_byte, rel=1e-6)
    assert found["same.loss"].figure.error is None


@torch.no_grad()
def test_the_loss_by_position_is_that_of_a_loop_over_windows(run: Reopened, tmp_path: Path) -> None:
    texts = [TEXT[:90], TEXT[5:140]]
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.txt").write_text(text)
    found = partwise.judge(run, {"far": {"use": "lengths", "files": [str(tmp_path / "*.txt")], "upto": [0.5, 1, 2.5]}})
    ends = {"loss_to_0.5x": (0, 8), "loss_to_1x": (8, 16), "loss_to_2.5x": (16, 40)}
    losses: dict[str, list[float]] = {name: [] for name in ends}
    for text in texts:
        ids = [run.tokenizer.end, *run.tokenizer.encode(text), run.tokenizer.end]
        for start in range(0, len(ids) - 1, 40):
            window = torch.tensor([ids[start : start + 41]])
            likely = run.model(Batch(window[:, :-1], window[:, 1:]))[0].log_softmax(-1)
            for position, token in enumerate(window[0, 1:].tolist()):
                name = next(name for name, (begin, end) in ends.items() if begin <= position < end)
                losses[name].append(-float(likely[position, token]))
    for name, values in losses.items():
        assert found[f"far.{name}"].figure.value == pytest.approx(math.fsum(values) / len(values), rel=1e-5)


def test_positions_that_end_are_told_before_training(tmp_path: Path) -> None:
    evaluations = {"far": {"use": "lengths", "files": [str(tmp_path / "text.txt")], "upto": [1, 4]}}
    loaded = recipe(tmp_path, **{"model.position": "learned", "evaluations": evaluations})
    with pytest.raises(
        RecipeError, match="cannot read 64 tokens at once: 64 positions asked of a position encoder that knows 16"
    ):
        partwise.check(loaded)


def test_texts_too_short_for_a_stretch_are_named(run: Reopened, tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("a cat .")
    with pytest.raises(partwise.InputError, match="no document has a token beyond position 16, so there is no loss_to"):
        partwise.judge(run, {"far": {"use": "lengths", "files": [str(tmp_path / "short.txt")], "upto": [1, 2]}})


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".csv", ".tsv.zst", ".parquet", ".txt", ".txt.gz"])
def test_documents_are_read_from_whatever_the_data_text_reads(suffix: str, tmp_path: Path) -> None:
    documents = ["the old cat\nsees a dog", "a bird", "e\u0301 \U0001f426 \u2028 sings", "a bird"]
    write_documents(tmp_path / f"news{suffix}", documents)
    part = Text(files=(f"*{suffix}",), separator="<|end|>" if suffix.startswith(".txt") else None)
    assert part.documents(tmp_path) == documents


def test_a_document_of_many_portions_is_read_whole(tmp_path: Path) -> None:
    text = "a line of it \u00e9\n" * 200_000
    (tmp_path / "long.txt").write_text(text, encoding="utf-8")
    assert Text(files=("long.txt",)).documents(tmp_path) == [text]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.jsonl", b'{"text": "a"}\nno\n', r"a\.jsonl:2: not JSON"),
        ("a.jsonl.gz", b"no gzip", r"a\.jsonl\.gz cannot be unpacked as gzip"),
        ("a.csv", b"id,body\n1,x\n", r"a\.csv has no column 'text'"),
        ("a.parquet", b"no parquet", r"a\.parquet cannot be read as Parquet"),
        ("a.txt", b"caf\xe9 caf\xe9", r"a\.txt is not UTF-8"),
        ("a.csv", b"text\n", r"there is no document in .*a\.csv"),
        ("b.txt", b"x", r"there is no file .*a\.txt, did you mean 'b\.txt'\?"),
    ],
)
def test_what_cannot_be_read_is_told_at_its_place_before_training(
    name: str, content: bytes, told: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    asked = "a.txt" if name == "b.txt" else name
    loaded = recipe(tmp_path, evaluations={"far": {"use": "text", "files": [str(tmp_path / asked)]}})
    with pytest.raises(RecipeError, match=told) as caught:
        check(loaded)
    assert "at evaluations.far.files" in str(caught.value)
