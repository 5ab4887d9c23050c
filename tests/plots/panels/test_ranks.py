"""The critical-difference diagram."""

from __future__ import annotations

import matplotlib
import pytest
from matplotlib.figure import Figure

from experiments.analysis.statistics import Ranking
from plots.panels.ranks import plot_ranks
from plots.panels.style import RC, REFERENCE_COLOR, style_of

NAMES = ("bohb", "rea", "local-search", "random", "reinforce")
RANKING = Ranking(NAMES, (1.5, 2.0, 3.4, 3.9, 4.2), 50, 0.001, 0.9)


def test_ranks_lie_on_the_axis_with_their_labels_and_bars() -> None:
    with matplotlib.rc_context(RC):
        axes = Figure().subplots()
        plot_ranks(axes, RANKING, {name: style_of(name) for name in NAMES})
    markers = [line.get_xdata()[0] for line in axes.lines if line.get_marker() not in ("None", "|")]
    assert markers == pytest.approx(RANKING.ranks)
    bars = [tuple(line.get_xdata()) for line in axes.lines if line.get_color() == REFERENCE_COLOR]
    assert bars == [pytest.approx((1.46, 2.04)), pytest.approx((3.36, 4.24))]
    texts = [text.get_text() for text in axes.texts]
    assert texts[:5] == ["bohb  1.50", "rea  2.00", "local-search  3.40", "3.90  random", "4.20  reinforce"]
    assert texts[5] == "critical distance 0.90, n = 50"
    (distance,) = [line for line in axes.lines if line.get_marker() == "|"]
    assert distance.get_xdata()[1] - distance.get_xdata()[0] == pytest.approx(0.9)
