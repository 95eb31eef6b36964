"""A checkpoint is imported in the memory of the run's weights and one shard, however large it is."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import partwise_tokenizers

TOKENIZER = Path(partwise_tokenizers.__file__).parent / "samples" / "small-tokenizer.json"
LARGE, SMALL = (2048, 8192, 10), (32, 48, 2)
"""Width, hidden width and layers: a tenth of a model of seven billion parameters, and next to nothing."""
IN_A_SHARD = 2
PROGRAM = """
import re, sys
from pathlib import Path
import torch
from partwise.huggingface.convert import import_checkpoint
def most():  # unlike getrusage, without what the process had before this program began
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
small, large = map(Path, sys.argv[1:])
import_checkpoint(small, small.with_suffix(".run"))  # so that every library is loaded
before = most()
import_checkpoint(large, large.with_suffix(".run"))
print(most() - before)
"""


def shard(path: Path, shapes: dict[str, tuple[int, ...]]) -> int:
    """A file of zeros in bfloat16, which takes no room on the disk; returns its size."""
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    return end


def layer(number: int, width: int, hidden: int) -> dict[str, tuple[int, ...]]:
    attention = {f"self_attn.{name}_proj": (width, width) for name in "qkvo"}
    mlp = {"mlp.gate_proj": (hidden, width), "mlp.up_proj": (hidden, width), "mlp.down_proj": (width, hidden)}
    norms = {"input_layernorm": (width,), "post_attention_layernorm": (width,)}
    every: dict[str, tuple[int, ...]] = {**attention, **mlp, **norms}
    return {f"model.layers.{number}.{name}.weight": shape for name, shape in every.items()}


def checkpoint(place: Path, width: int, hidden: int, layers: int) -> list[int]:
    """A checkpoint of zeros; returns the sizes of its shards."""
    place.mkdir()
    shards = [
        {"model.embed_tokens.weight": (302, width), "lm_head.weight": (302, width), "model.norm.weight": (width,)},
        *(
            {n: s for number in range(first, first + IN_A_SHARD) for n, s in layer(number, width, hidden).items()}
            for first in range(0, layers, IN_A_SHARD)
        ),
    ]
    sizes = [shard(place / f"model-{number}.safetensors", shapes) for number, shapes in enumerate(shards)]
    index = {name: f"model-{number}.safetensors" for number, shapes in enumerate(shards) for name in shapes}
    (place / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    config = {"model_type": "llama", "vocab_size": 302, "eos_token_id": 301, "hidden_size": width}
    config |= {"num_hidden_layers": layers, "num_attention_heads": 16, "intermediate_size": hidden}
    (place / "config.json").write_text(json.dumps(config))
    shutil.copy(TOKENIZER, place / "tokenizer.json")
    return sizes


@pytest.mark.exhaustive
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the most memory a program had is read from /proc")
def test_importing_takes_the_memory_of_the_weights_and_of_one_shard(tmp_path: Path) -> None:
    checkpoint(tmp_path / "small", *SMALL)
    sizes = checkpoint(tmp_path / "large", *LARGE)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "small"), str(tmp_path / "large")],
        capture_output=True,
        text=True,
        check=True,
    )
    weights, largest = 2 * sum(sizes), max(sizes)  # a run's are float32
    assert weights < int(done.stdout) < weights + largest
