"""Studies: a base recipe, factors that vary it, seeds, and a verdict per factor.

definition/    the file that people write, what is wrong with it, and the variants it describes
planning/      variants with matched budgets and tuned knobs, what they cost, how long they take
execution/     jobs: runs that any machine can do, each in its own process; engines that do every job once
results        the results of all runs, as one table: what analysis and reports read
results_book   that table while the study runs; `earlier` compares it with what an earlier call left
directories    where results and runs are kept
forecast       what can be said of a study before it runs
ablation       all of this in order: what `partwise ablate` does
analysis/      statistics, as pure functions of the results
report/        the results and their analysis as HTML, Markdown, CSV and LaTeX

Nothing here imports torch at import time.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
