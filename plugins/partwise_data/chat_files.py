"""Conversations from files of JSON lines, written out by a chat template; a model learns to write the answers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from partwise import InputError
from partwise.data import ChatTemplate, Example, Split, Turn

from .files import content_hash
from .holding_out import empty_split, nothing_found
from .lines import lines_of
from .splits import Shares, digest, place_of

FIELDS = ("messages", "conversations")
"""Keys under which the turns may stand: as OpenAI and transformers have them, and as ShareGPT does."""
ROLES = {"human": "user", "gpt": "assistant"}
"""What ShareGPT's roles are elsewhere."""


class ChatFiles:
    """Examples in which the answers are scored, each with the mark that ends it, and all else is read.

    `files` are divided by a hash of what stands before the first answer, so that conversations which begin alike are in
    the same split. A split with files of its own takes all of those; its share should then be 0. Conversations that
    begin like one of them are not trained on.
    """

    form: Literal["stream", "examples"] = "examples"

    def __init__(
        self,
        files: Sequence[Path],
        shares: Shares,
        own_files: Mapping[Split, Sequence[Path]],
        template: ChatTemplate,
        field: str | None = None,
        answers: Literal["all", "last"] = "all",
        cuts: bool = False,
    ) -> None:
        self.files = tuple(files)
        self.shares = shares
        self.own_files = {split: tuple(paths) for split, paths in own_files.items() if paths}
        self.template = template
        self.field = field
        self.answers = answers
        self.cuts = cuts

    def examples(self, split: Split) -> Iterator[Example]:
        if self._empty is not None:
            raise InputError(self._empty)
        own = self.own_files.get(split)
        for place, turns in self._shared() if own is None else conversations_in(own, self.field):
            if own is not None or self.shares.split_of(_key(turns)) == split:
                yield self._example(place, turns)

    def _example(self, place: str, turns: Sequence[Turn]) -> Example:
        try:
            return Example(self.template.conversation(turns, self.answers))
        except InputError as error:
            raise InputError(f"{place}: {error}") from error

    def _shared(self) -> Iterator[tuple[str, Sequence[Turn]]]:
        """The conversations of `files` that begin otherwise than those in files of a split's own."""
        return (one for one in conversations_in(self.files, self.field) if _key(one[1]) not in self._held_out)

    @cached_property
    def _held_out(self) -> frozenset[str]:
        own = (paths for paths in self.own_files.values())
        return frozenset(_key(turns) for paths in own for _, turns in conversations_in(paths, self.field))

    @cached_property
    def _empty(self) -> str | None:
        """What is wrong if a split would be empty. Stops reading as soon as each of them has a conversation."""
        missing, places = set(self.shares.wanted), list[int]()
        for _, turns in self._shared():
            places.append(place_of(_key(turns)))
            missing.discard(self.shares.split_at(places[-1]))
            if not missing:
                return None
        if not places:
            return nothing_found(self.files, "conversation", held_out=bool(self.own_files))
        ways_out = (f'name files of its own in "{split}_files"' for split in sorted(missing - {"train"}))
        return empty_split(sorted(missing), len(places), set(places), self.shares, "conversation", self.files, ways_out)

    def identity(self) -> str:
        groups = [self.files, self.own_files.get("valid", ()), self.own_files.get("test", ())]
        contents = [[content_hash(path) for path in group] for group in groups]
        knobs = (self.shares.valid, self.shares.test, self.field, self.answers, self.cuts)
        return digest("chat", 1, *knobs, self.template.identity(), contents)


def conversations_in(paths: Sequence[Path], field: str | None) -> Iterator[tuple[str, Sequence[Turn]]]:
    """The conversations of files, line by line, each after its place.

    Raises:
        InputError: a line is no conversation; the message names it.
    """
    for path in paths:
        for place, line in lines_of(path):
            try:
                yield place, _turns(line, field)
            except ValueError as error:
                raise InputError(f"{place}: {error}") from None


def _key(turns: Sequence[Turn]) -> str:
    """What stands before the first answer."""
    answers = (at for at, turn in enumerate(turns) if turn.role == "assistant")
    before = turns[: next(answers, len(turns))] or turns  # it may begin with an answer
    return json.dumps([[turn.role, turn.content] for turn in before])


def _turns(line: str, field: str | None) -> tuple[Turn, ...]:
    """
    Raises:
        ValueError: the line is no conversation; says what it is instead.
    """
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from None
    except (RecursionError, ValueError):  # Python reads no number of more than some thousand digits
        raise ValueError("values nested too deep, or a number that is too long") from None
    if not isinstance(value, dict):
        raise ValueError(f"expected an object with the turns of a conversation, found {_shown(value)}")
    names = FIELDS if field is None else (field,)
    key = next((name for name in names if name in value), None)
    if key is None:
        wanted = " or ".join(f'"{name}"' for name in names)
        there = ", ".join(value) or "(none)"
        raise ValueError(f'expected the turns under {wanted}, found the keys {there}; the knob "field" names the key')
    turns = value[key]
    if not isinstance(turns, list) or not turns:
        raise ValueError(f'"{key}" should be a list of turns, at least one, and is {_shown(turns)}')
    return tuple(_turn(turn, f"turn {number}") for number, turn in enumerate(turns, start=1))


def _turn(turn: Any, which: str) -> Turn:
    if not isinstance(turn, dict):
        raise ValueError(f"{which} should be an object with a role and a content, and is {_shown(turn)}")
    role_key, content_key = ("from", "value") if "from" in turn and "role" not in turn else ("role", "content")
    missing = [key for key in (role_key, content_key) if key not in turn]
    if missing:
        raise ValueError(f'{which} lacks "{missing[0]}"; it has the keys {", ".join(turn) or "(none)"}')
    role, content = turn[role_key], turn[content_key]
    if not isinstance(role, str) or not role:
        raise ValueError(f'the "{role_key}" of {which} should be a name such as "user", and is {_shown(role)}')
    if near := _meant(role, role_key):
        raise ValueError(
            f'the "{role_key}" of {which} is {_shown(role)}, from which nothing is learned; did you mean "{near}"?'
        )
    for key in ("tool_calls", "function_call"):
        if turn.get(key):
            raise ValueError(f'{which} has "{key}", and calls of tools cannot be learned here; leave them out')
    return Turn(
        ROLES.get(role, role) if role_key == "from" else role, _text(content, f'the "{content_key}" of {which}')
    )


def _meant(role: str, key: str) -> str | None:
    """The role that is learned, if one is written that only looks like it; silence would leave the answer unlearned."""
    learned = "gpt" if key == "from" else "assistant"
    if role in (learned, "assistant"):
        return None
    return learned if role.lower() == learned or get_close_matches(role.lower(), [learned], cutoff=0.85) else None


def _text(content: Any, what: str) -> str:
    """A content is a string, or a list of parts that are texts."""
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        if other := [part.get("type") for part in content if part.get("type") != "text"]:
            raise ValueError(f"{what} has a part of the type {_shown(other[0])}; only texts can be learned")
        wrong = next((part for part in content if not isinstance(part.get("text"), str)), None)
        if wrong is not None:
            raise ValueError(f'{what} has a part whose "text" is no string: {_shown(wrong)}')
        content = "".join(part["text"] for part in content)
    if not isinstance(content, str):
        raise ValueError(f'{what} should be a string, and is {_shown(content)}; write "" for an empty one')
    return content.encode("utf-8", "replace").decode()


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}..."
