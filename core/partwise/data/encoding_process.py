"""A process that encodes chunks of texts for another: for tokenizers that hold Python's global lock while they encode.

It is a fresh interpreter that runs this file and nothing of the program that starts it, so that a script needs no
guard. By its standard input come the tokenizer, as the name of its class and what its `to_json` gives, and then chunks;
by its standard output go their arrays. All is JSON, but for the arrays, whose bytes follow.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from contextlib import suppress
from dataclasses import asdict
from functools import reduce
from importlib import import_module
from typing import IO, Any

import numpy as np

from partwise import errors
from partwise.errors import PartwiseError, WorkError

from .cache import LostProcessError
from .chunk_encoding import EncodedChunk, encode_chunk
from .chunks import Chunk
from .protocols import Tokenizer
from .text_facts import TextFacts

_COMMAND = "from partwise.data.encoding_process import serve; serve()"


class UnfitError(Exception):
    """A tokenizer cannot be sent to another process."""


class EncodingProcess:
    """The process, as its parent sees it. One thread at a time may ask it."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """
        Raises:
            UnfitError: the tokenizer's class cannot be imported over there, or has no `from_json` that restores it.
        """
        kind = type(tokenizer)
        if not hasattr(kind, "from_json"):
            raise UnfitError
        paths = os.pathsep.join(os.path.abspath(path) for path in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _COMMAND],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        )
        described = json.loads(json.dumps(tokenizer.to_json()))
        try:
            there = self._ask({"module": kind.__module__, "name": kind.__qualname__, "saved": described})
        except (LostProcessError, OSError):
            there = {}
        if there.get("restored") != described:
            self.close()
            raise UnfitError

    def encode(self, chunk: Chunk, try_loss: bool) -> EncodedChunk:
        """
        Raises:
            LostProcessError: the process has died.
            PartwiseError: the tokenizer, or a label, is at fault.
        """
        answer = self._ask({"chunk": asdict(chunk), "try_loss": try_loss})
        if "error" in answer:
            raise _error(answer)
        arrays = {}
        for name, (dtype, size) in answer["arrays"].items():
            content = self._output.read(size)
            if len(content) < size:
                raise self._lost()
            arrays[name] = np.frombuffer(content, dtype)
        return EncodedChunk(arrays, TextFacts(**answer["facts"]), chunk.framed(chunk.raws()))

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if stream is not None:
                    stream.close()
        self._process.wait()

    @property
    def _output(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError, ValueError):
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
            answer: dict[str, Any] = json.loads(self._output.readline())
            return answer
        raise self._lost()

    def _lost(self) -> LostProcessError:
        return LostProcessError(
            f"a process that encodes texts {_ending(self._process.wait())}; if memory is short, let PARTWISE_WORKERS "
            "be smaller. What is encoded already is kept: start again, and it goes on from there"
        )


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with the code {code}"
    name = signal.Signals(-code).name if -code in {one.value for one in signal.Signals} else str(-code)
    return f"was killed by the signal {name}" + (", as happens when memory runs out" if name == "SIGKILL" else "")


def _error(answer: dict[str, Any]) -> PartwiseError:
    """The error that an answer tells of, with where it arose."""
    kind = getattr(errors, answer["error"], None)
    message = answer["message"] if kind else f"the tokenizer failed: {answer['error']}: {answer['message']}"
    error: PartwiseError = (kind or WorkError)(message)
    error.add_note(answer["where"])
    return error


def serve() -> None:
    """What the process does, until its input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a tokenizer prints is no answer
    tokenizer: Any = None
    with suppress(BrokenPipeError):
        for line in sys.stdin.buffer:
            question, contents = json.loads(line), []
            try:
                if tokenizer is None:
                    kind = reduce(getattr, question["name"].split("."), import_module(question["module"]))
                    tokenizer = kind.from_json(question["saved"])
                    answer: dict[str, Any] = {"restored": tokenizer.to_json()}
                else:
                    encoded = encode_chunk(tokenizer, Chunk(**question["chunk"]), question["try_loss"])
                    contents = [array.tobytes() for array in encoded.arrays.values()]
                    arrays = {name: (array.dtype.str, array.nbytes) for name, array in encoded.arrays.items()}
                    answer = {"arrays": arrays, "facts": asdict(encoded.facts)}
            except Exception as error:
                where = "".join(traceback.format_exception(error))
                answer = {"error": type(error).__name__, "message": str(error), "where": where}
            answers.write(json.dumps(answer).encode() + b"\n")
            answers.writelines(contents)
            answers.flush()
