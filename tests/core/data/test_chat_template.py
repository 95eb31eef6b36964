"""Chat templates: the text is that of transformers, and the pieces are what a plain computation says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast
from transformers.utils.chat_template_utils import render_jinja_template

from partwise import InputError
from partwise.data import ChatTemplate, Piece, Turn

CHATML = """\
{% for message in messages %}
{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}
{%- endfor %}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}
"""
LLAMA_2 = (
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
    "{% set system_message = messages[0]['content'] %}"
    "{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}"
    "{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if loop.index0 == 0 and system_message != false %}"
    "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}"
    "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)
GEMMA = """\
{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {{ raise_exception('System role not supported') }}
{%- endif -%}
{%- for message in messages -%}
    {%- if (message['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<start_of_turn>model\n'}}
{%- endif -%}
"""
MARKED = """\
{% for message in messages %}
{% if message.role == 'assistant' %}
{{ '<|assistant|>' }}
{%- generation %}
{{ message.content + eos_token }}
{%- endgeneration %}
{% else %}
{{ '<|' ~ message.role ~ '|>' ~ message.content ~ '<|stop|>' }}
{%- endif %}
{% endfor %}
{%- if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}
"""
LOOPS = """\
{%- macro said(message) -%}{{ message.role | upper }}: {{ message.content | replace('\\t', ' ') }}{%- endmacro -%}
{%- set ns = namespace(count=0) -%}
{%- for message in messages -%}
{%- if message.role == 'tool' %}{% continue %}{% endif -%}
{%- set ns.count = ns.count + 1 -%}
{{ said(message) }} ({{ ns.count }}/{{ loop.index }}) {{ [message.role, '.'] | join('') }}{{ eos_token }}
{% else %}nothing
{% endfor -%}
{%- if add_generation_prompt %}{{ 'ASSISTANT: ' }}{% endif -%}
"""
TEMPLATES = {
    "default": ChatTemplate().source, "chatml": CHATML, "llama-2": LLAMA_2, "gemma": GEMMA, "marked": MARKED,
    "loops": LOOPS,
}  # fmt: skip
every_template = pytest.mark.parametrize("name", TEMPLATES)

contents = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.sampled_from(
        ["", " ", "\n", "<|im_end|>", "</s>", "a <|end|> b", "{{ 1 }}", "[INST]", "e\u0301\u200d", "user", "\u2581"]
    ),
)


@st.composite
def conversations(draw: st.DrawFn) -> list[Turn]:
    count = draw(st.integers(1, 3))
    return [Turn(role, draw(contents)) for _ in range(count) for role in ("user", "assistant")]


def made(name: str) -> ChatTemplate:
    return ChatTemplate(TEMPLATES[name], bos_token="<s>", eos_token="</s>")


def theirs(name: str, turns: Sequence[Turn], asks: bool = False) -> str:
    messages: list[dict[str, Any]] = [{"role": turn.role, "content": turn.content} for turn in turns]
    rendered, _ = render_jinja_template(
        [messages], chat_template=TEMPLATES[name], add_generation_prompt=asks, bos_token="<s>", eos_token="</s>"
    )
    return str(rendered[0])


def whole(pieces: Sequence[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def scored(pieces: Sequence[Piece]) -> str:
    """The scored text, a bar between answers."""
    return re.sub(r"\0+", "|", "".join(piece.text if piece.scored else "\0" for piece in pieces)).strip("|")


@every_template
@given(turns=conversations())
@settings(max_examples=40)
def test_a_conversation_is_written_as_transformers_writes_it(name: str, turns: list[Turn]) -> None:
    template = made(name)
    assert template.render(turns) == theirs(name, turns)
    assert template.render(turns[:-1], asks=True) == theirs(name, turns[:-1], asks=True)
    assert whole(template.prompt(turns[:-1])) == theirs(name, turns[:-1], asks=True).removeprefix("<s>")


def test_so_does_a_tokenizer_with_that_template() -> None:
    empty = tokenizers.Tokenizer(tokenizers.models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=empty, bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = GEMMA
    messages = [{"role": "user", "content": " Hi "}, {"role": "assistant", "content": "Hello"}]
    turns = [Turn(**one) for one in messages]
    assert tokenizer.apply_chat_template(messages, tokenize=False) == made("gemma").render(turns)


ENDS = {"default": "</s>", "chatml": "<|im_end|>", "llama-2": " </s>", "gemma": "<end_of_turn>", "marked": "</s>"}


@pytest.mark.parametrize("name", ENDS)
@given(turns=conversations())
@settings(max_examples=40)
def test_answers_and_the_marks_that_end_them_are_scored_and_nothing_else(name: str, turns: list[Turn]) -> None:
    strips = name in ("llama-2", "gemma")
    pieces = made(name).conversation(turns)
    # Computed plainly: each answer with its mark, at the place that the turns before it leave.
    flags = [False] * len(theirs(name, turns))
    for place in range(1, len(turns), 2):
        start = len(theirs(name, turns[:place], asks=True))
        said = turns[place].content.strip() if strips else turns[place].content
        length = len(said) + len(ENDS[name]) + (name == "llama-2")
        flags[start : start + length] = [True] * length
    assert flags[-1] or not theirs(name, turns)[-1].strip()
    ours = [piece.scored for piece in pieces for _ in piece.text]
    begins = 3 if theirs(name, turns).startswith("<s>") else 0
    assert ours == flags[begins : begins + len(ours)]
    assert not any(flags[begins + len(ours) :])


@given(turns=conversations())
@settings(max_examples=40)
def test_what_is_scored_is_what_transformers_marks(turns: list[Turn]) -> None:
    messages = [{"role": turn.role, "content": turn.content} for turn in turns]
    texts, spans = render_jinja_template(
        [messages], chat_template=MARKED, return_assistant_tokens_mask=True, bos_token="<s>", eos_token="</s>"
    )
    marked = "".join(texts[0][start:stop] for start, stop in spans[0])
    assert "".join(piece.text for piece in made("marked").conversation(turns) if piece.scored) == marked


@every_template
@given(turns=conversations())
@settings(max_examples=30)
def test_names_of_special_tokens_in_what_somebody_says_are_text(name: str, turns: list[Turn]) -> None:
    said = " ".join(turn.content for turn in turns)
    special = "".join(piece.text for piece in made(name).conversation(turns) if piece.named)
    for mark in ("<|im_end|>", "[INST]", "</s>", "<|end|>"):
        in_template = theirs(name, turns).count(mark) - said.count(mark)
        assert special.count(mark) <= in_template


def test_only_the_last_answer_if_asked_for() -> None:
    turns = [Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c"), Turn("assistant", "d"), Turn("user", "e")]
    assert scored(ChatTemplate().conversation(turns)) == "b<|end|>|d<|end|>"
    assert scored(ChatTemplate().conversation(turns, "last")) == "d<|end|>"
    assert whole(ChatTemplate().conversation(turns)).endswith("d<|end|>")  # what nobody answers teaches nothing


def test_a_conversation_may_begin_with_the_answerer_and_have_any_role() -> None:
    turns = [
        Turn("system", "Be brief."),
        Turn("assistant", "Yes?"),
        Turn("the cat", "Miau\u200d"),
        Turn("assistant", ""),
    ]
    pieces = ChatTemplate().conversation(turns)
    assert scored(pieces) == "Yes?<|end|>|<|end|>"
    assert "the cat\nMiau\u200d" in whole(pieces)


def test_a_conversation_without_an_answer_is_told() -> None:
    for turns in ([], [Turn("user", "a")]):
        with pytest.raises(InputError, match='no turn of the role "assistant"'):
            ChatTemplate().conversation(turns)


THINKING = """\
{%- for message in messages -%}
<{{ message.role }}>{% if loop.last and message.role == 'assistant' %}<think></think>{% endif %}{{ message.content }}</>
{%- endfor -%}
{%- if add_generation_prompt %}<assistant>{% endif -%}
"""


def test_a_template_that_rewrites_earlier_turns_is_refused_unless_only_the_last_counts() -> None:
    turns = [Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c"), Turn("assistant", "d")]
    template = ChatTemplate(THINKING)
    with pytest.raises(InputError, match="what follows turn 2 changes how it is written"):
        template.conversation(turns)
    assert scored(template.conversation(turns, "last")) == "<think></think>d</>"
    assert template.around(turns) == ("<think></think>", "</>")


def test_a_template_that_asks_otherwise_than_it_writes_is_refused() -> None:
    template = ChatTemplate(
        "{% for m in messages %}{{ m.content }}.{% endfor %}{% if add_generation_prompt %}A:{% endif %}"
    )
    with pytest.raises(InputError, match="asks for turn 2 otherwise than it writes it"):
        template.conversation([Turn("user", "a"), Turn("assistant", "b")])


def test_an_answer_that_the_template_changes_is_scored_as_it_is_written() -> None:
    source = "{% for m in messages %}{{ m.role }}: {{ m.content | upper if 'x' in m.content else '-' }}\n{% endfor %}"
    pieces = ChatTemplate(source).conversation([Turn("user", "x"), Turn("assistant", "ax")])
    assert scored(pieces) == "assistant: AX\n"


HOSTILE = {
    "reads classes": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "reads by attr": "{{ messages | attr('__class__') }}",
    "reads globals": "{{ raise_exception.__globals__.json }}",
    "reads the environment": "{{ namespace.__init__.__globals__ }}",
    "by format": "{{ '{0.__class__}'.format(messages) }}",
    "pads by format": "{{ ''['format'] }}",
    "changes the conversation": "{{ messages.append(1) }}",
    "changes a turn": "{{ messages[0].update({'role': 'assistant'}) }}",
    "includes a file": "{% include '/etc/passwd' %}",
    "imports": "{% import 'os' as os %}",
    "inherits": "{% extends 'x' %}",
    "is another text each time": "{{ lipsum() }}",
    "draws": "{{ [1, 2, 3] | random }}",
    "loops for ever": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "loops over loops": "{% for a in messages recursive %}{{ loop(range(99999)) }}{% endfor %}",
    "calls itself for ever": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "calls itself twice": "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(99) }}",
    "repeats": "{{ 'a' * 10**9 }}",
    "repeats lists": "{{ [1] * 10**9 }}",
    "doubles by ~": "{% set n = namespace(x='a') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "doubles by +": "{% set n = namespace(x='a') %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "squares": "{% set n = namespace(x=9) %}{% for i in range(99) %}{% set n.x = n.x * n.x %}{% endfor %}",
    "powers": "{{ 9 ** 9 ** 9 }}",
    "pads": "{{ 'a'.ljust(10**9) }}",
    "centres": "{{ 'a' | center(10**9) }}",
    "formats": "{{ '%999999999d' % 1 }}",
    "joins": "{{ range(9999) | join('a' * 9999) }}",
    "joins by a method": "{{ ('a' * 9999).join(['', ''] * 9999) }}",
    "replaces": "{{ ('a' * 9999) | replace('a', 'b' * 9999) }}",
    "replaces by a method": "{{ ('a' * 9999).replace('a', 'b' * 9999) }}",
    "indents": "{{ messages | tojson(indent=99999999) }}",
    "divides": "{{ 1 / 0 }}",
    "is no Jinja": "{% for %}",
    "does not end": "{% if messages %}",
    "nests": "{{ " + "(" * 2000 + "1" + ")" * 2000 + " }}",
    "has an unknown filter": "{{ messages | nothing }}",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_a_template_must_not_do_is_one_error(what: str) -> None:
    with pytest.raises(InputError, match="the chat template"):
        ChatTemplate(HOSTILE[what]).render([Turn("user", "a"), Turn("assistant", "b")])


def test_a_refused_template_leaves_the_next_conversation_its_time() -> None:
    template = ChatTemplate("{% for m in messages %}{% for i in range(90000) %}{% endfor %}{{ m.content }}{% endfor %}")
    for _ in range(12):
        assert template.render([Turn("user", "a")]) == "a"
