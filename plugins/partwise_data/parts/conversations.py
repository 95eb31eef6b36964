"""Conversations: in the user's own files, and generated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from partwise import InputError, PartError
from partwise.parts import DataSite

from .shared import SAMPLES, Generated, HeldOut
from .texts import FileNames

if TYPE_CHECKING:
    from partwise.data import ChatTemplate
    from partwise_data.chat_files import ChatFiles
    from partwise_data.small_talk import SmallTalk as TalkOfPeople

MARKED = (
    "{% for m in messages %}{% if m.role == 'user' %}{{ bos_token }}{% endif %}"
    "[{{ m.role }}] {{ m.content }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)
"""A template that the examples try."""
Name = Annotated[str, Field(min_length=1)]


class Chat(HeldOut):
    """Conversations in JSON lines, to be taught to answer: the assistant's turns are scored (Ouyang et al. 2022).

    Each line has "messages", turns of "role" and "content", or ShareGPT's "conversations", turns of "from" and "value".
    """

    name = "chat"
    known_failures: ClassVar[Mapping[str, str]] = {
        "splits_share_nothing[1]": "the example names one file to validate and to test on, as a user may",
        "every_knob_makes_a_difference[too_long]": "what is too long is seen beside a model's context only",
    }
    files: FileNames
    """Names or globs, relative to the recipe's directory."""
    field: Name | None = None
    """Key of the turns in a line; null: "messages" or "conversations", whichever there is."""
    template: Name | None = None
    """How a conversation is written out, in Jinja as for transformers; null: each turn is its role, a line break, what
    is said, and the token that ends a text."""
    template_file: Name | None = None
    """A file with the template, in place of `template`: of Jinja, or the tokenizer_config.json of a checkpoint."""
    bos_token: str | None = None
    """What the template inserts as bos_token; null: as the tokenizer_config.json says, or nothing."""
    eos_token: str | None = None
    """What the template inserts as eos_token; null: as the tokenizer_config.json says, or <|end|>, the token that
    ends a text whatever its name."""
    answers: Literal["all", "last"] = "all"
    """Which answers of a conversation are scored. Templates that write earlier answers otherwise than the last one,
    such as those that leave out what was thought, need "last"."""
    too_long: Literal["error", "cut"] = "error"
    """What becomes of conversations that are longer than the model's context: an error, or their ends are cut off."""
    valid_files: tuple[str, ...] = ()
    """Files to validate on, in place of a share of `files`: if there are any, `valid` has no effect."""
    test_files: tuple[str, ...] = ()
    """Files to test on, in place of a share of `files`: if there are any, `test` has no effect."""

    @model_validator(mode="after")
    def _one_template(self) -> Self:
        if self.template is not None and self.template_file is not None:
            raise ValueError('give "template" or "template_file", not both')
        return self

    def build(self, site: DataSite) -> ChatFiles:
        from partwise_data.chat_files import ChatFiles
        from partwise_data.chosen_files import chosen_files
        from partwise_data.splits import Shares

        shares = Shares(0 if self.valid_files else self.valid, 0 if self.test_files else self.test)
        files, own_files = chosen_files(self.files, self.valid_files, self.test_files, site.directory)
        template = self.chat_template(site)
        return ChatFiles(files, shares, own_files, template, self.field, self.answers, self.too_long == "cut")

    def chat_template(self, site: DataSite) -> ChatTemplate:
        from partwise.data import ChatTemplate, read_chat_template

        try:
            if self.template_file is not None:
                return read_chat_template(site.directory / self.template_file, self.bos_token, self.eos_token)
            given = {"source": self.template, "bos_token": self.bos_token, "eos_token": self.eos_token}
            return ChatTemplate(**{key: value for key, value in given.items() if value is not None})
        except InputError as error:
            raise PartError(str(error)) from error

    @classmethod
    def examples(cls) -> Iterable[Self]:
        talks, more = str(SAMPLES / "talks.jsonl"), str(SAMPLES / "talks-sharegpt.jsonl")
        yield cls(files=(talks,), valid=0.2, test=0.2)
        yield cls(files=(talks,), valid_files=(more,), test_files=(more,), answers="last")
        yield cls(
            files=(more,), field="conversations", valid=0.3, test=0.3, too_long="cut", bos_token="<s>",
            eos_token="</s>", template=MARKED,
        )  # fmt: skip
        yield cls(files=(talks,), valid=0.2, test=0.2, template_file=str(SAMPLES / "talks-settings.json"))


class SmallTalk(Generated):
    """Somebody tells a name, an age and a pet, and asks for them again: the smallest talk that needs a memory."""

    name = "small_talk"
    questions: Annotated[int, Field(ge=1, le=6)] = 4
    """Most questions in a conversation, after the first sentence; there is at least one."""

    def task(self) -> TalkOfPeople:
        from partwise_data.small_talk import SmallTalk

        return SmallTalk(self.questions)

    def chat_template(self, site: DataSite) -> ChatTemplate:
        from partwise.data import ChatTemplate

        return ChatTemplate()

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(size=50, valid=10, test=10)
        yield cls(size=40, valid=20, test=20, seed=1, questions=2)
