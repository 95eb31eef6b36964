"""How public `tokenizer.json` files cut texts into pre-tokens, and our names for that, in both directions."""

from __future__ import annotations

from typing import Any

_LETTERS, _BEFORE_NUMBERS = r"[^\r\n\p{L}\p{N}]?\p{L}+", r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_AFTER_NUMBERS = rf" ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_SPACES}"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_SIGN = r"[^\r\n\p{L}\p{N}]?"

REGEXES = {
    "llama3": rf"{_BEFORE_NUMBERS}|{_LETTERS}|\p{{N}}{{1,3}}|{_AFTER_NUMBERS}",
    "qwen2": rf"{_BEFORE_NUMBERS}|{_LETTERS}|\p{{N}}|{_AFTER_NUMBERS}",
    "cl100k": rf"{_BEFORE_NUMBERS}|{_LETTERS}|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s+\z|{_SPACES}",
    "o200k": rf"{_SIGN}{_UPPER}*{_LOWER}+{_BEFORE_NUMBERS}?|{_SIGN}{_UPPER}+{_LOWER}*{_BEFORE_NUMBERS}?"
    rf"|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_SPACES}",
}
"""Our names of the patterns -> regular expressions as such files have them."""
_NAMES = {regex: name for name, regex in REGEXES.items()}


def pattern_of(splitter: Any) -> str | None:
    """Our name for a file's pre-tokenization; None if it is another."""
    match _steps(splitter):
        case [{"type": "ByteLevel", **rest}] if not rest.get("add_prefix_space", True):
            return "gpt2" if rest.get("use_regex", True) else "none"
        case [{"type": "Digits", "individual_digits": True}, {"type": "ByteLevel", **rest}] if not rest.get(
            "add_prefix_space", True
        ) and rest.get("use_regex", True):
            return "digits"
        case [
            {"type": "Split", "pattern": {"Regex": str(regex)}, "behavior": str(behavior), "invert": bool(invert)},
            {"type": "ByteLevel", "use_regex": False, **rest},
        ] if not rest.get("add_prefix_space", True):
            # The patterns match all of every text, so that what is left out by the second is nothing.
            return _NAMES.get(regex) if (behavior, invert) in (("Isolated", False), ("Removed", True)) else None
    return None


def splitter_of(pattern: str) -> dict[str, Any]:
    """The pre-tokenization that a `tokenizer.json` has for one of our patterns."""
    by_bytes = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    if pattern == "none":
        return by_bytes
    if pattern == "gpt2":
        return {**by_bytes, "use_regex": True}
    if pattern == "digits":
        steps = [{"type": "Digits", "individual_digits": True}, {**by_bytes, "use_regex": True}]
    else:
        split = {"type": "Split", "pattern": {"Regex": REGEXES[pattern]}, "behavior": "Isolated", "invert": False}
        steps = [split, by_bytes]
    return {"type": "Sequence", "pretokenizers": steps}


def _steps(splitter: Any) -> list[Any]:
    match splitter:
        case {"type": "Sequence", "pretokenizers": list(several)}:
            return [step for one in several for step in _steps(one)]
    return [splitter]
