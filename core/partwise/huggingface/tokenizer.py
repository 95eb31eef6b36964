"""Tokenizers in and out of checkpoints, and what a checkpoint says of the beginning and the end of texts.

`tokenizer.json` and `tokenizer_config.json` are for transformers, as far as their format goes. A third file,
`partwise_tokenizer.json`, holds the tokenizer as a run does, so that import takes back exactly what export wrote.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from partwise.data import Tokenizer, marks_of
from partwise.data.chat_reading import chat_settings
from partwise.errors import InputError, PartError, PartwiseError
from partwise.parts.sites import TokenizerSite
from partwise.recipe import LoadedRecipe
from partwise.workflow.sites import restored

from .checkpoint import CONFIG, read_object
from .family import Family
from .writing import GENERATION, settings_of

TOKENIZER, SETTINGS = "tokenizer.json", "tokenizer_config.json"
PIECES = ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model")
"""SentencePiece models, as Llama 2 and Gemma, T5, and multilingual checkpoints call them."""
PIECES_PART = "sentencepiece_model"
OWN = "partwise_tokenizer.json"
FORMAT = "partwise_tokenizer"


def recipe_changes(family: Family, config: Mapping[str, Any], directory: Path) -> list[str]:
    """Changes that give a family's recipe the tokenizer of a checkpoint.

    Raises:
        InputError: the checkpoint has none.
    """
    if (directory / OWN).is_file():
        return [f"tokenizer={json.dumps(_own(directory)['part'])}"]
    if family.tokenizer is None:
        return []
    end, size = config.get("eos_token_id"), config.get("vocab_size")
    end = end[0] if isinstance(end, list) and end else end
    changes = [f"tokenizer={json.dumps(_reader(family.tokenizer, directory))}"]
    changes += [f"tokenizer.vocab_size={json.dumps(size)}"] if size is not None else []
    changes += [f"tokenizer.end={json.dumps(end)}"] if isinstance(end, int) else []
    return changes


def _reader(wanted: dict[str, Any], directory: Path) -> dict[str, Any]:
    """The part that reads the tokenizer of a checkpoint: the family's or, where its file is not there and a
    SentencePiece model is, one for that.

    Raises:
        InputError: there is neither.
    """
    file = wanted.get("file", PIECES[0] if wanted.get("use") == PIECES_PART else TOKENIZER)
    if (directory / file).is_file():
        return wanted
    if found := next((name for name in PIECES if (directory / name).is_file()), None):
        return {"use": PIECES_PART, "file": found}
    raise InputError(
        f"{directory} lacks {file} and {PIECES[0]}; with transformers, AutoTokenizer.from_pretrained(NAME)"
        f".save_pretrained({str(directory)!r}) writes it"
    )


def read_tokenizer(loaded: LoadedRecipe, directory: Path) -> Tokenizer:
    """The tokenizer of a checkpoint whose recipe has it.

    Raises:
        PartwiseError: it is not as it must be.
    """
    if not (directory / OWN).is_file():
        return _assembled(loaded, directory)
    try:
        return restored(loaded.recipe.tokenizer, _own(directory)["state"])
    except PartwiseError as error:
        raise InputError(f"{directory / OWN}: {error}") from error


def _assembled(loaded: LoadedRecipe, directory: Path) -> Tokenizer:
    try:
        return loaded.recipe.tokenizer.assemble(TokenizerSite(_no_texts, directory))
    except PartError as error:
        if not error.message.startswith("vocab_size: "):
            raise
        told = error.message.removeprefix("vocab_size: ").removesuffix("; leave vocab_size out")
        raise InputError(
            f"{directory / CONFIG}: vocab_size does not fit the tokenizer: {told}; the tokenizer is of another "
            "checkpoint, or its added tokens lie beyond vocab_size"
        ) from error


def conversations_of(directory: Path) -> dict[str, Any]:
    """How conversations are written out for a checkpoint, as far as its files say so."""
    path = directory / SETTINGS
    said = chat_settings(path) if path.is_file() else {}
    return {"chat": said} if "chat_template" in said else {}


def _own(directory: Path) -> dict[str, Any]:
    own = read_object(directory / OWN)
    match own:
        case {"partwise_tokenizer": 1, "part": {"use": str()}, "state": dict()}:
            return own
    raise InputError(
        f"{directory / OWN} is not as export writes it; without that file, {TOKENIZER} is read in its place"
    )


def marks_in_config(tokenizer: Tokenizer, pairs: bool) -> dict[str, Any]:
    """How config.json tells what begins and ends texts."""
    marks = marks_of(tokenizer)
    ends: int | list[int] = list(marks.ends) if len(marks.ends) > 1 else marks.ends[0]
    start = {"decoder_start_token_id": marks.start, "pad_token_id": marks.end} if pairs else {}
    return {"bos_token_id": marks.begin, "eos_token_id": ends, **start}


def tokenizer_files(loaded: LoadedRecipe, tokenizer: Tokenizer) -> dict[str, dict[str, Any]]:
    """The files of a checkpoint, beside its config.json, that say how texts become tokens and are written."""
    pairs = loaded.recipe.model.reads == "pair"
    resolved = loaded.recipe.resolved()
    files = {
        OWN: {FORMAT: 1, "part": resolved["tokenizer"], "state": tokenizer.to_json()},
        GENERATION: {**marks_in_config(tokenizer, pairs), **settings_of(resolved.get("sampler"))},
    }
    if (content := _as_tokenizer_json(tokenizer)) is None:
        return files
    marks = marks_of(tokenizer)
    names: dict[int, str] = {token["id"]: token["content"] for token in content["added_tokens"]}
    if not content.get("post_processor"):
        before = marks.before_source if pairs else marks.before_prompt
        content["post_processor"] = _template(before, marks.after_source, names)
    special = {"bos_token": marks.begin, "eos_token": marks.end, "pad_token": marks.end, "unk_token": tokenizer.unknown}
    files[TOKENIZER] = content
    files[SETTINGS] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **{key: names[token] for key, token in special.items() if token in names},
        "model_max_length": loaded.recipe.model.context,
        "clean_up_tokenization_spaces": False,
        # The name of a special token is text like any other.
        "split_special_tokens": True,
    }
    return files


def _as_tokenizer_json(tokenizer: Tokenizer) -> dict[str, Any] | None:
    """The content of a tokenizer.json; None if the tokenizer cannot be one."""
    write = getattr(tokenizer, "to_tokenizer_json", None)
    try:
        content: dict[str, Any] | None = None if write is None else write()
    except PartwiseError:
        return None
    return content


def _template(before: tuple[int, ...], after: tuple[int, ...], names: Mapping[int, str]) -> dict[str, Any] | None:
    """What puts the marks around a text; None if there are none."""
    marks = [token for token in (*before, *after) if token in names]
    if not marks:
        return None

    def around(sequence: str, kind: int) -> list[dict[str, Any]]:
        special = [[{"SpecialToken": {"id": names[one], "type_id": kind}} for one in side] for side in (before, after)]
        return [*special[0], {"Sequence": {"id": sequence, "type_id": kind}}, *special[1]]

    return {
        "type": "TemplateProcessing",
        "single": around("A", 0),
        "pair": [*around("A", 0), *around("B", 1)],
        "special_tokens": {
            names[token]: {"id": names[token], "ids": [token], "tokens": [names[token]]} for token in sorted(set(marks))
        },
    }


def _no_texts() -> list[str]:
    raise InputError("a checkpoint's tokenizer is read from its files, and this part would be trained on texts")
