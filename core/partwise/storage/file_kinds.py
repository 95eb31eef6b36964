"""What a file is that holds no plain text, by the bytes it begins with, and how to get at its text."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FileKind:
    """A kind of file."""

    what: str
    """In words, with its article."""
    advice: str = "Give the text itself, or leave it out"
    """What to do; FILE stands for the file, TEXT for one to write."""
    plain: bool = False
    """Whether its first bytes are letters, with which a text may begin too."""

    def fix(self, path: Path | None) -> str:
        """What to do about the file."""
        if path is None:
            return self.advice.replace("FILE ", "").replace(" > TEXT", "").replace("FILE", "it").replace("TEXT", "it")
        suffixes = {".gz", ".zst", ".bz2", ".xz", ".lz4", ".zip"}
        stem = path.stem if path.suffix.lower() in suffixes else f"{path.stem}-text"
        inner = Path(stem).suffix if path.suffix.lower() in suffixes else path.suffix
        readable = inner if inner in {".txt", ".md", ".json", ".jsonl", ".ndjson", ".tsv", ".tab"} else ".txt"
        new = Path(stem).with_suffix(readable).name if inner else f"{stem}{readable}"
        return self.advice.replace("FILE", shlex.quote(path.name)).replace("TEXT", shlex.quote(new))


def _packed(what: str, tool: str) -> FileKind:
    return FileKind(f"compressed with {what}", f"Unpack it: {tool} FILE > TEXT")


_PICTURE = "It is a picture; pictures hold no text, so leave it out"
_SOUND = "It is sound or film, which holds no text, so leave it out"
_PROGRAM = "It is a program; leave it out"
_WEIGHTS = "It holds a model's weights, not texts; leave it out"
_TABLE = "Write its column of texts as JSON lines, for example with pandas: "
_ARCHIVE = FileKind("a zip archive", "Unpack it (unzip FILE), and name the files in it")
_DOCUMENT = "Save it as plain text in UTF-8, or convert it: pandoc -t plain FILE > TEXT"

KINDS: tuple[tuple[int, bytes, FileKind], ...] = (
    (0, b"\x1f\x8b", _packed("gzip", "gzip -dc")),
    (0, b"\x28\xb5\x2f\xfd", _packed("zstd", "zstd -dc")),
    (0, b"\xfd7zXZ\0", _packed("xz", "xz -dc")),
    (4, b"1AY&SY", _packed("bzip2", "bzip2 -dc")),
    (0, b"\x04\x22\x4d\x18", _packed("lz4", "lz4 -dc")),
    (0, b"\x1f\x9d", _packed("compress", "gzip -dc")),
    (0, b"7z\xbc\xaf\x27\x1c", FileKind("a 7z archive", "Unpack it (7z x FILE), and name the files in it")),
    (0, b"Rar!\x1a\x07", FileKind("a RAR archive", "Unpack it (unrar x FILE), and name the files in it")),
    (257, b"ustar", FileKind("a tar archive", "Unpack it (tar xf FILE), and name the files in it")),
    (0, b"PK\x05\x06", FileKind("an empty zip archive", "It holds nothing; leave it out")),
    (0, b"%PDF-", FileKind("a PDF document", "Take the text out of it: pdftotext FILE TEXT")),
    (
        0,
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        FileKind("an old Microsoft Office document", "Save it as plain text in UTF-8"),
    ),
    (0, b"{\\rtf", FileKind("a rich text (RTF) document", _DOCUMENT)),
    (0, b"%!PS-Adobe", FileKind("a PostScript document", "Take the text out of it: ps2ascii FILE > TEXT")),
    (0, b"\x89PNG\r\n\x1a\n", FileKind("a PNG picture", _PICTURE)),
    (0, b"\xff\xd8\xff", FileKind("a JPEG picture", _PICTURE)),
    (0, b"GIF8", FileKind("a GIF picture", _PICTURE, plain=True)),
    (0, b"BM", FileKind("a BMP picture", _PICTURE, plain=True)),
    (0, b"II*\0", FileKind("a TIFF picture", _PICTURE)),
    (0, b"MM\0*", FileKind("a TIFF picture", _PICTURE)),
    (8, b"WEBP", FileKind("a WebP picture", _PICTURE, plain=True)),
    (0, b"\0\0\1\0", FileKind("an icon", _PICTURE)),
    (0, b"RIFF", FileKind("a sound or film (RIFF)", _SOUND, plain=True)),
    (0, b"ID3", FileKind("an MP3 recording", _SOUND, plain=True)),
    (0, b"\xff\xfb", FileKind("an MP3 recording", _SOUND)),
    (0, b"OggS", FileKind("an Ogg recording", _SOUND, plain=True)),
    (0, b"fLaC", FileKind("a FLAC recording", _SOUND, plain=True)),
    (4, b"ftyp", FileKind("a film or recording (MP4)", _SOUND, plain=True)),
    (0, b"\x1a\x45\xdf\xa3", FileKind("a film (Matroska)", _SOUND)),
    (0, b"PAR1", FileKind("a Parquet table", _TABLE + "pandas.read_parquet", plain=True)),
    (0, b"ARROW1", FileKind("an Arrow table", _TABLE + "pandas.read_feather", plain=True)),
    (0, b"\xff\xff\xff\xff", FileKind("an Arrow stream", "Write its column of texts as JSON lines")),
    (0, b"FEA1", FileKind("a Feather table", _TABLE + "pandas.read_feather", plain=True)),
    (0, b"ORC", FileKind("an ORC table", _TABLE + "pandas.read_orc", plain=True)),
    (0, b"Obj\1", FileKind("an Avro table", "Write its column of texts as JSON lines")),
    (0, b"SQLite format 3\0", FileKind("an SQLite database", "Write its texts as JSON lines: sqlite3 -json")),
    (0, b"\x89HDF\r\n\x1a\n", FileKind("an HDF5 file", "Write its texts as JSON lines")),
    (0, b"\x93NUMPY", FileKind("a NumPy array", "It holds numbers; leave it out")),
    (0, b"GGUF", FileKind("a GGUF model", _WEIGHTS, plain=True)),
    (0, b"\x7fELF", FileKind("a program", _PROGRAM)),
    (0, b"MZ", FileKind("a Windows program", _PROGRAM, plain=True)),
    (0, b"\xcf\xfa\xed\xfe", FileKind("a macOS program", _PROGRAM)),
    (0, b"\xca\xfe\xba\xbe", FileKind("a compiled program", _PROGRAM)),
    (0, b"\0asm", FileKind("a WebAssembly program", _PROGRAM)),
    (8, b'{"', FileKind("a safetensors file", _WEIGHTS, plain=True)),
    *((0, b"\x80" + bytes([n]), FileKind("a Python pickle", "Write its texts as JSON lines")) for n in range(2, 6)),
)
"""Where the sign stands, the sign, and what it is the sign of; the first that fits counts."""

INSIDE: tuple[tuple[bytes, FileKind], ...] = (
    (b"word/", FileKind("a Word document (docx)", _DOCUMENT)),
    (b"xl/", FileKind("an Excel table (xlsx)", "Save it as tab-separated text in UTF-8")),
    (b"ppt/", FileKind("a PowerPoint document (pptx)", "Save it as plain text in UTF-8")),
    (b"application/epub+zip", FileKind("an e-book (epub)", _DOCUMENT)),
    (b"application/vnd.oasis.opendocument", FileKind("an OpenDocument file (odt, ods)", _DOCUMENT)),
    (b"data.pkl", FileKind("a PyTorch checkpoint", _WEIGHTS)),
    (b".npy", FileKind("an archive of NumPy arrays", "It holds numbers; leave it out")),
)
"""What is in a zip archive, and what that makes of it."""


def kind_of(head: bytes) -> FileKind | None:
    """The kind of a file that begins so; None for plain text, and for what nobody knows."""
    if head.startswith(b"PK\3\4"):
        return next((kind for name, kind in INSIDE if name in head), _ARCHIVE)
    if not any(head.startswith(signs, place) for place, signs in _SIGNS):
        return None
    return next((kind for place, sign, kind in KINDS if head[place : place + len(sign)] == sign), None)


_SIGNS = [(place, tuple(sign for at, sign, _ in KINDS if at == place)) for place in sorted({at for at, _, _ in KINDS})]
"""The same signs by place: what most files are is then known at once."""


__all__ = ["FileKind", "kind_of"]
