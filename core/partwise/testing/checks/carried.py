"""What every model must do for those who read its hidden states, and for what its layers leave behind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from partwise.data.batch import IGNORED
from partwise.modules.feeding import fed
from partwise.modules.flow import Flow
from partwise.modules.states import State
from partwise.parts.kinds import FeedForwardPart, MixerPart
from partwise.parts.part import Part
from partwise.parts.sites import LayerSite
from partwise.testing.probes import build, model_batch, seed_torch, shaken
from partwise.testing.registering import check
from partwise.testing.violation import close, require, skip

B, T = 3, 8
LEFT = "left_behind"
"""The name of what is shared, added and reported here."""


@check("model")
def its_hidden_states_give_its_logits(part: Any, site: Any) -> None:
    """`hidden(batch)` has the vectors [B, T, width] from which its `head` makes the model's own logits and loss."""
    for model in (shaken(part, site), shaken(part, site).train()):
        require(callable(getattr(model, "hidden", None)), "it has no method hidden(batch), which objectives read")
        width = getattr(model, "width", None)
        require(isinstance(width, int), "it has no `width`, the number of features before its head")
        batch = model_batch(part, site, B, T)
        batch = replace(batch, targets=batch.targets.masked_fill(torch.arange(T) % 3 == 1, IGNORED))
        seed_torch(0)
        hidden = model.hidden(batch)
        shape = tuple(hidden.states.shape)
        require(shape == (B, T, width), f"its hidden states have the shape {shape}, and its width is {width}")
        seed_torch(0)
        close(hidden.head.logits(hidden.states), model(batch), "logits from its hidden states, and its own")
        seed_torch(0)
        nats = hidden.head.cross_entropy(hidden.states, batch.targets)
        close(nats, model.loss(batch), "the loss from its hidden states, and its own")
        there = hidden.flow.tokens is not None and hidden.flow.tokens.equal(batch.tokens)
        require(there, "`hidden(batch).flow.tokens` are not the batch's; batch_flow(batch) gives such a flow")
        embedded = tuple(hidden.embed(batch.tokens).shape)
        require(embedded == (B, T, width), f"hidden(batch).embed(ids) has the shape {embedded}")


@check("model")
def what_its_layers_leave_behind_is_kept(part: Any, site: Any) -> None:
    """Terms and reports of its mixers and feed-forwards are in `hidden(batch).flow`, all, and of this pass alone."""
    model, batch = build(telling(part), site), model_batch(part, site, B, T)
    layers = [module for module in model.modules() if isinstance(module, Telling)]
    if not layers:
        skip("it has no mixers and no feed-forwards")
    for mode in (False, True, True):
        model.train(mode)
        calls = sum(layer.calls for layer in layers)
        carried = model.hidden(batch).flow.carried
        calls = sum(layer.calls for layer in layers) - calls
        terms, reports = carried.terms.get(LEFT, []), carried.reports.get(f"{LEFT}_too", [])
        require(len(terms) == calls, f"its layers added {calls} terms, and {len(terms)} are in hidden(batch).flow")
        require(len(reports) == calls, f"its layers reported {calls} figures, and {len(reports)} are in the flow")
    for layer in layers:
        require(not layer.strange, "a pass begins with what another one has shared")


class Telling(nn.Module):
    """A layer that adds a term and reports a figure in each pass, and shares what it reads."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        self.calls = 0
        self.strange = False

    def tell(self, x: Tensor, flow: Flow) -> None:
        self.calls += 1
        before = len(flow.carried.terms.get(LEFT, []))
        flow.add_term(LEFT, x.square().mean(), 0.5)
        flow.report(f"{LEFT}_too", x.mean())
        self.strange |= before == 0 and LEFT in flow.shared
        flow.share(LEFT, x)


class TellingMixer(Telling):
    """A mixer that leaves something behind."""

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        self.tell(x, flow)
        mixed: Tensor = self.inner(x, flow, state)
        return mixed

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        state: State = self.inner.empty_state(batch, length, like)
        return state


class TellingFeedForward(Telling):
    """A feed-forward that leaves something behind."""

    reads_flow = True

    def forward(self, x: Tensor, flow: Flow) -> Tensor:
        self.tell(x, flow)
        return fed(self.inner, x, flow)


class TellingPart(MixerPart):
    """A mixer that leaves something behind."""

    name = "telling"
    inner: Any
    """The mixer that it is besides."""

    def build(self, site: LayerSite) -> Any:
        return TellingMixer(self.inner.assemble(site))


class TellingFeedForwardPart(FeedForwardPart):
    """A feed-forward that leaves something behind."""

    name = "telling"
    inner: Any
    """The feed-forward that it is besides."""

    def build(self, site: LayerSite) -> Any:
        return TellingFeedForward(self.inner.assemble(site))


def telling(part: Part) -> Any:
    """The part with each of its mixers and feed-forwards, however deep, leaving something behind in each pass."""
    return part.model_copy(update={knob: _telling(getattr(part, knob)) for knob in type(part).model_fields})


def _telling(value: Any) -> Any:
    match value:
        case MixerPart():
            return TellingPart.model_construct(inner=value)
        case FeedForwardPart():
            return TellingFeedForwardPart.model_construct(inner=value)
        case Part():
            return telling(value)
        case tuple():
            return tuple(map(_telling, value))
    return value
