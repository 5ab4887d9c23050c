"""Heat maps of the agreement of runs: few with their numbers, many as colours alone."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from plots.panels.heat_maps import MOST_NUMBERS, plot_agreement


@pytest.mark.parametrize("runs", [3, MOST_NUMBERS, MOST_NUMBERS + 1, 20])
def test_few_runs_have_numbers_and_many_have_three_labels(runs: int) -> None:
    matrix = np.full((runs, runs), 0.25)
    np.fill_diagonal(matrix, np.nan)
    seeds = [str(777 + 111 * number) for number in range(runs)]
    axes = Figure().subplots()
    plot_agreement(axes, matrix, seeds, (0.0, 1.0))
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == [label.get_text() for label in axes.get_xticklabels()]
    few = runs <= MOST_NUMBERS
    assert labels == (seeds if few else [seeds[0], seeds[runs // 2], seeds[-1]])
    assert len(axes.texts) == (runs * (runs - 1) if few else 0)
    assert axes.images[0].get_clim() == pytest.approx((0.0, 1.0))
