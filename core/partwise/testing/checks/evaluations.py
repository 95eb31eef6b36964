"""What every evaluation must do.

It is tried on a model whose every prediction depends on all that it has read, in double precision, so that rounding
cannot pass for a difference.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from partwise.data.batch import Batch
from partwise.evaluation.figures import Figure
from partwise.evaluation.reader import Reader
from partwise.evaluation.running import measured
from partwise.metric_names import ERROR
from partwise.modules.cross_entropy import LinearHead
from partwise.modules.hidden import Hidden
from partwise.modules.passes import batch_flow, start_decoding
from partwise.modules.states import Decoding, State
from partwise.parts.evaluation import EvaluationPart
from partwise.parts.part import Part
from partwise.parts.sites import EvaluationSite
from partwise.testing.probes import drawn, seed_torch
from partwise.testing.registering import check
from partwise.testing.violation import require, skip

CONTEXT, END, WIDTH = 64, 256, 8
SITE = EvaluationSite(CONTEXT)
LINES = (".jsonl", ".ndjson")
"""Endings of files that have an item in each line."""
TOLERANCE = 1e-9


class Bytes:
    """The bytes of a text as tokens, and one that ends it."""

    vocab_size, end, unknown, unknown_bits, lossless = END + 1, END, None, None, True

    def encode(self, text: str) -> list[int]:
        return list(text.encode("utf-8", "replace"))

    def decode(self, ids: Sequence[int]) -> str:
        return b"".join(map(self.token_bytes, ids)).decode("utf-8", "replace")

    def token_bytes(self, token: int) -> bytes:
        return b"" if token == END else bytes([token])

    def label(self, token: int) -> str:
        return repr(self.token_bytes(token))

    def to_json(self) -> dict[str, Any]:
        return {}


class Table(nn.Module):
    """A vector for each token."""

    def __init__(self, vectors: Tensor) -> None:
        super().__init__()
        self.vectors = nn.Parameter(vectors)

    def forward(self, ids: Tensor) -> Tensor:
        return self.vectors[ids]

    def weight_for_head(self) -> Tensor:
        return self.vectors


class Averages(nn.Module):
    """Predicts the next token by the last one and the mean of all before it."""

    context, vocabulary, width, initializer = CONTEXT, END + 1, WIDTH, None

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(drawn(7))
        self.table = Table(torch.randn(END + 1, WIDTH, generator=generator).double())
        self.output = nn.Parameter(torch.randn(END + 1, WIDTH, generator=generator).double())
        self.dropout = nn.Dropout(0.5)

    def hidden(self, batch: Batch) -> Hidden:
        x, there = self.table(batch.tokens), self._there(batch)
        mean = (x * there).cumsum(1) / there.cumsum(1).clamp_min(1)
        if batch.source is not None:
            mean = mean + self.table(batch.source).mean(1, keepdim=True)
        return Hidden(self.dropout(x + mean), batch_flow(batch), LinearHead(self.output), self.table)

    def forward(self, batch: Batch) -> Tensor:
        hidden = self.hidden(batch)
        return hidden.head.logits(hidden.states)

    def loss(self, batch: Batch) -> Tensor:
        hidden = self.hidden(batch)
        return hidden.head.cross_entropy(hidden.states, batch.targets)

    def begin(self, prompt: Batch, room: int) -> tuple[Tensor, Decoding]:
        x, there = self.table(prompt.tokens), self._there(prompt)
        state: State = {"sum": (x * there).sum(1), "count": there.sum(1)}
        logits = LinearHead(self.output).logits(x[:, -1] + state["sum"] / state["count"])
        return logits, start_decoding(prompt, [state], room)

    def step(self, tokens: Tensor, decoding: Decoding) -> Tensor:
        (state,), x = decoding.states, self.table(tokens)
        decoding.states = [{"sum": state["sum"] + x, "count": state["count"] + 1}]
        decoding.advance()
        return LinearHead(self.output).logits(x + decoding.states[0]["sum"] / decoding.states[0]["count"])

    def _there(self, batch: Batch) -> Tensor:
        there = torch.ones_like(batch.tokens, dtype=torch.bool) if batch.padding is None else batch.padding
        return there[..., None].double()


def reader(rows: int = 16, model: Averages | None = None) -> Reader:
    """A reader of the model above."""
    any_model: Any = model or Averages()
    return Reader(any_model, Bytes(), rows=rows)


def figures(part: Part, using: Reader | None = None) -> dict[str, Figure]:
    """The figures that a part gives."""
    evaluation: Any = part.assemble(SITE)
    return measured(evaluation, using or reader())


def observed(part: Any) -> Any:
    """What an evaluation asks of its reader, what it makes of that, and when it runs; or why it cannot be built."""
    from partwise.errors import PartError

    try:
        built = part.assemble(SITE)
    except PartError as error:  # to fail where it did not is a difference
        return str(error)
    noting = Noting(Averages(), Bytes())
    found = measured(built, noting)
    return [part.every, {name: vars(one) for name, one in found.items()}, noting.asked]


class Noting(Reader):
    """A reader that notes what it is asked."""

    def __init__(self, *facts: Any) -> None:
        super().__init__(*facts)
        self.asked: list[Any] = []

    def log_likelihoods(self, requests: Any) -> Any:
        self.asked.append(list(requests))
        return super().log_likelihoods(requests)

    def texts(self, texts: Any, length: int | None = None, end: bool = True) -> Any:
        texts = list(texts)
        self.asked.append([texts, length, end])
        return super().texts(texts, length, end)

    def rolling(self, texts: Any) -> Any:
        texts = list(texts)
        self.asked.append(texts)
        return super().rolling(texts)

    def write(self, prompts: Any, limit: int, stop: Sequence[str] = ()) -> Any:
        self.asked.append([list(prompts), limit, list(stop)])
        return super().write(prompts, limit, stop)


def _same(one: Mapping[str, Figure], other: Mapping[str, Figure], when: str) -> None:
    require(one.keys() == other.keys(), f"{when} it gives {', '.join(other)}, and {', '.join(one)} otherwise")
    for name, figure in one.items():
        again = other[name]
        for what, first, second in (
            (name, figure.value, again.value),
            (f"the standard error of {name}", figure.error or 0.0, again.error or 0.0),
        ):
            apart = abs(first - second) > TOLERANCE * max(1.0, abs(first))
            require(not apart, f"{when} {what} is {second:g}, and {first:g} otherwise")


@check("evaluation", per="example")
def its_figures_are_those_it_declares(part: EvaluationPart) -> None:
    """It gives figures that `figures()` declares, the first of them always, each finite and of an item at least."""
    declared, found = part.figures(), figures(part)
    require(declared, "figures() declares none")
    unknown = sorted(set(found) - set(declared))
    require(not unknown, f"it gives {', '.join(unknown)}, and figures() declares {', '.join(declared)}")
    first = next(iter(declared))
    require(first in found, f"it does not give {first}, the first that figures() declares")
    for name, goal in declared.items():
        require(goal in ("min", "max"), f"the goal of {name} is {goal!r}; it is 'min' or 'max'")
        require(not name.endswith(ERROR), f"{name} ends with {ERROR}, as the names of standard errors do")
    for name, figure in found.items():
        require(figure.count > 0, f"{name} is of {figure.count} items")
        error = figure.error
        sound = error is None or (math.isfinite(error) and error >= 0)
        require(sound, f"the standard error of {name} is {error}")


@check("evaluation", per="example")
def it_judges_alike_each_time(part: Part) -> None:
    """The same model gets the same figures whenever it is judged, whatever was drawn or judged before."""
    evaluation: Any = part.assemble(SITE)
    with torch.random.fork_rng([]):
        seed_torch(1)
        first = measured(evaluation, reader())
        seed_torch(2)
        _same(first, measured(evaluation, reader()), "a second time")
        _same(first, figures(part), "built anew")


@check("evaluation", per="example")
def it_leaves_the_model_alone(part: Part) -> None:
    """Its weights, its mode, its gradients and the random state are afterwards what they were before."""
    for mode in (True, False):
        model = Averages().train(mode)
        before, state = {name: one.clone() for name, one in model.state_dict().items()}, torch.get_rng_state()
        figures(part, reader(model=model))
        changed = [name for name, one in model.state_dict().items() if not one.equal(before[name])]
        require(not changed, f"it changes weights of the model: {', '.join(changed)}")
        modes = {module.training for module in model.modules()}
        require(modes == {mode}, f"it leaves a model in {'evaluation' if mode else 'training'} mode")
        graded = [name for name, one in model.named_parameters() if one.grad is not None or not one.requires_grad]
        require(not graded, f"it leaves gradients, or none to come: {', '.join(graded)}")
        require(torch.get_rng_state().equal(state), "it draws from the global random state")


@check("evaluation", per="example")
def batches_and_padding_make_no_difference(part: Part) -> None:
    """However many items are read at once, and so with whatever padding, its figures are the same."""
    whole = figures(part, reader(rows=64))
    for rows in (1, 2, 3):
        _same(whole, figures(part, reader(rows=rows)), f"with {rows} rows at once")


@check("evaluation", per="example")
def the_order_of_items_makes_no_difference(part: Part) -> None:
    """With the lines of its files in another order, and its files too, its figures are the same."""
    with _in_another_order(part) as other:
        if other is None:
            skip("it has no file of several lines or several files, whose order could be another")
        _same(figures(part), figures(other), "with its items in another order")


@contextmanager
def _in_another_order(part: Part) -> Iterator[Part | None]:
    """The part with copies of its files of JSON lines in which the first line comes last; None if it has none. Of a
    directory all such files are copied so, and the others as they are."""
    with TemporaryDirectory() as directory:
        changed: dict[str, Any] = {}
        for knob in type(part).model_fields:
            value = getattr(part, knob)
            names = value if isinstance(value, tuple) else (value,)
            if not names or not all(isinstance(name, str) for name in names):
                continue
            copies = tuple(_turned(name, Path(directory)) for name in names)
            if copies != names or len(names) > 1:
                changed[knob] = copies[::-1] if isinstance(value, tuple) else copies[0]
        yield part.model_copy(update=changed) if changed else None


def _turned(name: str, directory: Path) -> str:
    """The name of a copy with the first line last, if it is one of a file of lines or of a directory; else itself."""
    path = Path(name)
    copy = directory / path.name
    if path.is_absolute() and path.is_dir():
        shutil.copytree(path, copy)
        for file in [one for one in copy.rglob("*") if one.suffix in LINES]:
            _turn(file, file)
    elif path.suffix in LINES and path.is_file():
        _turn(path, copy)
    else:
        return name
    return str(copy)


def _turn(lines: Path, copy: Path) -> None:
    first, *rest = lines.read_text(encoding="utf-8").splitlines()
    copy.write_text("\n".join([*rest, first]) + "\n", encoding="utf-8")
