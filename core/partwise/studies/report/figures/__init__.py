"""The report's figures, as SVG that stands in its page."""

from .by_size import by_size
from .by_text import by_text
from .compute import against_compute
from .curves import learning_curves
from .forest import ForestRow, forest, narrow_forest, off_scale
from .interactions import interactions
from .multiples import Multiple, beyond, multiples
from .seeds import seed_lines
from .speed_up import speed_up_bars
from .tuning import far_trials, lost_trials, points_told, sensitivity

__all__ = [
    "ForestRow", "Multiple", "against_compute", "beyond", "by_size", "by_text", "far_trials", "forest", "interactions",
    "learning_curves", "lost_trials", "multiples", "narrow_forest", "off_scale", "points_told", "seed_lines",
    "sensitivity", "speed_up_bars",
]  # fmt: skip
