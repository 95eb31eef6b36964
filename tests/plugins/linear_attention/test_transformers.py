"""The same as the models of Hugging Face transformers, with the same weights and inputs."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import Tensor

from partwise.modules import causal_flow
from partwise.parts import LayerSite
from partwise_linear_attention.parts import GatedDeltaNet

WIDTH, HEADS, KEY, VALUE = 16, 2, 6, 12


@pytest.fixture(scope="module")
def qwen() -> torch.nn.Module:
    """The mixer of Qwen3-Next, which is a Gated DeltaNet."""
    logging.disable(logging.WARNING)
    from transformers.models.qwen3_next.modeling_qwen3_next import Qwen3NextConfig, Qwen3NextGatedDeltaNet

    config = Qwen3NextConfig(
        hidden_size=WIDTH,
        linear_num_value_heads=HEADS,
        linear_num_key_heads=HEADS,
        linear_key_head_dim=KEY,
        linear_value_head_dim=VALUE,
        linear_conv_kernel_dim=4,
        num_hidden_layers=1,
        layer_types=["linear_attention"],
        rms_norm_eps=1e-6,
    )
    torch.manual_seed(0)
    mixer = Qwen3NextGatedDeltaNet(config, 0)
    for parameter in mixer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    logging.disable(logging.NOTSET)
    return mixer


def weights(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their rows are grouped by head; ours by what they are for. Their queries are divided by sqrt(K)."""
    grouped = theirs["in_proj_qkvz.weight"].view(HEADS, -1, WIDTH).split([KEY, KEY, VALUE, VALUE], 1)
    q, k, v, z = (part.flatten(0, 1) for part in grouped)
    b, a = theirs["in_proj_ba.weight"].view(HEADS, 2, WIDTH).unbind(1)
    return {
        "inputs.project.weight": torch.cat((q, k, v)),
        "inputs.convolution.weight": theirs["conv1d.weight"],
        "beta.weight": b,
        "alpha.weight": a,
        "offset": theirs["dt_bias"],
        "log_rate": theirs["A_log"],
        "gate.weight": z,
        "norm.weight": theirs["norm.weight"],
        "output.weight": theirs["out_proj.weight"],
    }


@pytest.mark.parametrize("length", [1, 5, 64, 150])
def test_gated_delta_net_is_the_mixer_of_qwen3_next(qwen: torch.nn.Module, length: int) -> None:
    # The norm of what is read removes the sqrt(K), but for its eps.
    part = GatedDeltaNet.model_validate({"heads": HEADS, "norm": {"use": "rms_norm", "eps": 1e-6 * KEY}})
    ours = part.build(LayerSite(WIDTH))
    ours.load_state_dict(weights(qwen.state_dict()))
    x = torch.randn(2, length, WIDTH)
    torch.testing.assert_close(ours(x, causal_flow(length)), qwen(x), rtol=1e-3, atol=1e-4)
