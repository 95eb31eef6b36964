"""The report's figures, as SVG that stands in its page."""

from .curves import learning_curves
from .forest import ForestRow, forest, narrow_forest, off_scale
from .interactions import interactions
from .seeds import seed_lines
from .tuning import far_trials, lost_trials, points_told, sensitivity

__all__ = [
    "ForestRow", "far_trials", "forest", "interactions", "learning_curves", "lost_trials", "narrow_forest",
    "off_scale", "points_told", "seed_lines", "sensitivity",
]  # fmt: skip
