"""`python tools/bench/corpus.py`: a corpus of documents encoded from beginning to end, reading and writing included.
They have been listed before, which is done once for each corpus.

The documents are the sources of the installed packages, as often as it takes, in a temporary directory. Each line is
measured in a process of its own, with an empty cache: one worker and two, with the fast encoder and without. The peer,
`tokenizers`, encodes some of the documents one by one, without reading or writing anything. On a machine that is busy
with other things, compare what is done per second of processor time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any, cast

VOCABULARY = 4096
SLICE = 10_000_000
"""Bytes that the tokenizer learns from, and that the peer encodes."""
SUFFIXES = (".py", ".pyi", ".h", ".hpp", ".js", ".md", ".rst", ".txt")
WANTED = {("fast", 1): 40.0, ("plain", 1): 8.0}
"""Times as fast as the peer."""
TWO_WORKERS, MOST_MEMORY = 1.8, 1e9


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--bytes", type=float, default=1e9, help="size of the corpus")
    options.add_argument("--rounds", type=int, default=1, help="times each line is measured; the best counts")
    options.add_argument("--only", choices=["fast", "plain"], help="the fast encoder alone, or tiktoken alone")
    options.add_argument("--measure", help=argparse.SUPPRESS)
    options.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.measure:
        print(json.dumps(_measured(given.measure, given.place)))
        return
    with tempfile.TemporaryDirectory(prefix="partwise-corpus-") as place:
        made = _make(Path(place), int(given.bytes))
        print(f"{made:,} bytes in {len(list(Path(place, 'texts').iterdir())):,} documents", flush=True)
        _show(Path(place), given.rounds, [given.only] if given.only else ["fast", "plain"])


def _show(place: Path, rounds: int, encoders: list[str]) -> None:
    peer = _run("peer", place, 1, rounds)
    print(
        f"{'encoder':<12} {'workers':>7} {'MB/s':>8} {'MB/CPU s':>9} {'peak MB':>8} {'ratio':>7} {'wanted':>7}  against"
    )
    print(f"{'tokenizers':<12} {1:>7} {peer['rate']:>8.1f} {peer['cpu']:>9.1f}")
    for encoder in encoders:
        name = {"fast": "gigatoken", "plain": "tiktoken"}[encoder]
        one, two = (_run(encoder, place, workers, rounds) for workers in (1, 2))
        if one["hash"] != two["hash"]:
            sys.exit("one worker and two give other tokens")
        _line(name, 1, one, one["rate"] / peer["rate"], WANTED[encoder, 1], "tokenizers, text by text")
        _line(name, 2, two, two["rate"] / one["rate"], TWO_WORKERS, "one worker")


def _line(name: str, workers: int, found: dict[str, Any], ratio: float, wanted: float, against: str) -> None:
    peak = f"{found['peak'] / 1e6:,.0f}{'!' if found['peak'] > MOST_MEMORY else ''}"
    print(
        f"{name:<12} {workers:>7} {found['rate']:>8.1f} {found['cpu']:>9.1f} {peak:>8} {ratio:>7.2f} {wanted:>7}  "
        f"{against}",
        flush=True,
    )


def _run(what: str, place: Path, workers: int, rounds: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--measure", what, "--place", str(place)]
    environment = {**os.environ, "PARTWISE_WORKERS": str(workers)}
    found = [
        json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)
        for _ in range(rounds)
    ]
    return max(found, key=lambda one: float(one["rate"]))


def _make(place: Path, size: int) -> int:
    """Writes the documents, and a tokenizer that has learned from the first of them; returns their size."""
    from partwise.parts import TokenizerPart, TokenizerSite, resolve_part

    (place / "texts").mkdir()
    made = 0
    for number, text in enumerate(cycle(_sources())):
        (place / "texts" / f"{number:07d}.txt").write_text(text, encoding="utf-8")
        made += len(text.encode())
        if made >= size:
            break
    part = resolve_part(TokenizerPart, {"use": "bpe", "vocab_size": VOCABULARY, "learn_from": None})
    tokenizer: Any = part.assemble(TokenizerSite(lambda: _some(place)))
    (place / "tokenizer").write_text(json.dumps(tokenizer.to_json()))
    return made


def _sources() -> Iterator[str]:
    for path in sorted(Path(sysconfig.get_path("purelib")).rglob("*")):
        if path.suffix in SUFFIXES and path.is_file():
            try:
                text = path.read_text(encoding="utf-8")
            except ValueError:
                continue
            if text and "\0" not in text and len(text) < SLICE:
                yield text


def _some(place: Path) -> Iterator[str]:
    size = 0
    for path in sorted((place / "texts").iterdir()):
        text = path.read_text(encoding="utf-8")
        size += len(text.encode())
        if size > SLICE:
            return
        yield text


def _measured(what: str, place: Path) -> dict[str, Any]:
    """Megabytes a second, peak memory, and a hash of the tokens."""
    from partwise.data import encode
    from partwise.parts import DataPart, DataSite, TokenizerPart, resolve_part

    if what == "plain":
        sys.modules["gigatoken"] = None  # type: ignore[assignment]
    part: Any = resolve_part(TokenizerPart, "bpe")
    tokenizer: Any = part.restore(json.loads((place / "tokenizer").read_text()))
    if what == "peer":
        return _peer(tokenizer.to_tokenizer_json(), list(_some(place)))
    settings = {"use": "text", "files": ["texts/*.txt"], "valid": 0.001, "test": 0.0}
    data: Any = resolve_part(DataPart, settings).assemble(DataSite(place))
    with tempfile.TemporaryDirectory(dir=place) as cache:
        data.identity()  # which lists the documents, and keeps the list
        clock = _Clock()
        encoded = encode(data, tokenizer, "train", Path(cache))
        rates = clock.rates(encoded.text_bytes)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        with Path(cast(Any, encoded.tokens).filename).open("rb") as file:
            tokens = hashlib.file_digest(file, "sha256").hexdigest()
    return {**rates, "peak": peak, "hash": f"{encoded.data_hash} {tokens}"}


class _Clock:
    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def rates(self, size: int) -> dict[str, Any]:
        """Megabytes in a second, and in a second of processor time."""
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        return {"rate": size / 1e6 / wall, "cpu": size / 1e6 / cpu}


def _peer(content: dict[str, Any], texts: list[str]) -> dict[str, Any]:
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(content))
    clock = _Clock()
    for text in texts:
        tokenizer.encode(text).ids  # noqa: B018
    return clock.rates(sum(len(text.encode()) for text in texts))


if __name__ == "__main__":
    main()
