"""The kinds of part that the core defines. Each says what its parts build, and for which site.

To write a part, derive from one of these, set `name`, declare the knobs and write `build`. To define a
kind of your own, derive from `Part` (or from a kind) and set `kind`; nothing here has to change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeVar

from pydantic import PositiveInt

from partwise.errors import PartError

from .objective_site import ObjectiveSite
from .part import Part, parts_within
from .sites import (
    DataSite,
    EmbeddingSite,
    HeadSite,
    LayerSite,
    ModelSite,
    OptimizerSite,
    ParametrisationSite,
    PositionSite,
    ResidualSite,
    RouterSite,
    ScheduleSite,
    TokenizerSite,
    WidthSite,
)

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from partwise.data import ChatTemplate, Data, Tokenizer
    from partwise.decoding import Sampler
    from partwise.modules import (
        Attention,
        Block,
        Embedding,
        Initializer,
        Mixer,
        Model,
        Objective,
        Parametrisation,
        PositionEncoder,
        Residual,
        Router,
        Score,
        StreamEnds,
    )
    from partwise.training import Schedule, Tracker, Trainer

_P = TypeVar("_P", bound=Part)
_LAYER = LayerSite(width=16, layer=1, depth=2, context=16)
"""Where the contract tests build the parts of a layer."""


def _written(token: int) -> bytes:
    """What the tokens of the contract tests add to a text: ten digits, two signs, and the end of a text."""
    return b"0123456789+="[token : token + 1]


_PLACE = PositionSite(width=16, context=16, heads=4, head_width=4, vocabulary=13, token_bytes=_written)
"""Where they build positions."""


class TokenizerPart(Part):
    """Turns text into token ids and back."""

    kind = "tokenizer"

    def build(self, site: TokenizerSite) -> Tokenizer:
        """Trains a tokenizer on the site's texts, or loads the one that the knobs name."""
        raise NotImplementedError

    def restore(self, saved: dict[str, Any]) -> Tokenizer:
        """Exactly the tokenizer whose `to_json()` returned `saved`."""
        raise NotImplementedError

    def planned_vocabulary(self) -> int | None:
        """Most ids that it can have, from the knobs alone; None if that depends on the texts."""
        return None

    def learns(self) -> bool:
        """Whether it is trained on the texts, so that it is worth caching, or read from a file, which may change."""
        return True


class EmbeddingPart(Part):
    """Turns token ids into vectors."""

    kind = "embedding"
    builds_module = True

    def build(self, site: EmbeddingSite) -> Embedding:
        raise NotImplementedError

    @classmethod
    def sites(cls) -> Mapping[str, Any]:
        return {"model": EmbeddingSite(vocabulary=13, width=16)}


Act = Literal["embed", "rotate", "bias"]


class PositionPart(Part):
    """Encodes the position of a token: added to the embedding, by rotating queries and keys, or as a bias."""

    kind = "position"
    builds_module = True

    acts: ClassVar[frozenset[Act]] = frozenset()
    """Which of the three it does."""

    def build(self, site: PositionSite) -> PositionEncoder:
        raise NotImplementedError

    @classmethod
    def sites(cls) -> Mapping[str, Any]:
        return {
            "decoder": _PLACE,
            "encoder": replace(_PLACE, causal=False),
        }


class ScorePart(Part):
    """Scores how well a query matches a key."""

    kind = "score"
    builds_module = True

    sees_order: ClassVar[bool] = False
    """Whether a score depends on where query and key stand: the T queries are the last of the S keys, then, and it has
    no meaning over an encoder's states."""

    def build(self, site: HeadSite) -> Score:
        raise NotImplementedError

    @classmethod
    def sites(cls) -> Mapping[str, Any]:
        return {"head": HeadSite(heads=4, head_width=4)}


