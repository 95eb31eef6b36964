"""How to build a module of each kind and what to call it with, so that checks need not know the kind.

A probe holds float or integer inputs and a function that calls the module on them and gives one tensor.
Everything random here is a function of one seed, which `seeded` sets: 0 unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from partwise.assembly.build import materialise
from partwise.data.batch import IGNORED, Batch
from partwise.modules.cross_entropy import LinearHead
from partwise.modules.feeding import fed
from partwise.modules.flow import Flow, causal_flow
from partwise.modules.hidden import Hidden
from partwise.modules.passes import batch_flow
from partwise.modules.position import counts_places, placed
from partwise.parts.part import Part
from partwise.wording import with_article

from .cases import family, skeleton_of
from .violation import ContractViolation, skip

MEMORY = 5
"""Positions of the memory that probes of cross-attention read."""
VOCABULARY = 13
"""Ids of tokens that probes of a feed-forward or a router read."""
_SPREAD = 1000
"""The distance between the seeds of two runs, large enough that they share no input."""
_seed: ContextVar[int] = ContextVar("partwise_testing_seed", default=0)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within it, inputs and weights depend on `seed`."""
    token = _seed.set(seed)
    with torch.random.fork_rng([]):
        try:
            yield
        finally:
            _seed.reset(token)


def drawn(seed: int) -> int:
    """The seed to draw with, for the draw that a check gives the number `seed`."""
    return seed + _SPREAD * _seed.get()


def seed_torch(seed: int) -> None:
    """`torch.manual_seed`, but for devices that nobody has used: for each kind of these it writes the whole stack down,
    which takes most of a millisecond within pytest, and where there are none at all, it never forgets it."""
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)


@dataclass(frozen=True)
class Probe:
    """Inputs for a module, and the call."""

    inputs: tuple[Tensor, ...]
    call: Callable[..., Tensor]
    """From the module and the inputs to one tensor."""
    batch: Batch | None = None
    """The batch that the inputs are, for a model, which has a loss."""
    terms: Callable[..., Tensor | None] | None = None
    """From the module and the inputs to the terms that it adds to the loss of training, for one that may."""

    def __call__(self, module: nn.Module) -> Tensor:
        return self.call(module, *self.inputs)

    def of(self, change: Callable[[Tensor], Tensor]) -> Probe:
        """The same probe with every float input changed."""
        return replace(self, inputs=tuple(change(x) if x.is_floating_point() else x for x in self.inputs))


def build(part: Part, site: Any, seed: int = 0) -> Any:
    """The part's module as partwise assembles it, in evaluation mode."""
    module = skeleton_of(part, site)
    if module is None:
        raise ContractViolation("its build() returns nothing; it must return the module")
    if not isinstance(module, nn.Module):
        raise ContractViolation(
            f"it builds {with_article(type(module).__name__)}, and a {family(part)} is an nn.Module"
        )
    materialise(cast(Any, module), drawn(seed))
    return module.eval()


def shaken(part: Part, site: Any, seed: int = 0) -> Any:
    """As `build`, with noise on every weight: the zeros and ones of a first initialisation can hide a mistake."""
    module, generator = build(part, site, seed), torch.Generator().manual_seed(drawn(seed))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return module


