"""What every model must do: losses, batches, decoding, and learning."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from partwise.data.batch import IGNORED, Batch
from partwise.decoding.prefill import read_prompt
from partwise.parts.kinds import InitializerPart
from partwise.parts.slot import resolve_part
from partwise.testing.probes import Probe, build, model_batch, prompt_of, shaken
from partwise.testing.registering import check
from partwise.testing.violation import close, gap, require, skip, smallest, violated

from .modules import alike_under_autocast, slopes
from .training import under

B, T = 3, 8
DRAWS = 3
"""Draws of first weights: from one in some thirty a small model that is right gets stuck."""
KNOWN = 0.2
"""The loss, in nats, of a batch that is known by heart."""


@check("model")
def the_first_loss_is_that_of_guessing(part: Any, site: Any) -> None:
    """With the default first weights its loss is that of guessing, ln V."""
    part = part.model_copy(update={"initializer": resolve_part(InitializerPart, "normal")})
    batch = model_batch(part, site, 8, T)
    loss = build(part, site).loss(batch).item() / int(batch.scored)
    expected = math.log(site.vocabulary)
    require(abs(loss - expected) < 0.25, f"the first loss is {loss:.3f} nats, guessing costs {expected:.3f}")


@check("model")
def it_can_learn_a_batch_by_heart(part: Any, site: Any, steps: int = 300) -> None:
    """A few updates on one batch bring the loss near zero, from one of three draws of the first weights."""
    batch = model_batch(part, site, 2, 6)
    losses = []
    for draw in range(DRAWS):
        losses.append(_learned(build(part, site, seed=draw), batch, steps))
        if losses[-1] < KNOWN:
            return
    violated(f"after {steps} updates on one batch its loss is still {min(losses):.3f} nats")


def _learned(model: Any, batch: Batch, steps: int) -> Any:
    """The loss on a batch after so many updates on it, or sooner if it is known."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model.loss(batch) / batch.scored
        if loss < KNOWN:
            break
        loss.backward()
        optimizer.step()
    return loss.item()


@check("model")
def its_loss_is_cross_entropy_of_its_logits(part: Any, site: Any) -> None:
    """Its loss is the cross-entropy of its logits, in nats, summed over the scored targets and nothing else."""
    model, batch = shaken(part, site), model_batch(part, site, B, T)
    targets = batch.targets.clone()
    targets[0, 2:5] = targets[1] = IGNORED
    batch = replace(batch, targets=targets)
    log_probabilities = model(batch).log_softmax(-1)
    expected = sum(
        -log_probabilities[row, t, targets[row, t]] for row in range(B) for t in range(T) if targets[row, t] != IGNORED
    )
    close(model.loss(batch), expected, "loss and the sum of -log p(target)")
    close(
        _rows(batch, model, lambda one: model.loss(one)).sum(), model.loss(batch), "loss of the rows and of the batch"
    )


@check("model")
def in_training_its_loss_is_that_of_its_logits_too(part: Any, site: Any) -> None:
    """In training, too, its loss is the summed cross-entropy of its logits, without padding, and changes no batch."""
    model, batch = shaken(part, site).train(), model_batch(part, site, B, T)
    padding = torch.ones(B, T, dtype=torch.bool)
    padding[0, 5:] = padding[2, 2:] = False
    batch = replace(batch, targets=batch.targets.masked_fill(~padding, IGNORED), padding=padding)
    before = {name: value.clone() for name, value in vars(batch).items() if isinstance(value, Tensor)}
    loss = under(1, lambda: model.loss(batch))
    chosen = batch.targets.masked_fill(~padding, 0)[..., None]
    logits = under(1, lambda: model(batch))
    expected = -logits.log_softmax(-1).gather(-1, chosen)[..., 0][padding].sum()
    close(loss, expected, "in training, loss and the sum of -log p(target) over what is no padding")
    for name, value in before.items():
        require(value.equal(getattr(batch, name)), f"its loss changes {name} of the batch in place")


@check("model")
def its_loss_has_its_gradient(part: Any, site: Any) -> None:
    """The gradient of its loss is that of the sum that it reports (by finite differences, in float64, in training)."""
    batch = model_batch(part, site, 2, 3)
    told, found = slopes(shaken(part, site).double().train(), Probe((), lambda model: model.loss(batch)[None]))
    same = abs(told - found) <= 1e-4 * max(1.0, abs(told), abs(found))
    require(same, f"its gradient is {told:.4g} in a direction in which its loss changes by {found:.4g}")


