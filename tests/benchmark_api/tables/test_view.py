"""A search's view of metrics: directions and limits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark_api.spaces import SizeSpace
from benchmark_api.tables.view import ValidationView
from tests.helpers import held_out

SPACE = SizeSpace(widths=(4, 8), layers=2)  # 4 architectures
METRICS = {
    "metrics/latency": (np.array([2.0, 3.0, np.nan, 4.0]), {"unit": "ms", "direction": "minimize"}),
    "metrics/speed": (np.array([5.0, 1.0, 7.0, 6.0]), {"unit": "", "direction": "maximize"}),
}


@pytest.fixture
def view(tmp_path: Path) -> ValidationView:
    accuracy = np.arange(8.0).reshape(4, 2)
    return held_out.write_table(tmp_path / "table.safetensors", SPACE, accuracy, METRICS).search_view("cifar10")


def test_directions(view: ValidationView) -> None:
    assert view.directions == {"latency": "minimize", "speed": "maximize"}


def test_limits_include_their_ends_and_exclude_what_is_not_measured(view: ValidationView) -> None:
    assert view.allowed({}).tolist() == [True] * 4
    assert view.allowed({"latency": (-np.inf, 3.0)}).tolist() == [True, True, False, False]
    assert view.allowed({"latency": (3.0, np.inf)}).tolist() == [False, True, False, True]
    assert view.allowed({"latency": (2.0, 4.0), "speed": (5.5, 9.0)}).tolist() == [False, False, False, True]


def test_limits_that_cannot_be_kept(view: ValidationView) -> None:
    with pytest.raises(ValueError, match="no metric 'energy' of cifar10-valid/200; it has latency, speed"):
        view.allowed({"energy": (0.0, 1.0)})
    with pytest.raises(ValueError, match="no architecture of cifar10-valid/200 is within the limits of latency, speed"):
        view.allowed({"latency": (-np.inf, 3.0), "speed": (6.0, np.inf)})
