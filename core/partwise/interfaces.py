"""What parts build: the interfaces between modules, as protocols.

A module fulfils one by having its methods; it need not import or derive from anything here, so that it
stays a plain `torch.nn.Module` that is useful without partwise. (This file imports no torch at run time.)

Shapes: B batch, T positions, S positions so far, C width, H heads, D head width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import Tensor, nn

    from .batches import Batches
    from .decoding import Decoder
    from .flow import Batch, Decoding, Flow, State
    from .run import Run
    from .studies.jobs import Job, JobProgress, JobResult

Split = Literal["train", "valid", "test"]


# --- text ---------------------------------------------------------------------------------------------


class Tokenizer(Protocol):
    """Text to token ids and back."""

    @property
    def vocab_size(self) -> int:
        """Number of ids; every id is below it."""
        ...

    @property
    def end(self) -> int:
        """Id of the special token that ends a text, and begins one. No text encodes to it."""
        ...

    @property
    def unknown(self) -> int | None:
        """Id that stands for what the vocabulary lacks; None if it lacks nothing."""
        ...

    @property
    def unknown_bits(self) -> float | None:
        """Bits it takes to spell out what one unknown stands for, by a code that needs no model; None if it cannot."""
        ...

    @property
    def lossless(self) -> bool:
        """Whether `decode(encode(text)) == text` for every text without an unknown."""
        ...

    def encode(self, text: str) -> list[int]:
        """Ids of a text. The text of a special token is text like any other; lone surrogates become U+FFFD."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids; special tokens are left out."""
        ...

    def token_bytes(self, token: int) -> bytes:
        """UTF-8 bytes that one id adds to a text: a streaming decoder joins them. Special tokens add none."""
        ...

    def label(self, token: int) -> str:
        """A token as people read it, special tokens included: "the", "<|end|>"."""
        ...

    def to_json(self) -> dict[str, Any]:
        """All that is needed to restore the tokenizer, as JSON values; see `TokenizerPart.restore`."""
        ...


@dataclass(frozen=True)
class Piece:
    """A stretch of text that is either learned (`scored`) or only read."""

    text: str
    scored: bool = True


@dataclass(frozen=True)
class Example:
    """One text of a data set, in pieces. A pair of source and target is a read and a scored piece."""

    pieces: tuple[Piece, ...]
    ends: bool = True
    """False if the next example continues the same text: how a huge file comes in small portions."""


class Data(Protocol):
    """Texts, in three splits that share none."""

    @property
    def form(self) -> Literal["stream", "examples"]:
        """stream: running text, of which models see windows. examples: each is seen whole, in a row of its own."""
        ...

    def examples(self, split: Split) -> Iterator[Example]:
        """The texts of a split, in a fixed order, from the start at each call."""
        ...

    def identity(self) -> str:
        """Changes whenever what `examples` yields changes; names the cache of encoded texts."""
        ...


# --- the network --------------------------------------------------------------------------------------


class Embedding(Protocol):
    """An `nn.Module` from ids [B, T] to vectors [B, T, width]."""

    @property
    def width(self) -> int:
        """Features it gives; if it is not the model's width, the model adds a linear projection."""
        ...

    def __call__(self, tokens: Tensor) -> Tensor: ...

    def weight_for_head(self) -> Tensor | None:
        """The [V, width] table that a tied output head shares; None if there is none to share."""
        ...


class PositionEncoder(Protocol):
    """An `nn.Module` that acts in up to three places; where it does not act it returns x, None or None.

    `angles` is apart from `rotate` so that the trigonometry is done once per pass, not once per layer.
    """

    @property
    def max_positions(self) -> int | None:
        """Positions it knows; None if it knows no end."""
        ...

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        """Embeddings [B, T, C] with their positions ([T] or [B, T]) worked in."""
        ...

    def angles(self, positions: Tensor) -> tuple[Tensor, ...] | None:
        """What `rotate` needs for positions [T] or [B, T], in float32; broadcastable to [B, H, T, ...]."""
        ...

    def rotate(self, heads: Tensor, angles: tuple[Tensor, ...]) -> Tensor:
        """Queries or keys [B, H, T, D], rotated; keeps the dtype of `heads`."""
        ...

    def bias_table(self, offsets: Tensor) -> Tensor | None:
        """[H, N] to be added to scores, for N offsets from a query to a key (negative: the key comes first).

        Of the offset alone, so that no pass needs to write out one number per query and key. A bias of anything
        else, of what stands there or of where, belongs into an attention, or into its score.
        """
        ...


class Score(Protocol):
    """An `nn.Module` from queries [B, H, T, D] and keys [B, H, S, D] to scores [B, H, T, S]."""

    @property
    def scale(self) -> float | None:
        """If the score is the dot product times a constant, that constant (fused kernels apply); else None."""
        ...

    def __call__(self, queries: Tensor, keys: Tensor) -> Tensor: ...


