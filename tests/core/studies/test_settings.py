"""Studies with sizes, texts and secondary metrics from their file to their results: nothing mixes what differs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from partwise.errors import InputError
from partwise.notebook.studies import StudyResult
from partwise.studies.definition.reading import load_study
from partwise.studies.directories import study_directories
from partwise.studies.earlier import revised_before
from partwise.studies.execution.jobs import Job
from partwise.studies.forecast import forecast
from partwise.studies.looks import verdicts_given
from partwise.studies.planning import timing
from partwise.studies.planning.plan import make_plan
from partwise.studies.planning.speed import START, Speed
from partwise.studies.results import Results

from ...small_study import Listener
from ...small_study import run_study as run

ROPE = {"position": {"at": "model.position", "values": ["none", "rope"], "baseline": "none"}}
WIDTHS = {"at": "model.width", "values": [8, 16]}
BOX = "pack my box with five dozen liquor jugs, said the quick fox. " * 70
TEXTS = {"fox": {}, "box": {"data": {"files": ["other.txt"]}}}
TESTED = {"tested": {"name": "bits_per_byte", "split": "test"}}


def by_place(job: Job) -> dict[str, Any]:
    """A figure that tells size, text, variant and seed apart."""
    model, files = job.recipe["model"], job.recipe["data"]["files"]
    width, rope, box = model["width"], model["position"]["use"] == "rope", files == ["other.txt"]
    value = width + 0.1 * rope + 0.01 * box + 0.001 * job.recipe["seed"]
    asked = [{**one.model_dump(), "figure": {"value": 100 + value}} for one in job.also]
    return {"state": "done", "metric": value, "measured": job.metric, "judged_by": job.judged_by, "figures": asked}


@pytest.fixture
def ladder(study, here: Path, engine) -> Any:
    """Writes a study of two widths and two texts, with a secondary metric."""
    (here / "other.txt").write_text(BOX)
    engine.outcome = staticmethod(by_place)

    def write(**changes: Any) -> Path:
        whole = {"factors": ROPE, "sizes": WIDTHS, "texts": TEXTS, "metric": {"name": "bits_per_byte"}}
        path: Path = study(**{**whole, "secondary": TESTED, **changes})
        return path

    return write


def test_every_run_is_written_down_with_its_size_its_text_and_all_that_was_measured(
    ladder, here: Path, engine, pretending
) -> None:
    results = run(ladder(), pretending)
    assert (results.sizes, results.texts) == (["width 8", "width 16"], ["fox", "box"])
    assert len(engine.done) == len(results.outcomes) == 2 * 2 * 2 * 3
    for one in results.outcomes:
        width, box, rope = int((one.size or "").removeprefix("width ")), one.text == "box", one.variant != "base"
        expected = width + 0.1 * rope + 0.01 * box + 0.001 * one.seed
        assert one.metric == pytest.approx(expected)
        assert one.secondary["tested"].value == pytest.approx(100 + expected)
    assert [(one.title, one.key) for one in results.variants][:2] == [
        ("base at width 8 on fox", ("base", "width 8", "fox")),
        ("position=rope at width 8 on fox", ("position=rope", "width 8", "fox")),
    ]
    assert set(results.provenance["data"]) == {one.title for one in results.variants}, "two texts have two hashes"
    assert Results.load(here / "studies" / "mine" / "results.json") == results


def test_a_slice_has_the_figures_of_its_setting_and_metric_alone(ladder, engine, pretending) -> None:
    results = run(ladder(), pretending)
    assert results.at("width 16", "box").values("position=rope") == pytest.approx({0: 16.11, 1: 16.111, 2: 16.112})
    tested = results.at("width 8", "fox", "tested")
    assert tested.values("base") == pytest.approx({0: 108.0, 1: 108.001, 2: 108.002})
    assert tested.metric == results.secondary["tested"]
    assert tested.variants[0].floor == results.variants[0].floors["tested"]
    with pytest.raises(ValueError, match="ask one of them"):
        results.values("base")


def test_a_figure_that_is_not_finite_counts_as_a_run_that_diverged(ladder, engine, pretending) -> None:
    def infinite(job: Job) -> dict[str, Any]:
        found = by_place(job)
        return {**found, "figures": [{**one, "figure": None} for one in found["figures"]]}

    engine.outcome = staticmethod(infinite)
    results = run(ladder(sizes=None, texts=None), pretending)
    assert {one.state for one in results.outcomes} == {"done"}
    assert {one.state for one in results.at(metric="tested").outcomes} == {"diverged"}


@pytest.mark.parametrize("stop", [1, 13])
def test_stopped_at_any_run_it_goes_on_at_every_setting(ladder, engine, pretending, stop: int) -> None:
    path = ladder()
    engine.stop_after = stop
    with pytest.raises(KeyboardInterrupt):
        run(path, pretending)
    engine.stop_after = None
    results = run(path, pretending)
    assert {one.state for one in results.outcomes} == {"done"}
    assert len({job.identity for job in engine.done}) == len(engine.done) == 24


def test_one_variant_may_be_run_everywhere_or_at_one_setting(ladder, engine, pretending) -> None:
    def done(results: Results) -> set[str]:
        return {one.title for one in results.outcomes if one.state == "done"}

    path = ladder()
    assert done(run(path, pretending, only="base at width 8 on box")) == {"base at width 8 on box"}
    assert len(done(run(path, pretending, only="position=rope"))) == 1 + 4
    with pytest.raises(InputError, match="did you mean 'position=rope'"):
        run(path, pretending, only="position=rop")


def test_tuning_chooses_at_every_setting_by_itself(ladder, engine, pretending) -> None:
    best = {8: 1e-2, 16: 1e-3}

    def by_rate(job: Job) -> dict[str, Any]:
        wanted = best[job.recipe["model"]["width"]]
        return {**by_place(job), "metric": abs(job.recipe["trainer"]["optimizer"]["lr"] - wanted)}

    engine.outcome = staticmethod(by_rate)
    tune = {"at": "trainer.optimizer.lr", "values": [1e-3, 1e-2], "seeds": [100]}
    results = run(ladder(texts=None, tune=tune), pretending)
    assert {(one.size, one.tuned["trainer.optimizer.lr"]) for one in results.variants} == {
        ("width 8", 1e-2),
        ("width 16", 1e-3),
    }
    assert [one.key for one in results.trials[::2]] == [one.key for one in results.variants]
    assert {job.also == [] for job in engine.done if job.title.startswith("tuning")} == {True}, "by the primary alone"
    told = results.provenance["the recipe above is base at width 8; otherwise"]["base at width 16"]
    assert told["model.width"] == "16"
    assert "model.context" not in told


def test_the_forecast_knows_every_setting(ladder, engine, pretending, monkeypatch) -> None:
    monkeypatch.setattr(timing, "time_steps", lambda loaded, threads: Speed(loaded.recipe.model.width, 0.0))
    path = ladder(metric={"name": "bits_per_byte", "spread": 0.1})
    plan = make_plan(load_study(path))
    found = forecast(plan, study_directories(plan.study))
    assert found.tests == 4 + 2, "a comparison at each of four settings, and a slope on each text"
    assert found.estimate is not None
    assert found.estimate.seconds_per_run["base", "width 16", "fox"] == START + 2 * 16
    assert found.estimate.seconds_per_run["base", "width 8", "fox"] == START + 2 * 8
    assert [one.words for one in found.powers][:2] == ["at width 8 on fox", "at width 8 on box"]
    assert len({one.detectable for one in found.powers}) == 1
    run(path, pretending)
    done = forecast(plan, study_directories(plan.study))
    assert done.done == {one.key: 3 for one in plan.variants}
    assert {one.spread_from for one in done.powers} == {"the spread of the paired differences found so far"}


def test_verdicts_are_given_setting_by_setting(ladder, here: Path, engine, pretending) -> None:
    results = run(ladder(), pretending)
    given = verdicts_given(results, here / "nowhere")
    assert given == {("position=rope", size, text): [3] for size, text in results.settings}
    one = results.outcomes[-1]
    waiting = [*results.outcomes[:-1], one.model_copy(update={"state": "waiting", "metric": None, "secondary": {}})]
    assert verdicts_given(results.model_copy(update={"outcomes": waiting}), here / "nowhere") == {}


def test_a_size_that_is_added_and_a_metric_that_is_added_change_the_question(
    ladder, here: Path, engine, pretending
) -> None:
    before = run(ladder(), pretending)
    after = run(ladder(sizes={"at": "model.width", "values": [8, 16, 24]}, secondary={}), pretending)
    assert len(engine.done) == 24 + 12, "what was trained is not trained again"
    told = " ".join(after.revised)
    assert "tested: bits per byte (test), then not measured" in told
    assert "added: base at width 24 on fox, position=rope at width 24 on fox" in told
    assert revised_before(before, before, here / "nowhere") == []


def test_a_look_decides_only_if_it_does_so_at_every_setting(ladder, engine, pretending) -> None:
    def clear_at_16(job: Job) -> dict[str, Any]:
        model, seed = job.recipe["model"], job.recipe["seed"]
        rope = model["position"]["use"] == "rope"
        clear = 1.0 + 0.001 * (seed % 3) if model["width"] == 16 else (-1.0) ** seed
        return {**by_place(job), "metric": 3 + rope * clear}

    looks = [{"seeds": 4, "alpha": 0.02}, {"seeds": 6, "alpha": 0.03}]
    engine.outcome = staticmethod(clear_at_16)
    results = run(ladder(texts=None, seeds=6, looks=looks), pretending)
    assert {one.state for one in results.outcomes} == {"done"}, "nothing is decided at width 8"
    wide = {"at": "model.width", "values": {"a": 16, "b": 32}}
    engine.outcome = staticmethod(lambda job: {**clear_at_16(job), "metric": 3 + job.recipe["seed"] % 3 / 1e3})
    listener = Listener()
    run(ladder(name="null", texts=None, sizes=wide, seeds=6, looks=looks), pretending, watch=listener)
    assert not any("decides" in line for line in listener.lines)
    assert json.loads((Path("studies") / "null" / "results.json").read_text())["sizes"] == ["a", "b"]


def test_the_tables_say_which_size_and_text_a_row_is_about(ladder, engine, pretending) -> None:
    result = StudyResult(run(ladder(), pretending), Path("report.html"))
    runs, variants = result.frame(), result.frame("variants")
    variants = variants[variants["secondary"] != "tested"]
    assert (len(runs), len(variants)) == (24, 8)
    for _, row in runs.iterrows():
        one = next(of for of in result.results.outcomes if of.identity == row["identity"])
        assert (row["variant"], row["size"], row["text"], row["value"]) == (*one.key, one.metric)
    wide = variants[(variants["size"] == "width 16") & (variants["text"] == "box")]
    assert list(wide["mean"]) == pytest.approx([16.011, 16.111])
    assert list(result.verdicts) == ["position"]
