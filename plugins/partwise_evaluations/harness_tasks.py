"""Tasks of lm-evaluation-harness, loaded from files that are at hand: nothing is asked of a network."""

from __future__ import annotations

import glob
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from copy import deepcopy
from dataclasses import replace
from difflib import get_close_matches
from functools import cache
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lm_eval.api.registry import metric_registry
from lm_eval.tasks import TaskManager
from lm_eval.tasks._yaml_loader import load_yaml

from partwise import PartError

Loaded = Mapping[str, Any]
"""Tasks and groups, as `TaskManager.load` gives them."""
FILES = frozenset({"json", "csv", "parquet", "text", "arrow", "xml"})
"""The values of `dataset_path` that read files; any other is a data set of the Hugging Face hub, or a directory."""
OFFLINE = {
    "datasets.config": "HF_HUB_OFFLINE",
    "evaluate.config": "HF_EVALUATE_OFFLINE",
    "huggingface_hub.constants": "HF_HUB_OFFLINE",
}
"""What each module reads its setting into when it is imported, and asks from then on."""
SETTINGS = {"HF_HUB_OFFLINE": "1", "HF_EVALUATE_OFFLINE": "1", "DISABLE_MULTIPROC": "1", "LOCAL_RANK": "0"}
"""The harness draws for its standard errors in processes unless DISABLE_MULTIPROC is set, and gives figures to the
first of several processes alone, by LOCAL_RANK."""


def load_task(name: str, include_path: Path | None) -> Loaded:
    """A task or a group of tasks, with its data.

    Args:
        include_path: a directory with the YAML file of the task; None for the tasks that the harness has.

    Raises:
        PartError: there is none, or its data are not at hand.
    """
    with quietly(), TemporaryDirectory() as place:
        if include_path is None:
            manager = _of_the_harness()
        else:
            manager = TaskManager(include_path=str(include_path), include_defaults=False)
        index = manager.task_index
        if name not in index:
            raise PartError(_unknown(name, manager.all_tasks, include_path), ("task",))
        if include_path is not None:
            _localise(index, [name] if index[name].kind.name == "TASK" else list(index), Path(place))
        try:
            loaded: Loaded = manager.load([name])
        except (Exception, SystemExit) as error:  # the harness, the data or functions of the task may raise anything
            config = index[name].cfg or {}
            raise PartError(_why_not(name, config, error, index), ("task",)) from error
    return loaded


@cache
def _of_the_harness() -> TaskManager:
    return TaskManager()  # reads thousands of files


@contextmanager
def quietly() -> Iterator[None]:
    """Inside it, nothing is downloaded, shown or logged, and no processes are started."""
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(StringIO()))
        stack.enter_context(redirect_stderr(StringIO()))
        for module, flag in OFFLINE.items():
            if module in sys.modules:
                stack.enter_context(_set(sys.modules[module], flag, True))
        for variable, value in SETTINGS.items():
            stack.enter_context(_environment(variable, value))
        stack.enter_context(_set(logging.root.manager, "disable", logging.CRITICAL))
        yield


@contextmanager
def _set(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _localise(index: dict[str, Any], names: Sequence[str], place: Path) -> None:
    """Names of data files become relative to the YAML file that has them, and their data are kept in memory."""
    for name in names:
        entry = index[name]
        if entry.yaml_path is None or entry.cfg.get("dataset_path") not in FILES:
            continue
        try:
            config = load_yaml(entry.yaml_path)
        except (Exception, SystemExit):  # functions that it names are imported; said when it is loaded
            continue
        given = deepcopy(config.get("dataset_kwargs") or {})
        if "data_files" in given:
            given["data_files"] = _beside(given["data_files"], entry.yaml_path.parent)
        config["dataset_kwargs"] = {"cache_dir": str(place), "keep_in_memory": True} | given
        index[name] = replace(entry, yaml_path=None, cfg=config)


def _beside(files: Any, directory: Path) -> Any:
    """The files of `data_files`, whose shape it keeps. Those that are only in the working directory, where the harness
    looks for them, stay as they are."""
    if isinstance(files, dict):
        return {split: _beside(one, directory) for split, one in files.items()}
    if isinstance(files, list | tuple):
        return [_beside(one, directory) for one in files]
    if not isinstance(files, str) or "://" in files or (glob.glob(files) and not glob.glob(files, root_dir=directory)):
        return files
    return str(directory.resolve() / files)


def _unknown(name: str, known: list[str], directory: Path | None) -> str:
    where = "lm-evaluation-harness" if directory is None else str(directory)
    close = get_close_matches(name, known, n=1)
    guess = f"; did you mean {close[0]!r}?" if close else ""
    if directory is None:
        return f"{where} has no task {name!r}{guess}; 'include_path' names a directory with tasks of your own"
    broken = next(_broken(directory), None)
    if broken is not None:
        return f"there is no task {name!r} in {where}, and one of its files cannot be read: {broken}"
    has = f"it has {', '.join(known)}" if known else "no file *.yaml in it has a key 'task'"
    return f"there is no task {name!r} in {where}{guess}; {has}"


def _broken(directory: Path) -> Iterator[str]:
    """Files in which the harness, which passes over them, finds no task; and why."""
    for path in sorted(directory.glob("**/*.yaml")):
        try:
            load_yaml(path, resolve_func=False)
        except Exception as error:  # YAML of any kind
            yield f"{path}: {' '.join(str(error).split())}"


def _why_not(name: str, config: Mapping[str, Any], error: BaseException, index: Mapping[str, Any]) -> str:
    members = config.get("task") if "group" in config else ()
    missing = [one for one in members or () if isinstance(one, str) and one not in index]
    if missing:
        return f"the group {name!r} names a task {missing[0]!r}, which is not there"
    empty = next(_empty((config.get("dataset_kwargs") or {}).get("data_files")), None)
    if empty is not None:
        return f"task {name!r} reads {empty}, which is empty"
    data = config.get("dataset_path")
    if isinstance(data, str) and data not in FILES and not Path(data).exists() and not config.get("custom_dataset"):
        called = ", ".join(repr(one) for one in (data, config.get("dataset_name")) if one)
        return (
            f"task {name!r} reads the data set {data} of the Hugging Face hub, which is not on this machine, and "
            f'nothing is downloaded here; fetch it first: python -c "import datasets; datasets.load_dataset({called})"'
        )
    scores = [one.get("metric") for one in config.get("metric_list") or () if isinstance(one, dict)]
    unknown = [one for one in scores if isinstance(one, str) and one not in metric_registry]
    if unknown and not config.get("process_results"):
        return f"task {name!r} is scored by {unknown[0]!r}, which is no metric that lm-evaluation-harness has"
    return f"lm-evaluation-harness cannot load task {name!r}: {reason(error)}"


def _empty(files: Any) -> Iterator[str]:
    """Those of `data_files` in which there is nothing."""
    if isinstance(files, str):
        small = Path(files).is_file() and Path(files).stat().st_size < 1000
        if small and not Path(files).read_bytes().strip():
            yield files
    elif isinstance(files, dict | list | tuple):
        for one in files.values() if isinstance(files, dict) else files:
            yield from _empty(one)


def reason(error: BaseException) -> str:
    """The first line of an error and, where another caused it, that of the first cause."""
    first = error
    while first.__cause__ is not None:
        first = first.__cause__
    said, because = (" ".join(str(one).strip().partition("\n")[0].split()) for one in (error, first))
    said = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return said if first is error or because in said else f"{said} ({because})"


__all__ = ["Loaded", "load_task", "quietly", "reason"]