class Mixer(Protocol):
    """An `nn.Module` that moves information between positions."""

    def __call__(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        """x [B, T, C] to [B, T, C].

        With a state, continues from the `flow.start` tokens it holds, and updates it in place to hold
        `flow.end`; the result equals that of one pass over all tokens.
        """
        ...

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        """A state for up to `length` tokens, of the dtype and device of `like`. For cross-attention, `length`
        is that of the memory, which the first pass (`flow.start == 0`) stores."""
        ...


class Attention(Mixer, Protocol):
    """A mixer built for `site.reads_memory` takes keys and values from `flow.memory` instead of x."""


class Block(Protocol):
    """An `nn.Module`: one layer."""

    def __call__(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        """x [B, T, C] to [B, T, C]; states as for a mixer."""
        ...

    def empty_state(self, batch: int, length: int, memory_length: int, like: Tensor) -> State:
        """States of its mixers, for `length` tokens and a memory of `memory_length`."""
        ...


class Initializer(Protocol):
    """Draws the first weights of one module, under random state that the assembly has seeded for it.

    Two attributes, which a module may set on a linear layer, tell it more: `ends_residual_branch = True` if the
    layer's output is added to the residual stream; `stacked = [sizes]` if its rows are several layers in one.
    """

    def __call__(self, module: nn.Module) -> None: ...


class Model(Protocol):
    """An `nn.Module` that reads a `Batch`. (Its `__call__` gives logits [B, T, V].)"""

    @property
    def context(self) -> int:
        """Longest sequence it is trained on."""
        ...

    @property
    def vocabulary(self) -> int:
        """V."""
        ...

    @property
    def initializer(self) -> Initializer | None:
        """Called on every module after its `reset_parameters()`; None leaves them as they are."""
        ...

    def __call__(self, batch: Batch) -> Tensor:
        """Logits [B, T, V] for the next token at each position of `batch.tokens`."""
        ...

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy in nats, summed over the scored targets: a scalar."""
        ...

    def begin(self, prompt: Batch, room: int) -> tuple[Tensor, Decoding]:
        """Reads a prompt (its targets are ignored; padding stands on the left) into states for `room` tokens.

        Returns the logits [B, V] of the next token, and the states.
        """
        ...

    def empty_states(self, batch: int, length: int, memory_length: int = 0) -> list[State]:
        """The states that `begin` makes: one per layer, for `length` tokens and a memory of `memory_length`."""
        ...

    def step(self, tokens: Tensor, decoding: Decoding) -> Tensor:
        """Reads one more token [B] per row; returns the logits [B, V] of the next one."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]: ...

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]: ...

    def train(self, mode: bool = True) -> Any: ...

    def eval(self) -> Any: ...


# --- training and decoding ----------------------------------------------------------------------------


class Schedule(Protocol):
    """The learning rate at a step, as a factor of the optimizer's own."""

    def __call__(self, step: int) -> float:
        """Factor for update `step`, counted from 0."""
        ...


@dataclass(frozen=True)
class Progress:
    """What a trainer reports as it goes."""

    step: int
    """Updates done."""
    steps: int
    """Updates in all."""
    metrics: Mapping[str, float | int | str | None]
    """Figures of this moment: always `loss` (nats per token, on the step's batch), `lr`, `grad_norm`,
    `tokens_per_second`; after an evaluation also `valid_loss`, `valid_perplexity`, `valid_bits_per_byte`, and
    `valid_accuracy` if the data are examples; where they are known `flops_utilisation` (share of what the machine can
    do at best), `data_wait` (share of the step spent waiting for batches) and `peak_memory` (bytes)."""


@dataclass(frozen=True)
class Training:
    """All that a trainer is given."""

    model: Model
    batches: Batches
    run: Run
    """Where checkpoints and metrics are kept; holds what an interrupted run had reached."""
    seed: int
    device: torch.device
    report: Callable[[Progress], None]
    """To be called after every step; cheap."""
    flops_per_token: Callable[[], float] | None = None
    """Counts those of the forward pass, as `inspect` does, which takes a second; None if nobody can."""


class Trainer(Protocol):
    """Trains a model."""

    def fit(self, training: Training) -> None:
        """Trains to the end, from wherever `training.run` stands."""
        ...


class Sampler(Protocol):
    """Chooses what is written."""

    def generate(self, decoder: Decoder, limit: int, generator: torch.Generator) -> Iterator[Tensor]:
        """Yields the tokens [B] that are appended, at most `limit` times, until every row has ended.

        A row that has ended yields the end token. A search yields once it has decided.
        """
        ...


# --- around the runs ----------------------------------------------------------------------------------


class Tracker(Protocol):
    """Told of one run. What it raises ends no training: it is reported once, and the tracker left alone."""

    def begin(self, run: Run, step: int) -> None:
        """A run begins, or is continued after update `step`; it may be one this tracker was told of before."""
        ...

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """The figures of an update that are numbers."""
        ...

    def end(self, state: Literal["finished", "interrupted", "failed"]) -> None:
        """Nothing more will be told."""
        ...


class Engine(Protocol):
    """Does jobs, several at once, each in a process of its own, so that what befalls one harms no other."""

    def run(
        self, jobs: Iterable[Job], place: Path, report: Callable[[JobProgress], None]
    ) -> Generator[JobResult, None, None]:
        """Yields what came of each job, once each, as they end; what a job was to write is then in `place`
        (or, if the engine works on other machines, what the result holds is all there is).

        The next of `jobs` is asked for only when there is room for it, in the caller's thread. A failed job is a
        result like any other. Closing the generator ends what is still running.
        """
        ...
