"""Mistakes in parts, norms, initialisers and positions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import torch
from pydantic import ConfigDict, Field, PositiveFloat
from torch import Tensor, nn

from partwise.parts import InitializerPart, NormPart, PositionPart
from partwise.testing.checks import knobs, modules, parts, pointwise, positions

from .planting import Kills

POSITION = PositionPart.sites()["decoder"]
NORM = NormPart.sites()["layer"]
LAYER = InitializerPart.sites()["model"]

KILLS = Kills()


class Right(NormPart):
    """A norm that divides by a number, and has nothing else wrong with it."""

    name = "right"
    formulas = (r"y = \frac{x}{b}",)

    by: PositiveFloat = 2.0
    """What it divides by."""

    def build(self, site: Any) -> nn.Module:
        return Divides(self.by)

    @classmethod
    def examples(cls):
        return cls(), cls(by=3.0)


class Divides(nn.Module):
    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        return x / self.by


class Undocumented(Right):
    """A norm that divides by a number, and does not say by which."""

    name = "undocumented"
    by: PositiveFloat = Field(2.0, description="")


class BadName(Right):
    """A norm whose name is no name."""

    name = "Bad-Name"


class Unsettable(Right):
    """A norm with a formula that is no LaTeX."""

    name = "unsettable"
    formulas = (r"y = \fraction{x}{2}",)


class NoSchema(Right):
    """A norm whose schema leaves out its knob."""

    name = "no_schema"

    @classmethod
    def model_json_schema(cls, *args, **kwargs):
        return {"properties": {}}


class OnlyDefaults(Right):
    """A norm whose examples do not show its knob."""

    name = "only_defaults"

    @classmethod
    def examples(cls):
        return (cls(),)


class Secretive(Right):
    """A norm that does not write out its knob."""

    name = "secretive"
    by: PositiveFloat = Field(2.0, exclude=True, description="What it divides by.")


class Careless(Right):
    """A norm that takes any knob."""

    name = "careless"
    model_config = ConfigDict(extra="ignore")


class Mutable(Right):
    """A norm that can be changed."""

    name = "mutable"
    model_config = ConfigDict(frozen=False)


class Credulous(Right):
    """A norm that takes anything to divide by."""

    name = "credulous"
    by: Any = Field(2.0, description="What it divides by.")


class Idle(Right):
    """A norm whose knob does nothing."""

    name = "idle"

    def build(self, site: Any) -> nn.Module:
        return Divides(2.0)


class Unpicklable(Right):
    """A norm that does not survive being sent to another process."""

    name = "unpicklable"

    def __reduce__(self):
        return Right, ()

    @classmethod
    def examples(cls):
        return (cls(by=5.0),)


KILLS.plant(parts.it_is_documented, "a knob without a text", lambda: Right, lambda: Undocumented)
KILLS.plant(parts.its_names_are_in_style, "a name in another style", lambda: Right, lambda: BadName)
KILLS.plant(parts.its_formulas_can_be_set, "a command that LaTeX has not", lambda: Right, lambda: Unsettable)
KILLS.plant(parts.it_has_a_schema, "a schema without the knob", lambda: Right, lambda: NoSchema)
KILLS.plant(parts.it_dumps_and_loads, "a knob that is not dumped", Right, Secretive)
KILLS.plant(parts.it_can_be_pickled, "a pickle that forgets", lambda: Right(by=5.0), lambda: Unpicklable(by=5.0))
KILLS.plant(parts.it_rejects_unknown_knobs, "unknown knobs dropped", Right, Careless)
KILLS.plant(parts.it_cannot_be_changed, "not frozen", Right, Mutable)
KILLS.plant(parts.it_rejects_nonsense, "a knob of any type", Right, Credulous)
KILLS.plant(parts.its_examples_cover_every_knob, "examples with defaults only", lambda: Right, lambda: OnlyDefaults)
KILLS.plant(knobs.every_knob_makes_a_difference, "a knob that does nothing", lambda: Right, lambda: Idle, "by")


# --- norms and initialisers ---------------------------------------------------------------------------


def norm(forward: Callable[[Tensor], Tensor]) -> NormPart:
    class Module(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return forward(x)

    class Planted(NormPart):
        """A norm with a mistake in it."""

        name = "planted"

        def build(self, site: Any) -> nn.Module:
            return Module()

    return Planted()


halved = partial(norm, lambda x: x / 2)
over_positions = partial(norm, lambda x: x - x.mean(1, keepdim=True))
unguarded = partial(norm, lambda x: x / x.norm(dim=-1, keepdim=True))
KILLS.plant(pointwise.each_position_is_by_itself, "mean over positions", halved, over_positions, NORM)
KILLS.plant(pointwise.large_and_zero_inputs_stay_finite, "division by zero", halved, unguarded, NORM)


def initializer(draw: Callable[[nn.Module], None]) -> InitializerPart:
    class Planted(InitializerPart):
        """An initialiser with a mistake in it."""

        name = "planted"

        def build(self, site: Any) -> Any:
            return draw

    return Planted()


def sound(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.1)


def gains_too(module: nn.Module) -> None:
    if hasattr(module, "weight"):
        nn.init.normal_(module.weight, std=0.1)


ELSEWHERE = torch.Generator()


def from_elsewhere(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, generator=ELSEWHERE)


right_initializer = partial(initializer, sound)
KILLS.plant(modules.it_draws_what_it_knows, "gains drawn", right_initializer, partial(initializer, gains_too), LAYER)
KILLS.plant(
    modules.it_draws_what_it_knows, "own generator", right_initializer, partial(initializer, from_elsewhere), LAYER
)


# --- positions ----------------------------------------------------------------------------------------


class Everything(nn.Module):
    """Acts in all three places: adds a slow wave, turns the first pair, and biases by distance."""

    max_positions: int | None = None

    def __init__(self, site: Any) -> None:
        super().__init__()
        self.heads = site.heads

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        return x + torch.sin(positions / 50)[..., None]

    def angles(self, positions: Tensor) -> Any:
        turns = positions.float() / 10
        turns = turns if turns.ndim == 1 else turns.unsqueeze(1)
        return turns.cos().unsqueeze(-1), turns.sin().unsqueeze(-1)

    def rotate(self, heads: Tensor, angles: Any) -> Tensor:
        cos, sin = angles
        a, b = heads[..., :1].float(), heads[..., 1:2].float()
        turned = torch.cat((a * cos - b * sin, a * sin + b * cos), -1).to(heads.dtype)
        return torch.cat((turned, heads[..., 2:]), -1)

    def bias_table(self, offsets: Tensor) -> Tensor | None:
        return offsets.float().expand(self.heads, -1)


def position(module: type[Everything] = Everything, says: str = "embed rotate bias") -> PositionPart:
    class Planted(PositionPart):
        """A position with a mistake in it."""

        name = "planted"
        acts: ClassVar[frozenset[Any]] = frozenset(says.split())

        def build(self, site: Any) -> Any:
            return module(site)

    return Planted()


class CountsFromZero(Everything):
    def embed(self, x, positions):
        return super().embed(x, torch.arange(x.shape[1]))


class OneRowForAll(Everything):
    def angles(self, positions):
        return super().angles(positions if positions.ndim == 1 else positions[0])


class CountsOffsets(Everything):
    def bias_table(self, offsets):
        return super().bias_table(torch.arange(len(offsets)))


class Bends(Everything):
    def angles(self, positions):
        return super().angles(positions.float() ** 1.5)


class HalfPositions(Everything):
    def angles(self, positions):
        return super().angles(positions.bfloat16().float())


class Grows(Everything):
    def rotate(self, heads, angles):
        return super().rotate(heads, angles) * (1 + angles[1] ** 2)


class GivesFloats(Everything):
    def rotate(self, heads, angles):
        return super().rotate(heads.float(), angles)


class PlainTable(Everything):
    def __init__(self, site):
        super().__init__(site)
        self.register_buffer("speed", torch.tensor([0.1234567]), persistent=False)

    def reset_parameters(self):
        self.speed.fill_(0.1234567)

    def angles(self, positions):
        turns = positions[:, None] * self.speed
        return turns.cos().float(), turns.sin().float()


class HasAnEnd(Everything):
    def embed(self, x, positions):
        return x + torch.arange(20.0)[positions][..., None]


class EvenOnly(Everything):
    def rotate(self, heads, angles):
        return super().rotate(heads.unflatten(-1, (-1, 2)).flatten(-2), angles)


for check, mistake, module in (
    (positions.a_later_start_is_a_slice, "counts from zero", CountsFromZero),
    (positions.each_row_has_positions_of_its_own, "one row for all", OneRowForAll),
    (positions.a_later_start_is_a_slice, "a bias by place in the table", CountsOffsets),
    (positions.scores_see_distances_only, "angles that bend", Bends),
    (positions.scores_see_distances_only, "positions in half precision", HalfPositions),
    (positions.rotation_keeps_lengths, "turned vectors grow", Grows),
    (positions.rotation_keeps_lengths, "another dtype", GivesFloats),
    (positions.tables_stay_exact_in_half_precision, "a table that is cast", PlainTable),
    (positions.there_is_no_end_or_it_is_declared, "an end not declared", HasAnEnd),
    (positions.an_odd_head_is_refused_or_served, "fails in the first pass", EvenOnly),
):
    KILLS.plant(check, mistake, position, partial(position, module), POSITION)
KILLS.plant(
    positions.it_acts_where_it_says,
    "says less than it does",
    position,
    partial(position, says="embed rotate"),
    POSITION,
)
