"""Settings of a config.json that change no logits in any family. Every other one must be named by the family's map."""

from __future__ import annotations

import re
from typing import Any


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ABOUT_THE_FILE = _words(
    "_commit_hash _name_or_path architectures auto_map dtype model_type name_or_path torch_dtype transformers_version"
    " transformers.js_config unsloth_version unsloth_fixed"
)
ABOUT_RUNNING = _words(
    "_attn_implementation _attn_implementation_autoset _attn_implementation_internal _experts_implementation"
    " _flash_attn_2_enabled attn_implementation chunk_size_feed_forward gradient_checkpointing is_encoder_decoder"
    " keys_to_ignore_at_inference output_attentions output_hidden_states output_past output_router_logits"
    " output_scores return_dict return_dict_in_generate tf_legacy_loss torchscript use_bfloat16 use_cache"
    " use_return_dict"
)
ABOUT_FIRST_WEIGHTS_AND_LOSSES = _words(
    "ctc_loss_reduction initializer_factor initializer_range loss_type problem_type router_aux_loss_coef"
    " router_z_loss_coef"
)
ABOUT_CLASSIFYING = _words("finetuning_task id2label label2id num_labels task_specific_params")
ABOUT_TOKENS = _words(
    "bos_token_id cls_token_id decoder_start_token_id eos_token_id forced_bos_token_id forced_decoder_ids"
    " forced_eos_token_id mask_token_id pad_token_id sep_token_id tokenizer_class unk_token_id vocab_size"
)
ABOUT_WRITING = _words(
    "bad_words_ids begin_suppress_tokens diversity_penalty do_sample early_stopping encoder_no_repeat_ngram_size"
    " exponential_decay_length_penalty length_penalty max_length max_new_tokens min_length no_repeat_ngram_size"
    " num_beam_groups num_beams num_return_sequences prefix remove_invalid_values repetition_penalty suppress_tokens"
    " temperature top_k top_p typical_p"
)
"""Old checkpoints have the settings of `generate` among those of the model."""
WITHOUT_EFFECT = (
    ABOUT_THE_FILE | ABOUT_RUNNING | ABOUT_FIRST_WEIGHTS_AND_LOSSES | ABOUT_CLASSIFYING | ABOUT_TOKENS | ABOUT_WRITING
)
QUANTISED = ("quantization_config", "compression_config")
"""Where a checkpoint says that its weights are not numbers as they are."""
OFF: dict[str, tuple[Any, ...]] = {
    "add_cross_attention": (False, None),
    "cross_attention_hidden_size": (None,),
    "is_decoder": (False, None),
    "pruned_heads": (None, {}),
    "compression_config": (None,),
    "quantization_config": (None,),
    "tie_encoder_decoder": (False, None),
}
"""Settings that change nothing at these values, and may change something at others."""
_DROPOUT = re.compile(r"(.*_)?(dropout|pdrop|dropout_prob|drop|layerdrop|dropout_p|dropout_rate)")


def has_no_effect(key: str, value: Any) -> bool:
    """Whether this setting changes no logits, whatever the family."""
    whole = key.partition(".")[0]
    if key in WITHOUT_EFFECT or whole in WITHOUT_EFFECT:
        return True
    if key in OFF:
        return any(type(value) is type(off) and value == off for off in OFF[key])
    return bool(_DROPOUT.fullmatch(key)) and value in (0, None) and value is not False
