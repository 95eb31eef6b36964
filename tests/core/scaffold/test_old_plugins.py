"""A plugin that was made by `partwise new plugin` of an earlier version is told what moved; following it mends it."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from shutil import rmtree

import pytest

from partwise import PluginError
from partwise.parts.old_imports import MOVED, old_imports
from partwise.parts.plugins import GROUP, Plugin, _load
from partwise.parts.registry import Registry, using
from partwise.parts.sites import LayerSite
from partwise.recipe.reader.problems import Problem, render
from partwise.recipe.suggestions import plugin_notes
from partwise.scaffold import new_plugin

OLD = {
    "attention": """
parts.py: from partwise import PartError
parts.py: from partwise.kinds import AttentionPart
parts.py: from partwise.sites import LayerSite
sinks.py: from partwise.masks import Sight
""",
    "block": """
parts.py: from partwise import slots, use
parts.py: from partwise.kinds import BlockPart
parts.py: from partwise.sites import LayerSite
""",
    "data": """
brackets.py: from partwise.interfaces import Example, Piece
parts.py: from partwise.kinds import DataPart
parts.py: from partwise.sites import DataSite
""",
    "feedforward": """
parts.py: from partwise.kinds import FeedForwardPart
parts.py: from partwise.sites import LayerSite
""",
    "mixer": """
parts.py: from partwise import PartError
parts.py: from partwise.kinds import MixerPart
parts.py: from partwise.sites import LayerSite
""",
    "norm": """
parts.py: from partwise.kinds import NormPart
parts.py: from partwise.sites import WidthSite
""",
    "optimizer": """
parts.py: from partwise.kinds import OptimizerPart
parts.py: from partwise.sites import OptimizerSite
""",
    "position": """
parts.py: from partwise.kinds import PositionPart
parts.py: from partwise.sites import PositionSite
""",
    "sampler": """
parts.py: from partwise.kinds import SamplerPart
""",
    "schedule": """
parts.py: from partwise.kinds import SchedulePart
parts.py: from partwise.sites import ScheduleSite
""",
    "tokenizer": """
parts.py: from partwise.kinds import TokenizerPart
parts.py: from partwise.sites import TokenizerSite
""",
}
"""The imports from partwise that the example of each kind had."""

ALL = """
partwise.assembly: assemble make_room materialise refuse_if_too_large seed_for skeleton free_memory size_in_words
partwise.batches: Batches
partwise.decoding: Decoder generate_text generate_texts left_padded source_prompt text_prompt
partwise.distributed: Processes joined launched one_message own_device processes speaks
partwise.encoding: EncodedSplit cache_directory data_hash encode training_texts
partwise.evaluation: Metrics evaluate perplexity evaluating
partwise.files: read_json write_json write_text
partwise.flow: IGNORED Batch Decoding Flow State causal_flow reordered tensors_of
partwise.foreign: fillable
partwise.interfaces: Split Tokenizer Piece Example Data Embedding PositionEncoder Score Mixer Attention Block
partwise.interfaces: Initializer Model Schedule Progress Training Trainer Sampler Tracker Engine
partwise.kinds: TokenizerPart EmbeddingPart PositionPart ScorePart MixerPart AttentionPart FeedForwardPart NormPart
partwise.kinds: BlockPart InitializerPart ModelPart DataPart OptimizerPart SchedulePart TrainerPart SamplerPart
partwise.kinds: TrackerPart EnginePart
partwise.lazily: cached_property
partwise.masks: CAUSAL Bias Mask Sight
partwise.parts: Part Slot fit_part parts_within use with_article
partwise.plugins: hook
partwise.profiling: TRACE profiled
partwise.registry: Entry registry
partwise.rows: Rows
partwise.run: Run Saved
partwise.sites: WidthSite SharedPosition MemoryReaders LayerSite HeadSite PositionSite EmbeddingSite ModelSite DataSite
partwise.sites: TokenizerSite OptimizerSite ScheduleSite
partwise.slots: Tokenizer Embedding Position Score Mixer Attention FeedForward Norm Block Initializer Model Data
partwise.slots: Optimizer Schedule Trainer Sampler Tracker
partwise.studies.jobs: JOB Job JobProgress JobResult
partwise.studies.processes: Worker close_all cores heard
partwise.tracking: telling
partwise.weights: OptimizerState fill_model fill_optimizer model_tensors optimizer_state
partwise.workflow: check evaluate generate inspect prepare reopen torch_device train
"""
"""What the guide, the README and partwise's own plugins imported in that version, and what stood beside it."""

Make = Callable[[str, dict[str, str]], Path]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes an importable package of these files."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made: list[str] = []

    def make(name: str, files: dict[str, str]) -> Path:
        place = tmp_path / name
        place.mkdir()
        for file, content in files.items():
            (place / file).write_text(content)
        made.append(name)
        return place

    yield make
    for name in made:
        forget(name)


def forget(package: str) -> None:
    for module in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[module]


def old_plugin(kind: str, place: Path) -> dict[str, str]:
    """The example of a kind with the imports that it had."""
    name = f"aged-{kind}"
    made = new_plugin(name, kind, place) / name.replace("-", "_")
    files = {path.name: path.read_text() for path in made.glob("*.py")}
    before: dict[str, list[str]] = {}
    for line in OLD[kind].strip().splitlines():
        file, _, statement = line.partition(": ")
        before.setdefault(file, []).append(statement)
    for file, statements in before.items():
        new = r"(^from partwise.*\n)+"
        files[file] = re.sub(new, "\n".join(statements) + "\n", files[file], count=1, flags=re.MULTILINE)
    return {file: text.replace("Visibility(", "Sight(") for file, text in files.items()}


