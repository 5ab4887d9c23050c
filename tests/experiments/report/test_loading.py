"""The tables behind stored runs, in the order in which reports have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark_api.spaces import SPACES, SizeSpace
from experiments import store
from experiments.report import tables_of
from tests.golden.make import RESULTS
from tests.helpers import held_out


def test_tables_from_elsewhere_come_first_and_sizes_last(tmp_path: Path) -> None:
    stored = store.load(RESULTS)
    assert stored[0].space == "size"  # in the order of folders
    accuracy = np.array([[70.0, 73.0], [80.0, 84.0], [60.0, 66.0], [75.0, 79.0]])
    own = held_out.write_table(tmp_path / "own.safetensors", SizeSpace(widths=(4, 8), layers=2), accuracy)
    found = tables_of([*stored, held_out.experiment(own, [[(0, 0)]])], None)
    assert [table.path.stem for table, _ in found] == ["own", "digits-topology", "digits-size"]


def test_runs_of_a_space_that_is_not_registered_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = store.load(RESULTS)
    monkeypatch.setattr(SPACES, "_entries", {name: space for name, space in SPACES.items() if name != "size"})
    with pytest.warns(UserWarning, match=r"left out: .* has results of the space 'size', which is not registered"):
        found = tables_of(stored, None)
    assert [table.space.name for table, _ in found] == ["topology"]
    of_sizes = [experiment for experiment in stored if experiment.space == "size"]
    with pytest.raises(ValueError, match="'size', which is not registered"):
        tables_of(of_sizes, None)
    with pytest.raises(ValueError, match="'size', which is not registered"):
        tables_of(stored, None, every=True)
