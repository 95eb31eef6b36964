"""Plans: runs and their identities, seeds, and what is refused before anything is trained."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from partwise.errors import InputError, RecipeError
from partwise.provenance import sources
from partwise.studies.definition.reading import load_study
from partwise.studies.planning.plan import Plan, make_plan


def plan(path: Path, **more: Any) -> Plan:
    return make_plan(load_study(path), **more)


def test_there_is_a_run_for_every_variant_and_seed_seed_by_seed(study) -> None:
    jobs = plan(study()).jobs()
    assert len({job.identity for job in jobs}) == len(jobs) == 4 * 3
    assert [job.title for job in jobs[:5]] == [
        "base, seed 0",
        "position=rope, seed 0",
        "position=alibi, seed 0",
        "norm=rms_norm, seed 0",
        "base, seed 1",
    ]
    assert [job.recipe["seed"] for job in jobs] == [seed for seed in range(3) for _ in range(4)]


def test_a_job_says_all_that_another_machine_needs(study, here: Path) -> None:
    limits = {"use": "local", "timeout": 60, "memory": 1.5, "retries": 2}
    metric = {"name": "bits_per_byte", "split": "test", "context": 8, "batches": 3}
    job = plan(study(run=limits, metric=metric)).jobs()[0]
    assert (job.timeout, job.memory, job.retries) == (60, 1_500_000_000, 2)
    assert (job.metric.name, job.metric.split, job.metric.context, job.metric.batches) == (
        "bits_per_byte",
        "test",
        8,
        3,
    )
    assert job.directory == here
    assert job.metric.label == "bits per byte (test, context 8)"


@pytest.mark.parametrize("name", ["loss", "perplexity", "bits_per_byte", "accuracy"])
def test_every_variant_carries_the_floor_of_its_texts_in_the_metrics_unit(study, here: Path, name: str) -> None:
    found = plan(study(metric={"name": name, "split": "valid"}))
    encoded = found.ledger.prepared(found.base.loaded).batches.encoded["valid"]
    counts = np.unique(encoded.tokens[1:], return_counts=True)[1]
    nats = stats.entropy(counts)
    per_byte = nats / math.log(2) * counts.sum() / encoded.text_bytes
    expected = {
        "loss": nats,
        "perplexity": math.exp(nats),
        "bits_per_byte": per_byte,
        "accuracy": max(counts / sum(counts)),
    }
    assert [one.described().floor for one in found.variants] == pytest.approx([expected[name]] * len(found.variants))


def test_the_same_run_has_the_same_identity_in_every_study(study) -> None:
    one = plan(study())
    other = plan(study(name="other", factors={"p": {"at": "model.position", "values": ["rope"]}}, seeds=5))
    shared = {job.identity for job in one.jobs()} & {job.identity for job in other.jobs()}
    assert len(shared) == 2 * 3, "base and rope, seeds 0 to 2"


def test_identity_changes_with_all_that_decides_the_result(study, here: Path, monkeypatch) -> None:
    path = study()
    before = plan(path).base
    identity = before.identity(0)
    assert identity == plan(path).base.identity(0)
    assert identity != before.identity(1)
    (here / "corpus.txt").write_text((here / "corpus.txt").read_text().replace("fox", "ox"))
    assert plan(path).base.identity(0) != identity
    monkeypatch.setattr(sources, "source_hash", lambda part: "other code")
    assert before.identity(0) != identity


def test_labels_and_the_sampler_leave_an_identity_as_it_is(study, here: Path, recipe: dict[str, Any]) -> None:
    path = study()
    before = plan(path).base.identity(0)
    (here / "base.json").write_text(json.dumps({**recipe, "about": "another word", "sampler": "greedy"}))
    assert plan(path).base.identity(0) == before


def test_more_seeds_may_be_asked_for(study) -> None:
    assert plan(study(), seeds=7).seeds == tuple(range(7))


def test_but_not_past_the_looks_that_the_study_declares(study) -> None:
    looks = [{"seeds": 3, "alpha": 0.05}]
    with pytest.raises(InputError, match="declares its last look after 3 seeds; for 7"):
        plan(study(looks=looks), seeds=7)


def test_a_metric_per_token_is_refused_where_the_tokenizer_varies(study) -> None:
    factors = {"tokenizer": {"at": "tokenizer", "values": [{"use": "bpe", "vocab_size": 300}]}}
    with pytest.raises(RecipeError, match="bits_per_byte"):
        plan(study(factors=factors))
    found = plan(study(factors=factors, metric={"name": "bits_per_byte"}))
    assert found.variants[1].costs.parameters > found.base.costs.parameters


def test_a_tokenizer_trained_on_other_texts_is_another(study, here: Path) -> None:
    (here / "other.txt").write_text("ÀÉÎ ÕÜ, said the hound; " * 200)
    factors = {"texts": {"at": "data.files", "values": [["other.txt"]]}}
    with pytest.raises(RecipeError, match="the tokenizer varies between variants"):
        plan(study(factors=factors))
    assert plan(study(factors=factors, metric={"name": "bits_per_byte"})).tokenizer_varies
    assert not plan(study()).tokenizer_varies


def test_data_that_does_not_suit_a_variant_is_found_at_planning(study) -> None:
    factors = {"context": {"at": "model.context", "values": [32, 100_000]}}
    with pytest.raises(RecipeError) as caught:
        plan(study(factors=factors))
    assert "fewer than a window of context + 1 = 100001" in str(caught.value)
    assert "note: in variant context=100000" in str(caught.value)


def test_runs_beyond_all_reason_are_refused_at_once_and_many_are_announced(study) -> None:
    factors = {"p": {"at": "model.position", "values": ["rope"]}}
    for count in (100_000, 10**15):
        with pytest.raises(RecipeError, match=r"seeds: expected a whole number .*at most 10000"):
            load_study(study(seeds=count, factors=factors))
        with pytest.raises(InputError, match="seeds are too many"):
            plan(study(factors=factors), seeds=count)
    said: list[str] = []
    found = make_plan(load_study(study(seeds=1_500, factors=factors)), say=said.append)
    assert "listing 3,000 runs" in said
    assert [(job.recipe["seed"], job.identity) for job in found.jobs()[-2:]] == [
        (1499, variant.identity(1499)) for variant in found.variants
    ]


@pytest.mark.parametrize("tune", [None, {"at": "trainer.batch_size", "values": [2, 4]}])
def test_a_metric_that_the_tokenizer_does_not_allow_is_refused_before_anything_is_trained(
    study, recipe: dict[str, Any], tune: dict[str, Any] | None
) -> None:
    path = study(base={**recipe, "tokenizer": "word"}, metric={"name": "bits_per_byte", "split": "test"}, tune=tune)
    with pytest.raises(RecipeError, match="no bits per byte: the tokenizer loses text") as caught:
        plan(path)
    assert "in variant" in str(caught.value)
    assert plan(study(base={**recipe, "tokenizer": "word"}, metric={"name": "accuracy"})).variants


def test_the_texts_that_tuning_is_judged_by_are_looked_at_before_as_well(study, recipe: dict[str, Any]) -> None:
    base = {**recipe, "data": {**recipe["data"], "valid": 0.0}}
    assert plan(study(base=base, metric={"split": "test"})).variants
    tune = {"at": "trainer.batch_size", "values": [2, 4]}
    with pytest.raises(RecipeError, match="the valid split holds no text"):
        plan(study(base=base, metric={"split": "test"}, tune=tune))


@pytest.mark.parametrize(
    ("data", "metric", "message"),
    [
        ({"test": 0.0}, {"split": "test"}, "the test split holds no text to evaluate on"),
        ({}, {"context": 100_000}, "the train split holds"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is_trained(
    study, recipe: dict[str, Any], data: dict[str, Any], metric: dict[str, Any], message: str
) -> None:
    path = study(base={**recipe, "data": {**recipe["data"], **data}}, metric=metric)
    with pytest.raises(RecipeError) as caught:
        plan(path)
    assert message in str(caught.value)
    assert "at metric" in str(caught.value)


def test_variants_that_are_scored_on_other_tokens_are_refused(study, recipe: dict[str, Any]) -> None:
    factors = {"objective": {"at": "objective", "values": ["prefix"]}}
    with pytest.raises(RecipeError, match="'prefix' scores other tokens than the rest of them"):
        plan(study(factors=factors))
    shares = {"share": {"at": "objective.share", "values": [0.25, 0.5]}}
    with pytest.raises(RecipeError, match="compare variants of one objective"):
        plan(study(factors=shares, base={**recipe, "objective": "prefix"}))


def test_variants_whose_objectives_score_every_token_are_compared(study) -> None:
    factors = {"objective": {"at": "objective", "values": [{"use": "next_token", "label_smoothing": 0.1}]}}
    found = plan(study(factors=factors))
    assert {variant.loaded.recipe.objective.name for variant in found.variants} == {"next_token"}


def test_there_are_no_bits_per_byte_where_only_some_tokens_are_scored(study, recipe: dict[str, Any]) -> None:
    base = {**recipe, "objective": "masked"}
    with pytest.raises(InputError, match="the objective 'masked' scores only some of the tokens; compare the loss"):
        plan(study(base=base, metric={"name": "bits_per_byte"}))
    assert plan(study(base=base)).base.loaded.recipe.objective.name == "masked"
