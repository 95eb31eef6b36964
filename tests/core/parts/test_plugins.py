"""Plugins as they are installed: real distributions, thrown away afterwards, seen by a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

GOOD = """
    from partwise import hook
    from partwise.parts import NormPart

    class Double(NormPart):
        '''Features times two.'''
        name = "double"
        by: float = 2.0
        '''Factor.'''

    @hook
    def partwise_parts():
        return [Double]
"""

SHOW = """
import json
from partwise.parts.registry import registry
found = registry()
others = [plugin for plugin in found.plugins if not plugin.builtin]
print(json.dumps({
    "plugins": {str(plugin): [plugin.problem, plugin.warning, plugin.details] for plugin in others},
    "parts": [entry.name for entry in found.entries() if not entry.plugin.builtin],
    "builtin": sum(entry.plugin.builtin for entry in found.entries()),
    "broken": [str(plugin) for plugin in found.broken],
    "directories": [str(path) for path, plugin in found.recipe_directories if not plugin.builtin],
}))
"""

Install = Callable[..., None]


def on_the_path(*sites: Path) -> str:
    """Directories before what is on the path already."""
    return os.pathsep.join([*map(str, sites), *filter(None, [os.environ.get("PYTHONPATH")])])


class Machine:
    """A directory on the path, into which distributions are installed."""

    def __init__(self, site: Path) -> None:
        self.site = site

    def install(self, distribution: str, source: str, version: str = "1.0", **entries: str) -> None:
        """A distribution with one module, and entry points `name="module"`; by default its own name."""
        module = distribution.replace("-", "_")
        (self.site / f"{module}.py").write_text(textwrap.dedent(source))
        info = self.site / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        lines = [f"{name} = {target}" for name, target in (entries or {module: module}).items()]
        (info / "entry_points.txt").write_text("\n".join(["[partwise]", *lines, ""]))

    def run(self, program: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
            env={**os.environ, "PYTHONPATH": on_the_path(self.site), **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def show(self, **environment: str) -> dict[str, Any]:
        seen: dict[str, Any] = json.loads(self.run(SHOW, **environment))
        assert seen["builtin"] > 50, "the built-in parts are there whatever else is"
        return seen


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_part_of_a_third_party_has_its_namespace_in_front(machine: Machine) -> None:
    machine.install("acme-parts", GOOD, "0.3.1", acme="acme_parts")
    seen = machine.show()
    assert seen["parts"] == ["acme/double"]
    assert seen["plugins"] == {"acme (acme-parts 0.3.1)": [None, None, ""]}


def part(body: str, base: str = "NormPart") -> str:
    return f"""
        from partwise import Part, hook
        from partwise.parts import NormPart

        class Strange({base}):
            '''A part with something strange about it.'''
            {body}

        @hook
        def partwise_parts():
            return [Strange]
    """


BROKEN = [
    ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
    ("raise SystemExit('no GPU, no fun')", "SystemExit: no GPU, no fun"),
    ("x = = 1", "SyntaxError: invalid syntax (broken2.py, line 1)"),
    (
        "from partwise import hook\n@hook\ndef partwise_parts(): raise RuntimeError('first line\\nsecond')",
        "partwise_parts() failed: RuntimeError: first line",
    ),
    (
        "from partwise import hook\n@hook\ndef partwise_parts(): raise SystemExit(3)",
        "partwise_parts() failed: SystemExit: 3",
    ),
    (
        "from partwise import hook\n@hook\ndef partwise_parts():\n    yield from ()\n    raise KeyError('late')",
        "partwise_parts() failed: KeyError: 'late'",
    ),
    (
        "from partwise import hook\n@hook\ndef partwise_recipes(): raise OSError('gone')",
        "partwise_recipes() failed: OSError: gone",
    ),
    (
        "from partwise import hook\n@hook\ndef partwise_recipes(): return [7]",
        "partwise_recipes() gave 7, which is not a path",
    ),
    (
        "from partwise import hook\n@hook\ndef partwise_parts(): return 7",
        "partwise_parts() failed: TypeError: 'int' object is not iterable",
    ),
    (
        "from partwise import hook\n@hook\ndef partwise_parts(): return ['double']",
        "partwise_parts() gave 'double', which is not a subclass of partwise.Part",
    ),
    (
        "from partwise import hook\n@hook\ndef partwise_parts(surprise): return []",
        "PluginValidationError: Plugin 'broken10' for hook 'partwise_parts'",
    ),
    (part("pass"), "part Strange needs a `name` of lower-case letters, digits and _"),
    (part("name = 'Strange/One'"), "part Strange needs a `name` of lower-case letters, digits and _"),
    (part("name = 7"), "part Strange needs a `name` of lower-case letters, digits and _"),
    (
        part("name = 'strange'", "Part"),
        "part Strange has no kind: derive it from one of the kinds in partwise.parts, or set `kind`",
    ),
    (
        part("name = 'strange'; kind = None", "Part"),
        "part Strange has no kind: derive it from one of the kinds in partwise.parts, or set `kind`",
    ),
    (
        part("heads = 4"),
        "part Strange: A non-annotated attribute was detected: `heads = 4`; a knob has a type: heads: int = 4 (and "
        "what is none, ClassVar[int])",
    ),
    (
        part("name = 'strange'; aliases = 'older'"),
        "part Strange has aliases 'older'; write a tuple of names: aliases = (\"old_name\",)",
    ),
    ("class Skipped(BaseException): pass\nraise Skipped('not here')", "Skipped: not here"),
]
"""Sources, and the problem that is reported."""


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What is seen where every broken plugin is installed at once, beside one that works."""
    machine = Machine(tmp_path_factory.mktemp("crowd"))
    machine.install("acme", GOOD)
    for index, (source, _) in enumerate(BROKEN):
        machine.install(f"broken{index}", source, f"{index}.5")
    return machine.show()


