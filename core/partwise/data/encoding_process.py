"""A process that encodes chunks of texts for another: for tokenizers that hold Python's global lock while they encode.

It is a fresh interpreter that runs this file and nothing of the program that starts it, so that a script needs no
guard. It receives the tokenizer and then chunks, pickled, by its standard input, and answers by its standard output.
Nobody else can write to these pipes.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import traceback
from contextlib import suppress
from typing import Any

from partwise.errors import WorkError

from .cache import LostProcessError
from .chunk_encoding import EncodedChunk, encode_chunk
from .chunks import Chunk

_COMMAND = "from partwise.data.encoding_process import serve; serve()"


class UnfitError(Exception):
    """A tokenizer cannot be sent to another process as it is."""


class EncodingProcess:
    """The process, as its parent sees it. One thread at a time may ask it."""

    def __init__(self, tokenizer: bytes, described: str) -> None:
        """
        Args:
            tokenizer: pickled.
            described: what it has to be over there, too.

        Raises:
            UnfitError: it is something else over there, or nothing at all.
        """
        paths = os.pathsep.join(os.path.abspath(path) for path in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _COMMAND],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        )
        try:
            arrived = self._ask(tokenizer)
        except (LostProcessError, OSError) as error:
            self.close()
            raise UnfitError from error
        if arrived != described:
            self.close()
            raise UnfitError

    def encode(self, chunk: Chunk, try_loss: bool) -> EncodedChunk:
        """
        Raises:
            LostProcessError: the process has died.
            Exception: whatever `encode_chunk` raises.
        """
        answer = self._ask(pickle.dumps((chunk, try_loss)))
        if isinstance(answer, BaseException):
            raise answer
        assert isinstance(answer, EncodedChunk)
        return answer

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if stream is not None:
                    stream.close()
        self._process.wait()

    def _ask(self, message: bytes) -> Any:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(message)
            stdin.flush()
            return pickle.load(stdout)  # noqa: S301
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            raise LostProcessError(
                f"a process that encodes texts {_ending(self._process.wait())}; if memory is short, let "
                "PARTWISE_WORKERS be smaller. What is encoded already is kept: start again, and it goes on from there"
            ) from None


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with the code {code}"
    name = signal.Signals(-code).name if -code in {one.value for one in signal.Signals} else str(-code)
    return f"was killed by the signal {name}" + (", as happens when memory runs out" if name == "SIGKILL" else "")


def serve() -> None:
    """What the process does, until its input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a tokenizer prints is no answer
    questions = sys.stdin.buffer
    tokenizer: Any = None
    with suppress(EOFError, BrokenPipeError):
        while True:
            asked = pickle.load(questions)  # noqa: S301
            try:
                if tokenizer is None:
                    tokenizer = asked
                    answer: Any = repr(tokenizer.to_json())
                else:
                    answer = encode_chunk(tokenizer, *asked)
            except Exception as error:
                answer = _sendable(error)
            answers.write(pickle.dumps(answer))
            answers.flush()


def _sendable(error: Exception) -> Exception:
    """The error, with what it would tell of where it arose; or one that says the same, if it cannot be sent."""
    where = "".join(traceback.format_exception(error))
    try:
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    except Exception:
        copy = WorkError(f"the tokenizer failed: {type(error).__name__}: {error}")
    copy.add_note(where)
    return copy
