"""Mistakes in positions that are counted by the tokens."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from partwise.modules import Flow, State
from partwise.testing.checks import positions

from .parts import POSITION, Everything, position
from .planting import Kills

KILLS = Kills()


class SinceTheLastZero(Everything):
    """The place of a token is how many stand between it and the last 0 before it, written as a loop."""

    def places(self, flow: Flow, state: State | None = None) -> Tensor:
        assert flow.tokens is not None
        places = torch.zeros(*flow.tokens.shape, dtype=torch.int64)
        for row, ids in enumerate(flow.tokens.tolist()):
            count = 0 if state is None else int(state["count"][row])
            for t, token in enumerate(ids):
                here = flow.present is None or bool(flow.present[row, t])
                begins = flow.begins is not None and bool(flow.begins[row, t])
                count = 0 if token == 0 or not here else 1 if begins else count + 1
                places[row, t] = count
            if state is not None:
                state["count"][row] = count
        return places

    def empty_state(self, batch: int, like: Tensor) -> State:
        return {"count": torch.zeros(batch, dtype=torch.int64)}


class ForgetsTheRest(SinceTheLastZero):
    def places(self, flow, state=None):
        return super().places(flow)


class ReadsPadding(SinceTheLastZero):
    def places(self, flow, state=None):
        return super().places(replace(flow, padding=None), state)


class OverDocuments(SinceTheLastZero):
    def places(self, flow, state=None):
        return super().places(replace(flow, documents=None), state)


class UntilTheNextZero(SinceTheLastZero):
    def places(self, flow, state=None):
        return super().places(replace(flow, tokens=flow.tokens.flip(1)), state).flip(1)


for check, mistake, module in (
    (positions.what_it_counts_is_that_of_one_pass, "places begin anew in every pass", ForgetsTheRest),
    (positions.what_it_counts_is_that_of_one_pass, "padding is counted", ReadsPadding),
    (positions.what_it_counts_ends_with_a_document, "places go on in the next document", OverDocuments),
    (positions.what_it_counts_is_not_of_the_future, "places up to the next zero", UntilTheNextZero),
):
    KILLS.plant(check, mistake, partial(position, SinceTheLastZero), partial(position, module), POSITION)
