"""Every registered part, whatever its kind."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from partwise import Part
from partwise.registry import Entry

from . import catalogue, checks_parts, parametrising

ENTRIES = catalogue.entries()
every_part = pytest.mark.parametrize("entry", ENTRIES, ids=catalogue.identity)
every_example = parametrising.every_example()


@every_part
def test_it_is_documented(entry: Entry) -> None:
    checks_parts.check_documentation(entry.part)


@every_part
def test_its_names_are_in_style(entry: Entry) -> None:
    checks_parts.check_name(entry.part)


@every_part
def test_it_has_a_schema(entry: Entry) -> None:
    checks_parts.check_schema(entry.part)


UNSHOWN = {"tokenizer/tiktoken": "its ranks are downloaded when an encoding is named"}
"""Parts whose examples cannot show every knob, with the reason. Should they, that is an error."""


@pytest.mark.parametrize("entry", parametrising.params({catalogue.identity(one): one for one in ENTRIES}, UNSHOWN))
def test_its_examples_cover_every_knob(entry: Entry) -> None:
    checks_parts.check_examples_cover_every_knob(entry.part, catalogue.examples(entry.part))


@every_example
def test_it_dumps_and_loads(part: Part) -> None:
    checks_parts.check_dump_and_load(part)


@every_example
def test_it_can_be_pickled(part: Part) -> None:
    checks_parts.check_pickle(part)


@every_example
def test_it_rejects_unknown_knobs(part: Part) -> None:
    checks_parts.check_unknown_knobs_are_rejected(part)


@every_example
def test_it_rejects_nonsense(part: Part) -> None:
    checks_parts.check_nonsense_is_rejected(part)


@every_example
def test_it_cannot_be_changed(part: Part) -> None:
    checks_parts.check_cannot_be_changed(part)


def test_parts_travel_to_a_fresh_process_and_back() -> None:
    parts = [part for entry in ENTRIES for part in catalogue.examples(entry.part)]
    program = (
        "import pickle, sys; parts = pickle.load(sys.stdin.buffer); "
        "assert 'torch' not in sys.modules; sys.stdout.buffer.write(pickle.dumps(parts))"
    )
    done = subprocess.run([sys.executable, "-c", program], input=pickle.dumps(parts), capture_output=True, check=True)
    assert pickle.loads(done.stdout) == parts  # noqa: S301


def test_listing_checking_and_dumping_parts_imports_no_torch_and_draws_no_random_number() -> None:
    program = """
import random, sys
before = random.getstate()
from partwise.registry import registry
for entry in registry().entries():
    for part in entry.part.examples():
        part.model_dump_json()
    entry.part.model_json_schema()
heavy = {"torch", "numpy", "click", "tiktoken", "sentencepiece"} & set(sys.modules)
assert not heavy, heavy
assert random.getstate() == before
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