def numbers(*shape: int, seed: int = 1) -> Tensor:
    """Standard normal numbers, the same each time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(drawn(seed)))


def tokens(*shape: int, below: int, seed: int = 1) -> Tensor:
    """Token ids, the same each time."""
    return torch.randint(below, shape, generator=torch.Generator().manual_seed(drawn(seed)))


def probe(part: Part, site: Any, rows: int = 3, length: int = 6) -> Probe:
    """Inputs for what the part builds at a site."""
    given = part.inputs(site, rows, length)
    if given is not None:
        return Probe(given, lambda module, *inputs: in_one(module(*inputs)))
    kind = family(part)
    if kind not in _PROBES:
        skip(f"a {kind} does not say what its modules are called with: its kind has no `inputs`")
    return _PROBES[kind](part, site, rows, length)


def weighted(module: nn.Module, call: Probe) -> Tensor:
    """The output of a module as one number that depends on each of its elements."""
    output = call(module)
    return (output * numbers(*output.shape, seed=4).to(output)).sum()


def loss_of(module: Any, call: Probe) -> Tensor | None:
    """The loss of a model; None for other modules, which have none."""
    if call.batch is None:
        return None
    loss: Tensor = module.loss(call.batch)
    return loss


def terms_of(module: nn.Module, call: Probe) -> Tensor | None:
    """The terms that a module adds to the loss of training, by their weights; None if it adds none."""
    return None if call.terms is None else call.terms(module, *call.inputs)


def in_one(output: Any) -> Tensor:
    """The output of a module as one tensor; several tensors are flattened and joined."""
    if isinstance(output, Tensor):
        return output
    values = output.values() if isinstance(output, dict) else output
    return torch.cat([in_one(value).flatten().to(torch.get_default_dtype()) for value in values])


def _of_x(part: Part, site: Any, rows: int, length: int) -> Probe:
    return Probe((numbers(rows, length, site.width),), lambda module, x: module(x))


def pointwise(module: Any, x: Tensor, ids: Tensor) -> Tensor:
    """What a norm, or a feed-forward for tokens `ids` [B, T], gives for x [B, T, C]."""
    return module(x) if not getattr(module, "reads_flow", False) else fed(module, x, flow_over(x, ids))


def flow_over(x: Tensor, ids: Tensor) -> Flow:
    """The flow of tokens `ids` [B, T] from position 0."""
    return replace(causal_flow(x.shape[1], x.device), tokens=ids)


def _of_fed(part: Part, site: Any, rows: int, length: int) -> Probe:
    if not getattr(skeleton_of(part, site), "reads_flow", False):
        return _of_x(part, site, rows, length)
    return Probe((numbers(rows, length, site.width), tokens(rows, length, below=VOCABULARY)), pointwise, terms=_terms)


def _terms(module: Any, x: Tensor, ids: Tensor) -> Tensor | None:
    flow = flow_over(x, ids)
    module(x, flow)
    return flow.carried.weighted()


def routed(module: Any, x: Tensor, ids: Tensor, experts: int) -> Tensor:
    """The shares that a router gives each of its experts at each position, [B, T, E]."""
    routing = module(x, flow_over(x, ids))
    shares = routing.shares(x.shape[0] * x.shape[1], experts).view(*x.shape[:2], experts)
    return shares.to(x.dtype) + 0 * x.mean(-1, keepdim=True)  # some routers do not look at x


def _of_router(part: Part, site: Any, rows: int, length: int) -> Probe:
    def call(module: nn.Module, x: Tensor, ids: Tensor) -> Tensor:
        return routed(module, x, ids, site.experts)

    return Probe((numbers(rows, length, site.width), tokens(rows, length, below=VOCABULARY)), call, terms=_terms)


def _of_flow(part: Part, site: Any, rows: int, length: int) -> Probe:
    def call(module: nn.Module, x: Tensor, *memory: Tensor) -> Tensor:
        return module(x, replace(causal_flow(x.shape[1], x.device), memory=memory[0] if memory else None))

    memory = () if site.memory_width is None else (numbers(rows, MEMORY, site.memory_width, seed=2),)
    return Probe((numbers(rows, length, site.width), *memory), call)


def _of_tokens(part: Part, site: Any, rows: int, length: int) -> Probe:
    return Probe((tokens(rows, length, below=site.vocabulary),), lambda module, ids: module(ids))


def _of_heads(part: Part, site: Any, rows: int, length: int) -> Probe:
    queries = numbers(rows, site.heads, length, site.head_width)
    keys = numbers(rows, site.heads, length + 1, site.head_width, seed=2)
    return Probe((queries, keys), lambda module, q, k: module(q, k))


def _of_position(part: Part, site: Any, rows: int, length: int) -> Probe:
    def call(module: Any, x: Tensor, heads: Tensor, *ids: Tensor) -> Tensor:
        steps = torch.arange(x.shape[1], device=x.device)
        angles, bias = module.angles(steps), module.bias_table(steps - steps[-1:])
        embedded = placed(module, x, flow_over(x, ids[0])) if ids else module.embed(x, steps)
        results = [embedded, heads if angles is None else module.rotate(heads, angles)]
        return torch.cat([result.flatten() for result in (*results, *(() if bias is None else (bias,)))])

    heads = numbers(rows, site.heads, length, site.head_width, seed=2)
    counting = counts_places(skeleton_of(part, site))
    ids = (tokens(rows, length, below=site.vocabulary),) if counting else ()
    return Probe((numbers(rows, length, site.width), heads, *ids), call)


def _of_batch(part: Any, site: Any, rows: int, length: int) -> Probe:
    batch = model_batch(part, site, rows, length)
    inputs = {name: value for name, value in vars(batch).items() if value is not None}

    def call(module: nn.Module, *tensors: Tensor) -> Tensor:
        return module(Batch(**dict(zip(inputs, tensors, strict=True))))

    return Probe(tuple(inputs.values()), call, batch)


def _of_adapter(part: Any, site: Any, rows: int, length: int) -> Probe:
    outputs = sum(site.outputs)
    given = (numbers(rows, length, site.inputs), numbers(outputs, site.inputs, seed=2), numbers(outputs, seed=3))
    return Probe(given, lambda module, x, weight, bias: module(x, weight, bias))


def _of_stream(part: Any, site: Any, rows: int, length: int) -> Probe:
    def call(module: Any, stream: Tensor, branch: Tensor) -> Tensor:
        read, written = module.read(stream), module.write(stream, branch)
        return torch.cat([read[..., None, :], written if written.ndim == 4 else written[..., None, :]], dim=-2)

    ends = part.build_ends(site)
    opened = torch.zeros(rows, length, site.width) if ends is None else ends.open(torch.zeros(rows, length, site.width))
    return Probe((numbers(*opened.shape), numbers(rows, length, site.width, seed=2)), call)


def _of_hidden(part: Any, site: Any, rows: int, length: int) -> Probe:
    ids = tokens(rows, length + 1, below=site.vocabulary - len(site.reserved))
    posed = build(part, site).pose(Batch(ids[:, :-1], ids[:, 1:]), 0)
    weights = numbers(site.vocabulary, site.width, seed=3)

    def call(module: Any, x: Tensor, read: Tensor, targets: Tensor, *around: Tensor) -> Tensor:
        batch, table = Batch(read, targets), weights.to(x)
        flow = batch_flow(batch)
        loss = module(Hidden(x, flow, LinearHead(table), lambda ids: table[ids]), batch)
        terms = flow.carried.weighted()
        total = loss if terms is None else loss + terms * batch.scored
        would_read = torch.cat([ids.clamp_min(0).flatten() for ids in (read, *around)])
        return torch.stack((total.to(x.dtype), table[would_read].sum()))  # the loss, and what a model would read

    around = () if posed.around is None else (posed.around,)
    return Probe((numbers(rows, length, site.width), posed.tokens, posed.targets, *around), call)


def model_batch(part: Any, site: Any, rows: int, length: int, seed: int = 1) -> Batch:
    """Token ids with targets, and sources of unequal length if the model reads pairs. First tokens differ."""
    ids = tokens(rows, length + 1, below=site.vocabulary, seed=seed)
    ids[:, 0] = torch.arange(rows) % site.vocabulary
    if part.reads == "sequence":
        return Batch(ids[:, :-1], ids[:, 1:])
    source = tokens(rows, MEMORY, below=site.vocabulary, seed=seed + 1)
    padding = torch.ones(rows, MEMORY, dtype=torch.bool)
    padding[0, -2:] = False
    return Batch(ids[:, :-1], ids[:, 1:], source=source, source_padding=padding)


_PROBES: dict[str, Callable[[Any, Any, int, int], Probe]] = {
    "adapter": _of_adapter,
    "embedding": _of_tokens,
    "position": _of_position,
    "score": _of_heads,
    "mixer": _of_flow,
    "feedforward": _of_fed,
    "router": _of_router,
    "norm": _of_x,
    "residual": _of_stream,
    "objective": _of_hidden,
    "block": _of_flow,
    "model": _of_batch,
}


def flow_of(
    start: int,
    end: int,
    memory: Tensor | None = None,
    padding: Tensor | None = None,
    documents: Tensor | None = None,
    memory_padding: Tensor | None = None,
) -> Flow:
    """Tokens `start` to `end` of a pass; positions count each row's tokens, or each document's."""
    positions = torch.arange(end)
    if padding is not None:
        positions = (padding.cumsum(1) - 1).clamp_min(0)[:, :end]
    if documents is not None:
        positions = torch.stack([_restarting(row) for row in documents])[:, :end]
    return Flow(
        positions[..., start:end],
        start,
        None if padding is None else padding[:, :end],
        None if documents is None else documents[:, :end],
        memory,
        memory_padding,
    )


def _restarting(row: Tensor) -> Tensor:
    count, positions = 0, []
    for index, document in enumerate(row.tolist()):
        count = count + 1 if index and document == row[index - 1] else 0
        positions.append(count)
    return torch.tensor(positions)


def prompt_of(batch: Batch, length: int) -> Batch:
    """The first `length` tokens of a batch, as a prompt."""
    ids = batch.tokens[:, :length]
    padding = None if batch.padding is None else batch.padding[:, :length]
    return replace(batch, tokens=ids, targets=torch.full_like(ids, IGNORED), padding=padding)
