"""`partwise new study` writes files that hold, from options, and lists what could be varied."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from partwise.recipe import load
from partwise.scaffold import slots_of
from partwise.studies.definition.reading import load_study
from partwise.studies.definition.variants import variants
from partwise_cli.main import cli

RATE = "trainer.optimizer.lr"


def new(place: Path, *words: str, base: str = "char-rnn") -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["new", "study", *words, "--base", base, "--in", str(place)])
    return result.exit_code, result.output


def made(place: Path, *words: str, base: str = "char-rnn") -> dict[str, Any]:
    code, output = new(place, "mine", *words, base=base)
    assert code == 0, output
    read: dict[str, Any] = json.loads((place / "mine.json").read_text())
    load_study(place / "mine.json")
    return read


def test_a_factor_has_the_values_that_were_said_and_the_study_its_variants(tmp_path: Path) -> None:
    study = made(tmp_path, "--vary", "model.blocks.*.mixer=rnn,gru", "--seeds", "3", "--smallest-effect", "0.1")
    assert study["factors"] == {"mixer": {"at": "model.blocks.*.mixer", "values": ["rnn", "gru"]}}
    assert (study["seeds"], study["metric"]) == (3, {"name": "loss", "smallest_effect": 0.1})
    names = [one.name for one in variants(load_study(tmp_path / "mine.json"), assemble=False).candidates]
    assert names == ["base", "mixer=gru"]


def test_values_may_be_parts_with_knobs_and_commas_within_them_part_nothing(tmp_path: Path) -> None:
    value = '{"use": "adamw", "lr": 1e-3, "betas": [0.9, 0.95]}'
    study = made(tmp_path, "--vary", f"trainer.optimizer=adam,{value},sgd")
    assert study["factors"]["optimizer"]["values"] == ["adam", json.loads(value), "sgd"]


def test_a_factor_may_stand_at_several_places(tmp_path: Path) -> None:
    study = made(tmp_path, "--vary", "model.blocks.*.norm,model.final_norm=layer_norm,rms_norm", base="gpt")
    assert study["factors"]["norm"]["at"] == ["model.blocks.*.norm", "model.final_norm"]


def test_a_slot_alone_is_varied_over_all_that_fits_there(tmp_path: Path) -> None:
    values = made(tmp_path, "--vary", "trainer.schedule")["factors"]["schedule"]["values"]
    assert {"constant", "cosine", "linear"} <= set(values)


DESIGNS = {
    "one_at_a_time": ("--vary", "model.width=64,96", "--vary", "model.blocks.*.mixer=gru"),
    "grid": ("--vary", "model.width=64,96", "--vary", "model.blocks.*.mixer=rnn,gru"),
    "fractional": ("--vary", "model.width=64", "--vary", "trainer.batch_size=4", "--vary", "model.blocks.*.mixer=gru",
                   "--vary", "trainer.clip=0.5", "--resolution", "4"),
    "leave_one_out": ("--vary", "trainer.clip=null", "--vary", "trainer.schedule=constant"),
    "list": ("--variant", 'wide={"model": {"width": 96}}', "--variant", 'gated={"model": {"blocks": ["gru"]}}'),
}  # fmt: skip


@pytest.mark.parametrize("design", DESIGNS)
def test_every_design_can_be_written(design: str, tmp_path: Path) -> None:
    words = (
        DESIGNS[design] if design != "list" else (*DESIGNS[design][:2], "--variant", 'slow={"trainer": {"clip": 2}}')
    )
    assert made(tmp_path, *words, "--design", design)["design"] == design


def test_sizes_texts_tuning_looks_budgets_and_metrics_can_be_written(tmp_path: Path) -> None:
    study = made(
        tmp_path, "--vary", "model.blocks.*.mixer=gru", "--sizes", "model.width=32,48", "--tokens-per-parameter", "2",
        "--text", "prose={}", "--text", 'source={"data": {"text": "source"}}', "--tune", f"{RATE}=1e-4..1e-2",
        "--draws", "4", "--seeds", "6", "--metric", "bits_per_byte", "--secondary", "accuracy",
        "--match", "training_flops=trainer.batch_size", "--about", "Does a gate last?",
    )  # fmt: skip
    assert study["sizes"] == {"at": "model.width", "values": [32, 48], "tokens_per_parameter": 2.0}
    assert study["tune"] == {"knobs": {RATE: {"low": 1e-4, "high": 1e-2, "log": True}}, "draws": 4}
    assert (list(study["texts"]), study["about"]) == (["prose", "source"], "Does a gate last?")
    assert study["match"] == {"quantity": "training_flops", "knob": "trainer.batch_size"}
    assert study["secondary"] == {"accuracy": {"name": "accuracy"}}


def test_looks_can_be_written(tmp_path: Path) -> None:
    words = ("--vary", "model.blocks.*.mixer=gru", "--look", "3=0.01", "--look", "5=0.04")
    assert made(tmp_path, *words)["looks"] == [{"seeds": 3, "alpha": 0.01}, {"seeds": 5, "alpha": 0.04}]


def test_a_base_that_is_a_file_is_named_from_where_the_study_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "studies").mkdir()
    (tmp_path / "own.json").write_text(json.dumps({"extends": "char-rnn", "name": "own"}))
    monkeypatch.chdir(tmp_path)
    assert made(Path("studies"), "--vary", "model.width=64", base="own.json")["base"] == "../own.json"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("mine",), "what is varied?"),
        (("mine", "--vary", "model.widht=64"), "did you mean 'width'"),
        (("mine", "--vary", "model.blocks.*.mixer=grru"), "did you mean 'gru'"),
        (("mine", "--vary", "model.width"), "no slot is called that"),
        (("mine", "--vary", "model.width="), "the value is missing"),
        (("mine", "--vary", "model.width=64,,96"), "the value is missing"),
        (("mine", "--vary", "model.width=64,64"), "64"),
        (("mine", "--vary", "model.blocks.*.mixer=rnn"), "nothing to compare"),
        (("../mine", "--vary", "model.width=64"), "expected letters, digits"),
        (("mine", "--vary", "model.width=64", "--metric", "bits"), "unknown metric 'bits'"),
        (("mine", "--vary", "model.width=64", "--design", "gird"), "gird"),
        (("mine", "--vary", "model.width=64,96", "--design", "leave_one_out"), "puts one value"),
        (("mine", "--vary", "model.width=64", "--tokens-per-parameter", "20"), "a rule for sizes"),
        (("mine", "--vary", "model.width=64", "--draws", "4"), "--draws is for tuning"),
        (("mine", "--vary", "model.width=64", "--look", "three"), "--look 3=0.01"),
        (("mine", "--vary", "model.width=64", "--look", "3=x"), "--look 3=0.01"),
        (("mine", "--vary", "model.width=64", "--tune", f"{RATE}=e..1"), "two numbers"),
        (("mine", "--vary", "model.width=64", "--match", "parameters"), "--match parameters="),
        (("mine", "--variant", "wide"), "NAME=PATCH"),
        (("mine", "--variant", "wide=3"), "NAME=PATCH"),
        (("--vary", "model.width=64"), "needs a name"),
    ],
)
def test_what_would_not_hold_is_refused_and_nothing_is_written(
    words: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    code, output = new(tmp_path, *words)
    assert (code, told in output) == (2, True), output
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text("mine")
    code, output = new(tmp_path, "mine", "--vary", "model.width=64")
    assert (code, "exists already" in output) == (2, True)
    assert (tmp_path / "mine.json").read_text() == "mine"


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    code, output = new(tmp_path / "none", "mine", "--vary", "model.width=64")
    assert (code, "there is no directory" in output) == (2, True)


def test_the_slots_say_what_stands_there_what_fits_and_why_others_do_not() -> None:
    slots = {one.path: one for one in slots_of(load("char-rnn"), under="trainer.optimizer")}
    assert set(slots) == {"trainer.optimizer"}
    place = slots["trainer.optimizer"]
    assert {"sgd", "lion"} <= set(place.fits)
    assert not set(place.fits) & ({*place.now} | set(place.refused))


def test_a_tokenizer_that_reads_a_file_fits_only_where_there_is_one() -> None:
    (place,) = slots_of(load("char-rnn"), under="tokenizer")
    assert set(place.fits) >= {"bpe", "word"}
    assert set(place.fits).isdisjoint({"tokenizer_json", "sentencepiece_model", "tiktoken"})
    for name in ("tokenizer_json", "sentencepiece_model"):
        assert "No such file" in place.refused[name]


def test_a_part_that_does_not_fit_as_it_is_is_refused_in_one_line() -> None:
    place = next(iter(slots_of(load("char-rnn", ["model.position=none"]), under="model.position")))
    assert "inside attention" in place.refused["rope"]
    assert all("\n" not in why for why in place.refused.values())
