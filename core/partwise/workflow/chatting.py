"""Talking with a run: what was said so far is written out by a chat template, and the model writes the answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from partwise.data.chat_reading import chat_template_of, read_chat_template
from partwise.data.chat_template import ASSISTANT, ChatTemplate, Turn
from partwise.data.marks import marks_of
from partwise.data.named import piece_ids, special_ids
from partwise.decoding.generate import generate_texts
from partwise.decoding.prompts import left_padded
from partwise.decoding.writing import Writing
from partwise.errors import InputError

from .reopening import Reopened

USER, SYSTEM = "user", "system"
ROOM = 8
"""The part of the context, one in so many, that is kept for an answer."""


class Chat:
    """A conversation with a run.

    The whole conversation is read again for every answer. When it no longer fits into the model's context beside room
    for an answer, the oldest turns are forgotten, but not the system's.
    """

    def __init__(
        self,
        reopened: Reopened,
        writing: Writing,
        seed: int = 0,
        system: str | None = None,
        template: Path | None = None,
    ) -> None:
        """
        Args:
            writing: from `writing_of`: how an answer is written.
            seed: of the sampler; each answer of a conversation is drawn from another.
            system: what stands before the conversation, in the role of the system.
            template: a file with a chat template, in place of that of the run's data, or of the checkpoint that the run
                was imported from.

        Raises:
            InputError: the model cannot hold a conversation, there is no chat template, or it refuses this one.
        """
        if writing.pairs:
            raise InputError("this model answers one source, without what was said before; leave out --chat")
        self._reopened, self._writing, self._seed = reopened, writing, seed
        self._template, self._learned = _template(reopened, template)
        self._system = [] if system is None else [Turn(SYSTEM, system)]
        self.turns: list[Turn] = []
        """What was said and is not forgotten, without the system's turn."""
        self.forgotten = 0
        """Turns that are forgotten, as they no longer fit."""
        self._answers = 0
        self._ids([*self._system, Turn(USER, "?")])

    def reset(self) -> None:
        """Begins anew."""
        self.turns, self.forgotten, self._answers = [], 0, 0

    def answer(self, said: str) -> Iterator[str]:
        """The answer to what somebody says, in pieces as they are written. What is shown is remembered, even if no more
        pieces are asked for.

        Raises:
            InputError: what is said does not fit into the context, or the template refuses it; it is not remembered.
        """
        turns = [*self.turns, Turn(USER, said)]
        ids, turns = self._fitted(turns)
        opening, ends, stop = self._borders(turns)
        self.forgotten += len(self.turns) + 1 - len(turns)
        room = self._reopened.model.context - len(ids)
        writing = replace(
            self._writing, limit=min(self._writing.limit, room), stop=(*self._writing.stop, *stop), ends=ends
        )
        model, tokenizer = self._reopened.model, self._reopened.tokenizer
        prompt = left_padded([ids], tokenizer.end)
        written = generate_texts(model, tokenizer, prompt, writing, self._seed + self._answers)
        self._answers += 1
        return self._remembered(turns, _shown((piece for (piece,) in written), opening))

    def _remembered(self, turns: list[Turn], pieces: Iterator[str]) -> Iterator[str]:
        shown: list[str] = []
        try:
            for piece in pieces:
                shown.append(piece)
                yield piece
        finally:
            self.turns = [*turns, Turn(ASSISTANT, "".join(shown).rstrip())]

    def _fitted(self, turns: list[Turn]) -> tuple[list[int], list[Turn]]:
        """The ids of a conversation and what of it they are of, without the oldest turns if they do not fit."""
        context = self._reopened.model.context
        room = min(self._writing.limit, context // ROOM)
        while True:
            ids = self._ids([*self._system, *turns])
            if len(ids) + room <= context:
                return ids, turns
            later = next((place for place, turn in enumerate(turns) if place and turn.role == USER), None)
            if later is None:
                break
            turns = turns[later:]
        if len(ids) >= context:
            raise InputError(
                f"this takes {len(ids)} tokens, and the model's context is {context}; say it in fewer words"
            )
        return ids, turns

    def _ids(self, turns: Sequence[Turn]) -> list[int]:
        """What the model reads before it answers."""
        tokenizer = self._reopened.tokenizer
        marks = marks_of(tokenizer)
        # As the conversations that it learned from begin; or, if it learned elsewhere, as prompts of its family do.
        before = [marks.begin] if self._learned else list(marks.before_prompt)
        ids = [token for piece in self._template.prompt(turns) for token in piece_ids(tokenizer, piece)]
        return ids if before and ids[: len(before)] == before else [*before, *ids] or [marks.begin]

    def _borders(self, turns: Sequence[Turn]) -> tuple[str, list[int], list[str]]:
        """What the template writes before an answer, the ids that end one, and the strings that do."""
        try:
            before, after = self._template.around([*self._system, *turns, Turn(ASSISTANT, "!")])
        except InputError:  # it changes the answers; so they end as all texts do
            return "", [], []
        tokenizer = self._reopened.tokenizer
        special = [token for token in special_ids(tokenizer, after) if not tokenizer.token_bytes(token)]
        special = [token for token in special if token != tokenizer.unknown]
        return before, special[:1], [] if special or not after else [after.rstrip() or after]


def _template(reopened: Reopened, file: Path | None) -> tuple[ChatTemplate, bool]:
    """The template of a run, and whether it has learned from conversations that were written out by it.

    Raises:
        InputError: there is none.
    """
    if file is not None:
        return read_chat_template(file), False
    template = reopened.chat_template()
    if template is not None:
        return template, True
    imported = reopened.run.lock.get("imported")
    said = imported.get("chat") if isinstance(imported, dict) else None
    if isinstance(said, dict) and all(isinstance(value, str) for value in said.values()) and "chat_template" in said:
        return chat_template_of(said), False
    raise InputError(
        f"the run in {reopened.run.directory} has not learned from conversations, so that nothing says how one is "
        "written out for it; train on data that are conversations (such as data chat), or name a chat template, in "
        "Jinja or in a tokenizer_config.json: --template FILE"
    )


def _shown(pieces: Iterator[str], opening: str) -> Iterator[str]:
    """The pieces of an answer, without what the template writes before it, nor white space there."""
    begun, held = False, ""
    for piece in pieces:
        if begun:
            yield piece
            continue
        held += piece
        if opening.startswith(held):
            continue
        text = held.removeprefix(opening).lstrip()
        if text:
            begun = True
            yield text


__all__ = ["Chat"]
