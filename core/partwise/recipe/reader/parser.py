"""A JSON reader that keeps positions and says in plain words what is wrong.

Python's own reader loses positions, keeps the last of two equal keys, accepts NaN, and raises
RecursionError on deep nesting.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace

from .cursor import WORD, Cursor, place, quoted
from .problems import cut
from .source import Mark, Node, Source

DEEPEST = 100
"""Most levels of nesting in a recipe."""
MOST_VALUES = 50_000
"""Most values in a recipe; nonsense is refused early."""
LARGEST = 2**64 - 1
"""Largest magnitude of a whole number, which is that of a seed."""

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?P<fraction>\.[0-9]+)?(?P<exponent>[eE][-+]?[0-9]+)?")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_HEX = re.compile(r"[0-9a-fA-F]{4}")
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_LITERALS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_NEAR_LITERALS = {"True": "true", "False": "false", "None": "null", "nil": "null", "undefined": "null"}
_NOT_NUMBERS = re.compile(r"[-+]?(nan|inf|infinity)", re.IGNORECASE)


def parse(source: Source, start: int = 0) -> Node:
    """The JSON value that `source` holds from `start` to its end.

    Raises:
        RecipeError: it is not JSON, a key appears twice, or it is deeper, longer or larger than any recipe.
    """
    reader = _Reader(source, start)
    return reader.whole()


class _Reader(Cursor):
    values = 0

    def whole(self) -> Node:
        self.space()
        if self.at == len(self.text):
            self.fail("the file holds nothing" if self.source.numbered else "the value is missing")
        node = self.value(1)
        self.space()
        if self.at < len(self.text):
            self.unexpected("nothing", f"after the end of the {_noun(node)}")
        return node

    def value(self, depth: int) -> Node:
        self.values += 1
        if self.values > MOST_VALUES:
            self.fail(f"more than {MOST_VALUES:,} values; no recipe needs so many")
        char = self.text[self.at : self.at + 1]
        if char in ("{", "["):
            if depth > DEEPEST:
                self.fail(f"nested deeper than {DEEPEST} levels")
            return self.object(depth) if char == "{" else self.array(depth)
        if char == '"':
            start = self.at
            return Node(self.string(), Mark(self.source, start, self.at))
        return self.word()

    def object(self, depth: int) -> Node:
        start, members = self.at, dict[str, Node]()
        self.at += 1
        while not self.closed("}", start, bool(members)):
            key_start = self.at
            if self.text[self.at] != '"':
                self.bad_key()
            key = self.string()
            mark = Mark(self.source, key_start, self.at)
            if key in members:
                first = members[key].key or mark
                self.fail(f"the key {quoted(key)} appears twice in this object; first {place(first)}", mark)
            self.space()
            if not self.text.startswith(":", self.at):
                self.unexpected('":"', f"after the key {quoted(key)}", start)
            self.at += 1
            self.space()
            if self.at == len(self.text):
                self.unclosed(start)
            members[key] = replace(self.value(depth + 1), key=mark)
        return Node(members, Mark(self.source, start, self.at))

    def array(self, depth: int) -> Node:
        start, items = self.at, list[Node]()
        self.at += 1
        while not self.closed("]", start, bool(items)):
            items.append(self.value(depth + 1))
        return Node(tuple(items), Mark(self.source, start, self.at))

    def closed(self, closer: str, start: int, begun: bool) -> bool:
        """Skips the bracket that closes what began at `start`, or the comma before the next member."""
        self.space()
        if self.text.startswith(closer, self.at):
            self.at += 1
            return True
        if not begun:
            if self.at == len(self.text):
                self.unclosed(start)
            return False
        if not self.text.startswith(",", self.at):
            self.unexpected(f'"," or "{closer}"', "", start)
        comma = self.at
        self.at += 1
        self.space()
        if self.text.startswith(closer, self.at):
            self.fail(f'a comma before "{closer}": remove it', Mark(self.source, comma, comma + 1))
        if self.at == len(self.text):
            self.unclosed(start)
        return False

    def word(self) -> Node:
        """A number, true, false or null."""
        match = WORD.match(self.text, self.at)
        if match is None:
            return self.unexpected("a value", "")
        word, mark = match.group(), Mark(self.source, self.at, match.end())
        if word in _LITERALS:
            self.at = match.end()
            return Node(_LITERALS[word], mark)
        if number := _NUMBER.fullmatch(word):
            self.at = match.end()
            whole = number["fraction"] is None and number["exponent"] is None
            return Node(self.whole_number(word, mark) if whole else self.real_number(word, mark), mark)
        if word in _NEAR_LITERALS:
            self.fail(f"{word} is not JSON, did you mean {_NEAR_LITERALS[word]}?", mark)
        if _NOT_NUMBERS.fullmatch(word):
            self.fail(f"{word} is not a number in JSON, and no knob accepts it", mark)
        if word[0] in "-+.0123456789":
            self.fail(f"{cut(word)} is not a number in JSON; write 1, -0.5 or 3e-4", mark)
        return self.strange(f"a string takes double quotes: {quoted(word)}", mark)

    def whole_number(self, word: str, mark: Mark) -> int:
        # Python refuses to convert more than 4300 digits, so they are counted first.
        if len(word) > 21 or abs(int(word)) > LARGEST:
            self.fail(f"{cut(word)} is too large: the largest whole number is 2^64 - 1", mark)
        return int(word)

    def real_number(self, word: str, mark: Mark) -> float:
        number = float(word)
        if math.isinf(number):
            self.fail(f"{cut(word)} is too large for a number of 64 bits", mark)
        return number

    def string(self) -> str:
        start, pieces = self.at, list[str]()
        self.at += 1
        while True:
            plain = _PLAIN.match(self.text, self.at)
            assert plain is not None  # the pattern also matches an empty text
            pieces.append(plain.group())
            self.at = plain.end()
            char = self.text[self.at : self.at + 1]
            if char == '"':
                self.at += 1
                return "".join(pieces)
            if char == "\\":
                pieces.append(self.escape())
            elif char in ("\n", "\r"):
                self.fail('the string that begins here has no closing "', Mark(self.source, start, self.at))
            elif char:
                written = {"\t": "a tab: write \\t"}.get(char, f"a control character: write \\u{ord(char):04x}")
                self.fail(f"{written} for it inside a string")
            else:
                self.fail('the string that begins here has no closing "', Mark(self.source, start, self.at))

    def escape(self) -> str:
        start = self.at
        char = self.text[start + 1 : start + 2]
        self.at += 2
        if char in _ESCAPES and char:
            return _ESCAPES[char]
        if char != "u":
            mark = Mark(self.source, start, start + 2)
            self.fail(f"\\{char} means nothing in JSON; a backslash is written \\\\", mark)
        unit = self.code_unit(start)
        if 0xD800 <= unit < 0xDC00 and self.text.startswith("\\u", self.at):
            self.at += 2
            low = self.code_unit(start)
            if 0xDC00 <= low < 0xE000:
                return chr(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
            unit = low if 0xD800 <= low < 0xDC00 else unit
        if 0xD800 <= unit < 0xE000:
            self.fail(f"\\u{unit:04x} is half a character (a lone surrogate)", Mark(self.source, start, self.at))
        return chr(unit)

    def code_unit(self, start: int) -> int:
        match = _HEX.match(self.text, self.at)
        if match is None:
            self.fail("\\u takes four hexadecimal digits", Mark(self.source, start, start + 2))
        self.at = match.end()
        return int(match.group(), 16)


def _noun(node: Node) -> str:
    if isinstance(node.value, dict):
        return "object"
    return "array" if isinstance(node.value, tuple) else "value"
