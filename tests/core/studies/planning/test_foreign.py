"""Runs that were trained elsewhere, put into a study by a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from partwise import InputError, RecipeError
from partwise.studies.analysis import analyse
from partwise.studies.definition.reading import load_study
from partwise.studies.planning.foreign import Expected, ForeignRuns, read_foreign
from partwise.studies.report import render
from partwise.studies.report.report import Report
from partwise.studies.tables import table

from ....small_study import run_study

HEAD = "variant,seed,value,parameters,tokens"
NOWHERE = (None, None)


def expected(**changes: object) -> Expected:
    facts = {"names": ["base", "rope"], "sizes": [], "texts": [], "seeds": [0, 1], "secondary": [],
             "floors": {NOWHERE: (3.0, {})}}  # fmt: skip
    return Expected(**{**facts, **changes})  # type: ignore[arg-type]


def read(here: Path, *lines: str, head: str = HEAD, **changes: object) -> ForeignRuns:
    path = here / "runs.csv"
    path.write_text("\n".join([head, *lines]) + "\n")
    return read_foreign(path, "runs.csv", expected(**changes))


def test_a_file_puts_in_variants_and_their_runs(tmp_path: Path) -> None:
    found = read(tmp_path, "lab,0,1.5,1000,2000", "", "lab,1,1.25,1000,2000")
    (variant,) = found.variants
    assert (variant.name, variant.parameters, variant.tokens) == ("lab", 1000, 2000)
    assert (variant.source, variant.floor) == ("runs.csv", 3.0)
    assert [(run.seed, run.metric, run.state) for run in found.outcomes] == [(0, 1.5, "done"), (1, 1.25, "done")]
    assert len({run.identity for run in found.outcomes}) == 2


def test_seeds_that_are_missing_are_waited_for_and_diverged_ones_are_results(tmp_path: Path) -> None:
    found = read(tmp_path, "lab,0,,1000,2000,diverged", head=f"{HEAD},state")
    assert [run.state for run in found.outcomes] == ["diverged", "waiting"]
    assert found.outcomes[0].metric is None


def test_figures_by_secondary_metrics_are_taken_and_missing_ones_said(tmp_path: Path) -> None:
    found = read(tmp_path, "lab,0,1.5,1000,2000,0.5", "lab,1,1.5,1000,2000,", head=f"{HEAD},secondary.acc",
                 secondary=["acc"])  # fmt: skip
    assert found.outcomes[0].secondary["acc"].value == 0.5
    assert found.outcomes[1].unmeasured == {"acc": "runs.csv has no figure"}


def test_a_variant_is_at_every_size(tmp_path: Path) -> None:
    head = f"{HEAD},size"
    facts = {"sizes": ["1M", "3M"], "floors": {("1M", None): (None, {}), ("3M", None): (None, {})}}
    found = read(tmp_path, "lab,0,1.5,10,20,1M", "lab,0,1.4,30,60,3M", head=head, **facts)
    assert [(one.size, one.parameters) for one in found.variants] == [("1M", 10), ("3M", 30)]
    with pytest.raises(InputError, match="no run of 'lab' for size '3M'"):
        read(tmp_path, "lab,0,1.5,10,20,1M", head=head, **facts)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["lab,0,1.5,1000,2000", "lab,0,1.4,1000,2000"], "runs.csv:3: lab with seed 0 stands in an earlier line, too"),
        (["lab,0,1.5,1000,2000", "lab,1,1.4,1001,2000"], "runs.csv:3: other parameters, tokens or FLOPs than in"),
        (["rope,0,1.5,1000,2000"], "runs.csv:2: 'rope' is a variant that this study trains; runs of both kinds are"),
        (["lab,7,1.5,1000,2000"], "runs.csv:2: seed 7 is not one of the study's: 0, 1"),
        (["lab,0,nan,1000,2000"], "runs.csv:2: value is nan; of a run without a finite figure leave it empty"),
        (["lab,0,,1000,2000"], "runs.csv:2: value is empty, and must be a number"),
        (["lab,0,good,1000,2000"], "runs.csv:2: value is 'good', and must be a number"),
        (["lab,0,1.5,10.5,2000"], "runs.csv:2: parameters is '10.5', and must be a whole number"),
        (["lab,0,1.5,0,2000"], "runs.csv:2: parameters is 0, and must be 1 or more"),
        (["lab,0,1.5,1000"], "runs.csv:2: 4 cells, and the head has 5 columns"),
        ([",0,1.5,1000,2000"], "runs.csv:2: no name of a variant"),
        (['lab,0,"1.5,1000,2000'], "runs.csv:2: this is no CSV"),
        ([], "holds no runs"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, lines: list[str], said: str) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, *lines)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("variant,seed,value,parameters", "runs.csv:1: no column tokens; this study needs variant, seed, value"),
        (f"{HEAD},valeu", "runs.csv:1: unknown column 'valeu', did you mean 'value'?"),
        (f"{HEAD},seed", "runs.csv:1: the column 'seed' stands there twice"),
        (f"{HEAD},state", "runs.csv:2: unknown state 'ok'; there are done, diverged and failed"),
    ],
)
def test_a_wrong_head_is_named(tmp_path: Path, head: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, "lab,0,1.5,1000,2000,ok", head=head)
    assert said in str(error.value)


@pytest.mark.parametrize("state", ["diverged", "failed"])
def test_a_run_that_came_to_nothing_has_no_figure(tmp_path: Path, state: str) -> None:
    with pytest.raises(InputError, match=f"a run that {state} has no figure"):
        read(tmp_path, f"lab,0,1.5,1000,2000,{state}", head=f"{HEAD},state")


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the runs of runs\.csv"):
        read_foreign(tmp_path / "runs.csv", "runs.csv", expected())
    (tmp_path / "runs.csv").write_bytes(b"\xff\xfe\x00v")
    with pytest.raises(InputError, match="is not UTF-8"):
        read_foreign(tmp_path / "runs.csv", "runs.csv", expected())


def test_runs_from_a_file_are_judged_with_the_others_and_said_to_be_foreign(study, engine, pretending, here) -> None:
    lines = [f"lab,{seed},{1.0 + 0.01 * seed},1000,2000" for seed in range(3)]
    (here / "lab.csv").write_text("\n".join([HEAD, *lines]))
    results = run_study(study(foreign="lab.csv"), pretending)
    found = analyse(results)
    lab = next(one for one in found.contrasts if one.variant == "lab")
    assert (lab.verdict, lab.pairs) == ("better", 3)
    assert len(engine.done) == 3 * 4, "the study's own runs alone are done"
    assert results.provenance["foreign"]["file"] == "lab.csv"
    assert len(results.provenance["foreign"]["sha256"]) == 64
    files = render(Report(results, found))
    for name in ("report.html", "report.md"):
        assert "trained elsewhere" in files[name]
        assert "nobody has checked them" in files[name]
    head, rows = table("runs", results, found)
    assert {row[head.index("source")] for row in rows} == {None, "lab.csv"}
    plain = analyse(run_study(study(), pretending))
    rope = [next(c for c in of.contrasts if c.variant == "position=rope") for of in (plain, found)]
    assert rope[1].low_all < rope[0].low_all, "one more comparison shares the error rate"


def test_a_grid_has_no_cell_for_foreign_runs(study, here) -> None:
    with pytest.raises(RecipeError, match="have no cell in the design grid"):
        load_study(study(design="grid", foreign="lab.csv"))
