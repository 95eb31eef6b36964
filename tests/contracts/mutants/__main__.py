"""`python -m tests.contracts.mutants`: prints which check killed which mutant, and what it said."""

from __future__ import annotations

from . import CATALOGUE, registered, tell_apart
from .parts import Right, Secretive

if __name__ == "__main__":
    with registered(Right, Secretive):
        for kill in CATALOGUE:
            print(f"| {kill.mistake} | {kill.check.__name__} | {tell_apart(kill)[:160]} |", flush=True)
    print(f"{len(CATALOGUE)} mutants, all killed")
