from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from partwise import InputError, PluginError, WorkError
from partwise_cli.main import BUILT_IN, cli


def partwise(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The real command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "partwise_cli", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PARTWISE_PLUGINS": "", **environment},
        timeout=120,
    )


def raising(error: BaseException, name: str = "boom") -> click.Command:
    @click.command(name)
    def command() -> None:
        """Fail."""
        raise error

    return command


def test_help_lists_every_command_with_a_line_on_each(call) -> None:
    text = call("--help").output
    lines = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.startswith("  ") and line.split()}
    for name in BUILT_IN:
        assert len(lines[name]) >= 3, name
        assert not lines[name][-1].endswith("..."), f"the line of {name} is cut off"


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_command_has_help_with_an_example(call, name: str) -> None:
    result = call(name, "--help")
    assert result.exit_code == 0
    assert "Example" in result.output
    assert f"  partwise {name}" in result.output
    assert max(map(len, result.output.splitlines())) <= 100


def test_h_is_help(call) -> None:
    assert call("train", "-h").output == call("train", "--help").output


def test_a_misspelt_command_gets_a_suggestion(call) -> None:
    result = call("trian", "gpt")
    assert result.exit_code == 2
    assert "did you mean 'train'?" in result.stderr


def test_a_misspelt_option_gets_a_suggestion(call) -> None:
    result = call("train", "gpt", "--sead", "3")
    assert result.exit_code == 2
    assert "--seed" in result.stderr


def test_version_is_shown(call) -> None:
    assert call("--version").output.startswith("partwise 0.")


@pytest.mark.parametrize(("error", "code"), [(InputError("bad"), 2), (PluginError("bad"), 2), (WorkError("bad"), 1)])
def test_an_error_for_the_user_is_its_text_on_stderr_and_its_exit_code(call, plugins, error, code) -> None:
    plugins(commands=[raising(error)])
    result = call("boom")
    assert (result.exit_code, result.stderr, result.stdout) == (code, "bad\n", "")


def test_control_characters_in_an_error_are_shown_as_escapes(call, plugins) -> None:
    plugins(commands=[raising(InputError("no \x1b[2J file\nnext"))])
    assert call("boom").stderr == "no \\x1b[2J file\nnext\n"


def test_an_interrupt_ends_with_130_and_a_line(call, plugins) -> None:
    plugins(commands=[raising(KeyboardInterrupt())])
    result = call("boom")
    assert result.exit_code == 130
    assert result.stderr.strip() == "interrupted"


def test_an_unexpected_error_says_where_and_how_to_see_more_but_shows_no_traceback(call, plugins, monkeypatch) -> None:
    monkeypatch.delenv("PARTWISE_TRACEBACK", raising=False)
    plugins(commands=[raising(ZeroDivisionError("by nought"))])
    result = call("boom")
    assert result.exit_code == 1
    assert "ZeroDivisionError: by nought" in result.stderr
    assert "PARTWISE_TRACEBACK=1" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_traceback_is_shown_on_demand(call, plugins, monkeypatch) -> None:
    monkeypatch.setenv("PARTWISE_TRACEBACK", "1")
    plugins(commands=[raising(ZeroDivisionError("by nought"))])
    assert "Traceback (most recent call last)" in call("boom").stderr


def test_an_unexpected_error_in_a_plugin_names_the_plugin(call, plugins, monkeypatch) -> None:
    monkeypatch.delenv("PARTWISE_TRACEBACK", raising=False)
    code: dict[str, object] = {"__name__": "acme_module.core", "click": click}
    exec("@click.command('boom')\ndef command():\n    'Fail.'\n    {}['key']\n", code)
    plugins(commands=[code["command"]])
    assert "plugin acme (acme-parts 0.3.1): KeyError" in call("boom").stderr


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 7.28 TiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 64 bytes."),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB.\nMore of it."),
    ],
)
def test_too_little_memory_is_no_defect_but_something_to_change(call, plugins, monkeypatch, error) -> None:
    monkeypatch.delenv("PARTWISE_TRACEBACK", raising=False)
    plugins(commands=[raising(error)])
    result = call("boom")
    assert result.exit_code == 1
    assert result.stderr.startswith("out of memory: ")
    assert "a smaller trainer.batch_size" in result.stderr
    assert "unexpected" not in result.stderr