class MixerPart(Part):
    """Moves information between positions: an attention, a recurrence, a convolution."""

    kind = "mixer"
    builds_module = True

    def build(self, site: LayerSite) -> Mixer:
        raise NotImplementedError

    @classmethod
    def sites(cls) -> Mapping[str, Any]:
        return {
            "decoder": _LAYER,
            "encoder": replace(_LAYER, causal=False),
            "cross": replace(_LAYER, memory_width=12).over_memory(),
        }


class AttentionPart(MixerPart):
    """A mixer that weighs every position by how well it matches; can also read an encoder's states."""

    kind = "attention"

    def build(self, site: LayerSite) -> Attention:
        raise NotImplementedError

    def sees_order(self) -> bool:
        """Whether its output depends on the order of positions in an encoder, or of an encoder's states.

        Unless overridden, it does if it has a position part of its own; else it is equivariant to permutations."""
        return any(isinstance(part, PositionPart) for _, part in parts_within(self))


class FeedForwardPart(Part):
    """Transforms each position on its own."""

    kind = "feedforward"
    builds_module = True

    def build(self, site: LayerSite) -> nn.Module:
        raise NotImplementedError

    @classmethod
    def sites(cls) -> Mapping[str, Any]:
        return {"layer": _LAYER}


class RouterPart(Part):
    """Chooses the experts of each token, and the weight of what each of them gives."""

    kind = "router"
    builds_module = True

    def build(self, site: RouterSite) -> Router:
        raise NotImplementedError

    @classmethod
    def sites(cls) -> Mapping[str, Any]:
        return {"decoder": RouterSite(16, 6, layer=1), "encoder": RouterSite(16, 6, layer=1, causal=False)}


class NormPart(Part):
    """Brings the features of each position to a common scale."""

    kind = "norm"
    builds_module = True

    def build(self, site: WidthSite) -> nn.Module:
        raise NotImplementedError

    @classmethod
    def sites(cls) -> Mapping[str, Any]:
        return {"layer": WidthSite(16)}


class ResidualPart(Part):
    """Says how a branch joins the residual stream.

    A model has one for all of its branches. `build` makes what stands at a branch; where the stream is more than one
    vector per position, `build_ends` makes what opens and closes it.
    """

    kind = "residual"
    builds_module = True

    wide: ClassVar[bool] = False
    """Whether the stream is more than one vector per position; a norm of the sum (post-norm) then has no meaning."""

    adds: ClassVar[bool] = False
    """Whether it only adds, so that layers without a residual stream may stand beside those that have one."""

    def build(self, site: ResidualSite) -> Residual:
        raise NotImplementedError

    def build_ends(self, site: WidthSite) -> StreamEnds | None:
        """What opens the stream below the first layer and closes it above the last; None if it is the vectors."""
        return None

    @classmethod
    def sites(cls) -> Mapping[str, Any]:
        return {"branch": ResidualSite(width=16, layer=1, depth=3, branch=2)}


class ParametrisationPart(Part):
    """Says how first weights, learning rates, attention and logits follow from a model's width and depth."""

    kind = "parametrisation"

    sets_weights: ClassVar[bool] = True
    """Whether it decides how first weights shrink with the width, so that an initializer must not."""

    def build(self, site: ParametrisationSite) -> Parametrisation:
        raise NotImplementedError

    def base(self, site: ParametrisationSite) -> ParametrisationSite:
        """The site like `site` at which nothing is other than without it."""
        raise NotImplementedError

    @classmethod
    def sites(cls) -> Mapping[str, Any]:
        return {"model": ParametrisationSite(width=64, depth=4)}


class BlockPart(Part):
    """Arranges mixer, feed-forward, norms and residual connections into one layer."""

    kind = "block"
    builds_module = True

    keeps_stream: ClassVar[bool] = True
    """Whether it only adds to its input, so that it is the identity if its branches return zeros. False where sums are
    normalised (post-norm) or where there is no residual connection."""

    def build(self, site: LayerSite) -> Block:
        raise NotImplementedError

    def unrolled(self) -> tuple[BlockPart, ...]:
        """The layers that it represents, each with weights of its own: itself, unless it is a group."""
        return (self,)

    def order(self) -> tuple[int, ...]:
        """Which of these are passed, one after the other: each once, unless some are used again."""
        return tuple(range(len(self.unrolled())))

    @classmethod
    def sites(cls) -> Mapping[str, Any]:
        return {"decoder": replace(_LAYER, memory_width=12), "encoder": replace(_LAYER, causal=False)}