@check("model")
def its_loss_holds_in_mixed_precision(part: Any, site: Any) -> None:
    """Under autocast to bfloat16 its loss is about the same, and every parameter gets about the same gradient."""
    batch = model_batch(part, site, B, T)
    alike_under_autocast(shaken(part, site).train(), Probe((), lambda model: model.loss(batch)[None] / batch.scored))


@check("model")
def padding_on_the_right_costs_nothing(part: Any, site: Any) -> None:
    """Rows of unequal length in one batch have the loss that they have by themselves."""
    model, batch = shaken(part, site), model_batch(part, site, B, T)
    padding = torch.ones(B, T, dtype=torch.bool)
    padding[0, 5:] = padding[2, 2:] = False
    short = replace(
        batch,
        tokens=batch.tokens.masked_fill(~padding, 0),
        targets=batch.targets.masked_fill(~padding, IGNORED),
        padding=padding,
    )
    alone = torch.stack(
        [
            model.loss(_row(replace(prompt_of(batch, n), targets=batch.targets[:, :n]), i))
            for i, n in enumerate((5, T, 2))
        ]
    )
    close(model.loss(short), alone.sum(), "loss of padded rows and of the rows by themselves")
    logits = model(short)
    require(logits.shape == (B, T, site.vocabulary), f"logits have shape {tuple(logits.shape)}")
    close(logits[padding], model(batch)[padding], "logits with padding on the right and with more text there")


@check("model")
def packed_texts_are_apart(part: Any, site: Any) -> None:
    """Texts that are packed into one row, separated by `documents`, have the logits that they have by themselves."""
    if part.reads == "pair":
        skip("it reads pairs, which are not packed")
    model, batch = shaken(part, site), model_batch(part, site, B, T)
    documents = torch.tensor([[0, 0, 0, 0, 0, 1, 1, 1]]).expand(B, T)
    packed = model(replace(batch, documents=documents))
    close(packed[:, :5], model(prompt_of(batch, 5)), "the first text of a packed row")
    rest = replace(batch, tokens=batch.tokens[:, 5:], targets=batch.targets[:, 5:])
    close(packed[:, 5:], model(rest), "the second text of a packed row")


@check("model")
def logits_do_not_see_the_future(part: Any, site: Any) -> None:
    """Logits do not depend on tokens that come later."""
    model = shaken(part, site)

    def attempt(rows: int, length: int) -> None:
        batch = model_batch(part, site, rows, length)
        before = model(batch)
        for changed in range(1, length):
            tokens = batch.tokens.clone()
            tokens[:, changed] = (tokens[:, changed] + 1) % site.vocabulary
            after = model(replace(batch, tokens=tokens))
            for t in range(changed):
                if not torch.allclose(after[:, t], before[:, t], 1e-4, 1e-5):
                    violated(
                        f"position {t}'s logits changed by {gap(after[:, t], before[:, t]):.2g} when token {changed} "
                        "changed: information leaks from the future"
                    )

    smallest(attempt, B, T)


@check("model")
def cached_decoding_equals_one_pass(part: Any, site: Any) -> None:
    """`begin` and `step` give the logits of one pass, for prompts of any length."""
    model, batch = shaken(part, site), model_batch(part, site, B, T)
    full = model(batch)
    for first in (1, 4, T):
        logits, decoding = model.begin(prompt_of(batch, first), T)
        close(logits, full[:, first - 1], f"logits after a prompt of {first}")
        for t in range(first, T):
            close(model.step(batch.tokens[:, t], decoding), full[:, t], f"prompt of {first}, logits after token {t}")
    states = model.empty_states(B, T, 0 if batch.source is None else batch.source.shape[1])
    same = len(states) == len(decoding.states)
    require(same, f"empty_states makes {len(states)} states, begin {len(decoding.states)}")


