"""Finds plugins and loads them one at a time, so that a broken one affects only those who use it.

A plugin is an importable module named in the entry-point group `partwise`. Its hook implementations are
marked with `hook` and may be any of those below. The built-in parts are loaded the same way. Only
the names differ: a part of the distribution `partwise` has a bare name ("rope"); the name of any other part
begins with the name of its entry point ("acme/sinks"), so that installing a plugin never changes what a
recipe means.

pluggy's own `load_setuptools_entrypoints` is not used: it raises without naming the plugin, loads in an
order that depends on the file system, and silently skips a second plugin of the same name.
"""

from __future__ import annotations

import importlib.metadata
import io
import os
import re
import signal
import sys
import threading
import traceback
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import pluggy
from pydantic import PydanticUserError

from .old_imports import moved

if TYPE_CHECKING:
    import click

    from .part import Part

GROUP = "partwise"
DISTRIBUTION = "partwise"
RESTRICTION = "PARTWISE_PLUGINS"
PATIENCE = "PARTWISE_PLUGIN_SECONDS"
SECONDS = 60.0
"""What importing one plugin may take, unless the environment variable above says otherwise."""

hookspec = pluggy.HookspecMarker(GROUP)
hook = pluggy.HookimplMarker(GROUP)
"""Marks a hook implementation: `@partwise.hook def partwise_parts(): return [Sinks]`."""


@hookspec
def partwise_parts() -> Iterable[type[Part]]:
    """The plugin's part classes."""
    return ()


@hookspec
def partwise_recipes() -> Iterable[Path]:
    """Directories of recipes that the plugin ships; their files are found by name."""
    return ()


@hookspec
def partwise_commands() -> Iterable[click.Command]:
    """Commands added to the `partwise` command line. Import what they need inside them."""
    return ()


HOOKS = ("partwise_commands", "partwise_parts", "partwise_recipes")


@dataclass(frozen=True)
class Plugin:
    """One plugin as it was found, whether or not it loaded."""

    namespace: str
    """The entry point's name."""
    module: str
    distribution: str
    version: str
    problem: str | None = None
    """Why it did not load, in one line (or, for imports that have moved, one screen); None if it loaded."""
    warning: str | None = None
    """What is wrong with it although it loaded."""
    details: str = ""
    """The traceback behind `problem`, if there was one."""

    @property
    def builtin(self) -> bool:
        return self.distribution == DISTRIBUTION

    def __str__(self) -> str:
        if self.builtin:
            return f"{self.distribution} {self.version}"
        return f"{self.namespace} ({self.distribution} {self.version})"


@dataclass(frozen=True)
class LoadedPlugin:
    """A plugin and its hooks; `hooks` is None if the plugin is broken."""

    plugin: Plugin
    hooks: pluggy.HookRelay | None

    def call(self, name: str) -> tuple[list[Any], Plugin]:
        """What the hook returned, and the plugin after the call: with a problem, if the hook raised."""
        if self.hooks is None:
            return [], self.plugin
        try:
            with _unwarned():
                return [item for result in getattr(self.hooks, name)() for item in result], self.plugin
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # including SystemExit, and the exceptions by which test frameworks skip
            return [], _failed(self.plugin, error, f"{name}() failed: ")


