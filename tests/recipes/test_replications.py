"""The replications: all are there, all can be planned, and the tool that runs them tells what comes out."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import replicate as tool
import replication.formal_languages
from partwise.assembly import assemble
from partwise.parts import ModelSite
from partwise.recipe import load, studies
from partwise.studies.definition.reading import load_study
from partwise.studies.definition.variants import variants
from partwise.studies.results import Outcome
from partwise.workflow import inspect, train
from replication import result, rows
from replication.by_hand import CONTEXT, NanoGPT
from replication.memory import copies_as_published, recalls_as_published
from replication.own_text import NAME, Losses, own_text
from replication.result import Replication
from replication.transfer import best_rate

STUDIES = [one.name for one in studies() if one.name.startswith("replications/")]


def base(name: str) -> str:
    return name.rpartition("/")[2]


@pytest.fixture(autouse=True)
def _somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def replicate(*words: str) -> Result:
    return CliRunner().invoke(tool.main, words)


def replicate_in_a_process(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, tool.__file__, *words], capture_output=True, text=True)


@pytest.mark.parametrize("name", STUDIES)
def test_a_replicating_study_has_variants_that_assemble(name: str) -> None:
    assert len(variants(load_study(name)).candidates) >= 2


def test_the_tool_knows_every_replication() -> None:
    told = replicate("--help").stdout
    known = "".join(told.partition("[bigram")[2].partition("]")[0].split())
    assert sorted(f"bigram{known}".split("|")) == sorted(
        [*map(base, STUDIES), "bigram", "nanogpt-cpu", "nanogpt-own-text", "norm-gradients"]
    )


def test_the_best_rate_lies_between_those_that_were_tried() -> None:
    losses = {2.0**exponent: 3 + (exponent + 8.3) ** 2 for exponent in range(-12, -5)}
    assert best_rate(losses) == pytest.approx(2**-8.3)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_best_rate_at_the_edge_of_those_that_were_tried_is_none(sign: int) -> None:
    assert math.isnan(best_rate({2.0**exponent: sign * exponent for exponent in range(-12, -5)}))


@pytest.mark.parametrize(
    ("by_hand", "holds"),
    [([2.01, 1.99, 2.0], True), ([2.11, 2.09, 2.1], False), ([2.9, 1.1, 2.0], False)],
    ids=["equal", "worse by hand", "too wide to tell"],
)
def test_losses_are_equal_only_if_the_interval_is_narrow_and_contains_none(by_hand: list[float], holds: bool) -> None:
    assert Losses([2.0, 2.0, 2.0], by_hand).judged().holds is holds


def test_the_loop_by_hand_learns_as_partwise_does_from_the_same_weights_and_windows(tmp_path: Path) -> None:
    (tmp_path / "fox.txt").write_text("The quick brown fox jumps over the lazy dog.\n" * 400)
    obtained = own_text(NAME, tmp_path / "fox.txt", 2, ["trainer.steps=30", "trainer.schedule.warmup=4"])
    ours, theirs = (float(word) for word in re.findall(r"\d\.\d{3}", obtained.figures)[:2])
    assert ours == pytest.approx(theirs, abs=0.001)
    assert ours < 3  # from 3.4 nats, those of 30 letters
    for seed in range(2):
        (run,) = tmp_path.rglob(f"partwise-s{seed}")
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        ours_by_step = [row["loss"] for row in rows if "loss" in row]
        by_hand_by_step = json.loads((run.parent / f"by-hand-s{seed}.json").read_text())["losses"]
        assert len(ours_by_step) == 30
        assert ours_by_step == pytest.approx(by_hand_by_step, abs=1e-5)


def test_the_first_weights_by_hand_are_as_large_as_those_of_partwise() -> None:
    loaded, by_hand = load(f"replications/{NAME}"), NanoGPT(65)
    ours = assemble(loaded.recipe.model, ModelSite(65), 0)
    for one, other in zip(by_hand.state_dict().values(), ours.state_dict().values(), strict=True):
        assert one.shape == other.shape
        assert float(one.mean()) == pytest.approx(float(other.mean()), abs=0.15 * 0.02)
        assert float(one.std()) == pytest.approx(float(other.std()), rel=5 / one.numel() ** 0.5)


def test_the_model_by_hand_has_as_many_parameters_as_the_recipe() -> None:
    loaded = load(f"replications/{NAME}")
    assert loaded.recipe.model.context == CONTEXT
    assert sum(one.numel() for one in NanoGPT(65).parameters()) == inspect(loaded, 65).parameters


@pytest.mark.exhaustive
def test_the_bigram_model_reaches_the_entropy_that_counting_gives() -> None:
    done = replicate_in_a_process("bigram")
    assert done.returncode == 0, done.stderr
    name, _, _, obtained, holds, _ = (cell.strip() for cell in done.stdout.splitlines()[-1].strip("|").split("|"))
    loss, entropy = (float(word) for word in obtained.split(", entropy "))
    assert (name, holds) == ("bigram", "yes")
    assert loss == pytest.approx(entropy, abs=1e-6)
    assert 1.5 < entropy < 3.0


def test_what_needs_a_text_says_so() -> None:
    done = replicate("nanogpt-cpu")
    assert done.exit_code == 0
    assert "not run: --text FILE" in done.stdout


def test_a_text_that_cannot_be_read_is_an_error_of_one_screen(tmp_path: Path) -> None:
    (tmp_path / "binary.txt").write_bytes(b"\xff\x00" * 100)
    done = replicate_in_a_process("nanogpt-cpu", "--text", "binary.txt")
    assert done.returncode == 2
    assert "is not UTF-8 text" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_that_is_not_what_it_should_be_is_an_error_of_one_screen(tmp_path: Path) -> None:
    other = tmp_path / "runs" / "replications" / "bigram"
    other.parent.mkdir(parents=True)
    other.write_text("no directory")
    done = replicate("bigram")
    assert done.exit_code == 2, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "obtained", "holds"),
    [
        ("chomsky-parity", {"rnn": 0.97, "lstm": 1.0, "transformer": 0.51}, True),
        ("chomsky-parity", {"rnn": 0.97, "lstm": 0.89, "transformer": 0.51}, False),
        ("chomsky-parity", {"rnn": 0.97, "lstm": 1.0, "transformer": 0.93}, False),
        ("chomsky-even-pairs", {"rnn": 0.97, "lstm": 1.0, "transformer": 0.95}, True),
        ("chomsky-even-pairs", {"rnn": 0.97, "lstm": 1.0, "transformer": 0.51}, False),
        ("chomsky-cycle-navigation", {"rnn": 0.97, "lstm": 1.0, "transformer": 0.4}, True),
        ("chomsky-cycle-navigation", {"rnn": 0.83, "lstm": 1.0, "transformer": 0.4}, False),
        ("chomsky-modular-arithmetic", {"rnn": 0.97, "lstm": 1.0, "transformer": 0.24}, True),
        ("chomsky-modular-arithmetic", {"rnn": 0.97, "lstm": 0.3, "transformer": 0.24}, False),
        ("parity-and-eigenvalues", {"any": 0.98, "positive": 0.52}, True),
        ("parity-and-eigenvalues", {"any": 0.98, "positive": 0.6}, False),
        ("parity-and-eigenvalues", {"any": 0.9, "positive": 0.5}, False),
        ("state-tracking", {"lstm": 0.95, "transformer": 0.1, "mamba": 0.3}, True),
        ("state-tracking", {"lstm": 0.89, "transformer": 0.1, "mamba": 0.3}, False),
        ("state-tracking", {"lstm": 0.95, "transformer": 0.92, "mamba": 0.3}, False),
        ("state-tracking", {"lstm": 0.95, "transformer": 0.1, "mamba": 0.91}, False),
    ],
)
def test_a_result_on_formal_languages_holds_only_where_all_of_it_does(
    monkeypatch: pytest.MonkeyPatch, name: str, obtained: dict[str, float], holds: bool
) -> None:
    monkeypatch.setattr(replication.formal_languages, "_best", lambda *_: obtained)
    assert tool.REPLICATIONS[name].obtain(name).holds is holds


def test_a_page_has_every_row_that_was_obtained_and_its_parts() -> None:
    assert rows.PARTS.keys() == tool.REPLICATIONS.keys()
    rows.kept("norm-gradients", rows.Row("depth^0.1", True, 90.0))
    rows.kept("grokking", rows.Row("no", False, 30.0))
    rows.kept("grokking", rows.Row("no", False, 1.0))  # what was trained is read again, and cost what it cost
    lines = [line for line in rows.page(tool.REPLICATIONS).splitlines() if line.startswith("|")]
    assert lines[2:] == [
        "| Power et al. 2022 | `adamw` | `grokking` | weight decay 1 generalises, 0 does not | no | **no** | 0.5 |",
        "| Xiong et al. 2020 | `pre_norm`, `post_norm` | `norm-gradients` | at first the last layer's gradient is flat "
        "in depth post-norm, depth^-0.5 pre-norm | depth^0.1 | yes | 1.5 |",
    ]


def test_a_page_says_why_a_result_was_not_obtained_as_far_as_that_is_known() -> None:
    known = {"one": Replication("A", "b", tool.REPLICATIONS["grokking"].obtain, note="too few updates")}
    for held, said in ((True, False), (False, True)):
        rows.kept("one", rows.Row("c", held, 60.0))
        assert ("\n\n`one`: too few updates\n" in rows.page(known)) is said


@pytest.mark.parametrize(
    ("attention", "state", "holds"),
    [
        ([1.0, 1.0], [0.3, 0.97], True),
        ([0.98, 1.0], [0.3, 0.97], False),
        ([1.0, 1.0], [0.3, 0.32], False),
        ([1.0, 1.0], [0.97, 1.0], False),
        ([1.0, 1.0, 1.0], [0.3, 0.2, 0.9], False),
    ],
    ids=["holds", "attention fails when narrow", "no rise", "a state as good as attention", "a fall on the way"],
)
def test_recall_is_as_published_only_where_attention_solves_it_and_states_rise(
    attention: list[float], state: list[float], holds: bool
) -> None:
    assert (
        recalls_as_published({"attention": attention, "delta_net": [0.3, 0.5, 0.9][: len(state)], "other": state})
        is holds
    )


@pytest.mark.parametrize(
    ("known", "longer", "holds"),
    [
        ({}, {}, True),
        ({"rope": 0.52}, {}, False),
        ({"mamba2": 0.9}, {}, False),
        ({}, {"alibi": 0.58}, False),
        ({}, {"lstm": 0.7}, False),
    ],
    ids=[
        "holds",
        "a Transformer is no better",
        "a state is as good",
        "ALiBi reaches as far",
        "a state reaches farther",
    ],
)
def test_copying_is_as_published_only_where_transformers_lead_and_hard_alibi_reaches_furthest(
    known: dict[str, float], longer: dict[str, float], holds: bool
) -> None:
    at_known = {"hard_alibi": 0.9, "alibi": 0.8, "rope": 0.8, "lstm": 0.5, "mamba2": 0.5}
    at_longer = {"hard_alibi": 0.6, "alibi": 0.4, "rope": 0.3, "lstm": 0.1, "mamba2": 0.2}
    assert copies_as_published(at_known | known, at_longer | longer) is holds


def test_the_runs_of_a_study_are_found_from_the_studys_directory() -> None:
    recipe = {
        "partwise": 1, "name": "tiny", "data": {"use": "copy", "size": 40, "valid": 5, "test": 0}, "tokenizer": "char",
        "model": {"use": "language_model", "width": 8, "context": 32, "blocks": []},
        "trainer": {"use": "standard", "steps": 1, "batch_size": 2},
    }  # fmt: skip
    done = train(load(recipe), result.RUNS / "pool" / "tiny")
    outcome = Outcome(variant="base", seed=0, identity="tiny", state="done", directory="../pool/tiny")
    (result.RUNS / "study").mkdir()
    (found,) = result.runs_of("study", [outcome])
    assert found.run.directory.samefile(done.directory)
