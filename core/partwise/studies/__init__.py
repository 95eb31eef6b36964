"""Studies: a base recipe, factors that vary it, seeds, and a verdict per factor.

study       the file that people write, and what is wrong with it
plan        its variants, matched budgets, runs, and what they will cost
jobs        one run as something that any machine can do, and what came of it
execute     every job once, on an engine, whatever fails
results     what came of all of them: the table that everything below reads
analysis    statistics, as pure functions of the results
report      the results and their analysis as HTML, Markdown, CSV and LaTeX

Nothing here imports torch at import time.
"""
