"""Styles of searches: distinct, stable, and without a list of names."""

from __future__ import annotations

from algorithms.black_box import BLACK_BOX
from algorithms.one_shot import ONE_SHOT
from plots.panels.style import AlgorithmStyle, style_of


def test_registered_algorithms_look_different() -> None:
    names = [*BLACK_BOX, *ONE_SHOT]
    looks = {(style_of(name).color, str(style_of(name).linestyle)) for name in names}
    assert len(looks) == len(names)
    for space in ("topology", "size"):
        searches = [name for name, search in ONE_SHOT.items() if search.space == space]
        assert len({style_of(name).color for name in searches}) == len(searches)


def test_unknown_algorithm_has_the_same_free_style_in_every_process() -> None:
    assert style_of("my-search") == AlgorithmStyle("#56b4e9", (0, (6, 1.6, 1.2, 1.6)), "X")
    known = {(style_of(name).color, str(style_of(name).linestyle)) for name in [*BLACK_BOX, *ONE_SHOT]}
    for i in range(50):
        style = style_of(f"search-{i}")
        assert (style.color, str(style.linestyle)) not in known


def test_variants_share_the_colour_only() -> None:
    variants = [style_of("rea", variant) for variant in range(4)]
    assert len({style.color for style in variants}) == 1
    assert len({str(style.linestyle) for style in variants}) == 4
    assert len({style.marker for style in variants}) == 4
