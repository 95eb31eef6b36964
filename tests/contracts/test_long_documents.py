"""Packed documents at the size of training: 1,024 tokens, in every mixer and block, and in bfloat16."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch

from partwise.parts.registry import RegisteredPart, registry
from partwise.testing import close, numbers, shaken
from partwise.testing.cases import family, subjects
from partwise.testing.checks.documents import packed_documents_learn_what_they_learn_apart
from partwise.testing.checks.mixers import memory_of, run
from partwise.testing.checks.training import under
from partwise.testing.probes import flow_of
from partwise.testing.violation import NotApplicableError

T = 1024
ENTRIES = [entry for entry in registry().entries() if family(entry.part) in ("mixer", "block")]


@pytest.mark.exhaustive
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_packed_equals_separate_to_rounding(entry: RegisteredPart) -> None:
    for subject in subjects(entry.part, "site"):
        try:
            packed_documents_learn_what_they_learn_apart(*subject.arguments, length=T, rounding=1e-5)
        except NotApplicableError:
            continue


@pytest.mark.exhaustive
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_in_bfloat16_packed_is_about_separate(entry: RegisteredPart) -> None:
    for subject in subjects(entry.part, "place"):
        part, site = subject.arguments
        site = replace(site, context=T)
        module, x, memory = shaken(part, site), numbers(1, T, site.width), memory_of(site, 1)
        documents = torch.arange(8).repeat_interleave(T // 8)[None]
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            packed = run(module, site, x, memory, documents=documents)
            alone = [
                under(1, partial(module, x[:, documents[0] == one], flow_of(0, T // 8, memory))) for one in range(8)
            ]
        close(packed.float(), torch.cat(alone, 1).float(), f"{subject.label} in bfloat16", 0.1, 0.1)
