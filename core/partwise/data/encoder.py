"""Encodes chunks for several threads at once, by processes where threads would only wait for each other."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Self

from .chunk_encoding import EncodedChunk, encode_chunk
from .chunks import Chunk
from .encoding_process import EncodingProcess, UnfitError
from .protocols import Tokenizer

ALONE = 4 << 20
"""Characters that are encoded before a process is started, which takes as long as encoding some millions of them."""


class Encoder:
    """Calls of it encode; to be closed by `with`.

    Tokenizers with `encode_array` are called by the threads themselves. For others each thread has a process, once
    there is enough to encode for that to pay, unless the tokenizer cannot be sent to one.
    """

    def __init__(self, tokenizer: Tokenizer, threads: int, try_loss: Callable[[], bool]) -> None:
        """
        Args:
            try_loss: whether to try if texts come back.
        """
        self._tokenizer, self._try_loss = tokenizer, try_loss
        self._by_processes = threads > 1 and not hasattr(tokenizer, "encode_array")
        self._seen = 0
        self._idle: SimpleQueue[EncodingProcess] = SimpleQueue()
        self._started: list[EncodingProcess] = []
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._started:
            process.close()

    def __call__(self, chunk: Chunk) -> EncodedChunk:
        process = self._process(chunk)
        if process is None:
            return encode_chunk(self._tokenizer, chunk, self._try_loss())
        found = process.encode(chunk, self._try_loss())
        self._idle.put(process)
        return found

    def _process(self, chunk: Chunk) -> EncodingProcess | None:
        """A process that has nothing to do; None if the thread should encode the chunk itself."""
        with self._lock:
            self._seen += chunk.size
            if not self._by_processes or self._seen <= ALONE:
                return None
        with suppress(Empty):
            return self._idle.get_nowait()
        try:
            process = EncodingProcess(self._tokenizer)
        except (UnfitError, OSError):
            self._by_processes = False
            return None
        self._started.append(process)
        return process
