"""Ranks of public encodings: those that tiktoken knows by name, and files of its format.

A file has one line per token: the token's bytes in base64, a space, its rank.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

import tiktoken

from partwise import PartError

from .bpe import problem_with
from .named_files import read_named


def named_ranks(name: str) -> list[bytes | None]:
    """Tokens by rank of an encoding that tiktoken knows; its own special tokens are left out.

    Raises:
        PartError: the ranks are not on this machine and cannot be downloaded.
    """
    try:
        ranks = tiktoken.get_encoding(name)._mergeable_ranks
    except Exception as error:  # anything that the network, a proxy or the disk may raise
        raise PartError(
            f"the ranks of {name} are not on this machine, and downloading them failed ({type(error).__name__}: "
            f"{_first_line(error)}); point the environment variable TIKTOKEN_CACHE_DIR to a directory where tiktoken "
            'has them, or download the .tiktoken file elsewhere and name it with "ranks"'
        ) from error
    return _by_rank(ranks)


def read_ranks(path: Path) -> list[bytes | None]:
    """Tokens by rank from a file.

    Raises:
        PartError: there is no such file, or it is not a file of ranks.
    """
    lines = read_named(path, "ranks", "a .tiktoken file").strip().splitlines()
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(lines, start=1):
        try:
            encoded, rank = line.split()
            token = base64.b64decode(encoded, validate=True)
            value = int(rank)
        except (ValueError, binascii.Error) as error:
            raise PartError(
                f"ranks: {path}:{number}: expected a token in base64, a space and its rank, found {line[:60]!r}"
            ) from error
        if token in ranks or not 0 <= value <= 2 * len(lines):
            raise PartError(
                f"ranks: {path}:{number}: the token is there twice, or the rank {value} is far out of order"
            )
        ranks[token] = value
    if len(set(ranks.values())) < len(ranks):
        raise PartError(f"ranks: {path}: two tokens have the same rank")
    tokens = _by_rank(ranks)
    problem = problem_with(tokens)
    if problem is not None:
        raise PartError(f"ranks: {path}: {problem}")
    return tokens


def _by_rank(ranks: dict[bytes, int]) -> list[bytes | None]:
    tokens: list[bytes | None] = [None] * (max(ranks.values(), default=-1) + 1)
    for token, rank in ranks.items():
        tokens[rank] = token
    return tokens


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no details"])[0][:200]
