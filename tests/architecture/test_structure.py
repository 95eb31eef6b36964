"""Rules of the source tree that no single test of behaviour would notice to be broken.

(Import-linter checks who imports whom; the rules here are about what it does not see.)
"""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import partwise
from partwise import Part
from partwise.parts import kinds_of
from partwise.parts.registry import registry

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("core", "plugins", "tools")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = sorted(path.parent for folder in FOLDERS for path in (ROOT / folder).glob("partwise*/__init__.py"))
PLUGINS = sorted(path.parent.name for path in (ROOT / "plugins").glob("*/__init__.py"))
SOURCES = sorted(path for package in PACKAGES for path in package.rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts[1:]).removesuffix(".__init__")


@cache
def tree_of(path: Path) -> ast.Module:
    """A source file, parsed once for all the rules. Treat it as read-only."""
    return ast.parse(path.read_text())


def broken(rule: Callable[[Path], object]) -> list[str]:
    """What a rule says of the source files that break it: all of them, and nothing of those that hold it."""
    return [f"{name_of(path)}: {said}" for path in SOURCES if (said := rule(path))]


def run(program: str) -> None:
    """Runs a program in a fresh interpreter, away from the source tree."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.returncode == 0, done.stderr


def calls(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Dotted names of what is called, with lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node.lineno


def vocabulary(plugin: str) -> list[str]:
    """Names of the modules that define a plugin's parts: `parts.py`, or all of the package `parts`."""
    folder = ROOT / "plugins" / plugin
    return [module_of(path) for path in sorted([*folder.glob("parts.py"), *folder.glob("parts/**/*.py")])]


