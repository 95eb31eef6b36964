"""A registry of toy parts, in force in every test here, and a recipe of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from partwise import use
from partwise.parts import Part, Slot, kinds, slots
from partwise.parts.plugins import Plugin
from partwise.parts.registry import Registry, using

from ...plugged import loaded


class Lines(kinds.DataPart):
    """Lines of a file."""

    name = "lines"
    path: str = "corpus.txt"
    """Name of the file."""
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """How much of it is used."""


class Chars(kinds.TokenizerPart):
    """One id per character."""

    name = "chars"


class Pairs(kinds.TokenizerPart):
    """Byte pairs."""

    name = "pairs"
    vocab_size: Annotated[int, Field(ge=256, multiple_of=8)]
    """Ids in all."""


class Learned(kinds.PositionPart):
    """A table."""

    name = "learned"


class Rope(kinds.PositionPart):
    """Rotation."""

    name = "rope"
    base: PositiveFloat = 10_000.0
    """Longest wavelength."""


class Layer(kinds.NormPart):
    """Over features."""

    name = "layer"
    eps: PositiveFloat = 1e-5
    """Keeps the root from zero."""


class Rms(kinds.NormPart):
    """By the root mean square."""

    name = "rms"
    eps: PositiveFloat = 1e-6
    """Keeps the root from zero."""
    scale: bool = True
    """Whether there is a learned scale."""


class Gru(kinds.MixerPart):
    """A recurrence."""

    name = "gru"


class Heads(kinds.AttentionPart):
    """Attention of several heads."""

    name = "heads"
    heads: PositiveInt
    """Number of heads."""
    window: PositiveInt | None = 64
    """Positions seen; null for all."""
    mask: Literal["auto", "causal", "none"] = "auto"
    """What may be seen."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of weights dropped."""
    position: slots.Position | None = None
    """Its own position."""
    shared: slots.Position | Literal["model"] = "model"
    """A position, or the model's."""
    bias: bool | tuple[Literal["query", "key"], ...] = False
    """Where there is a bias."""


class Sinks(kinds.AttentionPart):
    """Someone else's attention."""

    name = "sinks"
    sinks: PositiveInt = 4
    """Number of sinks."""


class Pre(kinds.BlockPart):
    """Norm first."""

    name = "pre"
    mixer: slots.Mixer
    """What moves information."""
    norm: slots.Norm = use("layer")
    """Norm of both branches."""


class Group(kinds.BlockPart):
    """Several blocks, over and over."""

    name = "group"
    blocks: Annotated[tuple[slots.Block, ...], Field(min_length=1)]
    """The blocks."""
    repeat: PositiveInt = 1
    """How often."""


class Range(BaseModel):
    """Two ends."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)
    low: int = 0
    """Lower end."""
    high: int
    """Upper end."""


class Stack(kinds.ModelPart):
    """A stack of blocks."""

    name = "stack"
    width: PositiveInt = 64
    """Features."""
    context: PositiveInt = 32
    """Positions."""
    position: slots.Position = use("learned")
    """How positions are told."""
    blocks: tuple[slots.Block, ...] = (Pre(mixer=Gru(), norm=Layer()),)
    """The blocks."""
    final_norm: slots.Norm = Rms(eps=1e-3)
    """Norm after the last block."""


class Plain(kinds.TrainerPart):
    """A loop."""

    name = "plain"
    steps: PositiveInt
    """Updates."""
    clip: PositiveFloat | None = 1.0
    """Largest norm of the gradient; null for any."""
    betas: tuple[float, float] = (0.9, 0.95)
    """Decay of the moments."""
    range: Range = Range(low=1, high=9)
    """A range."""
    tags: dict[str, int] = Field(default_factory=dict)
    """Labels."""
    warmup: NonNegativeInt = 0
    """Steps of warm-up."""

    @model_validator(mode="after")
    def _warm_up_ends(self) -> Plain:
        if self.warmup > self.steps:
            raise ValueError(f"a warm-up of {self.warmup} steps does not end within {self.steps}")
        return self


class NextToken(kinds.ObjectivePart):
    """Predicts what follows."""

    name = "next_token"
    label_smoothing: float = 0.0
    """How much a target is spread."""
    z_loss: float = 0.0
    """Weight of a term."""


class Temperature(kinds.SamplerPart):
    """Draws."""

    name = "temperature"
    temperature: PositiveFloat = 1.0
    """Above 1, flatter."""


class Routing(Part):
    """A kind that a plugin defines."""

    kind = "routing"


class TopTwo(Routing):
    """The best two."""

    name = "top_two"


class Experts(kinds.MixerPart):
    """A mixer with a slot of a kind that a plugin defines."""

    name = "experts"
    routing: Annotated[Routing, Slot()] = use("acme/top_two")
    """Who goes where."""


BUILT_IN = [
    Lines, Chars, Pairs, Learned, Rope, Layer, Rms, Gru, Heads, Pre, Group, Stack, Plain, Temperature, NextToken,
]  # fmt: skip


@pytest.fixture(autouse=True)
def acme_recipes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The toy parts are installed, and a plugin `acme` with a directory of recipes; a plugin `zeta` is broken."""
    directory = tmp_path_factory.mktemp("acme")
    toys = Plugin("toys", "toys", "partwise", "0.1.0")
    acme = Plugin("acme", "acme", "acme-sinks", "0.3.1")
    zeta = Plugin("zeta", "zeta", "zeta-kit", "0.1", problem="ModuleNotFoundError: No module named 'triton'")
    with using(Registry([loaded(toys, BUILT_IN), loaded(acme, [Sinks, TopTwo, Experts], [directory]), loaded(zeta)])):
        yield directory


@pytest.fixture
def base() -> dict[str, Any]:
    """A recipe that holds."""
    return {
        "partwise": 1,
        "name": "base",
        "data": "lines",
        "tokenizer": {"use": "pairs", "vocab_size": 512},
        "model": {
            "use": "stack",
            "width": 64,
            "blocks": [
                {"use": "pre", "mixer": {"use": "heads", "heads": 4}},
                {"use": "pre", "mixer": "gru", "norm": "rms"},
            ],
        },
        "trainer": {"use": "plain", "steps": 100},
    }


Write = Callable[[str, Any], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a file into an empty current directory: a text as it is, anything else as JSON."""
    monkeypatch.chdir(tmp_path)

    def write_file(name: str, content: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content, indent=2)
        path.write_text(text, encoding="utf-8")
        return path

    return write_file