def loaded(package: str) -> Plugin:
    importlib.invalidate_caches()
    forget(package)
    name = package.replace("_", "-")
    found = _load(Plugin(name, package, name, "1.0"), EntryPoint(name, package, GROUP))
    (plugin,) = Registry([found]).plugins
    return plugin


def follow(problem: str, place: Path) -> None:
    """Puts what the message says to write where it says to write it."""
    for where, statement in re.findall(r"^ +(\S+\.py:.*?)  +(from .*|import .*)$", problem, re.MULTILINE):
        for one in where.split(", "):
            file, _, number = one.partition(":")
            lines = (place / file).read_text().splitlines(keepends=True)
            lines[int(number) - 1] = f"{statement}\n"
            (place / file).write_text("".join(lines))
    for cached in place.rglob("__pycache__"):
        rmtree(cached)  # of the same second, and perhaps of the same length: Python could not tell that it is old


@pytest.mark.parametrize("kind", OLD)
def test_an_old_plugin_is_told_everything_at_once_and_loads_when_that_is_done(
    kind: str, package: Make, tmp_path: Path
) -> None:
    (tmp_path / "made").mkdir()
    place = package(f"aged_{kind}", old_plugin(kind, tmp_path / "made"))
    plugin = loaded(place.name)
    assert plugin.problem is not None
    assert "written for an earlier partwise" in plugin.problem
    assert len(plugin.problem.splitlines()) <= 24
    assert max(map(len, plugin.problem.splitlines())) <= 100
    follow(plugin.problem, place)
    assert loaded(place.name).problem is None
    for file in place.glob("*.py"):
        importlib.import_module(f"{place.name}.{file.stem}")


def test_every_name_that_a_plugin_may_have_imported_has_a_new_place(package: Make) -> None:
    lines = dict.fromkeys(ALL.strip().splitlines())
    statements = [f"from {m} import {', '.join(names.split())}" for m, _, names in (x.partition(": ") for x in lines)]
    place = package("widely_read", {"__init__.py": "\n".join(statements)})
    told = old_imports(place.name)
    assert not [line for line in told if "is gone" in line]
    for line in told:
        exec(line.partition("  ")[2].strip(), {})
    for rooms in MOVED.values():
        for room in rooms:
            importlib.import_module(room)


def test_a_plugin_with_more_old_imports_than_a_screen_holds_lists_the_rest_among_its_details(package: Make) -> None:
    names = ALL.split("partwise.kinds: ")[1].split()[:8] * 4
    files = {f"part{index}.py": f"from partwise.kinds import {name} as P{index}\n" for index, name in enumerate(names)}
    place = package("many_parts", {"__init__.py": "from . import part0\n", **files})
    plugin = loaded(place.name)
    assert plugin.problem is not None
    assert len(plugin.problem.splitlines()) <= 24
    assert "partwise plugins --details" in plugin.problem
    assert all(f"part{index}.py:1" in plugin.details for index in range(len(names)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("from partwise import kinds", "from partwise import parts as kinds"),
        ("import partwise.sites", "import partwise.parts"),
        ("from partwise.masks import Sight as S", "from partwise.modules import Visibility as S"),
        (
            "from partwise.parts import Part, with_article",
            "from partwise.parts import Part; from partwise.wording import with_article",
        ),
        ("def f():\n    from partwise.foreign import fillable", "from partwise.modules import fillable"),
        ("from partwise.kinds import NoSuchPart", "(partwise.kinds.NoSuchPart is gone)"),
    ],
)
def test_each_way_to_import_is_told_in_its_own_words(old: str, new: str, package: Make) -> None:
    place = package("of_some_age", {"__init__.py": f"{old}\n"})
    (line,) = old_imports(place.name)
    assert line.partition("  ")[2] == new


def test_what_has_not_moved_is_not_told(package: Make) -> None:
    now = "from partwise import Part, hook\nfrom partwise.parts import LayerSite, slots\nimport torch, no_such_module\n"
    assert old_imports(package("of_today", {"__init__.py": now, "broken.py": "x = = 1"}).name) == []


def test_a_recipe_that_misses_its_part_says_it_too(package: Make, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    place = package("aged_norm", old_plugin("norm", tmp_path / "made"))
    name = "aged-norm"
    found = _load(Plugin(name, place.name, name, "1.0"), EntryPoint(name, place.name, GROUP))
    with using(Registry([found])):
        text = render([Problem("unknown norm", notes=plugin_notes("aged-norm/mean_norm"))])
    assert "    in aged_norm, write instead:\n" in text
    assert "parts.py:5  from partwise.parts import NormPart\n" in text


def test_a_part_whose_module_is_old_says_it_when_it_is_built(package: Make, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    files = old_plugin("attention", tmp_path / "made")
    files["parts.py"] = re.sub(r"from partwise\.(kinds|sites) ", "from partwise.parts ", files["parts.py"])
    place = package("aged_attention", files)
    assert loaded(place.name).problem is None
    part = importlib.import_module(f"{place.name}.parts").Sinks
    with pytest.raises(PluginError, match=r"sinks\.py:6  from partwise\.modules import Visibility as Sight"):
        part().assemble(LayerSite(width=16))
