"""The code that the page on openings shows runs, and holds the contracts that it is about."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from partwise.data import IGNORED, Batch
from partwise.modules import Add, TrainingLoss, batch_flow, causal_flow
from partwise.parts import BlockPart, LayerSite, ModelSite, PositionSite, SharedResidual
from partwise.testing import all_checks, build, find
from partwise.testing.checks import objectives, residuals
from partwise_models.parts import LanguageModelPart

PAGE = (Path(__file__).parents[3] / "docs" / "openings.md").read_text()
SHOWN: dict[str, Any] = {}
for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
    exec(compile(block, "openings.md", "exec", dont_inherit=True), SHOWN)
LAYER = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}}
MODEL: dict[str, Any] = {"width": 8, "context": 16, "position": "learned", "blocks": (LAYER, LAYER)}


def network(**knobs: Any) -> Any:
    return build(LanguageModelPart.model_validate({**MODEL, **knobs}), ModelSite(vocabulary=13))


def batch() -> Batch:
    ids = torch.arange(10).view(2, 5)
    return Batch(ids, ids + 1)


def test_the_term_shown_joins_the_loss_of_training_and_is_logged() -> None:
    model, given = network(), batch()
    model.objective = SHOWN["NextToken"]()
    plain = model.loss(given)
    sizes = []
    for block in model.stack.blocks:
        block.mixer = SHOWN["Calm"](block.mixer, 0.5)
        block.mixer.inner.register_forward_hook(lambda _, __, y: sizes.append(y.square().mean()))
    torch.testing.assert_close(TrainingLoss(model)(given)[0], plain)
    sizes.clear()
    loss, figures = TrainingLoss(model.train())(given)
    torch.testing.assert_close(loss, plain + 0.5 * sum(sizes) * given.scored)
    torch.testing.assert_close(figures["calm"], sum(sizes) / 2 * given.scored)
    assert figures.keys() == {"loss", "calm", "output_size"}


def test_the_position_shown_counts_in_the_line_and_keeps_its_contract() -> None:
    part = SHOWN["InLinePart"]()
    letters = "ab\ncd\n\nefg"
    site = PositionSite(8, 16, vocabulary=10, token_bytes=lambda token: letters[token].encode())
    encoder = build(part, site)
    flow = replace(causal_flow(10), tokens=torch.arange(10)[None])
    assert encoder.places(flow).tolist() == [[1, 2, 0, 1, 2, 0, 0, 1, 2, 3]]
    checks = [one for one in all_checks() if one.name.startswith("what_it_counts")]
    for check in checks:
        check(part, replace(site, vocabulary=10))
    assert len(checks) == 3


def test_the_values_shown_are_those_of_the_first_layer_in_part() -> None:
    first, second = (SHOWN["FirstValues"](8) for _ in range(2))
    x, flow = torch.randn(2, 5, 8), causal_flow(5)
    torch.testing.assert_close(first(x, flow), first.project(x))
    torch.testing.assert_close(second(x, flow), (second.project(x) + first.project(x)) / 2)
    torch.testing.assert_close(second(x, causal_flow(5)), second.project(x))


@pytest.mark.parametrize(
    "check",
    [
        objectives.what_it_draws_depends_on_the_row_alone,
        objectives.it_scores_something_in_every_row_and_changes_no_batch,
        objectives.what_else_a_batch_holds_is_kept,
        objectives.nothing_scored_can_be_read,
        objectives.its_likelihood_is_that_of_all_tokens,
        objectives.its_loss_is_a_sum,
    ],
)
def test_the_objective_shown_holds_its_contract(check: Any) -> None:
    part = SHOWN["ChangesPart"]
    check(part(), part.sites()["model"])


def test_the_objective_shown_scores_where_tokens_change() -> None:
    posed = SHOWN["Changes"]().pose(Batch(torch.tensor([[3, 3, 4]]), torch.tensor([[3, 4, 4]])), None)
    assert posed.targets.tolist() == [[IGNORED, 4, IGNORED]]


@pytest.mark.parametrize(
    "check",
    [
        residuals.a_branch_reads_and_writes_vectors,
        residuals.each_position_has_a_stream_of_its_own,
        residuals.in_a_model_decoding_equals_one_pass,
    ],
)
def test_the_residual_shown_holds_its_contract(check: Any) -> None:
    part = SHOWN["ClippedPart"]
    check(part(), part.sites()["branch"])


class OneBranchPart(BlockPart):
    """The block of the page, as the page says that its part builds it."""

    name = "one_branch"
    parts: ClassVar[Any] = None

    def build(self, site: LayerSite) -> Any:
        mixer, norm = (next(iter(find(name).part.examples())) for name in ("multi_head", "rms_norm"))
        return SHOWN["OneBranch"](mixer.assemble(site), norm.assemble(site), site.join())


def test_the_block_shown_leaves_the_sum_to_the_models_residual() -> None:
    clipped = SharedResidual(SHOWN["ClippedPart"](most=1e-3))
    plain, held = (OneBranchPart().build(LayerSite(8, residual=one)) for one in (None, clipped))
    held.load_state_dict(plain.state_dict())
    x = torch.randn(2, 5, 8)
    flow = batch_flow(batch())
    assert isinstance(plain.joint, Add)
    torch.testing.assert_close(held(x, flow), x + (plain(x, flow) - x).clamp(-1e-3, 1e-3))


def test_a_model_is_read_from_outside_as_shown() -> None:
    states, figures, likeliest = SHOWN["hidden_states_of"]("gpt")
    assert states.shape[:2] == (1, 4)
    assert (figures, likeliest.shape) == ({}, (1, 4))
