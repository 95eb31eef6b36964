"""Figures of lm-evaluation-harness are those of our own evaluations of the same items, and of transformers' logits."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets.config
import lm_eval.evaluator
import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.tasks import TaskManager
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

import partwise
from partwise import RecipeError
from partwise.evaluation import Figure, Reader
from partwise.workflow import Reopened
from partwise_evaluations.harness_model import HarnessModel
from partwise_evaluations.harness_tasks import quietly
from partwise_evaluations.parts import SAMPLES

TASKS = SAMPLES / "tasks"
HARNESS = {"use": "harness", "include_path": "tasks"}
Both = tuple[Any, Reopened]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the tasks that our samples have."""
    shutil.copytree(TASKS, tmp_path / "tasks")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def judged(ours: Reopened, **evaluation: Any) -> dict[str, Figure]:
    found = partwise.judge(ours, {"x": evaluation}, say=None)
    return {name.removeprefix("x."): one.figure for name, one in found.items()}


def same(one: Figure, other: Figure) -> bool:
    figures = [(figure.value, figure.error, figure.count) for figure in (one, other)]
    return figures[0] == pytest.approx(figures[1], rel=1e-12)


def asked(*arguments: Any) -> Instance:
    return Instance("loglikelihood", {}, arguments, 0)


def model_of(ours: Reopened) -> HarnessModel:
    return HarnessModel(Reader(ours.model, ours.tokenizer, rows=3))


def test_multiple_choice_has_the_figures_of_choices(both: Both, place: Path) -> None:
    theirs = judged(both[1], **HARNESS, task="cloze", metrics=["acc", "acc_bytes"])
    ours = judged(both[1], use="choices", file="tasks/cloze.jsonl")
    assert same(theirs["acc"], ours["accuracy"])
    assert same(theirs["acc_bytes"], ours["normalised_accuracy"])
    assert 0 < ours["accuracy"].value < 1


def test_generation_has_the_figures_of_answers(both: Both, place: Path) -> None:
    prompts = ["2 + 2 =", "the answer", "3 + 4 =", "one, two,"]
    written = Reader(both[1].model, both[1].tokenizer).write(prompts, 6, ("\n", "!"))
    lines = [
        json.dumps({"prompt": prompt, "answer": text.strip() if index % 2 and text.strip() else "no"})
        for index, (prompt, text) in enumerate(zip(prompts, written, strict=True))
    ]
    (place / "tasks" / "sums.jsonl").write_text("\n".join(lines))
    theirs = judged(both[1], **HARNESS, task="sums", metrics=["exact_match"])
    ours = judged(both[1], use="answers", file="tasks/sums.jsonl", limit=6, stop=["\n", "!"])
    assert same(theirs["exact_match"], ours["exact_match"])
    assert 0 < ours["exact_match"].value < 1


def test_rolling_likelihoods_have_the_figures_of_text(both: Both, place: Path) -> None:
    theirs = judged(both[1], **HARNESS, task="stories", metrics=["bits_per_byte", "byte_perplexity", "word_perplexity"])
    ours = judged(both[1], use="text", files=["tasks/stories.jsonl"], end=False)
    texts = [json.loads(line)["text"] for line in (place / "tasks" / "stories.jsonl").read_text().splitlines()]
    encoded, words = sum(len(both[1].tokenizer.encode(one)) for one in texts), sum(len(one.split()) for one in texts)
    assert theirs["bits_per_byte"].value == pytest.approx(ours["bits_per_byte"].value, rel=1e-12)
    assert theirs["byte_perplexity"].value == pytest.approx(2 ** ours["bits_per_byte"].value, rel=1e-12)
    assert theirs["word_perplexity"].value == pytest.approx(
        math.exp(ours["loss"].value * encoded / words), rel=1e-9
    )  # fmt: skip
    assert theirs["bits_per_byte"].count == len(texts)


@torch.no_grad()
def test_likelihoods_are_those_of_transformers(both: Both, nats_by_hand: Callable[..., float]) -> None:
    pairs = [("The sky is", " blue"), ("The sky is", " a spoon"), ("Ice", " is cold")]
    found = model_of(both[1]).loglikelihood([asked(*pair) for pair in pairs])
    assert [one for one, _ in found] == [pytest.approx(-nats_by_hand([], *pair), rel=1e-5) for pair in pairs]


@torch.no_grad()
def test_long_texts_are_read_in_the_harness_own_windows(both: Both) -> None:
    theirs, ours = both
    text = (TASKS / "stories.jsonl").read_text() * 2
    ids = ours.tokenizer.encode(text)
    assert len(ids) > 2 * ours.model.context
    assert len(ids) % ours.model.context
    likely = 0.0
    for before, wanted in map(
        make_disjoint_window, get_rolling_token_windows(ids, ours.tokenizer.end, ours.model.context, 1)
    ):
        read = torch.tensor([[*before, *wanted[:-1]]])
        rows = theirs(read).logits[0, -len(wanted) :].log_softmax(-1)
        likely += float(rows.gather(-1, torch.tensor(wanted)[:, None]).sum())
    (found,) = model_of(ours).loglikelihood_rolling([asked(text)])
    assert found == pytest.approx(likely, rel=1e-5)


