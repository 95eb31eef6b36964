"""What all pages that partwise writes have in common: templates that escape, and a policy that loads nothing.

Studies' reports and the catalogue of parts are such pages; their style is that of `studies/report/style/report.css`.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import BaseLoader, Environment


def environment(loader: BaseLoader | None = None) -> Environment:
    """Templates in which everything is escaped unless a function of ours has made it markup."""
    from jinja2 import Environment, StrictUndefined

    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def policy(script: str) -> str:
    """Nothing from anywhere, and no script but ours: what a name might smuggle in would not run."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:; base-uri 'none'"
    )


__all__ = ["environment", "policy"]