class InitializerPart(Part):
    """Draws the initial weights of linear and embedding layers."""

    kind = "initializer"

    by_width: ClassVar[bool] = False
    """Whether the size of the weights depends on the width of their layer."""

    def build(self, site: LayerSite) -> Initializer:
        raise NotImplementedError

    @classmethod
    def sites(cls) -> Mapping[str, Any]:
        return {"model": _LAYER}


class ModelPart(Part):
    """The whole network, from token ids to logits."""

    kind = "model"
    builds_module = True

    reads: ClassVar[Literal["sequence", "pair"]] = "sequence"
    """What it is trained on: running token sequences, or pairs of source and target."""

    context: int
    """Longest sequence trained on, in tokens. Every model has this knob."""

    def build(self, site: ModelSite) -> Model:
        raise NotImplementedError

    @classmethod
    def sites(cls) -> Mapping[str, Any]:
        return {"recipe": ModelSite(vocabulary=13, token_bytes=_written)}


class ObjectivePart(Part):
    """Says what a model learns to predict, and how that is scored in training."""

    kind = "objective"
    builds_module = True

    causal: ClassVar[bool] = True
    """Whether a position may see itself and earlier ones only. If not, the stack sees both ways, and nothing can be
    written with the model."""
    likelihood: ClassVar[bool] = True
    """Whether it scores all of a text, each token by what stands before, so that there are bits per byte."""
    reads: ClassVar[frozenset[Literal["sequence", "pair"]]] = frozenset({"sequence", "pair"})
    """The models it suits: those of running sequences, those of pairs, or both."""
    around: ClassVar[bool] = False
    """Whether it predicts a token from those around it alone (`Batch.around`). It then suits the models that read them,
    which have an attribute `reads_around` that is true."""

    def build(self, site: ObjectiveSite) -> Objective:
        raise NotImplementedError

    def reserves(self) -> tuple[str, ...]:
        """Names of the special tokens that it adds to the vocabulary, such as a mask."""
        return ()

    @classmethod
    def sites(cls) -> Mapping[str, Any]:
        return {"model": ObjectiveSite(width=16, context=16, depth=2, vocabulary=13, reserved=(12,))}


class DataPart(Part):
    """Where texts come from: files, or a generated task."""

    kind = "data"

    def build(self, site: DataSite) -> Data:
        raise NotImplementedError

    def specials(self) -> tuple[str, ...]:
        """Names of the special tokens that stand in its texts: unless overridden, those of the data within it."""
        within = (part.specials() for _, part in parts_within(self) if isinstance(part, DataPart))
        return tuple(dict.fromkeys(name for names in within for name in names))

    def chat_template(self, site: DataSite) -> ChatTemplate | None:
        """How its conversations are written out, so that a model that has learned from them can be talked to; None if
        its texts are none. Unless overridden, as the first data within it says.

        Raises:
            PartError: there is no such template.
        """
        within = (part.chat_template(site) for _, part in parts_within(self) if isinstance(part, DataPart))
        return next((template for template in within if template is not None), None)


class OptimizerPart(Part):
    """Updates weights from gradients."""

    kind = "optimizer"

    def build(self, site: OptimizerSite) -> Optimizer:
        raise NotImplementedError


class SchedulePart(Part):
    """Scales the learning rate over the course of training."""

    kind = "schedule"

    def build(self, site: ScheduleSite) -> Schedule:
        raise NotImplementedError

    @classmethod
    def sites(cls) -> Mapping[str, Any]:
        return {"trainer": ScheduleSite(steps=20)}


