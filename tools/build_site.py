"""`make docs`: the pages of docs/, CONTRIBUTING.md and CHANGELOG.md as a site in build/site, by Zensical.

Between them stand pages that are read off the code: those of `reference_pages`, and the catalogue of parts.

Pages lie where GitHub shows them, and links lead from file to file. So the site is built from a copy in build, in
which links follow the pages to their new places; a link to a file that is no page becomes its text. Beside each lesson
of the course lies its notebook. Broken links and anchors fail the build. Read it from the file system:
build/site/index.html.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import build_notebooks
from partwise.catalogue import write_catalogue
from reference_pages import PLACE, reference_pages

HERE = Path(__file__).parent
TOP = HERE.parent
SOURCE = TOP / "build" / "site-source"
SITE = TOP / "build" / "site"
BESIDE_DOCS = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md", "README.md": "index.md"}
"""Pages that stand beside docs/, and their places on the site. The README's is taken by the page that begins it."""
CATALOGUE = "catalogue"
"""Where the catalogue lies on the site."""
KINDS = '"every kind"'
"""What stands in the navigation for the pages of all kinds."""
LINK = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)")


def place_of(file: Path) -> str | None:
    """Where a file of the project lies on the site; None if it does not."""
    if file.is_relative_to(TOP / "docs"):
        return file.relative_to(TOP / "docs").as_posix()
    return BESIDE_DOCS.get(file.relative_to(TOP).as_posix())


def on_site(text: str, page: Path) -> str:
    """The text of a page with its links as they are on the site."""
    begin = Path(place_of(page) or page.name).parent

    def moved(link: re.Match[str]) -> str:
        words, target = link.groups()
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve()
        if not name or re.match(r"[a-z]+:", target) or not file.exists() or not file.is_relative_to(TOP):
            return link[0]  # within the page, elsewhere, no link but code, or broken: the build tells
        place = place_of(file)
        if place is None:
            return words
        there = Path(os.path.relpath(place, begin)).as_posix()
        return f"[{words}]({there}{'#' * bool(anchor)}{anchor})"

    return LINK.sub(moved, text)


def write_source(directory: Path) -> None:
    """Writes what Zensical reads: the pages with their pictures, and its configuration."""
    shutil.rmtree(directory, ignore_errors=True)
    pages = directory / "pages"
    shutil.copytree(TOP / "docs", pages)
    for page in sorted((TOP / "docs").rglob("*.md")):
        (pages / page.relative_to(TOP / "docs")).write_text(on_site(page.read_text(), page))
    for file in build_notebooks.write(pages / "learn"):
        lesson = file.with_suffix(".md")
        link = f'<a href="{file.name}" download>This lesson as a notebook</a>'
        lesson.write_text(lesson.read_text().replace("\n", f"\n\n{link}\n", 1))
    for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        (pages / BESIDE_DOCS[name]).write_text(on_site((TOP / name).read_text(), TOP / name))
    generated = reference_pages()
    for name, text in generated.items():
        (pages / name).parent.mkdir(parents=True, exist_ok=True)
        (pages / name).write_text(text)
    write_catalogue(pages / CATALOGUE)
    of_kinds = [f'{{ "{Path(name).stem}" = "{name}" }}' for name in generated if name.startswith(f"{PLACE}/parts/")]
    settings = (HERE / "site.toml").read_text().replace(KINDS, f"[{', '.join(of_kinds)}]")
    (directory / "zensical.toml").write_text(settings)
    shutil.copy(HERE / "site.css", pages)


def build(source: Path, site: Path) -> int:
    """Builds the site from what `write_source` has written; the exit code of Zensical."""
    shutil.rmtree(site, ignore_errors=True)
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    code = subprocess.run(command, cwd=source, check=False).returncode
    if code == 0:
        shutil.move(source / "site", site)
    return code


def main() -> int:
    write_source(SOURCE)
    code = build(SOURCE, SITE)
    if code == 0:
        print(f"open {SITE / 'index.html'}; to search, `python -m http.server --directory {SITE}`")
    return code


if __name__ == "__main__":
    sys.exit(main())
