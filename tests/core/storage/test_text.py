"""What a file is that is not UTF-8, and the command that mends it: told from files that other programs wrote."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import re
import shutil
import sqlite3
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partwise import InputError
from partwise.storage import decode_text

ENGLISH = "He said \u201cno\u201d \u2013 it\u2019s 5 \u20ac, and the caf\u00e9 was closed.\n" * 5
FRENCH = "Un caf\u00e9 au lait, l'\u00e9t\u00e9 dernier \u00e0 Gen\u00e8ve.\n"
GERMAN = "Gr\u00f6\u00dfe und \u00dcbermut, sch\u00f6n.\n"
POLISH = "Za\u017c\u00f3\u0142\u0107 g\u0119\u015bl\u0105 ja\u017a\u0144, ksi\u0105\u017cka.\n"
RUSSIAN = "\u041f\u0440\u0438\u0432\u0435\u0442, \u043a\u0430\u043a \u0434\u0435\u043b\u0430?\n"
CHINESE = "\u8fd9\u662f\u4e00\u4e2a\u4e2d\u6587\u6587\u672c\uff0c\u6211\u4eec\u5728\u8fd9\u91cc\u5b66\u4e60\u3002\n"
JAPANESE = "\u3053\u308c\u306f\u65e5\u672c\u8a9e\u306e\u6587\u7ae0\u3067\u3059\u3002\n"
KOREAN = "\uc548\ub155\ud558\uc138\uc694. \uc774\uac83\uc740 \ud55c\uad6d\uc5b4\n"


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        decode_text(path.read_bytes(), path.name, path=path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "encoding", "named"),
    [
        (ENGLISH, "utf-16", "UTF-16"),  # as Notepad and PowerShell write it, with a byte-order mark
        (ENGLISH, "utf-16-le", "UTF-16LE"),
        (ENGLISH, "utf-16-be", "UTF-16BE"),
        (RUSSIAN * 3, "utf-16-le", "UTF-16LE"),
        (ENGLISH, "utf-32", "UTF-32"),
        (ENGLISH, "utf-32-le", "UTF-32LE"),
        (ENGLISH, "cp1252", "WINDOWS-1252"),
        (FRENCH, "latin-1", "LATIN1"),
        (GERMAN, "latin-1", "LATIN1"),
        (FRENCH, "mac_roman", "MACINTOSH"),
        (POLISH, "cp1250", "WINDOWS-1250"),
        (RUSSIAN, "cp1251", "WINDOWS-1251"),
        (RUSSIAN, "koi8_r", "KOI8-R"),
        (CHINESE, "gb18030", "GB18030"),
        (JAPANESE, "cp932", "CP932"),
        (JAPANESE, "euc_jp", "EUC-JP"),
        (KOREAN, "cp949", "CP949"),
    ],
)
def test_the_advice_brings_the_text_back(tmp_path: Path, text: str, encoding: str, named: str) -> None:
    path = tmp_path / "my notes.txt"
    path.write_bytes(text.encode(encoding))
    message = refusal(path)
    command = re.search(r"iconv -f (\S+) .*", message)
    assert command is not None, message
    assert command[1] == named
    if shutil.which("iconv"):
        subprocess.run(command[0], shell=True, cwd=tmp_path, check=True)
        assert (tmp_path / "my notes-utf8.txt").read_text("utf-8") == text


def zipped(name: str) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr(name, "some text")
    return written.getvalue()


def tarred() -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"), io.BytesIO())
    return written.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(b"some text", mtime=0), "compressed with gzip.*gzip -dc a.txt > a-text.txt"),
        (bz2.compress(b"some text"), "compressed with bzip2.*bzip2 -dc"),
        (lzma.compress(b"some text"), "compressed with xz.*xz -dc"),
        (b"\x28\xb5\x2f\xfd\x24\x02", "compressed with zstd.*zstd -dc"),
        (zipped("notes.txt"), "a zip archive.*unzip"),
        (zipped("word/document.xml"), "a Word document.*pandoc"),
        (zipped("xl/workbook.xml"), "an Excel table"),
        (tarred(), "a tar archive.*tar xf"),
        (b"%PDF-1.4\n1 0 obj\n<< >>\n", "a PDF document.*pdftotext a.txt a-text.txt"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG picture"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG picture"),
        (b"PAR1\x15\0\x15\x10", "a Parquet table.*JSON lines"),
        (b"SQLite format 3\0\x10\0", "an SQLite database"),
        (b"\x7fELF\x02\x01\x01\0", "a program"),
        (b"\x80\x04\x95\x0b\0", "a Python pickle"),
        (b"GGUF\x03\0\0\0", "a GGUF model"),
        (random.Random(2).randbytes(5000), "no text: .*control characters"),
        (bytes(range(32)) * 9 + b"hello", "no text: .*control characters"),
        (b"hello\0\0\0\0\0\0\0\0", "no text: .*control characters"),
        ("na\u00efve caf\u00e9 ".encode() * 5 + b"\xc3", "damaged or cut off.*iconv -c"),
    ],
)
def test_what_a_file_is_is_told_by_its_bytes(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    assert re.search(words, refusal(path)), refusal(path)


def test_a_database_of_pythons_own_is_known(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as database:
        database.execute("create table texts (text)")
    assert "an SQLite database" in refusal(tmp_path / "a.db")


@pytest.mark.parametrize("start", ["BMW", "MZ", "PAR1", "GGUF", "ORC", "RIFF", "ID3", "BZh9", '12345678{"a": 1}'])
def test_a_text_may_begin_with_the_letters_of_another_kind(start: str) -> None:
    assert decode_text(f"{start} f\u00e4hrt\n".encode(), "a.txt") == f"{start} f\u00e4hrt\n"
    with pytest.raises(InputError, match="LATIN1"):
        decode_text(f"{start} f\u00e4hrt\n".encode("latin-1"), "a.txt")


@given(text=st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=50))
def test_every_text_passes(text: str) -> None:
    assert decode_text(text.encode(), "a.txt") == text.removeprefix("\ufeff")


@pytest.mark.parametrize(
    "text", ["one \0 NUL in a text that is otherwise in order", "\x1b[31mred\x1b[0m", "a\r\n\tb\f"]
)
def test_a_few_control_characters_are_text(text: str) -> None:
    assert decode_text(text.encode(), "a.txt") == text


def test_utf_16_that_was_appended_is_found(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"plain\n" * 30_000 + "appended by PowerShell\n".encode("utf-16-le") * 50)
    assert re.search(r"it is UTF-16LE from byte 1800\d\d", refusal(path))