def test_a_plugin_of_a_similar_name_is_not_blamed(call, plugins, monkeypatch) -> None:
    monkeypatch.delenv("PARTWISE_TRACEBACK", raising=False)
    code: dict[str, object] = {"__name__": "acme_module_other", "click": click}
    exec("@click.command('boom')\ndef command():\n    'Fail.'\n    {}['key']\n", code)
    plugins(commands=[code["command"]])
    assert "acme (acme-parts" not in call("boom").stderr


def test_a_plugins_command_is_listed_and_runs(call, plugins) -> None:
    @click.command("hello")
    def hello() -> None:
        """Say hello."""
        click.echo("hello from acme")

    plugins(commands=[hello])
    assert "Say hello." in call("--help").output
    assert call("hello").output == "hello from acme\n"


def test_a_plugin_cannot_take_the_name_of_a_command(call, plugins) -> None:
    plugins(commands=[raising(WorkError("taken"), "recipes")])
    assert "'recipes' is left out" in call("--help").output
    assert call("recipes", "--json").exit_code == 0


def test_a_plugin_that_gives_no_command_is_named_in_help(call, plugins) -> None:
    plugins(commands=["not a command"])
    result = call("--help")
    assert result.exit_code == 0
    assert "acme (acme-parts 0.3.1): partwise_commands() gave 'not a command'" in " ".join(result.output.split())


def test_a_broken_plugin_does_not_break_help_and_is_named_there(call, plugins) -> None:
    plugins(problem="ModuleNotFoundError: No module named 'triton'")
    result = call("--help")
    assert result.exit_code == 0
    assert "No module named 'triton'" in " ".join(result.output.split())
    assert "triton" in call("acme-command").stderr


def test_help_tells_nothing_of_plugins_when_all_is_well(call) -> None:
    assert "note:" not in call("--help").output


LIGHT = (
    ["--help"],
    ["train", "--help"],
    ["parts"],
    ["parts", "position", "rope"],
    ["plugins"],
    ["recipes"],
    ["schema"],
    ["check", "--schema-only", "gpt"],
    ["diff", "gpt", "gpt"],
)
WATCHING = f"""
import sys
from partwise_cli.main import cli
for arguments in {LIGHT}:
    try:
        cli(arguments, prog_name="partwise")
    except SystemExit as end:
        assert not end.code, (arguments, end.code)
    heavy = {{"torch", "numpy", "tiktoken", "sentencepiece"}} & set(sys.modules)
    assert not heavy, (arguments, heavy)
"""


def test_what_builds_no_module_imports_no_torch() -> None:
    done = subprocess.run([sys.executable, "-c", WATCHING], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_help_imports_nothing_but_click_and_what_plugins_need() -> None:
    code = "import sys; from partwise_cli.main import cli; cli(['--help'], standalone_mode=False)\n"
    done = subprocess.run([sys.executable, "-c", code + "assert 'rich' not in sys.modules"], capture_output=True)
    assert done.returncode == 0, done.stderr


def test_the_module_runs_like_the_command() -> None:
    done = partwise("--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: partwise ")


def test_output_passes_a_terminal_that_only_knows_ascii() -> None:
    odd = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    done = partwise("diff", "gpt", "--set", r'about="na\u00efve"', **odd)
    assert done.returncode == 1, done.stderr
    assert "na\\xefve" in done.stdout
    assert done.stdout.isascii()


def test_a_reader_that_leaves_early_causes_no_noise() -> None:
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "partwise_cli", "schema"], stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    os.close(reading)
    _, errors = process.communicate(timeout=120)
    assert errors == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize("arguments", [("--help",), ("parts", "norm"), ("schema",)])
def test_output_that_cannot_be_written_is_one_line_and_exit_code_1(arguments: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "partwise_cli", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1
    assert done.stderr == "cannot write the output: No space left on device\n"


@pytest.mark.parametrize("arguments", ["--help", "parts norm", "check gpt --schema-only"])
def test_it_runs_with_its_output_closed(arguments: str) -> None:
    command = f'"{sys.executable}" -m partwise_cli {arguments} >&- 2>&-'
    assert subprocess.run(["sh", "-c", command], timeout=60).returncode == 0


def test_no_color_is_honoured(tmp_path: Path) -> None:
    assert "\x1b" not in partwise("plugins", NO_COLOR="1", FORCE_COLOR="").stdout


def test_the_group_has_every_command_it_promises() -> None:
    context = click.Context(cli)
    for name in BUILT_IN:
        command = cli.get_command(context, name)
        assert command is not None
        assert command.name == name
