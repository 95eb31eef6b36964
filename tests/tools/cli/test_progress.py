from __future__ import annotations

from itertools import pairwise

import pytest

from partwise.training import Progress
from partwise_cli import progress
from partwise_cli.figures import before_and_after, comparison
from partwise_cli.progress import Bar, Lines, watcher

from .terminal import terminal_in


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "monotonic", made)
    return made


def at(step: int, steps: int = 1000, **metrics: float | None) -> Progress:
    return Progress(step, steps, {"loss": 3.25, "tokens_per_second": 12345.6, **metrics})


def test_a_log_has_the_first_step_then_a_line_every_two_seconds(clock: Clock, capsys) -> None:
    with Lines() as lines:
        for step in range(1, 101):  # a tenth of a second each
            lines.report(at(step))
            clock.now += 0.1
    steps = [int(line.split()[1].split("/")[0]) for line in capsys.readouterr().out.splitlines()]
    assert steps[0] == 1
    assert len(steps) <= 6
    assert all(later - earlier >= 20 for earlier, later in pairwise(steps))


def test_a_long_training_logs_a_line_a_minute(clock: Clock, capsys) -> None:
    with Lines() as lines:
        for step in range(1, 4 * 3600 + 1):
            lines.report(at(step, 10**6))
            clock.now += 1
    assert 200 < len(capsys.readouterr().out.splitlines()) < 400


def test_evaluations_and_the_last_step_are_always_logged(clock: Clock, capsys) -> None:
    with Lines() as lines:
        for step in range(1, 11):
            lines.report(at(step, 10, **({"valid_loss": 3.5, "valid_bits_per_byte": 2.125} if step == 4 else {})))
    first, fourth, last = capsys.readouterr().out.splitlines()
    assert first == "step 1/10   loss 3.250   12,346 tokens/s"
    assert fourth.startswith("step 4/10   loss 3.250   valid loss 3.500   bits per byte 2.125   12,346 tokens/s")
    assert last == "step 10/10   loss 3.250   12,346 tokens/s"


def test_the_time_left_follows_from_the_steps_this_command_made(clock: Clock, capsys) -> None:
    with Lines() as lines:
        lines.report(at(501))
        clock.now += 10
        lines.report(at(511))  # ten steps in ten seconds
    assert lines.started_at == 500
    assert capsys.readouterr().out.splitlines()[-1].endswith("8:09 left")


def test_a_figure_that_is_not_there_is_left_out(clock: Clock, capsys) -> None:
    with Lines() as lines:
        lines.report(at(1, valid_loss=3.0, valid_bits_per_byte=None))
    assert "bits" not in capsys.readouterr().out


def test_lines_can_go_to_stderr(clock: Clock, capsys) -> None:
    with Lines(stderr=True) as lines:
        lines.say("hello \x1b[2J")
    assert capsys.readouterr() == ("", "hello \\x1b[2J\n")


def test_without_a_terminal_there_are_lines() -> None:
    assert isinstance(watcher(), Lines)


def test_a_terminal_gets_a_bar_with_step_loss_speed_and_time_left(monkeypatch) -> None:
    terminal = terminal_in(monkeypatch, "stdout")
    made = watcher()
    assert isinstance(made, Bar)
    with made as bar:
        bar.report(at(501))
        bar.report(at(512, valid_loss=3.5))
    shown = terminal.getvalue()
    assert "step 512/1000" in shown
    assert "loss 3.250" in shown
    assert "12,346 tokens/s" in shown
    assert "valid loss 3.500" in shown
    assert bar.started_at == 500


def test_a_dumb_terminal_gets_lines(monkeypatch) -> None:
    terminal_in(monkeypatch, "stdout")
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(watcher(), Lines)


def test_a_line_above_the_bar_is_no_markup(monkeypatch) -> None:
    terminal = terminal_in(monkeypatch, "stdout")
    with Bar() as bar:
        bar.say("[red]as it is[/red] :smile: \x1b[2J")
    assert "[red]as it is[/red] :smile: \\x1b[2J" in terminal.getvalue()


def test_figures_of_start_and_end_come_from_the_rows() -> None:
    rows = [{"step": 0, "valid_loss": 5.0, "valid_perplexity": 148.4, "valid_bits_per_byte": None}]
    rows += [{"step": step, "loss": float(50 - step)} for step in range(1, 41)]
    rows[-1] |= {"valid_loss": 3.0, "valid_perplexity": 20.1, "valid_bits_per_byte": None}
    before, after = before_and_after(rows)
    assert before == {"train_loss": 49.0, "valid_loss": 5.0, "valid_perplexity": 148.4, "valid_bits_per_byte": None}
    assert after == {"train_loss": 19.5, "valid_loss": 3.0, "valid_perplexity": 20.1, "valid_bits_per_byte": None}
    assert comparison(before, after)[1:] == [
        ("valid loss (nats per token)", "5.000", "3.000"),
        ("valid perplexity", "148.4", "20.10"),
        ("valid bits per byte", "-", "-"),
    ]


def test_a_run_without_rows_has_no_figures() -> None:
    before, after = before_and_after([])
    assert set(before.values()) == set(after.values()) == {None}
