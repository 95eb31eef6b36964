from __future__ import annotations

import io
import json
import sys

import pytest

from partwise import workflow
from partwise.assembly.activations import TrainingCosts
from partwise.assembly.inspection import Inspection, ModuleRow, Uncounted
from partwise_cli.tree import guides, with_totals


def row(path: str, level: int, parameters: int, count: int = 1, type: str = "Layer", **more) -> ModuleRow:
    return ModuleRow(
        path, level, count, type, more.get("detail", ""), more.get("output"), more.get("weights", {}), parameters
    )


ROWS = (
    row("", 0, 1000, type="Model", output=("B", "T", 50)),
    row("input", 1, 200, type="Table", output=("B", "T", 4), weights={"weight": (50, 4)}, detail="50, 4"),
    row("blocks", 1, 800, type="ModuleList"),
    row("blocks.0", 2, 800, count=8, type="Block", output=("B", "T", 4)),
    row("blocks.0.mixer", 3, 60, type="Mixer", weights={"a": (4, 3), "b": (4,), "c": (4,), "d": (4,), "e": (4,)}),
    row("blocks.0.norm", 3, 40, type="Norm"),
    row("last", 1, 0, type="Softener", detail="soft"),
)


@pytest.fixture
def inspected(monkeypatch: pytest.MonkeyPatch) -> None:
    def inspect(loaded, vocabulary: int | None) -> Inspection:
        return Inspection(ROWS, 1000, vocabulary or 256, 8, 83.7e9, 2048.0, 512.0)

    monkeypatch.setattr(workflow, "inspect", inspect)


def figures(output: str, name: str) -> list[str]:
    return next(line.split() for line in output.splitlines() if name in line.split())


@pytest.mark.usefixtures("inspected")
def test_every_module_is_shown_with_type_output_parameters_and_share(call, recipe) -> None:
    output = call("inspect", recipe()).output
    assert figures(output, "Model")[-5:] == ["B", "T", "50", "1,000", "100.0%"]
    assert figures(output, "Table") == ["├─", "input", "Table", "[50x4]", "B", "T", "4", "200", "20.0%"]


@pytest.mark.usefixtures("inspected")
def test_within_layers_alike_the_figures_count_all_of_them_and_so_add_up(call, recipe) -> None:
    output = call("inspect", recipe()).output
    assert figures(output, "blocks.0-7")[-2:] == ["800", "80.0%"]
    assert figures(output, "mixer")[-2:] == ["480", "48.0%"]
    assert figures(output, "norm")[-2:] == ["320", "32.0%"]


def test_totals_leave_rows_outside_of_repeated_layers_as_they_are() -> None:
    assert [one.parameters for one in with_totals(ROWS)] == [1000, 200, 800, 800, 480, 320, 0]


@pytest.mark.usefixtures("inspected")
def test_a_list_of_modules_is_not_shown_itself(call, recipe) -> None:
    assert "ModuleList" not in call("inspect", recipe()).output


@pytest.mark.usefixtures("inspected")
def test_many_weights_are_counted_by_shape(call, recipe) -> None:
    assert "Mixer [1 of 4x3, 4 of 4]" in call("inspect", recipe()).output


@pytest.mark.usefixtures("inspected")
def test_the_totals_follow_in_words(call, recipe) -> None:
    output = call("inspect", recipe(), "--vocabulary", "300").output
    for words in (
        "1,000",
        "4.0 kB in float32, 2.0 kB in bfloat16",
        "83.7 billion FLOPs per token",
        "2.0 kB per token and 512 bytes however long the text",
        "8 tokens",
        "300 tokens (as given)",
    ):
        assert words in output


@pytest.mark.usefixtures("inspected")
def test_an_assumed_vocabulary_is_said_to_be_one(call, recipe) -> None:
    assert "256 tokens (assumed: only the text can tell; see --vocabulary)" in call("inspect", recipe()).output


@pytest.mark.usefixtures("inspected")
@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal(call, recipe, width: int) -> None:
    lines = call("inspect", recipe(), env={"COLUMNS": str(width)}).output.splitlines()
    assert max(map(len, lines)) <= width
    assert figures("\n".join(lines), "blocks.0-7")[0] == "├─"


