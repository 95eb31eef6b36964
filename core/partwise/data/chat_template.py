"""`ChatTemplate`: how a conversation is written out for a model, and which parts of that it learns to write.

The form of templates, and what they are handed, is that of Hugging Face transformers (`apply_chat_template`). Imports
no torch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from partwise.errors import InputError

from .named import END_NAME
from .protocols import Piece

if TYPE_CHECKING:
    from jinja2 import Template

    from .chat_sandbox import Sandbox

ASSISTANT = "assistant"
"""The role whose turns a model writes."""
DEFAULT = """\
{%- for message in messages -%}
{{ message.role + '\\n' + message.content + eos_token }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ 'assistant\\n' }}
{%- endif -%}
"""
"""The role, a line break, what is said, and the token that ends a text: it suits every tokenizer, and no text can
imitate the end of a turn."""
FORMAT = 1
"""Changes when the same template would give other pieces."""


@dataclass(frozen=True)
class Turn:
    """What one side says."""

    role: str
    content: str


@dataclass(frozen=True)
class ChatTemplate:
    """A template in Jinja, with what it may insert.

    Raises:
        InputError: the source is no Jinja.
    """

    source: str = DEFAULT
    bos_token: str = ""
    """Name of the token that begins a conversation. It is dropped at the beginning, where one stands anyway."""
    eos_token: str = END_NAME
    """Name of the token that ends a turn, or END_NAME for the tokenizer's end."""

    def __post_init__(self) -> None:
        _ = self._compiled

    @cached_property
    def _compiled(self) -> tuple[Sandbox, Template]:
        from jinja2.exceptions import TemplateSyntaxError

        from .chat_sandbox import Sandbox

        sandbox = Sandbox()
        try:
            return sandbox, sandbox.from_string(self.source)
        except TemplateSyntaxError as error:
            raise InputError(f"the chat template is no Jinja: line {error.lineno}: {error.message}") from error
        except (RecursionError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
            raise InputError(f"the chat template cannot be read: {type(error).__name__}: {error}") from error

    def identity(self) -> str:
        """Changes whenever the same conversation would give other pieces."""
        return json.dumps([FORMAT, self.source, self.bos_token, self.eos_token])

    def render(self, turns: Sequence[Turn], asks: bool = False) -> str:
        """A conversation as one text.

        Args:
            asks: whether the beginning of an answer follows (`add_generation_prompt`).

        Raises:
            InputError: the template refuses the conversation, or does what a template must not.
        """
        from jinja2.exceptions import TemplateError

        sandbox, template = self._compiled
        sandbox.begin()
        messages = [{"role": turn.role, "content": turn.content} for turn in turns]
        names = {"bos_token": self.bos_token, "eos_token": self.eos_token}
        try:
            return template.render(messages=messages, add_generation_prompt=asks, tools=None, documents=None, **names)
        except RecursionError as error:
            raise InputError("the chat template calls itself without end") from error
        except TemplateError as error:
            told = error.message or type(error).__name__
            raise InputError(f"the chat template refuses the conversation: {told}") from error
        except Exception as error:
            raise InputError(f"the chat template fails: {type(error).__name__}: {error}") from error

    def conversation(self, turns: Sequence[Turn], answers: Literal["all", "last"] = "all") -> tuple[Piece, ...]:
        """A conversation to learn from, up to its last answer: of the answers, all or the last are scored, each with
        the mark that ends its turn.

        An answer is what the template adds to the text that asks for it. So a model learns to write exactly what it
        will be asked for, whatever the tokenizer.

        Raises:
            InputError: there is no answer, or the template does not write it; or what comes later changes how the
                template writes what came before.
        """
        last = max((place for place, turn in enumerate(turns) if turn.role == ASSISTANT), default=None)
        if last is None:
            there = ", ".join(dict.fromkeys(f'"{turn.role}"' for turn in turns))
            raise InputError(
                f'the conversation has no turn of the role "{ASSISTANT}", and from these alone is learned; its roles '
                f"are {there}"
            )
        turns = turns[: last + 1]
        whole, scored = self.render(turns), list[tuple[int, int]]()
        for place in [at for at, turn in enumerate(turns) if turn.role == ASSISTANT]:
            if answers == "all" or place == last:
                scored.append(self._answer(turns, place, whole))
                if turns[place].content.strip() and scored[-1][0] >= scored[-1][1]:
                    raise InputError(
                        f"the chat template adds nothing where turn {place + 1} is an answer, so that nothing would be "
                        'learned from it; it has to write the "content" of each of "messages"'
                    )
        # What stands after the last answer, such as a line break, is neither learned nor needed.
        return self._pieces(turns, whole[: scored[-1][1]], scored)

    def prompt(self, turns: Sequence[Turn]) -> tuple[Piece, ...]:
        """A conversation up to where the next answer begins."""
        return self._pieces(turns, self.render(turns, asks=True), [])

    def around(self, turns: Sequence[Turn]) -> tuple[str, str]:
        """What the template writes before and after the text of an answer, once that has been asked for; the last of
        `turns` is an answer.

        Raises:
            InputError: it cannot be told, because the template changes the answers.
        """
        asked, (before, after) = self.render(turns[:-1], asks=True), self._around_content(turns, len(turns) - 1)
        if not before.startswith(asked):
            raise InputError(_CHANGES.format(what="it asks for an answer with another text than stands before one"))
        return before[len(asked) :], after

    def _answer(self, turns: Sequence[Turn], place: int, whole: str) -> tuple[int, int]:
        """Where in the whole text an answer begins and ends."""
        asked, answered = self.render(turns[:place], asks=True), self.render(turns[: place + 1])
        if not answered.startswith(asked):
            raise InputError(_CHANGES.format(what=f"it asks for turn {place + 1} otherwise than it writes it"))
        if not whole.startswith(answered):
            raise InputError(_CHANGES.format(what=f"what follows turn {place + 1} changes how it is written"))
        added, content = answered[len(asked) :], turns[place].content
        if self._usual is not None and self._usual[0] + content + self._usual[1] == added:
            after = self._usual[1]
        else:
            after = self._after(turns[: place + 1])
        unmarked = len(after) - len(after.rstrip()) if added.endswith(after) and after.strip() else 0
        return len(asked), len(answered) - unmarked

    @cached_property
    def _usual(self) -> tuple[str, str] | None:
        """What stands before and after an answer, which saves looking at each."""
        try:
            return self.around((Turn("user", "?"), Turn(ASSISTANT, "!")))
        except InputError:
            return None

    def _after(self, turns: Sequence[Turn]) -> str:
        """What is written after the answer that is the last turn; nothing if that cannot be told from it."""
        try:
            return self.around(turns)[1]
        except InputError:
            return ""

    def _around_content(self, turns: Sequence[Turn], place: int) -> tuple[str, str]:
        """What the template writes before and after the content of a turn, the last of those rendered."""
        mark = "\ufdd0"  # which stands for no character, and in no text
        while any(mark in turn.content for turn in turns):
            mark += "\ufdd0"
        written = self.render([*turns[:place], Turn(turns[place].role, mark)])
        parts = written.split(mark)
        if len(parts) != 2:
            raise InputError("the chat template does not write the text of a turn once, as it is")
        return parts[0], parts[1]

    def _pieces(self, turns: Sequence[Turn], whole: str, scored: Sequence[tuple[int, int]]) -> tuple[Piece, ...]:
        """The text in pieces, at the borders of what is scored, and of what is text whatever names it contains."""
        plain = [span for place in range(len(turns)) if (span := self._names_nothing(turns, place, whole))]
        borders = sorted({0, len(whole), *(border for span in (*scored, *plain) for border in span)})
        found: list[Piece] = []
        for start, stop in pairwise(borders):
            text = whole[start:stop]
            if start == 0 and self.bos_token:
                text = text.removeprefix(self.bos_token)
            if text:
                found.append(Piece(text, scored=_within(start, scored), named=not _within(start, plain)))
        return tuple(found)

    def _names_nothing(self, turns: Sequence[Turn], place: int, whole: str) -> tuple[int, int] | None:
        """Where the content of a turn stands in the text, if it could name a special token; None where it could not, or
        where it is not written as it is."""
        content = turns[place].content
        if not any(bracket in content for bracket in ("<", "[", ">>")):
            return None
        try:
            before, _ = self._around_content(turns, place)
        except InputError:
            return None
        for written in (content, content.strip()):
            if whole.startswith(before + written):
                return len(before), len(before) + len(written)
        return None


_CHANGES = (
    "the chat template writes the beginning of a conversation in another way once it goes on ({what}), so that a model "
    "would be asked otherwise than it has learned; take another template, or one answer per conversation"
)


def _within(place: int, spans: Sequence[tuple[int, int]]) -> bool:
    return any(start <= place < stop for start, stop in spans)


__all__ = ["ChatTemplate", "Turn"]
