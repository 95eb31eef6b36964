"""SentencePiece models of public checkpoints, as Llama 2, Gemma and T5 have them: their `tokenizer.model`.

Kudo and Richardson, "SentencePiece" (2018). Ids are those of that library, without exception: what a model does to
white space, and to U+2581, which it takes for a space, is part of it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from partwise import PartError
from partwise.data import Marks

from . import family_marks, restoring
from .family_marks import marks_beside
from .named_files import read_named
from .sentencepiece_model import SPACE, piece_bytes, processor_of
from .settings_beside import with_settings
from .table import TokenTable, without_surrogates
from .tokenizer_json import check_marks


class PublicPieces(TokenTable):
    """The pieces of a model by their ids, then special tokens that files beside it add, then ids that stand for
    nothing."""

    lossless = False

    def __init__(self, model: bytes, marks: Marks, vocab_size: int, specials: Mapping[int, str]) -> None:
        """`model` is the content of the file, `specials` are names of special tokens; raises ValueError if `model` is
        something else."""
        self._model, self._specials = model, dict(specials)
        self._processor = processor = processor_of(model)
        pieces = range(processor.get_piece_size())
        contents = [b"" if token in self._specials else piece_bytes(processor, token) for token in pieces]
        super().__init__([*contents, *[b""] * (vocab_size - len(pieces))], marks)
        self.unknown = None if any(map(processor.is_byte, pieces)) else processor.unk_id()
        self._begins_with_space = processor.encode("a", out_type=str)[0].startswith(SPACE)

    def encode(self, text: str) -> list[int]:
        """Ids of a text."""
        ids: list[int] = self._processor.encode(without_surrogates(text), out_type=int)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, without special tokens and without the space that some models put before every text."""
        text = super().decode(ids)
        return text.removeprefix(" ") if self._begins_with_space else text

    def special_names(self) -> dict[int, str]:
        """Names of the special tokens."""
        return dict(self._specials)

    def label(self, token: int) -> str:
        """A token as people read it; special tokens have the names that the files give them."""
        if token == self._processor.unk_id():
            return str(self._processor.id_to_piece(token))
        return self._specials.get(token) or super().label(token) or f"<unused {token}>"

    def to_tokenizer_json(self) -> dict[str, Any]:
        """The tokenizer in the form of Hugging Face's tokenizers library.

        With a map of characters (T5's), that library has other ids for a character of the map which a mark or a joiner
        follows: it drops these, where SentencePiece keeps them. The files of transformers do the same.

        Raises:
            PartError: the model has no such form.
        """
        from .sentencepiece_form import pieces

        return pieces(self._model, self._specials)

    def to_json(self) -> dict[str, Any]:
        """The content of the file in base64, what begins and ends texts, the number of ids and the special tokens."""
        return {
            "model": base64.b64encode(self._model).decode(),
            "marks": family_marks.to_json(self.marks),
            "vocab_size": self.vocab_size,
            "specials": {str(token): name for token, name in self._specials.items()},
        }

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> PublicPieces:
        """The tokenizer that `to_json` described.

        Raises:
            InputError: `saved` is not what `to_json` gives.
        """
        size = restoring.field(saved, "vocab_size", int)
        specials = restoring.field(saved, "specials", dict)
        if not all(token.isdecimal() and isinstance(name, str) and name for token, name in specials.items()):
            raise restoring.damaged("'specials' should have names by ids")
        model = restoring.binary(restoring.field(saved, "model", str), "model")
        marks = family_marks.from_json(saved, size)
        try:
            return cls(model, marks, size, {int(token): name for token, name in specials.items()})
        except ValueError as error:
            raise restoring.damaged(f"'model' is no SentencePiece model ({error})") from error


def read_pieces(path: Path, end: int | None, vocab_size: int | None) -> PublicPieces:
    """The tokenizer of a `.model` file, with what the files beside it say.

    Args:
        end: id of the token that ends a text; None: as these files say.
        vocab_size: ids there are in all, some of which may stand for nothing; None: as many as these files name.

    Raises:
        PartError: a file is damaged, or nothing says which token ends a text.
    """
    model = read_named(path, "file", "a .model file")
    try:
        processor = processor_of(model)
    except ValueError as error:
        raise PartError(f"file: {path} is no SentencePiece model ({error})") from error
    pieces = {processor.id_to_piece(token): token for token in range(processor.get_piece_size())}
    content = with_settings(path, _as_tokenizer_json(processor, pieces))
    specials = _specials(path, content["added_tokens"], pieces)
    names = {**pieces, **{name: token for token, name in specials.items()}}
    marks = marks_beside(path, content, names, end)
    size = _size(path, max(names.values()) + 1, vocab_size)
    check_marks(marks, size, path)
    if marks.end not in specials:
        raise PartError(f"end: {marks.end} is no special token of {path}")
    return PublicPieces(model, marks, size, specials)


def _as_tokenizer_json(processor: Any, pieces: Mapping[str, int]) -> dict[str, Any]:
    """What the model says of special tokens, in the form of a tokenizer.json. Where no file says more, texts begin with
    the model's own beginning, as Llama's and Gemma's do; without one they end with its end, as T5's do."""
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    control = [
        {"id": token, "content": piece, "special": True, **flags}
        for piece, token in pieces.items()
        if processor.is_control(token)
    ]
    around: list[dict[str, Any]] = [{"Sequence": {"id": "A"}}]
    if processor.bos_id() >= 0:
        around.insert(0, {"SpecialToken": {"id": processor.id_to_piece(processor.bos_id())}})
    elif processor.eos_id() >= 0:
        around.append({"SpecialToken": {"id": processor.id_to_piece(processor.eos_id())}})
    return {"added_tokens": control, "post_processor": {"type": "TemplateProcessing", "single": around}}


def _specials(path: Path, added: Sequence[Mapping[str, Any]], pieces: Mapping[str, int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for token in added:
        name, place = str(token["content"]), int(token["id"])
        if pieces.get(name, place) != place or (name not in pieces and place < len(pieces)):
            raise PartError(f"file: {path} has another token than {name!r} with the id {place}")
        if token["special"] or name == "<unk>":
            found[place] = name
        elif name not in pieces:
            raise PartError(
                f"file: the files beside {path} add the token {name!r} to texts, which a SentencePiece model does not "
                "know; save the tokenizer with transformers, and use its tokenizer.json"
            )
    return found


def _size(path: Path, count: int, asked: int | None) -> int:
    size = count if asked is None else asked
    if not count <= size <= count + 1_000_000:
        raise PartError(f"vocab_size: {path} has {count} ids, and {size} are asked for; leave vocab_size out")
    return size