@pytest.mark.parametrize("index", range(len(BROKEN)))
def test_a_broken_plugin_is_reported_with_its_version(crowd: dict[str, Any], index: int) -> None:
    name = f"broken{index} (broken{index} {index}.5)"
    assert crowd["plugins"][name][0] == BROKEN[index][1]
    assert name in crowd["broken"]


def test_broken_plugins_cost_nobody_but_their_users(crowd: dict[str, Any]) -> None:
    assert crowd["parts"] == ["acme/double"]
    assert len(crowd["broken"]) == len(BROKEN)


def test_two_parts_of_one_name_in_one_plugin_are_an_error_that_names_both(machine: Machine) -> None:
    twice = GOOD.replace("return [Double]", "return [Double, Again]").replace(
        "    @hook", "    class Again(NormPart):\n        name = 'double'\n\n    @hook"
    )
    machine.install("twice", twice)
    seen = machine.show()
    assert seen["plugins"]["twice (twice 1.0)"][0] == "registers two parts named 'double': Double and Again"
    assert seen["parts"] == []


def test_one_name_may_stand_for_parts_of_two_kinds(machine: Machine) -> None:
    both = GOOD.replace("import NormPart", "import NormPart, ScorePart").replace(
        "    @hook", "    class Other(ScorePart):\n        name = 'double'\n\n    @hook"
    )
    machine.install("both", both.replace("return [Double]", "return [Double, Other]"))
    assert machine.show()["parts"] == ["both/double", "both/double"]


def test_a_misspelt_hook_is_reported_and_the_rest_of_the_plugin_works(machine: Machine) -> None:
    # The module's own name looks like a hook, too.
    source = GOOD + "\n    @hook\n    def partwise_recipies():\n        return []\n"
    machine.install("partwise-acme", source, acme="partwise_acme")
    seen = machine.show()
    problem, warning, _ = seen["plugins"]["acme (partwise-acme 1.0)"]
    assert problem is None
    assert warning == (
        "unknown hook partwise_recipies; the hooks are partwise_commands, partwise_parts, partwise_recipes"
    )
    assert seen["parts"] == ["acme/double"]


