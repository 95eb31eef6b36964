"""What the modules of a pass leave behind: terms of the loss, figures to log, and what layers share."""

import pytest
import torch

from partwise.modules import CAUSAL, causal_flow


def test_terms_of_one_name_add_up_by_their_weights_and_are_logged_as_their_mean() -> None:
    flow = causal_flow(3)
    flow.add_term("balance", torch.tensor(2.0), 0.5)
    flow.add_term("balance", torch.tensor(4.0), 0.25)
    flow.add_term("z", torch.tensor(1.0), 2.0)
    weighted = flow.carried.weighted()
    assert weighted is not None
    assert weighted.item() == 0.5 * 2 + 0.25 * 4 + 2 * 1
    assert {name: value.item() for name, value in flow.carried.figures().items()} == {"balance": 3.0, "z": 1.0}


def test_a_report_is_logged_and_takes_no_part_in_the_loss() -> None:
    flow, load = causal_flow(3), torch.tensor(0.3, requires_grad=True)
    flow.report("load", load)
    assert flow.carried.weighted() is None
    assert not flow.carried.figures()["load"].requires_grad


def test_what_a_layer_shares_stays_with_the_pass_when_a_position_is_placed_in_it() -> None:
    flow = causal_flow(3)
    flow.share("values", torch.ones(2))
    flow.mask(CAUSAL)
    other = causal_flow(3)
    assert set(flow.shared) == {"values"}
    assert not other.shared


@pytest.mark.parametrize("name", ["loss", "lr", "valid_loss", "step"])
def test_the_name_of_a_figure_of_training_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="choose another name"):
        causal_flow(3).report(name, torch.tensor(1.0))


def test_a_value_that_is_no_scalar_is_refused() -> None:
    with pytest.raises(ValueError, match="take its mean"):
        causal_flow(3).add_term("balance", torch.ones(3), 1.0)
