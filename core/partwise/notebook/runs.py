"""Runs in Python: train a recipe, open a run, have it write, and measure it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from partwise.errors import InputError
from partwise.metric_names import LOSS, VALID_ACCURACY, VALID_BITS_PER_BYTE, VALID_LOSS, judged

from .recipes import AnyRecipe, change, load

if TYPE_CHECKING:
    from partwise.data import Split
    from partwise.training import Metrics, Progress
    from partwise.workflow import Judgement, Reopened, Weights

    from .opened import Opened

Say = Callable[[str], None]
EVERY = 10.0
"""Seconds from one line of progress to the next, at least, where nothing is evaluated in between."""
SHOWN = (LOSS, VALID_LOSS, VALID_BITS_PER_BYTE, VALID_ACCURACY)


def train(
    recipe: AnyRecipe,
    *,
    seed: int | None = None,
    out: str | Path | None = None,
    data: str | Path | None = None,
    device: str = "auto",
    say: Say | None = print,
    report: Callable[[Progress], None] | None = None,
) -> Opened:
    """Trains a recipe and opens its run. A run that is finished is opened at once; one that was interrupted goes on.

    Args:
        seed: in place of the recipe's own.
        out: directory of the run; by default runs/NAME-FINGERPRINT-sSEED.
        data: the directory that names of data files are relative to, if they have moved.
        device: "cpu", "cuda", or "auto" for the best there is.
        say: called with each line about what is going on; None for silence.
        report: called with the figures after every update, for a progress bar or a plot.

    Raises:
        PartwiseError: the recipe or the data is wrong, or the training failed; what was trained is kept.

    >>> tiny = partwise.change("char-rnn", {
    ...     "name": "tiny", "data": "grammar", "model.width": 16, "trainer.steps": 20, "trainer.schedule": "constant",
    ... })
    >>> run = partwise.train(tiny)
    training tiny in runs/tiny-...-s0
    step 20/20: loss ..., valid loss ..., valid bits per byte ...
    >>> run
    <run runs/tiny-...-s0: ... parameters, finished>
    """
    from partwise import workflow

    loaded, say = load(recipe).with_data_in(_path(data)), say or _silent
    directory = workflow.default_directory(loaded, seed) if out is None else Path(out)
    lines = _Lines(say)

    def heard(progress: Progress) -> None:
        lines.after(progress)
        if report is not None:
            report(progress)

    run = workflow.train(loaded, directory, seed, device, heard, say)
    return _held(workflow.reopen(run.directory, device, data=_path(data)))


def open(
    run: str | Path,
    *,
    data: str | Path | None = None,
    device: str = "auto",
    weights: Weights = "last",
    say: Say | None = print,
) -> Opened:
    """A trained run with its model in memory: `.model`, `.tokenizer`, `.recipe` and, for its files, `.run`.

    `.look("a text")` shows what the model does with that text.

    Args:
        run: its directory.
        data: the directory that names of data files are relative to, if they have moved.
        device: "cpu", "cuda", or "auto" for the best there is.
        weights: "last", or "best" for those with the lowest validation loss.
        say: called with a line for each thing that has changed since it was trained; None for silence.

    Raises:
        InputError: the directory holds no run, or one that is not finished.
        WorkError: a file of it is damaged.

    >>> run = partwise.open("runs/tiny")
    >>> run.run.rows()[-1]
    {'step': 20, 'loss': ..., 'lr': 0.001, ...}
    """
    from partwise import workflow

    reopened = workflow.reopen(Path(run), device, weights, _path(data))
    for line in reopened.changes():
        (say or _silent)(f"note: since this run was trained, {line}")
    return _held(reopened)


def generate(
    run: Reopened | str | Path,
    prompt: str = "",
    *,
    tokens: int = 200,
    seed: int = 0,
    sampler: str | Mapping[str, Any] | None = None,
    stop: str | Sequence[str] = (),
    special: bool = False,
    draft: Reopened | str | Path | None = None,
    draft_tokens: int | None = None,
) -> str:
    """What a run's model writes after the prompt or, for a seq2seq model, in answer to it.

    Args:
        run: an opened run, or its directory.
        tokens: most tokens to write.
        seed: another seed, another text.
        sampler: how tokens are chosen, in place of the recipe's sampler.
        stop: a string, or several; the text ends before the first of them that the model writes.
        special: whether names of special tokens in the prompt, such as "<|user|>", are these tokens; if not, text.
        draft: a smaller run with the same tokenizer, which proposes tokens (speculative decoding).
        draft_tokens: how many it proposes at once; 4 unless told otherwise.

    Raises:
        PartwiseError: there is no such run or sampler, a string to stop at is empty, special tokens have no names, or
            the draft cannot be one of this run.

    >>> partwise.generate("runs/tiny", "the ", tokens=10)
    '...'
    >>> partwise.generate("runs/tiny", "the ", tokens=10, sampler={"use": "top_k", "k": 3})
    '...'
    """
    from partwise import workflow

    if draft is None and draft_tokens is not None:
        raise InputError("draft_tokens is for a draft; name its run with draft")
    reopened = _opened(run)
    chosen = None if sampler is None else change(reopened.loaded, {"sampler": sampler}).recipe.sampler
    stops = (stop,) if isinstance(stop, str) else stop
    drafted = None if draft is None else workflow.draft_of(reopened, _opened(draft), draft_tokens)
    writing = workflow.writing_of(reopened, tokens, chosen, stops, special, drafted)
    return "".join(workflow.generate(reopened, prompt, writing, seed))


def evaluate(
    run: Reopened | str | Path,
    split: Split = "valid",
    *,
    limit: int | None = None,
    context: int | None = None,
    accuracy: bool | None = None,
) -> Metrics:
    """Loss, perplexity and bits per byte of a run's model on a split of its data.

    Args:
        run: an opened run, or its directory.
        limit: most batches to measure on, spread over the split; None for all of it.
        context: length of the sequences, in tokens; by default the model's own.
        accuracy: whether to measure the accuracy, too; by default only where the data are examples with an answer.

    Raises:
        InputError: there is no such run, or its data has changed since.

    >>> partwise.evaluate("runs/tiny", limit=2)
    Metrics(loss=..., perplexity=..., bits_per_byte=..., tokens=..., accuracy=None)
    """
    from partwise import workflow

    return workflow.evaluate(_opened(run), split, limit, context, accuracy)


def judge(
    run: Reopened | str | Path,
    evaluations: str | Path | Mapping[str, Any] | None = None,
    *,
    say: Say | None = print,
) -> dict[str, Judgement]:
    """The figures of a run's model by evaluations, called NAME.FIGURE: value, standard error, number of items, goal.

    Args:
        run: an opened run, or its directory.
        evaluations: the name of one of the run's recipe, a file of others, or a dict of others; all of the run's recipe
            unless given.
        say: called with each line about what is worth knowing, such as prompts that are too long; None for silence.

    Raises:
        PartwiseError: there is no such run or evaluation, or it does not suit the model.

    >>> partwise.judge("runs/tiny", {"other": {"use": "text", "files": ["other.txt"]}})
    {'other.bits_per_byte': Judgement(figure=Figure(value=..., count=1, error=None), goal='min', ...), ...}
    """
    from partwise import workflow

    return workflow.judge(_opened(run), None if evaluations is None else [evaluations], say or _silent)


def _opened(run: Reopened | str | Path) -> Reopened:
    return open(run) if isinstance(run, str | Path) else run


def _held(run: Reopened) -> Opened:
    from .opened import Opened

    return Opened.of(run)


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)


def _silent(line: str) -> None:
    pass


class _Lines:
    """A line after each evaluation, at the end, and every few seconds between."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._last = monotonic()

    def after(self, progress: Progress) -> None:
        now, figures = monotonic(), progress.metrics
        if VALID_LOSS in figures or progress.step == progress.steps or now - self._last >= EVERY:
            self._last = now
            known = ((name, figures.get(name)) for name in (*SHOWN, *filter(judged, figures)))
            told = [f"{name.replace('_', ' ')} {value:.3f}" for name, value in known if isinstance(value, float)]
            self._say(f"step {progress.step}/{progress.steps}: {', '.join(told)}")


__all__ = ["evaluate", "generate", "judge", "open", "train"]
