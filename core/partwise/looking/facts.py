"""What is found by looking inside a model: the facts that the page is made of, and that become JSON.

Shapes: T positions of the text, S positions that are looked at, H heads, D features.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import Tensor

Side = Literal["text", "source"]


@dataclass(frozen=True)
class Token:
    """One token of a text."""

    id: int
    label: str
    bytes: str
    """What it adds to the text, in hexadecimal; empty for a special token."""


@dataclass(frozen=True)
class Merges:
    """How one word came together: its pieces at first, and after each merge."""

    word: str
    steps: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Cut:
    """A text as a tokenizer cuts it."""

    tokenizer: str
    of: str
    """The run or recipe whose tokenizer it is."""
    vocabulary: int
    tokens: tuple[Token, ...]
    merges: tuple[Merges, ...]
    """Each word once, where the tokenizer merges."""


@dataclass(frozen=True)
class Head:
    """What one head does with this text, in single numbers; None where the text cannot say."""

    entropy: float | None
    """Of its weights, as a share of what it is where all that is seen weighs alike: 1 is everywhere, 0 one place."""
    distance: float | None
    """How many positions back it looks, on average."""
    previous: float | None
    """Weight of the position before."""
    first: float | None
    """Weight of the first position."""
    induction: float | None
    """Weight of what followed the token when it last occurred."""


@dataclass(frozen=True)
class Map:
    """Where a mixer looks."""

    path: str
    part: str | None
    rows: Side
    """Which tokens look: those of the text, or those of the source in an encoder."""
    columns: Side
    """Which tokens they look at."""
    adds_up: bool
    weights: Tensor
    """[H, T, S]."""
    heads: tuple[Head, ...]


@dataclass(frozen=True)
class Gates:
    """How far a mixer's gates are open, from 0 to 1."""

    path: str
    part: str | None
    rows: Side
    gates: Mapping[str, Tensor]
    """[T, D] each."""


@dataclass(frozen=True)
class Silent:
    """A mixer that shows nothing of itself."""

    path: str
    module: str


@dataclass(frozen=True)
class Mixing:
    """How positions exchange information."""

    maps: tuple[Map, ...]
    gates: tuple[Gates, ...]
    silent: tuple[Silent, ...]


@dataclass(frozen=True)
class Near:
    """Another token, and the cosine."""

    token: Token
    cosine: float


@dataclass(frozen=True)
class Neighbours:
    token: Token
    nearest: tuple[Near, ...]


@dataclass(frozen=True)
class Analogy:
    """`a` is to `b` as `c` is to which?"""

    a: str
    b: str
    c: str
    answers: tuple[Near, ...]


@dataclass(frozen=True)
class Place:
    """A token on the map."""

    token: Token
    x: float
    y: float
    asked: bool
    """Whether it is one of the text."""


@dataclass(frozen=True)
class Vectors:
    """The table of vectors that tokens are embedded by."""

    table: str
    """Which table: that of the input, or that of the head where the input has none."""
    features: int
    neighbours: tuple[Neighbours, ...]
    analogies: tuple[Analogy, ...]
    places: tuple[Place, ...]
    explained: float
    """Share of the variance of these vectors that the map's two directions have."""
    strips: tuple[tuple[Token, tuple[float, ...]], ...]
    """The first features of some tokens of the text."""


@dataclass(frozen=True)
class Values:
    """A tensor that a module has given."""

    shape: tuple[int, ...]
    mean: float
    deviation: float
    least: float
    most: float
    strip: tuple[float, ...]
    """The first features at the last position."""
    numbers: Tensor | None
    """All of them, where they are few."""


@dataclass(frozen=True)
class Step:
    """A module, in the order in which they were called."""

    path: str
    module: str
    part: str | None
    depth: int
    formula: str | None
    equations: tuple[str, ...]
    """The same in LaTeX, where its part, or PyTorch's module, has it so."""
    parameters: int
    weights: Mapping[str, Tensor]
    """Its own, where they are few."""
    milliseconds: float
    outputs: tuple[Values, ...]


@dataclass(frozen=True)
class Guess:
    token: Token
    probability: float


@dataclass(frozen=True)
class Layer:
    """What the head makes of the stream after a layer: the logit lens."""

    name: str
    likeliest: tuple[Guess, ...]
    """At each position."""
    last: tuple[Guess, ...]
    """At the last position, the likeliest first."""
    entropy: float
    """Of that distribution, in nats."""


@dataclass(frozen=True)
class Sampled:
    """What a sampler, or one of a chain, leaves of the distribution at the last position."""

    sampler: str
    kept: int
    """Tokens that may still be drawn."""
    share: float
    """Probability that they had before."""
    likeliest: tuple[Guess, ...]


@dataclass(frozen=True)
class Trace:
    """A text on its way through the model."""

    steps: tuple[Step, ...]
    layers: tuple[Layer, ...]
    predicts: str
    """What the distribution at the last position is of, in words."""
    sampled: tuple[Sampled, ...]


@dataclass(frozen=True)
class Depth:
    """The stream after a block."""

    path: str
    norm: float
    """Root mean square of its features."""
    gradient: float | None
    """Root mean square of the gradient of the loss there, times the number of positions."""
    alike: float | None
    """Mean cosine between the vectors of two positions."""
    branches: Mapping[str, float]
    """Norms of what the block's mixers and feed-forward gave."""


@dataclass(frozen=True)
class Units:
    """The hidden units of a feed-forward."""

    path: str
    units: int
    dead: int
    """Those that are 0, or next to it, at every position of this text."""


@dataclass(frozen=True)
class Condition:
    """One model, in one state of its training."""

    name: str
    loss: float | None
    """Of this text, in nats per token."""
    depths: tuple[Depth, ...]
    units: tuple[Units, ...]


@dataclass(frozen=True)
class Moved:
    """A block's weights: their size, how far they are from the first ones, and what one more update would change."""

    path: str
    size: float
    from_first: float | None
    """Length of the difference from the first weights, as a share of their own length."""
    update: float | None
    """Length of one more update, as a share of the weights' length."""


@dataclass(frozen=True)
class Health:
    conditions: tuple[Condition, ...]
    moved: tuple[Moved, ...]
    update: str
    """How the update was measured, in words; empty if it was not."""


@dataclass(frozen=True)
class Facts:
    """All that was found."""

    name: str
    about: str
    source_of_weights: str
    """The run and which of its weights, or that they are first ones."""
    parameters: int
    text: str
    source: str | None
    """What a model of pairs has read; the text is then its answer."""
    notes: tuple[str, ...]
    cuts: tuple[Cut, ...]
    text_tokens: tuple[Token, ...]
    """What the model has read, marks included."""
    source_tokens: tuple[Token, ...]
    mixing: Mixing
    vectors: Vectors | None
    trace: Trace
    health: Health

    def to_json(self) -> dict[str, Any]:
        """As JSON values, numbers to six digits."""
        plain: dict[str, Any] = _plain(self)
        return plain


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return _plain(value.tolist()) if hasattr(value, "tolist") else value
