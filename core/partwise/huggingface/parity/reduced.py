"""A config.json with smaller sizes, so that a model of the same shape is quick to make and to compare.

Sizes are halved, so that what divides what stays: heads and groups of heads alike, the width of a head, and every
width as often as both together. The number of layers is cut as far as every kind of layer is still there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Config = dict[str, Any]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


HEADS = _words(
    "num_attention_heads n_head n_heads num_heads attention_heads encoder_attention_heads decoder_attention_heads"
    " num_key_value_heads num_kv_heads n_head_kv num_key_value_groups"
)
HEAD_WIDTHS = _words(
    "head_dim d_kv kv_channels rotary_dim qk_rope_head_dim qk_nope_head_dim qk_head_dim v_head_dim q_lora_rank"
    " kv_lora_rank"
)
WIDTHS = _words(
    "hidden_size n_embd d_model dim n_inner d_ff d_inner intermediate_size ffn_dim ffn_hidden_size encoder_ffn_dim"
    " decoder_ffn_dim moe_intermediate_size shared_expert_intermediate_size embedding_size word_embed_proj_dim"
)
LAYERS = _words("num_hidden_layers n_layer n_layers num_layers num_decoder_layers encoder_layers decoder_layers")
MOST = {
    "vocab_size": 512,
    **dict.fromkeys(_words("sliding_window attention_window window_size attention_chunk_size"), 16),
    **dict.fromkeys(_words("num_experts num_local_experts n_routed_experts moe_num_experts"), 8),
    **dict.fromkeys(_words("n_group first_k_dense_replace"), 2),
    **dict.fromkeys(_words("num_experts_per_tok topk_group n_shared_experts"), 2),
}
"""Sizes that stand by themselves, and how large they may stay."""
LEAST_HEAD_WIDTH, LEAST_HEADS, LEAST_LAYERS = 8, 4, 2


def reductions(config: Mapping[str, Any], full: Mapping[str, Any]) -> Iterator[Config]:
    """The reduced sizes by key, the smallest first, then less and less reduced, for models that refuse so small ones.

    Args:
        full: the settings with the defaults of the class of transformers.
    """
    sizes = {key: value for key, value in full.items() if type(value) is int and value > 0}
    most = _halvings(sizes)
    tried = [(most[0], most[1]), (most[0], most[1] - 1), (most[0] - 1, most[1] - 1), (0, most[1] - 2), (0, 0)]
    for number, (heads, head_width) in enumerate(dict.fromkeys((max(0, one), max(0, other)) for one, other in tried)):
        small = _reduced(config, full, sizes, heads, head_width)
        yield small
        if number == 0:  # a recipe may name a token by its id, such as a mask
            yield {key: value for key, value in small.items() if key != "vocab_size" and not key.endswith("_token_id")}


def _halvings(sizes: Mapping[str, int]) -> tuple[int, int]:
    """How often the number of heads can be halved, and the width of a head."""
    counts = [sizes[key] for key in HEADS if key in sizes]
    widths = [sizes[key] for key in WIDTHS[:4] if key in sizes]
    heads = 0
    while counts and all(count % 2 ** (heads + 1) == 0 or count == 1 for count in counts):
        halved = [max(1, count >> heads + 1) for count in counts]
        if max(halved) < LEAST_HEADS or any(one < 2 <= count for one, count in zip(halved, counts, strict=True)):
            break
        heads += 1
    own = [sizes[key] for key in HEAD_WIDTHS[:3] if key in sizes]
    head_width = min(own or [max(widths, default=1) // max(counts, default=1)])
    within = 0
    while head_width % 2 ** (within + 1) == 0 and head_width >> within + 1 >= LEAST_HEAD_WIDTH:
        within += 1
    while heads + within and any(width % 2 ** (heads + within) for width in widths):
        heads, within = (heads, within - 1) if within else (heads - 1, within)
    return heads, within


def _reduced(
    config: Mapping[str, Any], full: Mapping[str, Any], sizes: Mapping[str, int], heads: int, head_width: int
) -> Config:
    depth = _depth(full, sizes)
    small = {key: max(1, sizes[key] >> heads) for key in HEADS if key in sizes}
    small |= {key: max(2, sizes[key] >> head_width) for key in HEAD_WIDTHS if key in sizes}
    small |= {key: max(LEAST_HEAD_WIDTH, sizes[key] >> heads + head_width) for key in WIDTHS if key in sizes}
    small |= {key: min(sizes[key], depth) for key in LAYERS if key in sizes}
    small |= {key: _at_most(sizes[key], most) for key, most in MOST.items() if key in sizes}
    small |= {key: value[:depth] for key, value in config.items() if _is_by_layer(value, sizes)}
    vocabulary = small.get("vocab_size")
    if vocabulary is not None:
        small |= {key: _within(value, vocabulary) for key, value in full.items() if key.endswith("_token_id")}
    return {key: value for key, value in small.items() if value != full.get(key) or key in config}


def _at_most(size: int, most: int) -> int:
    while size > most:
        size >>= 1
    return size


def _depth(full: Mapping[str, Any], sizes: Mapping[str, int]) -> int:
    """Layers that are left: as many as it takes until each kind of layer has occurred."""
    lists = [value for value in full.values() if _is_by_layer(value, sizes)]
    first = [max(one.index(kind) + 1 for kind in _kinds(one)) for one in lists]
    dense = min(sizes.get("first_k_dense_replace", 0), MOST["first_k_dense_replace"])
    return max(LEAST_LAYERS, dense + 1, *first)


def _kinds(values: list[Any]) -> Iterable[Any]:
    return [value for index, value in enumerate(values) if value not in values[:index]]


def _is_by_layer(value: Any, sizes: Mapping[str, int]) -> bool:
    return isinstance(value, list) and len(value) > 1 and len(value) in {sizes.get(key) for key in LAYERS}


def _within(token: Any, vocabulary: int) -> Any:
    """A token id that the smaller vocabulary has."""
    if isinstance(token, list):
        return [_within(one, vocabulary) for one in token]
    return min(token, vocabulary - 1) if type(token) is int else token
