"""Styles of searches: distinct, stable, and without a list of names."""

from __future__ import annotations

import pytest

from algorithms.black_box import BLACK_BOX
from algorithms.one_shot import ONE_SHOT
from plots.panels import style
from plots.panels.style import AlgorithmStyle, legend_order, style_of

FIXED = [*list(BLACK_BOX)[: len(style._BLACK_BOX_LOOKS)], *list(ONE_SHOT)[: len(style._ONE_SHOT_LOOKS)]]


def look(name: str) -> tuple[str, str]:
    return style_of(name).color, str(style_of(name).linestyle)


def test_searches_with_fixed_looks_differ() -> None:
    assert len({look(name) for name in FIXED}) == len(FIXED)
    for space in ("topology", "size"):
        searches = [name for name in FIXED if name in ONE_SHOT and ONE_SHOT[name].space == space]
        assert len({style_of(name).color for name in searches}) == len(searches)


def test_other_searches_have_the_same_free_style_in_every_process(monkeypatch: pytest.MonkeyPatch) -> None:
    assert style_of("my-search") == AlgorithmStyle("#d55e00", (0, (6, 1.6, 1.2, 1.6)), "X")
    assert not {look(f"search-{i}") for i in range(50)} & {look(name) for name in FIXED}
    monkeypatch.setitem(BLACK_BOX._entries, "my-search", BLACK_BOX["rea"])  # registered or not
    assert style_of("my-search") == AlgorithmStyle("#d55e00", (0, (6, 1.6, 1.2, 1.6)), "X")
    assert sorted(["gdas", "somebodys", "my-search", "rsps", "rea"], key=legend_order) == [
        "rea",
        "my-search",
        "rsps",
        "gdas",
        "somebodys",
    ]


def test_variants_share_the_colour_only() -> None:
    variants = [style_of("rea", variant) for variant in range(4)]
    assert len({style.color for style in variants}) == 1
    assert len({str(style.linestyle) for style in variants}) == 4
    assert len({style.marker for style in variants}) == 4
