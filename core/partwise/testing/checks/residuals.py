"""What every residual connection must do: at a branch, and in a model."""

from __future__ import annotations

from typing import Any

import torch

from partwise.parts.kinds import ModelPart
from partwise.parts.sites import ModelSite, WidthSite
from partwise.parts.slot import resolve_part
from partwise.testing.probes import numbers, shaken
from partwise.testing.registering import check
from partwise.testing.violation import close, close_at_positions, require, skip

from . import models

B, T = 3, 6


@check("residual")
def a_branch_reads_and_writes_vectors(part: Any, site: Any) -> None:
    """A branch reads [B, T, C]; what it gives changes the stream and leaves its shape; the ends give [B, T, C] back."""
    joint, ends, x = shaken(part, site), part.build_ends(WidthSite(site.width)), numbers(B, T, site.width)
    stream = x if ends is None else ends.open(x)
    require((ends is not None) == part.wide, "`wide` says whether there are ends that open the stream; they disagree")
    read = joint.read(stream)
    require(read.shape == x.shape, f"a branch reads {tuple(read.shape)}, and its input is {tuple(x.shape)}")
    written = joint.write(stream, numbers(B, T, site.width, seed=2))
    require(written.shape == stream.shape, f"writing turns {tuple(stream.shape)} into {tuple(written.shape)}")
    require(not torch.allclose(written, joint.write(stream, torch.zeros_like(x))), "what a branch gives is lost")
    closed = written if ends is None else ends.close(written)
    require(closed.shape == x.shape, f"the end gives {tuple(closed.shape)}, and the final norm reads {tuple(x.shape)}")


@check("residual")
def each_position_has_a_stream_of_its_own(part: Any, site: Any) -> None:
    """A position's stream depends on that position alone, in any row, and in a batch as by itself."""
    joint, ends, x = shaken(part, site), part.build_ends(WidthSite(site.width)), numbers(B, T, site.width)
    stream, branch = (x if ends is None else ends.open(x)), numbers(B, T, site.width, seed=2)
    whole, read = joint.write(stream, branch), joint.read(stream)
    for t in range(T):
        here = (slice(None), slice(t, t + 1))
        close_at_positions(joint.read(stream[here]), read[here], f"what is read at position {t} alone, and in its text")
        alone = joint.write(stream[here], branch[here])
        close(alone, whole[here], f"the stream at position {t} alone, and in its text")
    for row in range(B):
        alone = joint.write(stream[row : row + 1], branch[row : row + 1])
        close(alone, whole[row : row + 1], f"the stream of row {row} alone, and in its batch")


@check("residual")
def it_only_adds_if_it_says_so(part: Any, site: Any) -> None:
    """What declares that it `adds` does nothing else, in training and in evaluation."""
    if not part.adds:
        skip("it does not say that it only adds")
    require(part.build_ends(WidthSite(site.width)) is None, "it only adds, and opens a stream of its own")
    joint, x, branch = shaken(part, site), numbers(B, T, site.width), numbers(B, T, site.width, seed=2)
    for module in (joint, joint.train()):
        close(module.read(x), x, "what a branch reads where a residual only adds, and the stream")
        close(module.write(x, branch), x + branch, "what is written where a residual only adds, and x + branch")


@check("residual")
def the_ends_keep_the_embedding(part: Any, site: Any) -> None:
    """What opens the stream puts the embedding into it, position by position, and what closes it takes that out."""
    ends = part.build_ends(WidthSite(site.width))
    if ends is None:
        skip("its stream is the vectors, which nothing opens or closes")
    x = numbers(B, T, site.width)
    whole = ends.close(ends.open(x))
    require(not torch.allclose(whole, ends.close(ends.open(x + 1))), "from bottom to top, the embedding is lost")
    for t in range(T):
        alone = ends.close(ends.open(x[:, t : t + 1]))
        close(alone, whole[:, t : t + 1], f"opened and closed, position {t} alone, and in its text")


@check("residual")
def in_a_model_decoding_equals_one_pass(part: Any, site: Any) -> None:
    """In a language model it decodes as in one pass, and changes nothing that was read before."""
    models.cached_decoding_equals_one_pass(_model(part), ModelSite(vocabulary=13))
    models.logits_do_not_see_the_future(_model(part), ModelSite(vocabulary=13))


@check("residual")
def a_model_with_it_can_learn(part: Any, site: Any) -> None:
    """A small model with it learns a batch by heart."""
    models.it_can_learn_a_batch_by_heart(_model(part), ModelSite(vocabulary=13))


def _model(part: Any) -> Any:
    """A language model of two layers whose branches it joins."""
    layer = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}}
    model = {"use": "language_model", "width": 8, "context": 16, "blocks": (layer,), "depth": 2, "residual": part}
    return resolve_part(ModelPart, {**model, "position": "learned"})
