"""Mistakes in residual connections: at a branch, at the ends of a stream, and in a model."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from partwise.modules import Add
from partwise.parts import ResidualPart
from partwise.testing.checks import residuals

from .planting import Kills

KILLS = Kills()
SITE = ResidualPart.sites()["branch"]


class Ends(nn.Module):
    """Two streams, which begin alike and end as their mean."""

    def open(self, x: Tensor) -> Tensor:
        return torch.stack((x, x), dim=-2)

    def close(self, stream: Tensor) -> Tensor:
        return stream.mean(-2)


class Joint(nn.Module):
    """Reads the first of two streams, and writes the other."""

    def read(self, stream: Tensor) -> Tensor:
        return stream[..., 0, :]

    def write(self, stream: Tensor, branch: Tensor) -> Tensor:
        return stream.flip(-2) + torch.stack((branch, 0 * branch), dim=-2)


def residual(joint: type[Any] = Joint, ends: type[Any] | None = Ends, wide: bool = True, adds: bool = False) -> Any:
    class Planted(ResidualPart):
        """A residual connection with a mistake in it."""

        name = "planted"

        def build(self, site: Any) -> Any:
            return joint()

        def build_ends(self, site: Any) -> Any:
            return None if ends is None else ends()

    Planted.wide, Planted.adds = wide, adds
    return Planted()


adding = partial(residual, ends=None, wide=False)


class ReadsAllStreams(Joint):
    def read(self, stream):
        return stream


class LosesTheBranch(Joint):
    def write(self, stream, branch):
        return stream.flip(-2)


class KeepsOneStream(Joint):
    def write(self, stream, branch):
        return stream[..., 0, :] + branch


class LeftOpen(Ends):
    def close(self, stream):
        return stream


class OpensWithNothing(Ends):
    def open(self, x):
        return torch.stack((x, x), dim=-2) * 0


class OpensWithTheMean(Ends):
    def open(self, x):
        return torch.stack((x, x.mean(1, keepdim=True).expand_as(x)), dim=-2)


class MeanOfTheText(Add):
    def read(self, stream):
        return stream - 0.1 * stream.mean(1, keepdim=True)


class ScaledByTheBatch(Add):
    def write(self, stream, branch):
        return stream + branch / (1 + branch.square().mean())


class MovedUp(Add):
    """Adds a branch where the next position is."""

    def write(self, stream, branch):
        return stream + branch.roll(1, dims=1)


class FirstTokenOfThePass(Add):
    """Adds what the first position of a pass has; decoding, that is each of them."""

    def write(self, stream, branch):
        return stream + branch + 0.5 * branch[:, :1]


class ScaledBranch(Add):
    def write(self, stream, branch):
        return stream + 0.5 * branch


class ScaledInTraining(Add):
    def write(self, stream, branch):
        return stream + branch / 2 if self.training else stream + branch


class NoGradient(Add):
    """Leaves the stream in steps, through which no gradient goes."""

    def write(self, stream, branch):
        return torch.sign(stream + branch)


for mistake, wrong, check in (
    ("all streams read at once", partial(residual, ReadsAllStreams), residuals.a_branch_reads_and_writes_vectors),
    ("a branch that is lost", partial(residual, LosesTheBranch), residuals.a_branch_reads_and_writes_vectors),
    ("one stream left of two", partial(residual, KeepsOneStream), residuals.a_branch_reads_and_writes_vectors),
    ("a stream left open", partial(residual, ends=LeftOpen), residuals.a_branch_reads_and_writes_vectors),
    ("wide, unsaid", partial(residual, wide=False), residuals.a_branch_reads_and_writes_vectors),
    ("the embedding lost", partial(residual, ends=OpensWithNothing), residuals.the_ends_keep_the_embedding),
    ("opened with a mean", partial(residual, ends=OpensWithTheMean), residuals.the_ends_keep_the_embedding),
):
    KILLS.plant(check, mistake, residual, wrong, SITE)

for mistake, wrong, check in (
    ("the mean of the text", MeanOfTheText, residuals.each_position_has_a_stream_of_its_own),
    ("a scale of the batch", ScaledByTheBatch, residuals.each_position_has_a_stream_of_its_own),
    ("branches one too far", MovedUp, residuals.each_position_has_a_stream_of_its_own),
    ("the first of each pass", FirstTokenOfThePass, residuals.in_a_model_decoding_equals_one_pass),
    ("the mean of the text", MeanOfTheText, residuals.in_a_model_decoding_equals_one_pass),
    ("no gradient", NoGradient, residuals.a_model_with_it_can_learn),
):
    KILLS.plant(check, mistake, partial(adding, Add), partial(adding, wrong), SITE)

for mistake, wrong in (("half of it, called adding", ScaledBranch), ("half of it, in training", ScaledInTraining)):
    KILLS.plant(
        residuals.it_only_adds_if_it_says_so,
        mistake,
        partial(adding, Add, adds=True),
        partial(adding, wrong, adds=True),
        SITE,
    )
