"""`python tools/gpu/needed.py`: what partwise needs that no machine with PyTorch has for sure, by name and version."""

from __future__ import annotations

from importlib.metadata import distribution

from packaging.requirements import Requirement

THERE = {"torch", "numpy"}


def needed(name: str, found: dict[str, str]) -> dict[str, str]:
    """The distributions that `name` requires, directly or not, with their versions."""
    for line in distribution(name).requires or []:
        one = Requirement(line)
        wanted = one.name.lower()
        if wanted in THERE or wanted in found or (one.marker and not one.marker.evaluate({"extra": ""})):
            continue
        found[wanted] = distribution(wanted).version
        needed(wanted, found)
    return found


if __name__ == "__main__":
    print(*(f"{name}=={version}" for name, version in sorted(needed("partwise", {}).items())))
