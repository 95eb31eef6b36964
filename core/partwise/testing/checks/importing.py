"""Importing a part costs nothing and changes nothing: checked in a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache

from partwise.parts.part import Part
from partwise.parts.registry import registry
from partwise.testing.registering import EVERY, check
from partwise.testing.violation import require

_HEAVY = ("torch", "numpy", "transformers", "tiktoken", "sentencepiece", "click")

_PROGRAM = """
import json, random, sys, warnings
from importlib import import_module
modules, heavy, sys.path[:] = json.loads(sys.argv[1])

def state():
    found = {"random numbers of Python": random.getstate()}
    if "torch" in sys.modules:
        import torch
        found |= {
            "PyTorch's random numbers": torch.get_rng_state().tolist(),
            "PyTorch's default dtype": torch.get_default_dtype(),
            "PyTorch's threads": torch.get_num_threads(),
            "PyTorch's grad mode": torch.is_grad_enabled(),
            "PyTorch's deterministic mode": torch.are_deterministic_algorithms_enabled(),
        }
    return found

def changed(before):
    return [name for name, value in state().items() if name in before and before[name] != value]

import partwise.parts.registry
problems = {name: [] for name in modules}
for name in modules:
    before, there = state(), set(sys.modules)
    import_module(name)
    problems[name] += [f"importing it imports {one}" for one in heavy if one in sys.modules and one not in there]
    problems[name] += [f"importing it changes {one}" for one in changed(before)]
import torch
from partwise.assembly.build import skeleton
for name in modules:
    for part in list(vars(sys.modules[name]).values()):
        if not (isinstance(part, type) and issubclass(part, partwise.Part) and "name" in vars(part)):
            continue
        try:
            examples = list(part.examples())
        except Exception:
            continue  # other checks report it
        for example in examples:
            for site in part.sites().values():
                before = state()
                try:
                    skeleton(example, site)
                except Exception:
                    pass
                drawn = "PyTorch's random numbers"
                problems[name] += [f"building {part.name} changes {one}" for one in changed(before) if one != drawn]
print(json.dumps(problems))
"""


@check(EVERY, per="part", slow=True)
def importing_it_leaves_everything_alone(part: type[Part]) -> None:
    """Importing its module imports no torch, and neither that nor building it touches global random state or dtype."""
    problems = _report(_neighbours(part.__module__))[part.__module__]
    require(not problems, "; ".join(dict.fromkeys(problems)))


_asked: set[str] = set()
"""Modules that were looked at: an author often verifies the parts of one."""


def _neighbours(module: str) -> tuple[str, ...]:
    """The module; if it is built in, and not the first looked at, all built-in ones, which share an interpreter."""
    _asked.add(module)
    built_in = sorted({entry.part.__module__ for entry in registry().entries() if entry.plugin.builtin})
    return tuple(built_in) if module in built_in and len(_asked) > 1 else (module,)


@cache
def _report(modules: tuple[str, ...]) -> dict[str, list[str]]:
    """What importing each module, and building what it defines, changes."""
    given = json.dumps([modules, _HEAVY, sys.path])
    done = subprocess.run([sys.executable, "-c", _PROGRAM, given], capture_output=True, text=True, check=False)
    require(done.returncode == 0, f"importing it in a fresh interpreter fails: {done.stderr.strip()[-300:]}")
    report: dict[str, list[str]] = json.loads(done.stdout.strip().splitlines()[-1])
    return report
