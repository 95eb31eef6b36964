"""The pages, taken apart: well formed, every link leads somewhere, and each says what its part is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from partwise.catalogue import by_part, write_catalogue
from partwise.catalogue.check_results import CheckResult
from partwise.catalogue.view import file_name, part_page
from partwise.parts import FeedForwardPart, NormPart
from partwise.parts.registry import Registry, registry
from partwise.recipe import load
from partwise.recipe.listing import recipes

from ..studies.report.pages import (
    Element,
    parsed,
)

TOP_TWO = "parts/gate.acme~top_two.html"


def every_page(directory: Path) -> Iterator[tuple[Path, Element]]:
    for path in sorted(directory.rglob("*.html")):
        yield path, parsed(path.read_text(encoding="utf-8"))


def page(directory: Path, name: str) -> Element:
    return parsed((directory / name).read_text(encoding="utf-8"))


def fact(root: Element, name: str) -> str:
    """What stands beside a word in a page's lists of facts."""
    found = [
        div.all("dd")[0].text
        for facts in root.of_class("facts")
        for div in facts.all("div")
        if div.all("dt")[0].text == name
    ]
    assert len(found) == 1, (name, found)
    return found[0]


def test_every_page_is_well_formed_and_names_itself(catalogue: Path) -> None:
    titles = [root.all("title")[0].text for _, root in every_page(catalogue)]
    assert len(titles) > 100
    assert len(set(titles)) == len(titles)


def test_no_id_stands_twice_on_a_page(catalogue: Path) -> None:
    for path, root in every_page(catalogue):
        ids = [element["id"] for element in root.all() if "id" in element.attributes]
        assert len(set(ids)) == len(ids), path


def test_every_link_within_leads_to_a_page_and_a_place_on_it(catalogue: Path) -> None:
    roots = dict(every_page(catalogue))
    ids = {path: {element.attributes.get("id") for element in root.all()} for path, root in roots.items()}
    followed = 0
    for path, root in roots.items():
        for link in root.all("a"):
            address, _, place = link["href"].partition("#")
            if link.attributes.get("rel"):
                assert address.startswith(("https://arxiv.org/abs/", "https://doi.org/10."))
                continue
            target = (path.parent / address).resolve() if address else path
            assert target in ids, (path, link["href"])
            assert not place or place in ids[target], (path, link["href"])
            followed += 1
    assert followed > 1000


def test_each_registered_part_has_a_page_to_which_the_index_links(catalogue: Path, world: Registry) -> None:
    index = page(catalogue, "index.html")
    linked = {link["href"]: link.text for link in index.of_class("name")}
    for entry in world.entries():
        address = part_page(entry)
        assert linked[address] == entry.name
        root = page(catalogue, address)
        assert root.all("h1")[0].text == entry.name
        knobs = [row.all("th")[0].text for row in root.with_id("knobs").all("tr")[1:]]
        assert sorted(knobs) == sorted(entry.part.model_fields)


def test_each_recipe_has_a_page_with_the_parts_it_is_made_of(catalogue: Path) -> None:
    root = page(catalogue, "recipes/gpt.html")
    made_of = {link.text for link in root.with_id("parts").of_class("name")}
    assert {"bpe", "pre_norm", "multi_head", "layer_norm", "adamw", "warmup_cosine"} <= made_of
    assert "rope" not in made_of
    (shipped,) = (one for one in recipes() if one.name == "gpt")
    assert json.loads(root.all("pre")[0].text) == json.loads(shipped.path.read_text())
    assert "gpt" in fact(page(catalogue, "parts/block.pre_norm.html"), "used by").split(", ")


def test_a_recipe_that_does_not_hold_is_shown_with_the_reason(catalogue: Path) -> None:
    root = page(catalogue, "recipes/acme~odd.html")
    assert root.all("h1")[0].text == "acme/odd"
    assert "Not <b>whole</b>." in root.text
    (problem,) = root.of_class("progress")
    assert problem.text.startswith("It does not hold with what is installed: odd.json")