def test_two_plugins_of_one_namespace_are_an_error_that_names_both(machine: Machine) -> None:
    machine.install("acme-one", GOOD, "1.0", acme="acme_one")
    machine.install("acme-two", GOOD, "2.0", acme="acme_two")
    machine.install("other", GOOD)
    seen = machine.show()
    assert seen["parts"] == ["other/double"]
    assert seen["plugins"]["acme (acme-one 1.0)"][0] == "namespace also claimed by acme (acme-two 2.0)"
    assert seen["plugins"]["acme (acme-two 2.0)"][0] == "namespace also claimed by acme (acme-one 1.0)"


def test_nobody_takes_the_namespace_of_a_built_in_plugin(machine: Machine) -> None:
    machine.install("thief", GOOD, norms="thief")
    seen = machine.show()
    assert seen["parts"] == []
    assert "namespace also claimed by partwise" in seen["plugins"]["norms (thief 1.0)"][0]


def test_a_namespace_must_be_a_name(machine: Machine) -> None:
    machine.install("shouting", GOOD, ACME="shouting")
    problem = machine.show()["plugins"]["ACME (shouting 1.0)"][0]
    assert problem == "namespace 'ACME' is not a name: use lower-case letters, digits, - and _"


def test_damaged_metadata_is_no_reason_to_fail(machine: Machine) -> None:
    machine.install("acme", GOOD)
    (machine.site / "acme-1.0.dist-info" / "METADATA").write_text("nonsense")
    assert machine.show()["plugins"] == {"acme (unknown unknown)": [None, None, ""]}


def test_the_traceback_of_a_broken_plugin_is_kept(machine: Machine) -> None:
    machine.install("broken", "def fail():\n    raise ValueError('deep inside')\nfail()\n")
    details = machine.show()["plugins"]["broken (broken 1.0)"][2]
    assert "deep inside" in details
    assert "broken.py" in details


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [("acme", ["acme/double"]), ("", []), ("acme, other", ["acme/double", "other/double"]), ("unheard-of", [])],
)
def test_plugins_can_be_restricted_and_what_is_excluded_is_not_imported(
    machine: Machine, allowed: str, expected: list[str]
) -> None:
    machine.install("acme", GOOD)
    machine.install("other", GOOD)
    machine.install("broken", "raise SystemExit('imported')")
    seen = machine.show(PARTWISE_PLUGINS=allowed)
    assert seen["parts"] == expected
    assert seen["broken"] == []


def test_plugins_come_in_one_order_however_they_were_installed(machine: Machine, tmp_path_factory: Any) -> None:
    reverse = Machine(tmp_path_factory.mktemp("reverse"))
    for name in ("alpha", "beta", "gamma"):
        machine.install(name, GOOD)
    for name in ("gamma", "beta", "alpha"):
        reverse.install(name, GOOD)
    assert list(machine.show()["plugins"]) == list(reverse.show()["plugins"])


def test_a_plugin_that_is_on_the_path_twice_is_one_plugin(machine: Machine, tmp_path_factory: Any) -> None:
    machine.install("acme", GOOD)
    other = Machine(tmp_path_factory.mktemp("other"))
    other.install("acme", GOOD)
    seen = machine.show(PYTHONPATH=on_the_path(machine.site, other.site))
    assert seen["parts"] == ["acme/double"]


def test_a_directory_of_recipes_is_found(machine: Machine) -> None:
    source = (
        "from partwise import hook\nfrom pathlib import Path\n@hook\ndef partwise_recipes(): return [Path('/x/y')]\n"
    )
    machine.install("acme", source)
    assert machine.show()["directories"] == ["/x/y"]


def test_a_third_party_part_is_built_in_a_slot_like_any_other(machine: Machine) -> None:
    source = GOOD.replace(
        "    @hook",
        """
        def build(self, site):
            from torch import nn

            class Times(nn.Module):
                def forward(_, x):
                    return x * self.by

            return Times()

    @hook""",
    )
    machine.install("acme", source)
    assert machine.run("""
        import torch
        from partwise.assembly import skeleton, materialise
        from partwise.parts import BlockPart
        from partwise.parts import resolve_part
        from partwise.parts import LayerSite

        block = resolve_part(BlockPart, {
            "use": "post_norm", "mixer": {"use": "multi_head", "heads": 2}, "norm": {"use": "acme/double", "by": 3.0},
        })
        assert block.model_dump(mode="json")["norm"] == {"use": "acme/double", "by": 3.0}
        assert resolve_part(BlockPart, block.model_dump(mode="json")) == block
        module = materialise(skeleton(block, LayerSite(width=8)), 0)
        norm = module.mixer_norm
        assert norm(torch.ones(1)).item() == 3.0
        try:
            resolve_part(BlockPart, {"use": "post_norm", "mixer": {"use": "multi_head", "heads": 2}, "norm": "double"})
        except ValueError as error:
            print(error)
    """).startswith("1 validation error")


