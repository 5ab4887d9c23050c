"""NAS-BOWL: its kernels, and that it finds the best of an additive problem."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from algorithms.black_box import NASBOWL
from benchmark_api.spaces import SizeSpace, TopologySpace
from tests.helpers.additive import assert_finds_the_best, trained

TOPOLOGY = TopologySpace()


@pytest.mark.parametrize("changes", [{}, {"kernel": "hamming"}, {"pool": "all"}], ids=str)
def test_it_finds_the_best(changes: dict[str, Any]) -> None:
    assert_finds_the_best(NASBOWL(TOPOLOGY, NASBOWL.Config(**changes)))


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [("hamming", 4 / 6), ("ordinal", 17 / np.sqrt(17 * 19)), ("wl", 5 / np.sqrt(7 * 5))],
)
def test_kernels(kernel: Any, expected: float) -> None:
    """Of two cells, worked out by hand. Their first edges lead nowhere: without iterations, the labels of the graphs are input,
    1x1, 3x3, 3x3, output, and input, 1x1, 3x3, pool, output.
    """
    encoding = NASBOWL(TOPOLOGY, NASBOWL.Config(kernel=kernel, iterations=0)).encoding
    one, other = encoding(np.array([(3, 2, 0, 3, 0, 3), (4, 2, 0, 3, 0, 4)])).toarray()
    similarity = one @ other / np.sqrt((one @ one) * (other @ other))
    assert similarity == pytest.approx(expected)


def test_kernels_of_widths() -> None:
    for kernel in ("wl", "hamming", "ordinal"):
        search = NASBOWL(SizeSpace(), NASBOWL.Config(kernel=kernel))
        assert len({*trained(search, 40)}) == 40
