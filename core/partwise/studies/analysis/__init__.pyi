from .analysis import analyse as analyse
from .findings import Analysis as Analysis
from .power import detectable_effect as detectable_effect
from .power import seeds_needed as seeds_needed
