r"""Pre-tokenization: how a text is split into pre-tokens, which no byte pair crosses; patterns are named by model.

They match what the published patterns match, written once for three regular-expression engines:

- Alternatives without look-ahead stand in one group, because tiktoken's engine runs such a group as one automaton.
- A run of white space before a word is matched in portions of 10,000 at most, where the published patterns
  set no limit: tiktoken's engine keeps one stack entry per character and gives up at a million. `whole_pattern` has
  no limit, for the rare text in which that makes a difference.
- Letters and digits always stand in brackets, so that for texts of nothing but ASCII they can be replaced by
  plain ranges (`ascii_pattern`), which Python's own engine matches almost twice as fast.
"""

from __future__ import annotations

from functools import cache

LONGEST_SPACE = 10_000
"""Characters of white space that a pattern matches at once."""
_SPACE = rf"\s{{1,{LONGEST_SPACE}}}(?!\S)|\s"
# Hugging Face's Digits follows a younger edition of Unicode, which has these numbers besides.
_NUMBER = "\\p{N}\U00011de0-\U00011de9\U00016ff4-\U00016ff6"
_SPACE_BEFORE_NUMBERS = rf"\s{{1,{LONGEST_SPACE}}}(?![^\s{_NUMBER}])|\s"
_CONTRACTION = r"'(?i:[sdmt]|ll|ve|re)"
_WORD = r"[^\r\n\p{L}\p{N}]?[\p{L}]+"
_SIGNS = r" ?[^\s\p{L}\p{N}]+"
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_SIGN = r"[^\r\n\p{L}\p{N}]?"

PATTERNS = {
    "gpt2": rf"(?: ?[\p{{L}}]+|'(?:[sdmt]|ll|ve|re)|{_SIGNS}| ?[\p{{N}}]+)|{_SPACE}",
    "cl100k": rf"(?:{_CONTRACTION}|{_WORD}|[\p{{N}}]{{1,3}}|{_SIGNS}[\r\n]*|\s+$|\s*[\r\n])|{_SPACE}",
    "llama3": rf"(?:{_CONTRACTION}|{_WORD}|[\p{{N}}]{{1,3}}|{_SIGNS}[\r\n]*|\s*[\r\n])|{_SPACE}",
    "qwen2": rf"(?:{_CONTRACTION}|{_WORD}|[\p{{N}}]|{_SIGNS}[\r\n]*|\s*[\r\n])|{_SPACE}",
    "o200k": rf"(?:{_SIGN}{_UPPER}*{_LOWER}+(?:{_CONTRACTION})?|{_SIGN}{_UPPER}+{_LOWER}*(?:{_CONTRACTION})?"
    rf"|[\p{{N}}]{{1,3}}|{_SIGNS}[\r\n/]*|\s*[\r\n])|{_SPACE}",
    "digits": rf"(?: ?[\p{{L}}]+|'(?:[sdmt]|ll|ve|re)| ?[^\s\p{{L}}{_NUMBER}]+|[{_NUMBER}])|{_SPACE_BEFORE_NUMBERS}",
    "none": r"[\s\S]+",
}
"""Name -> pattern, for the engines of tiktoken (Rust) and of the `regex` library."""

ENCODINGS = {
    "gpt2": ("gpt2", 50_256),
    "r50k_base": ("gpt2", 50_256),
    "p50k_base": ("gpt2", 50_281),
    "cl100k_base": ("cl100k", 100_256),
    "o200k_base": ("o200k", 199_998),
}
"""Name of an encoding -> name of its pattern, number of ranks."""

_ASCII = {
    r"\p{Lu}": "A-Z",
    r"\p{Ll}": "a-z",
    r"\p{L}": "A-Za-z",
    r"\p{N}": "0-9",
    r"\p{Lt}": "",
    r"\p{Lm}": "",
    r"\p{Lo}": "",
    r"\p{M}": "",
}


@cache
def whole_pattern(name: str) -> str:
    """The pattern without a limit for white space, for the `regex` library."""
    return PATTERNS[name].replace(rf"\s{{1,{LONGEST_SPACE}}}", r"\s+")


@cache
def ascii_pattern(name: str) -> str:
    """The pattern as it applies to ASCII text, for Python's `re` with its flag ASCII."""
    pattern = PATTERNS[name]
    for unicode_class, ascii_range in _ASCII.items():
        pattern = pattern.replace(unicode_class, ascii_range)
    return pattern