def test_the_model_can_be_handed_to_the_harness_itself(both: Both, place: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(lm_eval.evaluator, "add_env_info", lambda results: None)  # asks every program for its version
    monkeypatch.chdir("tasks")  # its own names of files are relative to the working directory
    with quietly(), torch.no_grad():
        manager = TaskManager(include_path=".", include_defaults=False)
        found = lm_eval.evaluator.simple_evaluate(model_of(both[1]), tasks=["cloze"], task_manager=manager)
    monkeypatch.chdir(place)
    ours = judged(both[1], **HARNESS, task="cloze")
    assert found["results"]["cloze"]["acc,none"] == ours["acc"].value
    assert found["results"]["cloze"]["acc_stderr,none"] == ours["acc"].error


def test_a_group_is_judged_as_a_whole_and_its_examples_are_solved(both: Both, place: Path) -> None:
    cloze = (place / "tasks" / "cloze.yaml").read_text()
    (place / "tasks" / "again.yaml").write_text(cloze.replace("task: cloze", "task: again"))
    (place / "tasks" / "all.yaml").write_text(
        "group: all\ntask: [cloze, again]\naggregate_metric_list: [{metric: acc, weight_by_size: true}]\n"
    )
    one, whole = (judged(both[1], **HARNESS, task=task, num_fewshot=1)["acc"] for task in ("cloze", "all"))
    assert whole.value == one.value
    assert (one.count, whole.count) == (5, 10)


def test_nothing_is_changed_shown_or_kept(both: Both, place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = dict(os.environ), datasets.config.HF_HUB_OFFLINE, sorted(place.rglob("*"))
    judged(both[1], **HARNESS, task="sums", metrics=["exact_match"], limit=1)
    assert (dict(os.environ), datasets.config.HF_HUB_OFFLINE, sorted(place.rglob("*"))) == before
    assert capfd.readouterr() == ("", "")


def changed(file: str, old: str, new: str) -> Callable[[Path], None]:
    def change(tasks: Path) -> None:
        text = (tasks / file).read_text()
        assert old in text
        (tasks / file).write_text(text.replace(old, new))

    return change


@pytest.mark.parametrize(
    ("change", "knobs", "words"),
    [
        (None, {"task": "clozes"}, "no task 'clozes' in .*tasks; did you mean 'cloze'.; it has cloze, stories, sums"),
        (None, {"include_path": "task"}, "no directory .*/task .*; did you mean 'tasks'"),
        (None, {"metrics": ["acc_byte"]}, "gives no 'acc_byte', did you mean 'acc_bytes'. it gives acc, acc_bytes"),
        (None, {"lower_is_better": ["acc"]}, "that of acc not less is better; leave it out of 'lower_is_better'"),
        (changed("cloze.yaml", "task: cloze", "task: ["), {}, "one of its files cannot be read: .*cloze.yaml: while"),
        (
            changed("cloze.yaml", "test: cloze.j", "test: closed.j"),
            {},
            "cannot load task 'cloze': .*tasks/closed.jsonl",
        ),
        (changed("cloze.jsonl", '{"prompt": "Ice', "Ice"), {}, r"cannot load task 'cloze': .*JSON parse error.*row 3"),
        (lambda tasks: (tasks / "cloze.jsonl").write_text("\n"), {}, "reads .*cloze.jsonl, which is empty"),
        (
            changed("cloze.yaml", "test_split", "process_docs: !function exits.f\ntest_split"),
            {},
            "cannot load task 'cloze': SystemExit: 3",
        ),
        (
            lambda tasks: (tasks / "all.yaml").write_text("group: all\ntask: [cloze, gone]\n"),
            {"task": "all"},
            "the group 'all' names a task 'gone', which is not there",
        ),
        (changed("cloze.yaml", "doc_to_choice: choices", "doc_to_choice: chioces"), {}, "cannot load task 'cloze'"),
        (
            changed("cloze.yaml", "path: json", "path: no/such"),
            {},
            r"data set no/such of the Hugging Face hub.*\n?.*load_dataset\('no/such'\)",
        ),
        (changed("cloze.yaml", "metric: acc_bytes", "metric: theirs"), {}, "is scored by 'theirs', which is no metric"),
        (changed("cloze.yaml", "task: cloze", "task: cloze\nnum_fewshot: 0"), {"num_fewshot": 2}, "fixes num_fewshot"),
        (changed("cloze.yaml", "task: cloze", "task: cloze\nunsafe_code: true"), {}, "runs code that the model writes"),
        (
            changed("sums.yaml", "do_sample: false", "do_sample: true"),
            {"task": "sums", "metrics": ["exact_match"]},
            "cannot be measured: it draws or searches",
        ),
    ],
)
def test_what_cannot_be_judged_is_told_in_one_error(
    change: Callable[[Path], Any] | None, knobs: dict[str, Any], words: str, place: Path
) -> None:
    (place / "tasks" / "exits.py").write_text("import sys\nsys.exit(3)\n")
    if change is not None:
        change(place / "tasks")
    evaluations = {"x": {**HARNESS, "task": "cloze", **knobs}}
    with pytest.raises(RecipeError, match=words):
        partwise.check(partwise.change("char-rnn", {"evaluations": evaluations}))


def test_a_missing_package_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("partwise_evaluations.parts.find_spec", lambda name: None)
    with pytest.raises(RecipeError, match=r"harness needs the package lm_eval: pip install 'partwise\[harness\]'"):
        partwise.check(partwise.change("char-rnn", {"evaluations": {"x": {**HARNESS, "task": "cloze"}}}))
