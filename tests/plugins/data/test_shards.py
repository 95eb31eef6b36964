"""`shards`: files of token ids as nanoGPT, llm.c and NumPy write them, from the file to a trained model."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from partwise import InputError, PartError, RecipeError
from partwise.data import MixedSplit
from partwise.data.mixed import JoinedSplit
from partwise.recipe import load
from partwise.workflow import check, evaluate, prepare, reopen, train
from partwise_data.shard_files import open_shard


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTWISE_CACHE", str(tmp_path / "cache"))


TEXT = " ".join("".join(random.Random(number).choices("abcdef", k=5)) for number in range(400))


def nanogpt(directory: Path) -> dict[str, int]:
    """What data/shakespeare_char/prepare.py of nanoGPT does: the first nine tenths to train on, the rest to validate.

    Returns:
        Its ids of the characters.
    """
    (directory / "input.txt").write_text(TEXT)
    ids = {character: number for number, character in enumerate(sorted(set(TEXT)))}
    cut = int(len(TEXT) * 0.9)
    for name, text in (("train", TEXT[:cut]), ("val", TEXT[cut:])):
        np.array([ids[character] for character in text], dtype=np.uint16).tofile(directory / f"{name}.bin")
    return ids


DATA = {"use": "shards", "files": ["train.bin"], "valid_files": ["val.bin"]}
TEXTS = {"use": "text", "files": ["input.txt"], "valid": 0, "test": 0}
SMALL = ["model.width=24", "model.depth=1", "model.context=16", "trainer.steps=3", "trainer.schedule=constant"]


def recipe(directory: Path, data: dict[str, Any], *overrides: str, tokenizer: Any = "char") -> Any:
    content = {"extends": "gpt", "name": "given", "data": data, "tokenizer": tokenizer}
    (directory / "r.json").write_text(json.dumps(content))
    return load(directory / "r.json", [*SMALL, "trainer.batch_size=4", *overrides])


def test_nanogpts_files_train_a_model_of_characters(tmp_path: Path) -> None:
    ids = nanogpt(tmp_path)
    loaded = recipe(tmp_path, {**DATA, "texts": TEXTS})
    prepared = prepare(loaded)
    assert prepared.tokenizer.encode("fade") == [ids[character] for character in "fade"]
    train_split = prepared.batches.encoded["train"]
    assert isinstance(train_split.tokens, np.memmap)  # type: ignore[attr-defined]
    assert train_split.text_bytes == train_split.scored_tokens == int(len(TEXT) * 0.9) - 1
    run = train(loaded, tmp_path / "run", device="cpu")
    metrics = evaluate(reopen(run.directory, "cpu"), "valid")
    assert metrics.bits_per_byte == pytest.approx(metrics.loss / np.log(2))


def test_ids_of_our_own_bpe_train_the_same_model_as_its_texts(tmp_path: Path) -> None:
    (tmp_path / "input.txt").write_text(TEXT)
    (tmp_path / "valid.txt").write_text(TEXT[:300])
    text = {**TEXTS, "valid_files": ["valid.txt"]}
    bpe = {"use": "bpe", "vocab_size": 300}
    from_text = prepare(recipe(tmp_path, text, tokenizer=bpe))
    for split, name in (("train", "train"), ("valid", "val")):
        np.asarray(from_text.batches.encoded[split].tokens, np.uint16).tofile(tmp_path / f"{name}.bin")  # type: ignore[index, attr-defined]
    runs = [
        train(recipe(tmp_path, data, tokenizer=bpe), tmp_path / f"run{number}", device="cpu")
        for number, data in enumerate((text, {**DATA, "texts": text}))
    ]
    first, second = (
        [(row["step"], row["loss"], row.get("valid_bits_per_byte")) for row in run.rows()[1:]] for run in runs
    )
    assert first == second


def llm_c(path: Path, ids: list[int], magic: int = 20240520, count: int | None = None, version: int = 1) -> None:
    header = np.zeros(256, np.int32)
    header[:3] = magic, version, len(ids) if count is None else count
    dtype = np.uint16 if magic == 20240520 else np.uint32
    path.write_bytes(header.tobytes() + np.array(ids, dtype).tobytes())


@pytest.mark.parametrize("kind", ["nanogpt", "uint32", "gpt-2", "llama-3", "npy", "npy, int64"])
def test_every_format_gives_the_ids_that_were_written(tmp_path: Path, kind: str) -> None:
    ids = [5, 0, 7, 3, 65535]
    path = tmp_path / ("x.npy" if kind.startswith("npy") else "x.bin")
    if kind == "nanogpt":
        np.array(ids, np.uint16).tofile(path)
    elif kind == "uint32":
        np.array(ids, np.uint32).tofile(path)
    elif kind.startswith("npy"):
        np.save(path, np.array(ids, np.int64 if "int64" in kind else np.uint16))
    else:
        llm_c(path, ids, *((20240520, None, 1) if kind == "gpt-2" else (20240801, None, 7)))
    given = open_shard(path, "uint32" if kind == "uint32" else "uint16")
    assert isinstance(given.ids, np.memmap)
    assert given.ids.tolist() == ids


def test_several_shards_are_drawn_from_alike_and_no_window_crosses(tmp_path: Path) -> None:
    nanogpt(tmp_path)
    for number, size in enumerate((40, 400)):
        np.full(size, number, np.uint16).tofile(tmp_path / f"part_{number}.bin")
    prepared = prepare(recipe(tmp_path, {**DATA, "files": ["part_*.bin"], "texts": TEXTS}))
    assert isinstance(prepared.batches.encoded["train"], JoinedSplit)
    rows = np.concatenate([prepared.batches.train(step, 50, seed=0).tokens.numpy() for step in range(40)])
    assert (rows == rows[:, :1]).all()
    assert rows[:, 0].mean() == pytest.approx((400 - 16) / (400 - 16 + 40 - 16), abs=0.02)


def test_ids_and_texts_can_be_members_of_one_mixture(tmp_path: Path) -> None:
    nanogpt(tmp_path)
    members = {"given": DATA, "text": {"use": "text", "files": ["input.txt"], "valid": 0.1, "test": 0}}
    prepared = prepare(recipe(tmp_path, {"use": "mixture", "members": members}))
    split = prepared.batches.encoded["train"]
    assert isinstance(split, MixedSplit)
    assert split.members["given"].scored_tokens == int(len(TEXT) * 0.9) - 1


def test_a_changed_file_is_counted_anew(tmp_path: Path) -> None:
    nanogpt(tmp_path)
    data = {**DATA, "texts": TEXTS}
    before = prepare(recipe(tmp_path, data)).data_hash
    assert prepare(recipe(tmp_path, data)).data_hash == before
    np.array([1, 2, 3] * 50, np.uint16).tofile(tmp_path / "val.bin")
    assert prepare(recipe(tmp_path, data)).data_hash != before


def test_an_id_that_the_tokenizer_lacks_is_shown_with_its_place(tmp_path: Path) -> None:
    nanogpt(tmp_path)
    with (tmp_path / "train.bin").open("r+b") as file:
        file.seek(2 * 1234)
        file.write((9).to_bytes(2, "little"))
    with pytest.raises(InputError, match=r"train.bin: the id at place 1,234 \(from 0\) is 9, .* has 9 ids"):
        train(recipe(tmp_path, {**DATA, "texts": TEXTS}), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_a_file_read_as_wider_than_it_is_gets_advice(tmp_path: Path) -> None:
    nanogpt(tmp_path)
    data = {**DATA, "texts": TEXTS, "dtype": "uint32"}
    for name in ("train.bin", "val.bin"):
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 4 * 4])
    with pytest.raises(InputError, match='set "dtype" of the data to "uint16"'):
        prepare(recipe(tmp_path, data))


def test_negative_ids_are_refused(tmp_path: Path) -> None:
    nanogpt(tmp_path)
    np.save(tmp_path / "val.npy", np.array([1, 2, -1, 3]))
    with pytest.raises(InputError, match=r"place 2 .* is -1"):
        prepare(recipe(tmp_path, {**DATA, "valid_files": ["val.npy"], "texts": TEXTS}))


def test_a_tokenizer_cannot_be_trained_on_ids(tmp_path: Path) -> None:
    nanogpt(tmp_path)
    with pytest.raises(InputError, match="hold no text that a tokenizer could be trained on"):
        prepare(recipe(tmp_path, DATA))


def test_a_file_without_a_window_is_refused_in_words(tmp_path: Path) -> None:
    nanogpt(tmp_path)
    np.array([1, 2, 3], np.uint16).tofile(tmp_path / "train.bin")
    with pytest.raises(InputError, match="the train split holds 3 tokens, fewer than a window"):
        prepare(recipe(tmp_path, {**DATA, "texts": TEXTS}))


def odd(path: Path) -> None:
    path.write_bytes(b"\1\0\2")


def cut_short(path: Path) -> None:
    llm_c(path, [1, 2, 3], count=5)


def of_another_version(path: Path) -> None:
    llm_c(path, [1, 2, 3], version=3)


def without_ids(path: Path) -> None:
    llm_c(path, [])


def wide(path: Path) -> None:
    np.arange(1, 200, dtype=np.uint32).tofile(path)


def no_npy(path: Path) -> None:
    path.write_bytes(b"no numpy")


def half_an_npy(path: Path) -> None:
    np.save(path, np.arange(1000, dtype=np.uint16))
    path.write_bytes(path.read_bytes()[:500])


def floats(path: Path) -> None:
    np.save(path, np.zeros(4))


def two_dimensions(path: Path) -> None:
    np.save(path, np.zeros((4, 4), np.uint16))


def objects(path: Path) -> None:
    np.save(path, np.array([{}], object), allow_pickle=True)


@pytest.mark.parametrize(
    ("write", "name", "message"),
    [
        (odd, "x.bin", "has 3 bytes, which is no whole number of ids of the type uint16"),
        (cut_short, "x.bin", "announces 5 ids in its header, and holds 3"),
        (of_another_version, "x.bin", "of the version 3; the version 1 is read"),
        (without_ids, "x.bin", "holds no id"),
        (wide, "x.bin", 'set "dtype" of the data to "uint32"'),
        (no_npy, "x.npy", "is no whole .npy file"),
        (half_an_npy, "x.npy", "is no whole .npy file"),
        (floats, "x.npy", "holds float64 of the shape (4,)"),
        (two_dimensions, "x.npy", "holds uint16 of the shape (4, 4)"),
        (objects, "x.npy", "is no whole .npy file"),
    ],
)
def test_a_file_that_is_not_as_it_must_be_is_named_with_the_reason(
    tmp_path: Path, write: Any, name: str, message: str
) -> None:
    write(tmp_path / name)
    with pytest.raises(PartError) as caught:
        open_shard(tmp_path / name, "uint16")
    assert message in str(caught.value)
    assert name in str(caught.value)
    nanogpt(tmp_path)
    with pytest.raises(RecipeError) as shown:
        check(recipe(tmp_path, {**DATA, "files": [name]}))
    assert "at data" in str(shown.value)
