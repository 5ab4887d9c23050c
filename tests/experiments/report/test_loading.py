"""The tables behind stored runs, in the order in which reports have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmark_api.spaces import SizeSpace
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
