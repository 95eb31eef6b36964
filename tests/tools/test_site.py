"""The site that `make docs` builds: every page is in its navigation, links hold, and nothing comes from elsewhere."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

import build_site
from build_notebooks import LESSONS
from build_site import TOP, build, on_site, write_source

from ..browser import Browser

LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data"}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("source") / "source"
    write_source(directory)
    return directory


@pytest.fixture(scope="module")
def site(source: Path) -> Path:
    site = source.parent / "site"
    assert build(source, site) == 0
    return site


class Page(HTMLParser):
    """What a page loads, what it links to, and its anchors."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors = {""}
        self.feed(file.read_text())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        loaded = values.get(LOADED.get(tag, ""), "data:")
        if not loaded.startswith("data:"):  # within the page
            self.loads.append(loaded)
        if tag == "a" and "href" in values:
            self.links.append(values["href"])


def in_navigation(entry: object) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, dict):
        for value in entry.values():
            yield from in_navigation(value)
    elif isinstance(entry, list):
        for value in entry:
            yield from in_navigation(value)


def test_the_navigation_has_every_page_once_under_the_names_that_were_promised(source: Path) -> None:
    nav = tomllib.loads((source / "zensical.toml").read_text())["project"]["nav"]
    pages = sorted(page.relative_to(source / "pages").as_posix() for page in (source / "pages").rglob("*.md"))
    assert sorted(page for page in in_navigation(nav) if page.endswith(".md")) == pages
    assert [name for entry in nav for name in entry] == [
        "Learn", "Swap", "Write", "Compare", "Train on your text", "Reference", "Why it is built so",
    ]  # fmt: skip


def test_every_link_and_picture_of_the_copied_pages_leads_to_a_file_of_the_copy(source: Path) -> None:
    for page in (source / "pages").rglob("*.md"):
        for target in re.findall(r"\]\((?![a-z]+:)([^)#\s]+)[^)]*\)", page.read_text()):
            assert (page.parent / target).exists(), (page.name, target)


@pytest.mark.parametrize(
    ("written", "moved"),
    [
        ("[words](../CONTRIBUTING.md#words)", "[words](contributing.md#words)"),
        ("[a `b` c](../CHANGELOG.md)", "[a `b` c](changelog.md)"),
        ("[families](../recipes/families)", "families"),
        ("[look](look.md#models-to-begin-with)", "[look](look.md#models-to-begin-with)"),
        ("[here](#words)", "[here](#words)"),
        ("[paper](https://arxiv.org/abs/1301.3781)", "[paper](https://arxiv.org/abs/1301.3781)"),
        ("values[0](x)", "values[0](x)"),
        ("[broken](nowhere.md)", "[broken](nowhere.md)"),
        ("![picture](look-alignment.png)", "![picture](look-alignment.png)"),
    ],
)
def test_a_link_follows_its_page_to_the_site(written: str, moved: str) -> None:
    assert on_site(written, TOP / "docs" / "look.md") == moved


def test_links_of_the_pages_beside_docs_lose_the_name_of_the_folder() -> None:
    assert on_site("[a](docs/api.md#x)", TOP / "CHANGELOG.md") == "[a](api.md#x)"


def test_pages_load_nothing_from_elsewhere_and_their_links_and_anchors_hold(site: Path) -> None:
    pages = {file: Page(file) for file in site.rglob("*.html") if file.name != "404.html"}
    assert len(pages) > 20
    for file, page in pages.items():
        for address in page.loads:
            assert not re.match(r"([a-z]+:)?//", address), (file.name, address)
            assert (file.parent / address.partition("?")[0]).exists(), (file.name, address)
        for address in page.links:
            if not re.match(r"[a-z]+:", address):
                name, _, anchor = address.partition("#")
                there = (file.parent / name).resolve() if name not in {"", "."} else file
                there = there / "index.html" if there.is_dir() else there
                if there.suffix == ".ipynb":
                    assert there.is_file(), (file.name, address)
                else:
                    assert unquote(anchor) in pages[there].anchors, (file.name, address)
    for style in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*[\"']?([a-z]+:)?//", style.read_text()), style.name


def test_every_lesson_has_a_link_to_its_notebook_beside_it(site: Path) -> None:
    for lesson in LESSONS:
        links = Page(site / "learn" / lesson.with_suffix(".html").name).links
        assert lesson.with_suffix(".ipynb").name in links


def test_a_browser_asks_for_files_of_the_site_only(site: Path, browser: Browser) -> None:
    for page in ("look.html", "swapping.html", "reference/commands.html", "reference/parts/attention.html"):
        browser.open(site / page)
        assert {address.partition(":")[0] for address in browser.requests()} == {"file"}
        assert browser.overflow(380) <= 0, page


def test_a_link_to_a_missing_page_or_anchor_fails_the_build(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "source" / "pages").mkdir(parents=True)
    (tmp_path / "source" / "pages" / "index.md").write_text("# One\n\n[a](missing.md)\n\n[b](#two)\n")
    settings = (build_site.HERE / "site.toml").read_text()
    plain = re.sub(r"^nav = \[.*?^\]\n", "", settings, flags=re.DOTALL | re.MULTILINE)
    (tmp_path / "source" / "zensical.toml").write_text(plain)
    assert build(tmp_path / "source", tmp_path / "site") != 0
    assert not (tmp_path / "site").exists()
    told = "".join(capfd.readouterr())
    assert "page does not exist" in told
    assert "anchor does not exist" in told
