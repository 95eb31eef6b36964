"""Guesses the encoding of text that is not UTF-8, by which reading of its bytes looks most like a language."""

from __future__ import annotations

import codecs
import unicodedata

LEAST = 0.05
"""Share of the code units that have a NUL on one side, and on that side only, in UTF-16 without a mark."""

SINGLE = {
    "cp1252": "WINDOWS-1252",
    "cp1250": "WINDOWS-1250",
    "cp1251": "WINDOWS-1251",
    "koi8_r": "KOI8-R",
    "cp866": "CP866",
    "cp1253": "WINDOWS-1253",
    "iso8859_5": "ISO-8859-5",
    "cp850": "CP850",
    "mac_roman": "MACINTOSH",
}
"""Python's name -> that of iconv: encodings of one byte for each character. The first wins if several fit as well."""
DOUBLE = {
    "gb18030": "GB18030",
    "big5": "BIG5",
    "cp932": "CP932",
    "euc_jp": "EUC-JP",
    "cp949": "CP949",
    "utf_16_le": "UTF-16LE",
    "utf_16_be": "UTF-16BE",
}
"""Those of East Asia, mostly of two bytes."""
COMMON = frozenset(
    "的一是不了在人有我他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里后小么心多天而能好"
    "這個來國說們為時會過學對裡後麼沒還開從關見兩頭點當實現發電話長動經東車書門間題氣"
)
"""Characters that make up a third of any Chinese text."""
MARKS = "“”‘’„‚«»–—…•€£§©®°"


def utf_without_marks(piece: bytes) -> str | None:
    """UTF-16LE and so on, if every second (or fourth) byte is often NUL and the others hardly ever are."""
    units = len(piece) // 2
    if units < 2 or b"\0" not in piece:
        return None
    nuls = [piece[place : 4 * (units // 2) : 4].count(0) for place in range(4)] if units >= 4 else [0] * 4
    if units >= 4 and min(nuls[2:]) >= 0.9 * (units // 2) and nuls[0] < 0.1 * units:
        return "UTF-32LE"
    if units >= 4 and min(nuls[:2]) >= 0.9 * (units // 2) and nuls[3] < 0.1 * units:
        return "UTF-32BE"
    even, odd = piece[0 : 2 * units : 2].count(0), piece[1 : 2 * units : 2].count(0)
    for mine, other, name in ((odd, even, "UTF-16LE"), (even, odd, "UTF-16BE")):
        if mine >= max(2, LEAST * units) and other <= mine / 8 and _reads(piece[: 2 * units], name):
            return name
    return None


def _reads(raw: bytes, encoding: str) -> bool:
    """Whether nearly all of it becomes characters that people write."""
    text = raw.decode(encoding, "replace")[:-1] or raw.decode(encoding, "replace")
    written = sum(char in "\n\r\t\f" or unicodedata.category(char)[0] in "LMNPSZ" for char in text)
    return written - text.count("\N{REPLACEMENT CHARACTER}") >= 0.95 * len(text)


def encoding_of(sample: bytes) -> str | None:
    """iconv's name of the encoding that text is most likely in; None if no reading looks like text."""
    if not any(byte in range(0x80, 0xA0) for byte in sample) and _score(sample, "cp1252") > 0:
        best = max(SINGLE, key=lambda name: _score(sample, name))
        if _score(sample, "cp1252") >= _score(sample, best) and _double(sample)[0] <= _score(sample, "cp1252"):
            return "LATIN1"  # which has all of these characters, and is the name that everyone knows
    singles = [(_score(sample, name), -place, iconv) for place, (name, iconv) in enumerate(SINGLE.items())]
    score, _, name = max(singles)
    double, doubled = _double(sample)
    if double > score:
        score, name = double, doubled
    return name if score > 0 else None


def _double(sample: bytes) -> tuple[float, str]:
    return max((_asian(sample, name), iconv) for name, iconv in DOUBLE.items())


def _score(sample: bytes, encoding: str) -> float:
    """How much the characters beyond ASCII look like letters among letters, and like marks around words."""
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError:
        return -1.0
    total, count = 0.0, 0
    for place, char in enumerate(text):
        if char.isascii():
            continue
        count += 1
        before, after = text[place - 1 : place], text[place + 1 : place + 2]
        total += _likely(char, before, after)
    return total / count if count else -1.0


def _likely(char: str, before: str, after: str) -> float:
    if char.isalpha():
        if not (before.isalpha() or after.isalpha()):
            return 0.3 if char.islower() else -0.3
        if before.islower() and char.isupper():
            return -1.0
        if any(near.isalpha() and _script(near) != _script(char) for near in (before, after)):
            return -1.0
        if _script(char) == "LATIN" and any(near.isalpha() and not near.isascii() for near in (before, after)):
            return 0.3  # accented letters stand among plain ones
        # Of alphabets with a byte for each letter, that one is likely whose letters are mostly small.
        return 1.0 if char.islower() else 0.4 if before.isupper() or not before.isalpha() else -0.5
    if char in MARKS or char.isspace():
        inside = before.isalpha() and after.isalpha()
        return 1.0 if not inside or char in "’–—…" else -1.0
    return -0.5


def _script(char: str) -> str:
    return unicodedata.name(char, "?").split(" ")[0]


def _asian(sample: bytes, encoding: str) -> float:
    """The same for the encodings of East Asia."""
    text = _within(sample, encoding)
    korean, japanese, any_of_them = encoding == "cp949", encoding in ("cp932", "euc_jp"), encoding.startswith("utf")
    total, count = 0.0, 0
    for place, char in enumerate(text):
        if char.isascii():
            continue
        count += 1
        if any(near.isascii() and near.islower() for near in (text[place - 1 : place], text[place + 1 : place + 2])):
            total -= 1.0  # as when an accented letter of another encoding swallows the letter after it
        elif "\uac00" <= char <= "\ud7a3":
            total += 1.0 if korean or any_of_them else -1.0
        elif "\u3040" <= char <= "\u30ff":
            total += 1.2 if japanese or any_of_them else -1.0
        elif "\u4e00" <= char <= "\u9fff":
            total += 1.6 if char in COMMON and not korean else -0.5 if korean else 0.4 if japanese else 0.2
        else:
            total += 0.8 if char in "，。、：；？！（）「」『』《》“”‘’…　—・ー" else -1.0
    return total / count if count else -1.0


def _within(sample: bytes, encoding: str) -> str:
    """The text of a sample that may begin and end within a character; nothing if it is not in the encoding."""
    for first in range(4):
        try:
            return codecs.getincrementaldecoder(encoding)().decode(sample[first:])
        except UnicodeDecodeError:
            continue
    return ""


__all__ = ["encoding_of", "utf_without_marks"]