def test_a_part_of_a_plugin_and_of_a_kind_of_its_own_is_there_with_all_it_says(catalogue: Path) -> None:
    index = page(catalogue, "index.html")
    assert "Sends each token to some experts." in index.with_id("kind-gate").text
    root = page(catalogue, TOP_TWO)
    assert root.of_class("about")[0].text.startswith("Sends each token to two experts")
    assert root.of_class("formula")[0].text == "y = p_1 f_1(x) + p_2 f_2(x)"
    assert next(item.text for item in root.with_id("description").all("li")) == "first, softmax"
    assert root.with_id("description").all("em")[0].text == "second"
    assert fact(root, "distribution") == "acme-experts 0.3.1, plugin acme"
    assert fact(root, "former names").startswith("acme/top2, acme/switch")
    assert fact(root, "version of the part").startswith("2;")
    assert "goes into" in root.text
    assert fact(root, "goes into").startswith("no part that is installed")


def test_the_row_of_a_knob_says_type_default_and_meaning(catalogue: Path) -> None:
    rows = {
        row.all("th")[0].text: [cell.text for cell in row.all("td")] for row in page(catalogue, TOP_TWO).all("tr")[1:]
    }
    assert rows["spare"] == ["a whole number greater than 0", "2", "How many zebras each expert has room for."]
    assert rows["norm"] == ["a norm any norm", '"layer_norm"', "What is done before."]
    assert rows["others"] == ["an array, each a feedforward any feedforward", "[]", "Further experts."]


def test_a_slot_lists_what_fits_and_a_part_lists_the_slots_it_fits(catalogue: Path) -> None:
    root = page(catalogue, TOP_TWO)
    for slot, kind, known in (("norm", NormPart, "layer_norm"), ("others", FeedForwardPart, "geglu")):
        names = fact(root, f"takes as {slot}").split(", ")
        assert known in names
        assert names == sorted(registry().names(kind))
    rms = page(catalogue, "parts/norm.rms_norm.html")
    assert "acme/top_two norm" in fact(rms, "goes into")
    assert "pre_norm norm" in fact(rms, "goes into")
    assert fact(page(catalogue, "parts/attention.multi_head.html"), "is") == "an attention, and so a mixer"
    assert fact(page(catalogue, "parts/tokenizer.bpe.html"), "goes into") == "the recipe itself tokenizer"


def test_only_an_arxiv_number_or_a_doi_becomes_a_link_out(catalogue: Path) -> None:
    links = {link["href"] for link in page(catalogue, TOP_TWO).all("a") if link.attributes.get("rel")}
    assert links == {"https://arxiv.org/abs/2006.16668", "https://doi.org/10.1145/3292500.3330701"}
    rope = page(catalogue, "parts/position.rope.html")
    assert fact(rope, "papers it names") == "Su et al. 2021"
    assert not [link for link in rope.all("a") if link.attributes.get("rel")]


def test_a_name_in_backticks_leads_to_the_part_of_that_name(catalogue: Path) -> None:
    links = {link.text: link["href"] for link in page(catalogue, TOP_TWO).with_id("description").all("a")}
    assert links["rope"] == "../parts/position.rope.html"
    assert "crowds" not in links


@pytest.mark.parametrize("number", [0, -1], ids=["short", "full"])
def test_the_json_of_a_part_can_be_put_into_a_recipe(number: int, catalogue: Path) -> None:
    for part, key in (("position.rope", "position"), ("block.pre_norm", "blocks"), ("position.alibi", "position")):
        shown = [one.all("pre")[0].text for one in page(catalogue, f"parts/{part}.html").of_class("snippet")]
        text = [one for one in shown if not one.startswith("partwise ")][number]
        change = json.loads(f"{{{text}}}")
        assert list(change) == [key]
        loaded = load("gpt", [f"model.{key}={json.dumps(change[key])}"]).recipe
        value = getattr(loaded.model, key)
        assert (value[0] if key == "blocks" else value).name == part.partition(".")[2]


