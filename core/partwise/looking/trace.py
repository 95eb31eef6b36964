"""A text on its way through every module, and what the head would say after each layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from time import perf_counter
from typing import Any, cast

import torch
from torch import Tensor, nn

from partwise.data.batch import Batch
from partwise.modules.cross_entropy import LinearHead
from partwise.modules.showing import ReadsOut
from partwise.parts.kinds import SamplerPart
from partwise.parts.part import parts_within
from partwise.rendering.text import plain

from .facts import Guess, Layer, Sampled, Step, Trace, Values
from .formulas import equations_of, formula_of
from .modules import blocks_of, hooked
from .subject import Subject
from .tokens import token

READABLE = 160
"""Numbers of a tensor that are all shown."""
FEATURES, LIKELIEST = 64, 12
"""Features of a strip, and tokens of a distribution."""


@torch.no_grad()
def trace(one: Subject, batch: Batch, parts: Mapping[str, Any]) -> Trace:
    """One pass over a batch of one row."""
    one.model(batch)  # once before, so that no module's time has what only a first call takes
    calls = _Calls(one.module, parts)
    with hooked() as handles:
        for path, module in one.module.named_modules():
            if path:
                handles.append(module.register_forward_pre_hook(calls.before(path)))
                handles.append(module.register_forward_hook(calls.after()))
        logits = one.model(batch)
    causal = one.recipe.objective.causal
    predicts = "the next token" if causal else "the token at the last position"
    return Trace(calls.steps(), tuple(_layers(one, batch)), predicts, tuple(_sampled(one, batch, logits[:, -1])))


class _Calls:
    """The calls of one pass, in the order in which they began."""

    def __init__(self, model: nn.Module, parts: Mapping[str, Any]) -> None:
        self.parts, self.kinds = parts, dict(model.named_modules())
        self.open: list[int] = []
        self.begun: list[float] = []
        self.kept: list[tuple[str, int, float, tuple[Values, ...]]] = []

    def before(self, path: str) -> Any:
        def begin(module: nn.Module, args: Any) -> None:
            self.open.append(len(self.kept))
            self.kept.append((path, len(self.open) - 1, 0.0, ()))
            self.begun.append(perf_counter())

        return begin

    def after(self) -> Any:
        def end(module: nn.Module, args: Any, output: Any) -> None:
            seconds = perf_counter() - self.begun.pop()
            index = self.open.pop()
            path, depth, _, _ = self.kept[index]
            self.kept[index] = (path, depth, seconds, tuple(values(one) for one in tensors(output)))

        return end

    def steps(self) -> tuple[Step, ...]:
        return tuple(self._step(*kept) for kept in self.kept)

    def _step(self, path: str, depth: int, seconds: float, outputs: tuple[Values, ...]) -> Step:
        module, (part, _) = self.kinds[path], self.parts.get(path, (None, None))
        own = dict(module.named_parameters(recurse=False))
        few = {
            name: weight.detach().float().cpu().clone() for name, weight in own.items() if weight.numel() <= READABLE
        }
        return Step(
            path,
            type(module).__name__,
            part and part.name,
            depth,
            formula_of(module, part),
            equations_of(module, part),
            sum(weight.numel() for weight in module.parameters()),
            few,
            1000 * seconds,
            outputs,
        )


def tensors(output: Any) -> Iterator[Tensor]:
    """Those that a module has given, however they are put together."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, list | tuple):
        for one in output:
            yield from tensors(one)
    elif isinstance(output, dict):
        yield from tensors(list(output.values()))


def values(tensor: Tensor) -> Values:
    """A tensor, in a few numbers and, if it is small, in all of its own; of a batch of one row."""
    x = tensor.detach().float()
    flat = x.flatten()
    none = flat.numel() == 0
    strip = flat[-x.shape[-1] :][:FEATURES] if x.ndim else flat
    return Values(
        shape=tuple(x.shape),
        mean=0.0 if none else float(flat.mean()),
        deviation=0.0 if none else float(flat.std(correction=0)),
        least=0.0 if none else float(flat.min()),
        most=0.0 if none else float(flat.max()),
        strip=tuple(strip.tolist()),
        numbers=x.cpu() if 0 < flat.numel() <= READABLE else None,
    )


def _layers(one: Subject, batch: Batch) -> Iterator[Layer]:
    """The logit lens (nostalgebraist 2020): each layer's stream, read as the last one's is."""
    if not isinstance(one.model, ReadsOut):
        return
    blocks, streams = blocks_of(one.module), list[tuple[str, Tensor]]()

    def keep(path: str) -> Any:
        def hook(module: nn.Module, args: Any, output: Tensor) -> None:
            if not streams or not _same_stack(streams[-1][0], path):
                streams[:] = [("before the first layer", args[0])]
            streams.append((path, output))

        return hook

    with hooked() as handles:
        handles += [block.register_forward_hook(keep(path)) for path, block in blocks.items()]
        head = one.model.hidden(batch).head
    for name, stream in streams:
        yield _layer(one, name, head, one.model.read_out(stream))


def _same_stack(before: str, path: str) -> bool:
    return " " in before or before.rpartition(".")[0] == path.rpartition(".")[0]


def _layer(one: Subject, name: str, head: LinearHead, x: Tensor) -> Layer:
    probabilities = head.logits(x)[0].float().softmax(-1)
    best = probabilities.max(-1)
    guesses = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    last = probabilities[-1]
    entropy = -torch.special.xlogy(last, last).sum()
    return Layer(
        name,
        tuple(Guess(token(one.tokenizer, id), share) for id, share in guesses),
        likeliest(one, last),
        float(entropy),
    )


def likeliest(one: Subject, probabilities: Tensor) -> tuple[Guess, ...]:
    """The tokens of a distribution [V] that are likeliest, without impossible ones."""
    best = probabilities.topk(min(LIKELIEST, len(probabilities)))
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return tuple(Guess(token(one.tokenizer, id), share) for id, share in pairs if share > 0)


def _sampled(one: Subject, batch: Batch, logits: Tensor) -> Iterator[Sampled]:
    """The model's own distribution, and what each sampler of the recipe leaves of it, one after the other."""
    before = logits.float().softmax(-1)[0]
    yield Sampled("the model", int((before > 0).sum()), 1.0, likeliest(one, before))
    part = one.recipe.sampler
    inner = [found for _, found in parts_within(part) if isinstance(found, SamplerPart)]
    for sampler in inner or [part]:
        logits = _cut(sampler, logits, batch.tokens)
        after = logits.float().softmax(-1)[0]
        kept = after > 0
        share = float(before[kept].sum())
        yield Sampled(plain(sampler.model_dump(mode="json")), int(kept.sum()), share, likeliest(one, after))
        before = after


def _cut(part: SamplerPart, logits: Tensor, text: Tensor) -> Tensor:
    """Logits [1, V] as a sampler leaves them; one that filters nothing takes the likeliest."""
    sampler: Any = part.assemble(None)
    if callable(getattr(sampler, "filter", None)):
        return cast(Tensor, sampler.filter(logits))
    if callable(getattr(sampler, "filter_after", None)):
        return cast(Tensor, sampler.filter_after(logits, text))
    only = torch.full_like(logits, -torch.inf)
    return only.scatter(-1, logits.argmax(-1, keepdim=True), 0.0)