@pytest.mark.usefixtures("inspected")
def test_inspect_as_json_has_every_row_and_total(call, recipe) -> None:
    found = json.loads(call("inspect", recipe(), "--json").output)
    assert found["rows"][1] == {
        "path": "input",
        "level": 1,
        "count": 1,
        "type": "Table",
        "detail": "50, 4",
        "output": ["B", "T", 4],
        "weights": {"weight": [50, 4]},
        "parameters": 200,
    }
    assert found["vocabulary_is"] == "assumed"
    assert (found["parameters"], found["vocabulary"], found["context"]) == (1000, 256, 8)


@pytest.mark.usefixtures("inspected")
def test_settings_are_shown_where_no_weights_tell_them(call, recipe) -> None:
    output = call("inspect", recipe()).output
    assert "└─ last Softener(soft)" in output
    assert "Table(" not in output


@pytest.mark.usefixtures("inspected")
def test_a_label_that_is_too_long_goes_on_beside_the_guides(call, recipe) -> None:
    lines = call("inspect", recipe(), env={"COLUMNS": "56"}).output.splitlines()
    start = next(index for index, line in enumerate(lines) if "mixer" in line)
    assert lines[start].startswith("│  ├─ mixer")
    assert lines[start + 1].startswith("│  │     ")


@pytest.mark.usefixtures("inspected")
def test_a_terminal_of_ascii_gets_a_tree_of_ascii(monkeypatch) -> None:
    class Ascii(io.StringIO):
        encoding = "ascii"  # type: ignore[assignment]

    monkeypatch.setattr(sys, "stdout", Ascii())
    assert guides([0, 1, 2, 1]) == ["", "|- ", "|  `- ", "`- "]


def test_guides_draw_the_tree() -> None:
    assert guides([0, 1, 2, 2, 1, 2]) == ["", "├─ ", "│  ├─ ", "│  └─ ", "└─ ", "   └─ "]
    assert guides([0, 1, 2, 3, 2]) == ["", "└─ ", "   ├─ ", "   │  └─ ", "   └─ "]


def test_what_cannot_be_counted_is_told_with_its_module_and_the_reason(call, recipe, monkeypatch) -> None:
    missing = (Uncounted("FLOPs", "blocks.0.mixer", "Mixer", "its work depends on the data"),)
    found = Inspection(ROWS, 1000, 256, 8, None, 2048.0, 512.0, missing)
    monkeypatch.setattr(workflow, "inspect", lambda loaded, vocabulary: found)
    shown = call("inspect", recipe())
    assert shown.exit_code == 0
    line = next(line for line in shown.output.splitlines() if line.startswith("compute"))
    assert line.split(maxsplit=1)[1] == "not counted: blocks.0.mixer (Mixer): its work depends on the data"
    described = json.loads(call("inspect", recipe(), "--json").output)
    assert described["flops_per_token"] is None
    assert described["uncounted"][0]["path"] == "blocks.0.mixer"


@pytest.mark.usefixtures("inspected")
def test_what_training_takes_is_shown_when_it_is_asked_for(call, recipe, monkeypatch) -> None:
    costs = TrainingCosts(4_000_000, 1_000_000, 24_000_000, 8_000_000)
    monkeypatch.setattr(workflow, "training_costs", lambda loaded, vocabulary: costs)
    training, activations, recomputed = call("inspect", recipe(), "--training").output.splitlines()[-3:]
    assert " ".join(training.split()) == "training 3 million FLOPs per token, forward and backward"
    assert " ".join(activations.split()) == "activations 4.0 MB for each row of 8 tokens, in float32"
    assert " ".join(recomputed.split()) == "recomputed at most 1.0 MB, for 33% more FLOPs (trainer.recompute 1)"
    told = json.loads(call("inspect", recipe(), "--training", "--json").output)
    assert told["training"]["activations"] == costs.activations
    assert "training" not in json.loads(call("inspect", recipe(), "--json").output)
    monkeypatch.setattr(workflow, "training_costs", lambda loaded, vocabulary: None)
    last = call("inspect", recipe(), "--training").output.splitlines()[-1]
    assert " ".join(last.split()) == "training not counted: its work depends on the data"
