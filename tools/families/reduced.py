"""The families that ship: their full-size recipes with the published number of parameters, and reduced settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

V, END, PAD = 302, 301, 1
Form = Literal["causal", "pair", "masked"]


@dataclass(frozen=True)
class Reduced:
    """A family, small enough to compare in a second."""

    map: str
    """Name of its weight map."""
    recipe: str
    """Its full-size recipe, in recipes/families."""
    parameters: int
    """Of the full-size model, as published."""
    off: str
    """A change by which ours would be another model: what shows that the comparison sees such things."""
    settings: Mapping[str, Any]
    """What its config.json says, in transformers' words."""
    form: Form = "causal"
    rounded: str = ""
    """What transformers has rounded, so that no more than eight digits agree in float64."""
    takes_positions: bool = True
    """Whether transformers lets one say the positions of tokens; else it counts those that the mask shows."""
    own_head: bool = False
    """Whether the head is not the embedding although transformers ties them until a checkpoint has both."""


LLAMA = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
ROPE = {"rope_type": "default", "rope_theta": 500.0}
PAIR = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "max_position_embeddings": 64,
    "decoder_start_token_id": 0,
    "forced_eos_token_id": None,
    "forced_bos_token_id": None,
}
BERT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "mask_token_id": 4,
}
T5 = {
    "d_model": 32,
    "d_kv": 12,
    "d_ff": 48,
    "num_layers": 2,
    "num_heads": 4,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 16,
    "decoder_start_token_id": 0,
}
STRETCHED = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
YARN = {
    "rope_type": "yarn",
    "rope_theta": 10_000.0,
    "factor": 4.0,
    "beta_fast": 32.0,
    "beta_slow": 1.0,
    "original_max_position_embeddings": 16,
    "mscale": 0.7,
    "mscale_all_dim": 1.0,
}

