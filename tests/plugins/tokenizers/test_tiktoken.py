from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import tiktoken
import tiktoken.registry
import tiktoken_ext.openai_public as public
from hypothesis import given
from pydantic import ValidationError

from partwise import InputError
from partwise_tokenizers.parts import SAMPLES, Tiktoken

from .samples import hard_texts, made, mended, site

BYTES = {bytes([byte]): 255 - byte for byte in range(256)}
RANKS = {**BYTES, b"he": 256, b"hel": 257, b"lo": 259, b"hello": 260}
"""Bytes the other way round and an unused rank, 258, as public encodings have them too."""


def _file(folder: Path, ranks: dict[bytes, int] | None = None, extra: str = "") -> str:
    lines = [f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in (ranks or RANKS).items()]
    (folder / "my.tiktoken").write_text("".join(lines) + extra)
    return "my.tiktoken"


def test_a_file_of_ranks_is_found_beside_the_recipe(tmp_path: Path) -> None:
    part = Tiktoken(ranks=_file(tmp_path, extra="\n"), pattern="gpt2")
    tokenizer = part.assemble(site(directory=tmp_path))
    assert tokenizer.encode("hello help") == [260, 255 - 32, 257, 255 - ord("p")]
    assert (tokenizer.vocab_size, tokenizer.end) == (262, 261)


def test_an_unused_rank_adds_nothing_and_survives_saving(tmp_path: Path) -> None:
    part = Tiktoken(ranks=_file(tmp_path), pattern="gpt2")
    tokenizer = part.assemble(site(directory=tmp_path))
    restored = part.restore(json.loads(json.dumps(tokenizer.to_json())))
    for one in (tokenizer, restored):
        assert one.token_bytes(258) == b""
        assert one.decode([257, 258, 259]) == "hello"


@given(text=hard_texts)
def test_ids_are_those_that_tiktoken_itself_gives(text: str) -> None:
    ranks = {}
    for line in (SAMPLES / "small.tiktoken").read_text().splitlines():
        token, rank = line.split()
        ranks[base64.b64decode(token)] = int(rank)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(public, "load_tiktoken_bpe", lambda *args, **named: ranks)
        encoding = tiktoken.Encoding(**public.o200k_base())
    assert made("tiktoken").encode(text) == encoding.encode_ordinary(mended(text))


@pytest.mark.parametrize(
    ("name", "vocabulary"),
    [("gpt2", 50257), ("r50k_base", 50257), ("p50k_base", 50282), ("cl100k_base", 100257), ("o200k_base", 199999)],
)
def test_a_named_encoding_says_its_size_without_a_download(name: str, vocabulary: int) -> None:
    assert Tiktoken.model_validate({"encoding": name}).planned_vocabulary() == vocabulary


def test_a_named_encoding_comes_with_its_ranks_and_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiktoken.registry, "ENCODINGS", {})
    monkeypatch.setattr(public, "load_tiktoken_bpe", lambda *args, **named: {**RANKS, b"hell": 258})
    tokenizer = Tiktoken(encoding="cl100k_base").assemble(site())
    assert tokenizer.encode("hello") == [260]
    assert tokenizer.to_json()["pattern"] == "cl100k"
    assert tokenizer.end == 261
    assert tokenizer.end not in tokenizer.encode("<|endoftext|><|end|>")


def test_a_failed_download_names_the_cache_and_the_alternative(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **named: object) -> None:
        raise OSError("Max retries exceeded\nwith url ...")

    monkeypatch.setattr(tiktoken.registry, "ENCODINGS", {})
    monkeypatch.setattr(public, "load_tiktoken_bpe", fail)
    with pytest.raises(InputError, match="TIKTOKEN_CACHE_DIR") as caught:
        Tiktoken(encoding="o200k_base").assemble(site())
    assert '"ranks"' in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("ranks", "extra", "problem"),
    [
        (None, "not base64 at all\n", r"my.tiktoken:261: expected a token in base64"),
        (None, "%% 300\n", r"my.tiktoken:261: expected a token in base64"),
        (None, "aGU= 300\n", r"my.tiktoken:261: the token is there twice"),
        (None, "eHg= 99999999\n", r"my.tiktoken:261: .*rank 99999999 is far out of order"),
        (None, "eHg= -1\n", r"rank -1 is far out of order"),
        (None, "eHg= 259\n", r"two tokens have the same rank"),
        ({b"a": 0, b"b": 1}, "", r"254 of the 256 single bytes are no tokens"),
        ({b"": 0, **BYTES}, "", r"expected a token in base64"),
    ],
)
def test_a_damaged_file_of_ranks_says_where_and_what(
    tmp_path: Path, ranks: dict[bytes, int] | None, extra: str, problem: str
) -> None:
    part = Tiktoken(ranks=_file(tmp_path, ranks, extra), pattern="gpt2")
    with pytest.raises(InputError, match=problem):
        part.assemble(site(directory=tmp_path))


def test_a_missing_file_of_ranks_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*nowhere.tiktoken \(No such file or directory\)"):
        Tiktoken(ranks="nowhere.tiktoken", pattern="gpt2").assemble(site(directory=tmp_path))


@pytest.mark.parametrize(
    "knobs",
    [
        {},
        {"encoding": "gpt2", "ranks": "a.tiktoken", "pattern": "gpt2"},
        {"encoding": "gpt2", "pattern": "gpt2"},
        {"ranks": "a.tiktoken"},
        {"encoding": "gpt5"},
    ],
)
def test_knobs_that_contradict_each_other_are_refused(knobs: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Tiktoken.model_validate(knobs)
