"""Writes into `docs/results.md` what the code says of the tables and of results.json.

python tools/results_page.py
"""

from __future__ import annotations

from pathlib import Path

from partwise.studies.tables.documented import described_results, described_tables

PAGE = Path(__file__).resolve().parents[1] / "docs" / "results.md"


def written(page: str) -> str:
    """The page with its two generated parts as they are to be; each stands between two comments."""
    for name, text in (("tables", described_tables()), ("results", described_results())):
        begin, end = f"<!-- {name}: written by tools/results_page.py -->\n", f"<!-- end of {name} -->"
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}\n{text}\n\n{end}{rest.partition(end)[2]}"
    return page


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
