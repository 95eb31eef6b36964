"""Names of the files of a run.

recipe.json         the resolved recipe, every default written out
tokenizer.json      the tokenizer, to be restored without its texts
lock.json           what it was trained with: distributions, versions, platform, hash of the data
metrics.jsonl       one row per line; ends identical whether or not the run was ever interrupted
checkpoint-STEP/    where an interrupted run continues: model.safetensors, optimizer.safetensors, state.json,
                    the metrics so far, and a manifest.json of its own
model.safetensors   the final weights: there once the run is finished
manifest.json       size and SHA-256 of the files above
speed.jsonl         how fast it went, if the trainer says; no two runs have the same, and no manifest names it
judged.jsonl        figures by which it was judged afterwards, a line each; no manifest names it
status.json         why training stopped before its end, where it did
going-on.json       there for a moment only, while a finished run becomes one with more updates to make
.claim.json         which process trains here now

Importing this module, or `run`, imports no torch: reports only read rows.
"""

from __future__ import annotations

import re

RECIPE, TOKENIZER, LOCK, METRICS = "recipe.json", "tokenizer.json", "lock.json", "metrics.jsonl"
WEIGHTS, OPTIMIZER, STATE = "model.safetensors", "optimizer.safetensors", "state.json"
MANIFEST, STATUS, CLAIM = "manifest.json", "status.json", ".claim.json"
GOING_ON = "going-on.json"

JUDGED = "judged.jsonl"

CHECKPOINT = re.compile(r"checkpoint-(0|[1-9]\d{0,17})")
"""A checkpoint's directory, and the step it is of."""

_WRITTEN = (RECIPE, TOKENIZER, LOCK, METRICS, WEIGHTS, MANIFEST, STATUS, GOING_ON)
PARTIAL = re.compile(rf"\.({'|'.join(map(re.escape, _WRITTEN))}|checkpoint-\d+)\..*partial")
"""What a process that is killed may leave half-written, or half-removed."""
