"""Studies: a base recipe, factors that vary it, seeds, and a verdict per factor.

study         the file that people write; `reading` says what is wrong with it
designs       levels of factors, and their combinations; `variants` makes recipes of them
plan          variants with matched budgets (`matching`, `costs`), their runs, the time they take (`calibration`)
tuning        the best value of a knob for each variant
jobs          one run as something that any machine can do, and what came of it
execute       every job once, on an engine, whatever fails
results       what came of all of them: the table that everything below reads; `gathering` fills it
ablation      all of that in order: what `partwise ablate` does
analysis      statistics, as pure functions of the results
report        the results and their analysis as HTML, Markdown, CSV and LaTeX

Nothing here imports torch at import time.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
