"""What figures are drawn with: styles that can be told apart, labels that fit, legends."""

from __future__ import annotations

import re

from partwise.rendering.legend import legend
from partwise.rendering.svg import Style, shortened, width_of


def test_every_style_differs_from_all_others_without_its_colour() -> None:
    styles = [Style.of(index) for index in range(-1, 11)]
    assert len({(style.dash, style.mark) for style in styles}) == 12
    assert len({(style.dash, style.mark, style.colour) for style in map(Style.of, range(-1, 40))}) == 41


def test_long_labels_lose_their_middle_only_when_there_is_no_room() -> None:
    assert shortened("position=rope", width_of("position=rope")) == "position=rope"
    cut = shortened("a_very_long_name_of_a_variant", 100)
    assert re.fullmatch(r"a_ver.*….*ant", cut)
    assert width_of(cut) <= 100
    assert width_of("名前") > width_of("ab")


def test_a_legend_takes_as_many_lines_as_it_needs() -> None:
    keys = [(f"a name of some length {number}", Style.of(number)) for number in range(10)]
    assert legend(None, [], 0, 0, 800) == 0
    assert legend(None, keys[:2], 0, 0, 800) == 20
    assert legend(None, keys, 0, 0, 800) > 40
