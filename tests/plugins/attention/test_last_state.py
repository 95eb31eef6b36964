"""The fixed summary: the memory's last state, whatever asks and however it is padded."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from partwise import PartError
from partwise.modules import causal_flow
from partwise.parts import LayerSite
from partwise_attention.last_state import LastState
from partwise_attention.parts import LastState as Part

B, T, M, C, W = 3, 5, 4, 6, 8


def summary(memory: Tensor, padding: Tensor | None = None) -> tuple[LastState, Tensor]:
    module = LastState(C, W)
    flow = replace(causal_flow(T), memory=memory, memory_padding=padding)
    return module, module(torch.randn(B, T, C), flow)


def test_every_position_gets_the_last_state_in_the_width_of_the_model() -> None:
    memory = torch.randn(B, M, W)
    module, output = summary(memory)
    expected = memory[:, -1] @ module.output.weight.T + module.output.bias
    torch.testing.assert_close(output, expected[:, None].expand(B, T, C))


def test_padding_on_either_side_is_not_the_last_state() -> None:
    memory = torch.randn(B, M, W)
    padding = torch.tensor([[True, True, False, False], [False, False, True, True], [True] * 4])
    module, output = summary(memory, padding)
    expected = module.output(torch.stack([memory[0, 1], memory[1, 3], memory[2, 3]]))
    torch.testing.assert_close(output[:, 2], expected)


def test_it_stands_in_the_cross_of_a_decoder_only() -> None:
    with pytest.raises(PartError, match='belongs in the "cross" of a decoder'):
        Part().assemble(LayerSite(width=C, context=T))