def _stretched(part: _P, share: float) -> _P:
    """A part whose knobs that count updates are so many times what they were, and those of the parts in it."""
    changed: dict[str, Any] = {}
    for knob in type(part).model_fields:
        value = getattr(part, knob)
        if knob in part.in_updates:
            counts = [max(1, round(one * share)) if one else one for one in _listed(value)]
            changed[knob] = tuple(counts) if isinstance(value, tuple) else counts[0]
        elif any(isinstance(one, Part) for one in _listed(value)):
            parts = [_stretched(one, share) if isinstance(one, Part) else one for one in _listed(value)]
            changed[knob] = tuple(parts) if isinstance(value, tuple) else parts[0]
    return part.model_copy(update=changed)


def _listed(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


class TrainerPart(Part):
    """Runs the training of a model."""

    kind = "trainer"

    batch_size: PositiveInt = 16
    """Rows that are processed at once. Every trainer has this knob."""

    def build(self, site: None) -> Trainer:
        raise NotImplementedError

    def suits(self, model: nn.Module) -> None:
        """Makes sure, before any data is read, that it can train a model, which has no memory yet.

        Raises:
            PartError: it cannot; unless overridden, it can train any.
        """

    def runs_on(self, device: str, processes: int) -> None:
        """Makes sure, before any data is read, that it can train here.

        Args:
            device: the type of each process's device, "cpu" or "cuda".
            processes: how many train together.

        Raises:
            PartError: it cannot; unless overridden, it can train anywhere.
        """

    def shares_weights(self, processes: int) -> bool:
        """Whether each of so many processes comes to hold a share of the weights only; unless overridden, none does.

        Its trainer is then given a model without memory, which it fills piece by piece (`Training.first_weights`), and
        every process must see the run's directory.
        """
        return False

    def planned_updates(self) -> int | None:
        """Updates of the weights in a whole training; None (unless overridden) if that is not known beforehand, in
        which case a study knows neither the tokens of a run nor how long it takes."""
        return None

    def of_length(self, updates: int) -> Self:
        """This trainer, but with so many updates in a whole training: every knob that counts updates, its own and its
        parts' (see `in_updates`), is scaled alike, so that a warm-up stays the share that it was.

        Raises:
            PartError: it does not say which of its knobs these are.
        """
        planned = self.planned_updates()
        found = self if planned is None else _stretched(self, updates / planned)
        if found.planned_updates() != updates:
            raise PartError(
                f"the trainer {self.name!r} does not say which of its knobs count updates (`in_updates`), so that the "
                "length of its training cannot be chosen"
            )
        return found

    def longer(self, updates: int, schedule: Literal["anew", "on"]) -> Self:
        """A trainer that makes the updates of this one and then so many more, so that a finished run can go on.

        Args:
            schedule: whether the learning rate of the further updates begins anew, or goes on as if they had been
                planned from the start.

        Raises:
            PartError: it cannot; unless overridden, none can.
        """
        raise PartError(
            f"the trainer {self.name!r} does not say how it would train for longer; start another run from its weights"
        )

    def rows_per_update(self) -> int:
        """Rows of the training data that one update learns from; unless overridden, those of one batch."""
        return self.batch_size

    def planned_evaluations(self) -> int:
        """Evaluations in a whole training; unless overridden, one before it and one after it."""
        return 2

    def with_evaluations_every(self, updates: int) -> Self:
        """This trainer, but with an evaluation after every so many updates, to time it; unless overridden, itself."""
        return self


class SamplerPart(Part):
    """Chooses tokens from logits, one at a time or by search."""

    kind = "sampler"

    def build(self, site: None) -> Sampler:
        raise NotImplementedError


class TrackerPart(Part):
    """Follows the progress of a run, besides the run's own files."""

    kind = "tracker"

    def build(self, site: None) -> Tracker:
        raise NotImplementedError