@check("model")
def padded_prompts_continue_as_they_do_alone(part: Any, site: Any) -> None:
    """Prompts of unequal length, padded on the left, continue as they do alone."""
    model, batch = shaken(part, site), model_batch(part, site, B, T)
    lengths = (4, 2, 1)
    padding = torch.stack([torch.arange(4) >= 4 - n for n in lengths])
    prompt = replace(prompt_of(batch, 4), padding=padding)
    logits, decoding = model.begin(prompt, T)
    outputs = [logits] + [model.step(batch.tokens[:, t], decoding) for t in range(4, T)]
    for row, n in enumerate(lengths):
        alone = _row(replace(batch, tokens=batch.tokens[:, 4 - n :], targets=batch.targets[:, 4 - n :]), row)
        expected = model(alone)[0, n - 1 :]
        close(torch.stack(outputs, 1)[row], expected, f"a prompt of {n} padded to 4, and alone")


@check("model")
def a_prompt_in_chunks_is_read_as_in_one(part: Any, site: Any) -> None:
    """`extend` reads on from any place, padding on the left included, and gives the logits of one pass."""
    model, batch = shaken(part, site), model_batch(part, site, B, T)
    if not hasattr(model, "extend"):
        skip("it cannot extend, so that its prompts are read at once")
    padding = torch.arange(T).expand(B, T) >= torch.tensor([[0], [3], [T - 2]])
    for prompt in (batch, replace(batch, padding=padding)):
        whole = prompt_of(prompt, T - 1)
        expected, kept = model.begin(whole, T)
        after = model.step(batch.tokens[:, -1], kept)
        for chunk in (1, 3):
            logits, decoding = read_prompt(model, whole, T, chunk)
            close(logits, expected, f"logits after a prompt in chunks of {chunk}, and at once")
            close(model.step(batch.tokens[:, -1], decoding), after, f"a step after a prompt in chunks of {chunk}")
    _, decoding = model.begin(prompt_of(batch, 2), T)
    scored = model.extend(batch.tokens[:, 2:], decoding, T - 2)
    close(scored, model(batch)[:, 2:], "logits of all tokens of a chunk, and of one pass")


@check("model")
def rows_of_a_decoding_can_be_reordered(part: Any, site: Any) -> None:
    """After `reorder(rows)`, row i continues from row `rows[i]` (beam search)."""
    model, batch, rows = shaken(part, site), model_batch(part, site, B, T), torch.tensor([1, 1, 0, 2, 0])
    padding = torch.stack([torch.arange(4) >= n for n in (0, 2, 3)])
    _, decoding = model.begin(replace(prompt_of(batch, 4), padding=padding), T)
    _, kept = model.begin(replace(prompt_of(batch, 4), padding=padding), T)
    decoding.reorder(rows)
    for t in range(4, T):
        expected = model.step(batch.tokens[:, t], kept)[rows]
        close(model.step(batch.tokens[rows, t], decoding), expected, "after its rows changed places")


@check("model")
def it_reads_its_source(part: Any, site: Any) -> None:
    """A model of pairs depends on the source, and not on its padding."""
    if part.reads != "pair":
        skip("it reads no source")
    model, batch = shaken(part, site), model_batch(part, site, B, T)
    assert batch.source is not None
    assert batch.source_padding is not None
    before = model(batch)
    other = replace(batch, source=(batch.source + 1) % site.vocabulary)
    require(not torch.allclose(model(other), before, atol=1e-6), "another source gives the same logits")
    padded = torch.where(batch.source_padding, batch.source, (batch.source + 1) % site.vocabulary)
    close(model(replace(batch, source=padded)), before, "with something else in the padding of the source")
    shorter = replace(batch, source=batch.source[:, :-2], source_padding=None)
    close(_row_logits(model, shorter, 0), before[0], "without the padding of the source")


@check("model")
def inspect_counts_its_parameters(part: Any, site: Any) -> None:
    """`partwise inspect` reports the number of parameters that the model has."""
    from partwise.assembly.inspection import inspect_model

    told = inspect_model(part, site).parameters
    there = sum(parameter.numel() for parameter in build(part, site).parameters())
    require(told == there, f"inspect reports {told:,} parameters, and there are {there:,}")


def _row_logits(model: Any, batch: Batch, row: int) -> Tensor:
    return model(_row(batch, row))[0]


def _row(batch: Batch, row: int) -> Batch:
    return replace(batch, **{name: value[row : row + 1] for name, value in vars(batch).items() if value is not None})


def _rows(batch: Batch, model: Any, result: Any) -> Tensor:
    return torch.stack([result(_row(batch, row)) for row in range(len(batch.tokens))])