def test_json_of_examples_names_no_folder_of_this_machine(catalogue: Path) -> None:
    for path, root in every_page(catalogue):
        if path.parent.name == "parts":
            text = " ".join(one.text for one in root.of_class("snippet"))
            assert '"/' not in text, path
    assert '"fables.txt"' in page(catalogue, "parts/data.text.html").of_class("snippet")[0].text


def test_what_a_part_says_of_itself_is_text_whatever_it_says(catalogue: Path) -> None:
    scripts = {tuple(one.text for one in root.all("script")) for _, root in every_page(catalogue)}
    assert len(scripts) == 1, "every page has our script and no other"
    (wicked,) = (root for path, root in every_page(catalogue) if path.name.endswith("wicked.html"))
    assert wicked.of_class("about")[0].text.startswith(
        "Wicked <script>alert(1)</script> & \"quotes\" 'too' {{ 7 * 7 }}"
    )
    assert all(not name.startswith("on") for element in wicked.all() for name in element.attributes)
    assert not [link for link in wicked.all("a") if "javascript" in link["href"]]
    assert not {"\x1b", "\u202e"} & set("".join(path.read_text() for path in catalogue.rglob("*.html")))


def test_file_names_hold_no_way_out_and_are_never_the_same_for_two() -> None:
    names = [
        "../x",
        "a/b",
        "a.b",
        "A/b",
        "a~b",
        "..",
        ".",
        "x" * 300,
        "x" * 301,
        "é",
        "",
        "a b",
        "a\x00b",
        "=41=/b",
        "a//b",
        "a=2e=b",
    ]
    files = [file_name(name) for name in names]
    assert len({one.lower() for one in files}) == len(names)
    assert not [one for one in files if ".." in one or "/" in one or len(one) > 200]


def test_without_results_a_page_says_how_to_get_them(catalogue: Path) -> None:
    contract = page(catalogue, TOP_TWO).with_id("contract").text
    assert "partwise verify acme/top_two --kind gate" in contract
    assert "passed" not in contract


def test_results_are_counted_with_reasons(installed: Registry, tmp_path: Path) -> None:
    def result(check: str, outcome: str, message: str = "", part: str = "rope") -> CheckResult:
        return CheckResult("position", part, check, f"About {check}.", outcome, message)

    found = by_part(
        [
            result("is_deep", "passed"),
            result("is_wide", "passed"),
            result("is_long", "skipped", "it has <no> end"),
            result("is_exact", "expected", "float16 rounds"),
            result("is_fast", "failed", "position 3 changed by 0.21", part="alibi"),
            result("is_odd", "skipped", "no case", part="learned"),
            result("is_gone", "passed", part="uninstalled"),
        ]
    )
    write_catalogue(tmp_path / "html", found, "the results in file.json")
    rope, alibi = (page(tmp_path / "html", f"parts/position.{name}.html") for name in ("rope", "alibi"))
    told = rope.with_id("contract").text
    assert told.startswith("Contract 2 passed, 1 skipped, 1 failed as expected, 0 failed (the results in file.json)")
    assert "it has <no> end" in told
    assert "float16 rounds" in told
    assert "✓ verified" in rope.all("header")[0].text
    assert "1 failed" in alibi.with_id("contract").text
    assert "position 3 changed by 0.21" in alibi.with_id("contract").text
    assert "✗ fails its contract" in alibi.all("header")[0].text
    states = {
        row.of_class("name")[0].text: row.of_class("tags")[0].text
        for row in page(tmp_path / "html", "index.html").with_id("kind-position").of_class("rows")[0].all("li")
        if row.of_class("name")
    }
    assert states["rope"] == "✓ verified"
    assert states["sinusoidal"] == ""
    assert states["learned"] == "", "nothing was checked"


def test_the_same_installation_gives_the_same_bytes(catalogue: Path, installed: Registry, tmp_path: Path) -> None:
    write_catalogue(tmp_path / "again")
    names = {path.relative_to(catalogue) for path in catalogue.rglob("*") if path.is_file()}
    assert names == {path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*") if path.is_file()}
    assert [name for name in names if (catalogue / name).read_bytes() != (tmp_path / "again" / name).read_bytes()] == []