def test_a_plugin_can_define_a_kind_with_slots_of_its_own(machine: Machine) -> None:
    machine.install(
        "zoo",
        """
        from typing import Annotated
        from partwise import Part, Slot, hook, use
        from partwise.parts import NormPart

        class AnimalPart(Part):
            '''Lives in the zoo.'''
            kind = "animal"

        class Cat(AnimalPart):
            '''An animal that purrs.'''
            name = "cat"
            lives: int = 9
            '''How many.'''

            def build(self, site):
                return f"cat with {self.lives} lives in {site}"

        class House(NormPart):
            '''A norm in which an animal lives.'''
            name = "house"
            animal: Annotated[AnimalPart, Slot()] = use("zoo/cat")
            '''Who lives there.'''

            def build(self, site):
                return self.animal.assemble(site)

        @hook
        def partwise_parts():
            return [Cat, House]
        """,
    )
    machine.run("""
        from partwise.parts import NormPart
        from partwise.parts import resolve_part
        from partwise.recipe import json_schema
        from partwise.parts.registry import registry

        assert "animal" in registry().kinds()
        kind = registry().kinds()["animal"]
        assert registry().names(kind) == ["zoo/cat"]
        house = resolve_part(NormPart, {"use": "zoo/house", "animal": {"use": "zoo/cat", "lives": 7}})
        assert house.assemble("Berlin") == "cat with 7 lives in Berlin"
        assert resolve_part(NormPart, "zoo/house").model_dump(mode="json") == {
            "use": "zoo/house", "animal": {"use": "zoo/cat", "lives": 9},
        }
        try:
            resolve_part(NormPart, {"use": "zoo/house", "animal": "rms_norm"})
        except ValueError as error:
            assert "'rms_norm' is a norm, but this place takes an animal" in str(error), error
        else:
            raise SystemExit("a norm was taken for an animal")
        definitions = json_schema()["$defs"]
        assert "animal" in definitions and "animal.zoo.cat" in definitions, sorted(definitions)
    """)


def test_installing_a_plugin_does_not_change_what_a_built_in_name_means(machine: Machine) -> None:
    machine.install("acme", GOOD.replace('"double"', '"rms_norm"'))
    machine.run("""
        from partwise.parts import NormPart
        from partwise.parts.registry import registry

        assert registry().find(NormPart, "rms_norm").__module__ == "partwise_norms.parts"
        assert registry().find(NormPart, "acme/rms_norm").__module__ == "acme"
    """)


def test_a_plugin_that_hangs_when_imported_is_given_up_and_named(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.install("acme-sleep", "import time\ntime.sleep(100)", sleep="acme_sleep")
    machine.install("acme-good", GOOD, good="acme_good")
    monkeypatch.setenv("PARTWISE_PLUGIN_SECONDS", "0.5")
    seen = machine.show()
    assert "took more than 0.5 s" in seen["plugins"]["sleep (acme-sleep 1.0)"][0]
    assert seen["parts"] == ["good/double"]


def test_what_a_plugin_prints_when_imported_disturbs_no_output_and_is_told(machine: Machine) -> None:
    machine.install("acme-loud", 'print("hello, I am loud")\n' + textwrap.dedent(GOOD), loud="acme_loud")
    seen = machine.show()  # reads the whole output as JSON
    problem, warning, _ = seen["plugins"]["loud (acme-loud 1.0)"]
    assert problem is None
    assert "prints when it is imported ('hello, I am loud')" in warning
    assert seen["parts"] == ["loud/double"]
