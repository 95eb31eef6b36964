"""`python -m partwise_cli`: the same as `partwise`."""

from __future__ import annotations

from .main import run

if __name__ == "__main__":
    run()
