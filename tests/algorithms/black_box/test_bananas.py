"""BANANAS: its encodings and predictors, and that it finds the best of an additive problem."""

from __future__ import annotations

from typing import Any

import pytest

from algorithms.black_box import BANANAS
from algorithms.black_box.predictors.encodings import OneHot, Ordinal, Paths
from benchmark_api.spaces import SizeSpace, TopologySpace
from tests.helpers.additive import assert_finds_the_best, trained

TOPOLOGY, SIZE = TopologySpace(), SizeSpace()


@pytest.mark.parametrize("changes", [{}, {"encoding": "one-hot", "acquisition": "ei"}, {"predictor": "forest"}], ids=str)
def test_it_finds_the_best(changes: dict[str, Any]) -> None:
    assert_finds_the_best(BANANAS(TOPOLOGY, BANANAS.Config(**changes)))


def test_encoding_follows_the_space() -> None:
    assert type(BANANAS(TOPOLOGY).encoding) is Paths
    assert type(BANANAS(SIZE).encoding) is Ordinal
    assert type(BANANAS(SIZE, BANANAS.Config(encoding="one-hot")).encoding) is OneHot


@pytest.mark.parametrize("encoding", ["one-hot", "ordinal"])
def test_encodings_of_widths(encoding: Any) -> None:
    assert len({*trained(BANANAS(SIZE, BANANAS.Config(encoding=encoding, fit_epochs=5)), 25)}) == 25


def test_paths_of_widths_are_refused() -> None:
    with pytest.raises(ValueError, match="paths are encoded in the topology space only"):
        BANANAS(SIZE, BANANAS.Config(encoding="paths"))
