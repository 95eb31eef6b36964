"""`partwise generate`: the text that a trained run writes, shown as it is written."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from partwise.errors import InputError

from . import drafting, many, options
from .output import write
from .runs import directory_of
from .text import as_text, visible

if TYPE_CHECKING:
    from partwise.decoding import Draft, Writing
    from partwise.parts import SamplerPart
    from partwise.workflow.reopening import Reopened, Weights


@click.command("generate")
@options.run
@click.option(
    "--prompt",
    "prompts",
    multiple=True,
    metavar="TEXT",
    help='Text to continue, or to answer; "-" reads standard input. May be repeated.',
)
@click.option(
    "--prompts",
    "prompt_file",
    metavar="FILE",
    help='Answer many prompts at once, in lines of JSON: a prompt a line, or (.jsonl) an object with "prompt" and '
    'perhaps "seed" on each; "-" reads lines from standard input.',
)
@click.option(
    "--rows", type=options.whole(1), metavar="N", help="With --prompts: texts written at once; by default 16."
)
@click.option(
    "--output",
    type=Path,
    metavar="FILE",
    help="With --prompts: a file for the answers; one that is not complete yet is completed.",
)
@click.option("--tokens", type=options.whole(1), metavar="N", default=200, show_default=True, help="Tokens at most.")
@click.option(
    "--seed",
    type=options.whole(0),
    metavar="N",
    default=0,
    show_default=True,
    help="Seed of the sampler: another seed, another text.",
)
@click.option("--sampler", metavar="NAME|JSON", help="How to choose tokens, in place of the recipe's sampler.")
@click.option(
    "--stop",
    "stops",
    multiple=True,
    metavar="TEXT",
    help="End the text before this string, of which nothing is shown. May be repeated.",
)
@click.option(
    "--special",
    is_flag=True,
    help="Take names of special tokens in prompts, such as <|user|>, for these tokens; otherwise they are text.",
)
@click.option(
    "--draft",
    metavar="RUN",
    help="A smaller run with the same tokenizer that proposes tokens, which this one reads together: each text is as "
    "likely as without it, and with --sampler greedy the same. See docs/generating.md.",
)
@click.option(
    "--draft-tokens", type=options.whole(1), metavar="N", help="With --draft: tokens proposed at once; by default 4."
)
@options.weights
@options.device
@click.option(
    "--compile/--no-compile",
    "compiled",
    default=None,
    help="Compile the decode step: half a minute first, then a small model writes about 2.5 times as fast. By default "
    "only where that pays, from 30,000 tokens on.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per prompt, once it is answered.")
@click.option(
    "--chat", is_flag=True, help="Talk with the run, line by line; /reset begins anew, Ctrl-D leaves. See docs/chat.md."
)
@click.option("--system", metavar="TEXT", help="With --chat: what the system says before the conversation.")
@click.option(
    "--template",
    type=Path,
    metavar="FILE",
    help="With --chat: the chat template, in Jinja or in a tokenizer_config.json; by default the run's own.",
)
def command(
    run: str,
    prompts: tuple[str, ...],
    prompt_file: str | None,
    rows: int | None,
    output: Path | None,
    tokens: int,
    seed: int,
    sampler: str | None,
    stops: tuple[str, ...],
    special: bool,
    draft: str | None,
    draft_tokens: int | None,
    weights: Weights,
    device: str,
    compiled: bool | None,
    as_json: bool,
    chat: bool,
    system: str | None,
    template: Path | None,
) -> None:
    """Write text with a trained run.

    A language model continues the prompt; a seq2seq model answers it, in one line. --prompt - reads standard
    input, as one prompt for a language model, and as one prompt a line for a seq2seq model, which answers an
    empty line with an empty line. All prompts are checked before the first is answered. Control characters are
    shown as escapes (\\x1b); --json has the text as it is. With --prompts, the first has the seed of --seed, the
    second the one after it, and so on; a text that ends makes room for the next.

    \b
    Examples:
      partwise generate runs/gpt-1f0c2d3e4b-s0 --prompt "def "
      partwise generate runs/gpt-1f0c2d3e4b-s0 --sampler '{"use": "top_k", "k": 20}'
      partwise generate runs/gpt-1f0c2d3e4b-s0 --prompt "def " --stop "return" --stop $'\\n\\n'
      partwise generate runs/transformer-9a8b7c6d5e-s0 --prompt "3 May 2021" --sampler greedy
      partwise generate runs/gpt-1f0c2d3e4b-s0 --prompts prompts.txt --output answers.jsonl
      partwise generate runs/gpt-1f0c2d3e4b-s0 --draft runs/small-7a6b5c4d3e-s0 --sampler greedy
      partwise generate runs/chat-gpt-0a1b2c3d4e-s0 --chat
    """
    from partwise import workflow

    _check_options(chat, prompts, special, system, template)
    _check_many(prompt_file, chat, prompts, rows, output)
    drafting.check(draft, draft_tokens, prompt_file, compiled)
    small = None if draft is None else directory_of(draft)
    wanted = None if prompt_file is None else many.read(prompt_file, seed)
    reopened = workflow.reopen(directory_of(run), device, weights)
    for change in reopened.changes():
        write(f"note: since this run was trained, {change}", err=True)
    chosen = _sampler(reopened, sampler) if sampler else None
    strings = [as_text(stop, "--stop") for stop in stops]
    if not all(strings):
        raise InputError("--stop is empty, and would end every text before it begins; leave it out")
    drafted = None if small is None else drafting.opened(reopened, small, draft_tokens, device)
    writing = workflow.writing_of(reopened, tokens, chosen, strings, special, drafted)
    if chat:
        from .chatting import talk

        said = None if system is None else as_text(system, "--system")
        talk(workflow.Chat(reopened, writing, seed, said, template), as_json)
        drafting.tell(drafted)
        return
    if wanted is not None:
        asked_of_all = many.Asked(writing, chosen, weights, rows or many.ROWS)

        def prepare(texts: int) -> None:
            _compile_if_it_pays(reopened, compiled, tokens * texts // asked_of_all.rows)

        many.answer_all(reopened, wanted, asked_of_all, output, prepare)
        return
    answers = writing.pairs
    if answers and not prompts:
        raise InputError(
            "this model answers a source: give it one with --prompt TEXT, or lines of them with --prompt -"
        )
    asked = list(_asked(prompts, answers)) or [_Prompt("", "--prompt")]
    if drafted is None:
        _compile_if_it_pays(reopened, compiled, tokens * len(asked))
    # All of them are looked at before the first is answered.
    written = [_written(reopened, prompt, writing, seed) for prompt in asked]
    for prompt, pieces in zip(asked, written, strict=True):
        if as_json:
            write(json.dumps(_answer(prompt, pieces, drafted)))
            continue
        if len(asked) > 1 and not answers:
            write("---")
        if not answers:
            write(visible(prompt.text), end="")
        for piece in pieces:
            write(visible(piece).replace("\n", "\\n") if answers else visible(piece), end="")
        write()
    drafting.tell(drafted)


def _answer(prompt: _Prompt, pieces: Iterator[str], draft: Draft | None) -> dict[str, Any]:
    before = (0, 0) if draft is None else (draft.proposed, draft.accepted)
    found: dict[str, Any] = {"prompt": prompt.text, "text": "".join(pieces)}
    if draft is not None:
        found["draft"] = {"proposed": draft.proposed - before[0], "accepted": draft.accepted - before[1]}
    return found


def _compile_if_it_pays(reopened: Reopened, wanted: bool | None, steps: int) -> None:
    from partwise.decoding import PAYS_FROM, compile_steps

    if wanted or (wanted is None and steps >= PAYS_FROM):
        write("compiling the decode step, which takes a while", err=True)
        compile_steps(reopened.model, say=lambda line: write(f"note: {line}", err=True))


def _check_options(
    chat: bool, prompts: tuple[str, ...], special: bool, system: str | None, template: Path | None
) -> None:
    """
    Raises:
        InputError: options that do not go together.
    """
    if chat and (prompts or special):
        given = "--prompt" if prompts else "--special"
        raise InputError(
            f"{given} does not go with --chat, which reads what is said from standard input; leave one out"
        )
    if not chat and (system is not None or template is not None):
        given = "--system" if system is not None else "--template"
        raise InputError(f"{given} is for conversations; add --chat")


def _check_many(
    prompt_file: str | None, chat: bool, prompts: tuple[str, ...], rows: int | None, output: Path | None
) -> None:
    """
    Raises:
        InputError: options that do not go together.
    """
    if prompt_file is None:
        if rows is not None or output is not None:
            given = "--rows" if rows is not None else "--output"
            raise InputError(f"{given} is for many prompts; name a file of them with --prompts")
    elif chat or prompts:
        raise InputError(f"--prompts does not go with {'--chat' if chat else '--prompt'}; leave one out")


@dataclass(frozen=True)
class _Prompt:
    text: str
    place: str
    """Where it was given, for messages."""
    blank: bool = False
    """Whether it is an empty line among sources, which has an empty answer."""


def _asked(prompts: tuple[str, ...], answers: bool) -> Iterator[_Prompt]:
    for prompt in prompts:
        if prompt != "-":
            yield _Prompt(as_text(prompt, "--prompt"), "--prompt")
        elif answers:
            for number, line in enumerate(_standard_input().removesuffix("\n").split("\n"), start=1):
                yield _Prompt(line, f"standard input, line {number}", blank=not line)
        else:
            yield _Prompt(_standard_input().removesuffix("\n"), "standard input")


def _written(reopened: Reopened, prompt: _Prompt, writing: Writing, seed: int) -> Iterator[str]:
    from partwise import workflow

    if prompt.blank:
        return iter(())
    try:
        return workflow.generate(reopened, prompt.text, writing, seed)
    except InputError as error:
        raise InputError(f"{prompt.place}: {error}") from error


def _standard_input() -> str:
    from partwise.storage import decode_text

    if sys.stdin is None:
        raise InputError('there is no standard input to read; give the prompt itself in place of "-"')
    # Line breaks as everywhere in partwise, whichever system the text comes from.
    return decode_text(sys.stdin.buffer.read(), "standard input").replace("\r\n", "\n")


def _sampler(reopened: Reopened, text: str) -> SamplerPart:
    """The sampler that the option names. As with `--set`, an object without "use" changes the recipe's sampler.

    Raises:
        InputError: there is no such sampler, or a knob of it is wrong.
    """
    from partwise.recipe import RejectedError, load

    try:
        return load(reopened.run.recipe, [f"sampler={text}"]).recipe.sampler
    except RejectedError as error:
        lines = [
            line
            for problem in error.problems
            for line in (f"--sampler: {problem.message}", *(f"  {note}" for note in problem.notes))
        ]
        raise InputError("\n".join(lines)) from error