FAMILIES = (
    Reduced(
        "gpt2",
        "gpt2-small",
        124_439_808,
        'model.blocks.*.feedforward.form="exact"',
        {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
    ),
    Reduced(
        "llama",
        "llama3-8b",
        8_030_261_248,
        "model.position.scaling.high_frequency_factor=5.0",
        {**LLAMA, "rope_parameters": STRETCHED},
    ),
    Reduced(
        "llama",
        "llama2-7b",
        6_738_415_616,
        "model.position.base=1000.0",
        {**LLAMA, "num_key_value_heads": 4, "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},
    ),
    Reduced("mistral", "mistral-7b", 7_241_732_096, "model.blocks.*.mixer.window=8", {**LLAMA, "sliding_window": 7}),
    Reduced(
        "mixtral",
        "mixtral-8x7b",
        46_702_792_704,
        "model.blocks.*.feedforward.router.softmax=before",
        {**LLAMA, "num_local_experts": 5, "num_experts_per_tok": 2},
    ),
    Reduced(
        "gpt-oss",
        "gpt-oss-20b",
        20_914_757_184,
        "model.blocks.*.feedforward.expert.limit=0.5",
        {
            **LLAMA,
            "head_dim": 8,
            "num_local_experts": 5,
            "num_experts_per_tok": 2,
            "sliding_window": 4,
            "swiglu_limit": 1.5,
            "rope_parameters": {
                "rope_type": "yarn",
                "rope_theta": 150000.0,
                "factor": 4.0,
                "beta_fast": 32.0,
                "beta_slow": 1.0,
                "truncate": False,
                "original_max_position_embeddings": 16,
            },
        },
    ),
    Reduced(
        "deepseek-v3",
        "deepseek-v3",
        671_026_404_352,  # and 58 * 256 biases of the choice of experts, which gradients do not reach
        "model.blocks.2.feedforward.router.scale=1.0",
        {
            **LLAMA,
            "num_hidden_layers": 3,
            "num_key_value_heads": 4,
            "moe_intermediate_size": 24,
            "n_shared_experts": 2,
            "n_routed_experts": 8,
            "num_experts_per_tok": 3,
            "n_group": 4,
            "topk_group": 2,
            "first_k_dense_replace": 1,
            "kv_lora_rank": 16,
            "q_lora_rank": 20,
            "qk_nope_head_dim": 8,
            "qk_rope_head_dim": 4,
            "v_head_dim": 6,
            "rope_parameters": YARN,
        },
    ),
    Reduced("qwen2", "qwen2-7b", 7_615_616_512, "model.position.base=400.0", {**LLAMA, "rope_parameters": ROPE}),
    Reduced(
        "qwen3",
        "qwen3-0.6b",
        596_049_920,
        "model.blocks.*.mixer.query_key_norm.eps=0.1",
        {**LLAMA, "head_dim": 12, "tie_word_embeddings": True, "rope_parameters": ROPE},
    ),
    Reduced("gemma", "gemma-2b", 2_506_172_416, 'model.blocks.*.feedforward.form="exact"', {**LLAMA, "head_dim": 12}),
    Reduced(
        "gemma2",
        "gemma2-2b",
        2_614_341_888,
        "model.blocks.1.mixer.window=7",
        {
            **LLAMA,
            "head_dim": 12,
            "query_pre_attn_scalar": 16,
            "attn_logit_softcapping": 5.0,
            "final_logit_softcapping": 3.0,
            "sliding_window": 7,
        },
    ),
    Reduced(
        "gemma3",
        "gemma3-1b",
        999_885_952,
        "model.blocks.0.mixer.position.base=20000.0",
        {
            **LLAMA,
            "num_hidden_layers": 3,
            "head_dim": 12,
            "query_pre_attn_scalar": 16,
            "sliding_window": 7,
            "layer_types": ["sliding_attention", "sliding_attention", "full_attention"],
        },
    ),
    Reduced(
        "gptj",
        "gptj-6b",
        6_050_882_784,
        "model.position.layout=half",
        {"n_embd": 32, "n_layer": 2, "n_head": 4, "rotary_dim": 4, "n_positions": 64},
    ),
    Reduced(
        "phi",
        "phi-2",
        2_779_683_840,
        "model.position.fraction=1.0",
        {
            **LLAMA,
            "num_key_value_heads": 4,
            "rope_parameters": {**ROPE, "partial_rotary_factor": 0.5},
        },
    ),
    Reduced("olmo", "olmo-1b", 1_176_764_416, "model.final_norm.eps=0.01", {**LLAMA, "tie_word_embeddings": True}),
    Reduced(
        "olmo2",
        "olmo2-7b",
        7_298_617_344,
        'model.blocks.*.mixer.query_key_norm_place="after_rotation"',
        {**LLAMA, "rope_parameters": ROPE},
    ),
    Reduced(
        "starcoder2",
        "starcoder2-3b",
        3_030_371_328,
        "model.blocks.*.mixer.window=8",
        {**LLAMA, "sliding_window": 7},
    ),
    Reduced(
        "smollm3",
        "smollm3-3b",
        3_075_098_624,
        "model.blocks.*.mixer.position=null",
        {**LLAMA, "no_rope_layer_interval": 2},
    ),
    Reduced("cohere", "command-r", 34_980_831_232, "model.position.layout=half", {**LLAMA, "logit_scale": 0.25}),
    Reduced("phi3", "phi3-mini", 3_821_079_552, "model.blocks.*.mixer.window=8", {**LLAMA, "sliding_window": 7}),
    Reduced(
        "falcon",
        "falcon-7b",
        6_921_720_704,
        "model.blocks.*.feedforward.form=tanh",
        {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_hidden_size": 48, "bias": False},
    ),
    Reduced(
        "falcon-40b",
        "falcon-40b",
        41_303_293_952,
        "model.blocks.*.norm.eps=0.1",
        {
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_kv_heads": 2,
            "new_decoder_architecture": True,
        },
    ),
    Reduced(
        "pythia",
        "pythia-160m",
        162_322_944,
        "model.position.fraction=0.5",
        {
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 48,
            "max_position_embeddings": 64,
        },
    ),
    Reduced(
        "opt",
        "opt-125m",
        125_239_296,
        "model.blocks.*.norm.eps=0.1",
        {
            "hidden_size": 32,
            "word_embed_proj_dim": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "ffn_dim": 48,
            "max_position_embeddings": 64,
        },
    ),
    Reduced(
        "bloom",
        "bloom-560m",
        559_214_592,
        "model.blocks.*.feedforward.form=exact",
        {"hidden_size": 32, "n_layer": 2, "n_head": 4},
        takes_positions=False,
        rounded="in its GELU, sqrt(2 / pi) is 0.79788456",
    ),
    Reduced(
        "mamba",
        "mamba-130m",
        129_135_360,
        "model.blocks.*.norm.eps=0.1",
        {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 3, "time_step_rank": 4},
    ),
    Reduced(
        "mamba2",
        "mamba2-7b",
        7_285_403_648,
        "model.blocks.*.norm.eps=0.1",
        {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 3, "num_heads": 8, "head_dim": 8, "n_groups": 2},
    ),
    Reduced("bart", "bart-large", 406_291_456, "model.embedding_norm.eps=0.1", PAIR, "pair"),
    Reduced(
        "pegasus",
        "pegasus-large",
        568_699_904,
        "model.position.layout=interleaved",
        {**PAIR, "scale_embedding": True, "activation_function": "relu"},
        "pair",
        rounded="its sines and cosines are a table in float32",
    ),
    Reduced(
        "t5",
        "t5-small",
        60_506_624,
        "model.logit_factor=1.0",
        {**T5, "feed_forward_proj": "relu"},
        "pair",
    ),
    Reduced(
        "t5-v1.1",
        "t5-v1.1-small",
        76_961_152,
        "model.position.max_distance=12",
        {**T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
        "pair",
        own_head=True,
    ),
    Reduced("bert", "bert-base", 109_514_298, "model.final_norm.activation=relu", BERT, "masked"),
    Reduced(
        "roberta",
        "roberta-base",
        124_697_433,
        "model.blocks.*.norm.eps=0.1",
        {**BERT, "max_position_embeddings": 66, "type_vocab_size": 1},
        "masked",
    ),
)
