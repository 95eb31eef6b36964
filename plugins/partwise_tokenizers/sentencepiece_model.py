"""SentencePiece: subwords learned from raw text, by byte pairs or by a unigram model.

Kudo and Richardson, "SentencePiece" (2018); Kudo, "Subword regularization" (2018) for the unigram model.

SentencePiece writes a space as U+2581, and a U+2581 in a text would come back as a space; so here
that sign is spelled in bytes, or is unknown where the model has no bytes. A model trained on text without spaces, such
as Chinese, has no piece for them, and would spell each as if it were that sign; here it is the byte of a space.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sentencepiece

from partwise import PartError

from . import restoring
from .named_files import read_named
from .table import REPLACEMENT, TokenTable, without_surrogates

SPACE = "\u2581"
# Every normalisation that SentencePiece offers changes this text.
_PROBE = " \n\tA ﬁ①  Ｆé e\u0301\u200b\r\n\u00a0 "


class SentencePieceTokenizer(TokenTable):
    """The pieces of a SentencePiece model by id, then the end token.

    `unknown` is the model's own, unless the model has a piece for every byte and so knows every text. Whether a
    model is lossless is found by trying: one from a file may normalise texts, or begin each with a space.
    """

    def __init__(self, model: bytes) -> None:
        """`model` is the content of a `.model` file; raises ValueError if it is anything else."""
        self._model = model
        self._processor = processor = processor_of(model)
        ids = range(processor.get_piece_size())
        super().__init__([piece_bytes(processor, token) for token in ids])
        self.unknown = None if any(map(processor.is_byte, ids)) else processor.unk_id()
        spelled = [processor.piece_to_id(f"<0x{byte:02X}>") for byte in SPACE.encode()]
        self._space_sign = spelled if self.unknown is None else [self.unknown]
        self._space_byte = processor.piece_to_id("<0x20>") if self.unknown is None else None
        # Such a model puts a space before every text, so a text cannot be encoded in parts.
        self._begins_with_space = processor.encode("a", out_type=str)[0].startswith(SPACE)
        known = _PROBE if self.unknown is None else "".join(filter(self._knows, _PROBE))
        self.lossless = not self._begins_with_space and self.decode(self.encode(known)) == known

    def _knows(self, character: str) -> bool:
        return self.unknown not in self.encode(character)

    def encode(self, text: str) -> list[int]:
        """Ids of a text."""
        text = without_surrogates(text)
        if SPACE not in text or self._begins_with_space:
            return self._encoded(text)
        first, *others = text.split(SPACE)
        ids = self._encoded(first)
        for part in others:
            ids += self._space_sign
            ids += self._encoded(part)
        return ids

    def _encoded(self, text: str) -> list[int]:
        ids: list[int] = self._processor.encode(text, out_type=int)
        if self._space_byte is None or " " not in text or self._space_sign[0] not in ids:
            return ids
        return _replaced(ids, self._space_sign, self._space_byte)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, without special tokens and without the space that some models put before every text."""
        text = super().decode(ids)
        return text.removeprefix(" ") if self._begins_with_space else text

    def label(self, token: int) -> str:
        """A token as people read it; control tokens by their own name."""
        if token != self.end and self._processor.is_control(token):
            return str(self._processor.id_to_piece(token))
        return super().label(token)

    def to_tokenizer_json(self) -> dict[str, Any]:
        """The tokenizer in the form of Hugging Face's tokenizers library, where U+2581 is a space.

        Raises:
            PartError: the model has no such form.
        """
        from .sentencepiece_form import pieces

        return pieces(self._model, self.special_names())

    def to_json(self) -> dict[str, Any]:
        """The content of the `.model` file in base64."""
        return {"model": base64.b64encode(self._model).decode()}

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> SentencePieceTokenizer:
        """The tokenizer that `to_json` described.

        Raises:
            InputError: `saved` is not what `to_json` gives.
        """
        try:
            return cls(restoring.binary(restoring.field(saved, "model", str), "model"))
        except ValueError as error:
            raise restoring.damaged(f"'model' is no SentencePiece model ({error})") from error


def _replaced(ids: list[int], spelled: list[int], by: int) -> list[int]:
    """The ids with one in place of each run of others."""
    kept, place, length = list[int](), 0, len(spelled)
    while place < len(ids):
        found = ids[place : place + length] == spelled
        kept.append(by if found else ids[place])
        place += length if found else 1
    return kept


def processor_of(model: bytes) -> Any:
    """SentencePiece with that model; ValueError if it is none."""
    processor = sentencepiece.SentencePieceProcessor()
    try:
        processor.load_from_serialized_proto(model)
    except (RuntimeError, OSError) as error:
        raise ValueError(str(error)) from error
    if not processor.get_piece_size():
        raise ValueError("it has no pieces")
    return processor


def piece_bytes(processor: Any, token: int) -> bytes:
    """What a piece adds to a text."""
    piece: str = processor.id_to_piece(token)
    if processor.is_unknown(token):
        return REPLACEMENT.encode()
    if processor.is_control(token):
        return b""
    if processor.is_byte(token):
        return bytes([int(piece[3:5], 16)])
    return piece.replace(SPACE, " ").encode()


def read_model(path: Path) -> SentencePieceTokenizer:
    """The tokenizer of a `.model` file.

    Raises:
        PartError: there is no such file, or it is no SentencePiece model.
    """
    model = read_named(path, "file", "a .model file")
    try:
        return SentencePieceTokenizer(model)
    except ValueError as error:
        raise PartError(f"file: {path} is no SentencePiece model ({error})") from error