@contextmanager
def _unwarned() -> Iterator[None]:
    """Without pydantic's warning of knobs that are named as something that every part has: they are refused."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", 'Field name ".*" in ".*" shadows an attribute in parent', UserWarning)
        yield


def load_plugins() -> list[LoadedPlugin]:
    """All installed plugins, built-in ones first, then by namespace; broken ones included, with their problem.

    The environment variable PARTWISE_PLUGINS, a comma-separated list of namespaces, restricts which
    third-party plugins are loaded; empty, it allows none.
    """
    named = _Named()
    found = [(named.plugin(entry), entry) for entry in importlib.metadata.entry_points(group=GROUP)]
    allowed = os.environ.get(RESTRICTION)
    if allowed is not None:
        names = {name.strip() for name in allowed.split(",")}
        found = [(plugin, entry) for plugin, entry in found if plugin.builtin or plugin.namespace in names]
    # An editable install is seen twice when its source tree is on the path; it is one plugin.
    unique = {(plugin.namespace, plugin.distribution, plugin.module): (plugin, entry) for plugin, entry in found}
    ordered = sorted(unique.values(), key=lambda pair: (not pair[0].builtin, pair[0].namespace, pair[0].distribution))
    claims = Counter(plugin.namespace for plugin, _ in ordered)
    loaded = []
    for plugin, entry in ordered:
        if claims[plugin.namespace] > 1 and not plugin.builtin:
            rivals = [str(other) for other, _ in ordered if other.namespace == plugin.namespace and other is not plugin]
            loaded.append(LoadedPlugin(_broken(plugin, f"namespace also claimed by {', '.join(rivals)}"), None))
        else:
            loaded.append(_load(plugin, entry))
    return loaded


class _Named:
    """Names the distributions of plugins. Our own has many plugins, and its long metadata are read once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[str, str]] = {}

    def plugin(self, entry: importlib.metadata.EntryPoint) -> Plugin:
        if id(entry.dist) not in self._known:
            told = entry.dist and entry.dist.metadata
            name, version = (told["Name"], told["Version"]) if told else (None, None)
            self._known[id(entry.dist)] = (name or "unknown", version or "unknown")  # damaged metadata may lack either
        return Plugin(entry.name, entry.value, *self._known[id(entry.dist)])


def _load(plugin: Plugin, entry: importlib.metadata.EntryPoint) -> LoadedPlugin:
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", plugin.namespace):
        problem = f"namespace {plugin.namespace!r} is not a name: use lower-case letters, digits, - and _"
        return LoadedPlugin(_broken(plugin, problem), None)
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(sys.modules[__name__])
    printed = io.StringIO()
    try:
        # Whatever it prints would end up in the command's output, which may be JSON.
        with redirect_stdout(printed), _at_most(_patience()), _unwarned():
            manager.register(entry.load(), plugin.namespace)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return LoadedPlugin(_failed(plugin, error), None)
    warnings = []
    if printed.getvalue().strip():
        first = printed.getvalue().strip().splitlines()[0][:60]
        warnings.append(f"it prints when it is imported ({first!r}); importing a plugin should do nothing")
    misspelt = sorted(name for name, caller in vars(manager.hook).items() if not caller.has_spec())
    if misspelt:
        warnings.append(f"unknown hook {', '.join(misspelt)}; the hooks are {', '.join(HOOKS)}")
    return LoadedPlugin(replace(plugin, warning="; ".join(warnings) or None), manager.hook)


def _patience() -> float:
    try:
        return float(os.environ.get(PATIENCE, SECONDS))
    except ValueError:
        return SECONDS


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Stops what takes longer, where that is possible: in the main thread of a system with alarms.

    Raises:
        TimeoutError: it took longer.
    """
    possible = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    if not possible or seconds <= 0 or signal.getitimer(signal.ITIMER_REAL)[0]:  # another alarm is set
        yield
        return

    def give_up(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"importing it took more than {seconds:g} s, so it was stopped ({PATIENCE} sets the limit)")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _broken(plugin: Plugin, problem: str, details: str = "") -> Plugin:
    return replace(plugin, problem=problem, warning=None, details=details)


def _failed(plugin: Plugin, error: BaseException, where: str = "") -> Plugin:
    """A plugin whose code raised `error`."""
    told = moved(error, plugin.module.partition(":")[0])
    if told is None:
        return _broken(plugin, f"{where}{_class_of(error)}{_one_line(error)}", traceback.format_exc())
    shown, everything = told
    return _broken(plugin, shown, f"{everything}\n{traceback.format_exc()}")


def _class_of(error: BaseException) -> str:
    """`part Sinks: `, if the error arose while pydantic made a class, whose name it does not always say."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        name = frame.f_locals.get("cls_name")
        if isinstance(name, str) and str(frame.f_globals.get("__name__")).startswith("pydantic."):
            return f"part {name}: "
    return ""


def _one_line(error: BaseException) -> str:
    if isinstance(error, PydanticUserError) and error.code == "model-field-missing-annotation":
        return (
            f"{error.message.partition('. ')[0]}; a knob has a type: heads: int = 4 (and what is none, ClassVar[int])"
        )
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