def imports(tree: ast.AST) -> Iterator[str]:
    """First names of the modules imported, wherever in a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


def test_the_folders_of_the_source_tree_are_no_packages() -> None:
    run(
        "from importlib.util import find_spec\n"
        f"found = [name for name in {FOLDERS} if find_spec(name)]\n"
        "assert not found, found"
    )
    assert not [folder for folder in FOLDERS if (ROOT / folder / "__init__.py").exists()]


def test_parts_recipes_and_the_command_line_import_no_torch() -> None:
    modules = ["partwise", "partwise.recipe", "partwise.parts", "partwise.runs.run", "partwise_cli.main"]
    modules += [name for plugin in PLUGINS for name in vocabulary(plugin)]
    heavy = ("torch", "numpy", "tiktoken", "sentencepiece", "transformers")
    run(
        "import sys\nfrom importlib import import_module\n"
        f"for name in {modules}:\n"
        "    import_module(name)\n"
        f"    heavy = [one for one in {heavy} if one in sys.modules]\n"
        "    assert not heavy, (name, heavy)"
    )


def test_importing_the_core_imports_no_plugin_and_no_click() -> None:
    modules = [module_of(path) for path in SOURCES if path.is_relative_to(ROOT / "core")]
    run(
        "import sys\nfrom importlib import import_module\n"
        f"for name in {modules}:\n"
        "    import_module(name)\n"
        f"others = [one for one in [*{PLUGINS}, 'partwise_cli', 'click'] if one in sys.modules]\n"
        "assert not others, others"
    )


def test_every_module_can_be_imported() -> None:
    def rule(path: Path) -> str:
        try:
            importlib.import_module(module_of(path))
        except Exception as error:
            return repr(error)
        return ""

    assert not broken(rule)


def test_the_names_of_partwise_are_sorted_and_there() -> None:
    assert partwise.__all__ == sorted(partwise.__all__)
    for name in partwise.__all__:
        assert getattr(partwise, name) is not None
    assert dir(partwise) == partwise.__all__
    with pytest.raises(AttributeError, match="nonsense"):
        _ = partwise.nonsense


def test_all_lists_are_sorted_and_true() -> None:
    def rule(path: Path) -> str:
        module: ModuleType = importlib.import_module(module_of(path))
        listed = list(getattr(module, "__all__", ()))
        if absent := [name for name in listed if not hasattr(module, name)]:
            return f"{absent} are not there"
        if path.with_suffix(".pyi").exists():  # the names of a stub, which are loaded on first use
            return "" if listed == sorted(listed) else "not sorted"
        # As ruff sorts them: constants, classes, then the rest.
        ordered = sorted(listed, key=lambda name: (not name.isupper(), not name[:1].isupper(), name))
        return "" if listed == ordered else "not sorted"

    assert not broken(rule)


FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "torch.load", "torch.save", "os.system", "input"}
FORBIDDEN_CALLS |= {
    "np.load",
    "numpy.load",
    "np.save",
    "numpy.save",
    "torch.jit.load",
    "torch.hub.load",
    "torch.export.load",
}
FORBIDDEN_CALLS |= {"pd.read_pickle", "pandas.read_pickle", "yaml.load", "yaml.unsafe_load", "os.popen"}
FORBIDDEN_IMPORTS = {"pickle", "cPickle", "_pickle", "dill", "marshal", "shelve", "cloudpickle", "joblib", "yaml"}


def test_nothing_is_unpickled_evaluated_or_executed() -> None:
    def rule(path: Path) -> list[str]:
        called = [f"{name} at line {line}" for name, line in calls(tree_of(path)) if name in FORBIDDEN_CALLS]
        return called + sorted(FORBIDDEN_IMPORTS & set(imports(tree_of(path))))

    assert not broken(rule)


def test_a_module_says_what_it_is() -> None:
    def rule(path: Path) -> str:
        said = not path.read_text().strip() or ast.get_docstring(tree_of(path))
        return "" if said else "it has no docstring"

    assert not broken(rule)


def test_users_errors_are_not_asserted_with_messages_about_them() -> None:
    """`assert` is for what cannot happen: one that speaks of recipes or options is an error in disguise."""

    def rule(path: Path) -> list[tuple[int, str]]:
        messages = (
            (node.lineno, ast.unparse(node.msg).lower())
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.Assert) and node.msg is not None
        )
        told = ("please", "recipe", "option", "must be")
        return [(line, words) for line, words in messages if any(word in words for word in told)]

    assert not broken(rule)


def test_functions_take_no_anonymous_keywords() -> None:
    """`**kwargs` hides what a function takes, and swallows what it does not."""

    def rule(path: Path) -> list[str]:
        return [
            f"{node.name} at line {node.lineno}"
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.args.kwarg is not None
        ]

    assert not broken(rule)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_plugins_import_partwise_and_libraries_and_never_each_other(plugin: str) -> None:
    for path in (ROOT / "plugins" / plugin).rglob("*.py"):
        others = {*PLUGINS, "partwise_cli"} - {plugin}
        assert not others & set(imports(tree_of(path))), name_of(path)


def test_what_is_imported_is_a_declared_dependency() -> None:
    declared = {re.split(r"[<>=!~\[ ]", line)[0].replace("-", "_") for line in PROJECT["project"]["dependencies"]}
    # Imported by what needs them, which says so where they are missing.
    optional = {
        "dask", "distributed", "gigatoken", "huggingface_hub", "lm_eval", "mlflow", "pyarrow", "pytest", "submitit",
        "tensorboard", "tokenizers", "trackio", "wandb", "zstandard",
    }  # fmt: skip
    brought_along = {"annotated_types", "pydantic_core"}  # by pydantic, whose interface they are
    own = {package.name for package in PACKAGES}
    known = declared | brought_along | optional | own | set(sys.stdlib_module_names)
    assert not broken(lambda path: sorted(set(imports(tree_of(path))) - known))


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugins_parts_are_all_registered(plugin: str) -> None:
    parts = importlib.import_module(f"{plugin}.parts")
    defined = {
        value
        for name in vocabulary(plugin)
        for value in vars(importlib.import_module(name)).values()
        if isinstance(value, type)
        and issubclass(value, Part)
        and value.__module__ == name
        and "name" in vars(value)
        and not value.__name__.startswith("_")
    }
    assert defined, "a plugin has its parts in `parts.py`, or in a package `parts`"
    assert set(parts.PARTS) == defined
    assert len(parts.PARTS) == len(defined)
    registered = {entry.part for entry in registry().entries() if entry.plugin.module == plugin}
    assert registered == defined


@pytest.mark.parametrize("plugin", PLUGINS)
def test_parts_are_vocabulary_and_implementations_know_nothing_of_recipes(plugin: str) -> None:
    """Only `parts.py`, or the package `parts`, (and the hook) may know of parts, slots and pydantic."""
    for path in (ROOT / "plugins" / plugin).rglob("*.py"):
        if path.name != "__init__.py" and module_of(path) not in vocabulary(plugin):
            tree = tree_of(path)
            assert "pydantic" not in set(imports(tree)), name_of(path)
            taken = [
                (node.module, alias.name)
                for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom)
                for alias in node.names
            ]
            assert not [name for _, name in taken if name.endswith("Part")], name_of(path)
            assert not [name for module, name in taken if name == "registry" or module == "partwise.parts.registry"]


def test_every_registered_part_has_a_kind_that_the_core_or_its_plugin_defines() -> None:
    for entry in registry().entries():
        for kind in kinds_of(entry.part):
            assert kind.__module__.split(".")[0] in ("partwise", entry.plugin.module), entry.name


def test_the_tables_of_pyproject_agree_with_the_tree() -> None:
    names = [package.name for package in PACKAGES]
    entry_points = PROJECT["project"]["entry-points"]["partwise"]
    assert sorted(entry_points.values()) == PLUGINS
    assert all(module == f"partwise_{namespace}" for namespace, module in entry_points.items())
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert sorted(packages) == sorted(f"{package.parent.name}/{package.name}" for package in PACKAGES)
    assert sorted(PROJECT["tool"]["mypy"]["packages"]) == sorted(names)
    assert sorted(PROJECT["tool"]["importlinter"]["root_packages"]) == sorted(names)


@pytest.mark.parametrize("package", PACKAGES, ids=name_of)
def test_every_package_is_typed(package: Path) -> None:
    assert (package / "py.typed").is_file()


def test_the_source_tree_names_no_machine_of_ours() -> None:
    places = [ROOT / folder for folder in (*FOLDERS, "recipes", "tests")]
    texts = [path for place in places for path in place.rglob("*") if path.suffix in (".py", ".json", ".md", ".toml")]
    words = ("/" + "work/", "/" + "tmp/", "/" + "root/")
    found = [name_of(path) for path in texts if any(word in path.read_text() for word in words)]
    assert not found
