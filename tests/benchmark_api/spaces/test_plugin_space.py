"""A search space in one file on the Python path: searched, held by a table, and trained, with no other file touched."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.documents import blocks

ROOT = Path(__file__).resolve().parents[3]

OWN_SPACE = next(block for block in blocks("docs/how-to/own-data.md", "python") if "DepthSpace" in block)
DEPTH = OWN_SPACE.partition("search = ")[0]

TABLE_AND_SEARCH = """
import sys
import numpy as np
from benchmark_api.plugins import load_plugins
from benchmark_api.spaces import SPACES
from benchmark_api.tables.evaluator import Accounting, simulated_evaluator
from benchmark_api.tables.table import Table
from algorithms.black_box.regularized_evolution import RegularizedEvolution
from tests.conftest import write_table

load_plugins()
space = SPACES["depth"]()
quality = np.array([sum(space.architecture(index)) / 9 for index in range(len(space))])
write_table(sys.argv[1], space, quality, {"12": range(12)}, np.zeros(len(space), dtype=bool))
table = Table(sys.argv[1])
assert table.space == space
evaluator = simulated_evaluator(table.search_view("cifar10"), Accounting())
search = RegularizedEvolution(table.space, seed=0)
for _ in range(200):
    query = search.ask()
    search.tell(query, evaluator.evaluate(query))
print(table.space.to_string(search.incumbent))
"""

KERNELS = '''
"""Cells with convolutions of 1x1 or 3x3 pixels on the edges into the output."""

from benchmark_api.spaces import SPACES, SearchSpace


@SPACES.register
class KernelSpace(SearchSpace):
    name = "kernels"
    ordinal = True

    def __init__(self, edges=3):
        super().__init__([2] * edges)

    def spec(self):
        return {**super().spec(), "edges": len(self.cardinalities)}

    def choices(self, decision):
        return ("1x1", "3x3")

    def to_string(self, architecture):
        return ",".join(self.choices(0)[choice] for choice in architecture)

    def from_string(self, text):
        return self.check([self.choices(0).index(part) for part in text.split(",")])

    def mutate(self, architecture, rng, redraw=False):
        return list(self.neighbors(architecture))[int(rng.random() * len(self.cardinalities))]

    def cell(self, architecture):
        return (1, 1, 1, *(2 + choice for choice in architecture))

    def block_widths(self, architecture, channels=None, cells=None):
        return (1, 1, 1, 1, 1)  # a cell in each stage
'''


def run(folder: Path, plugin: str, *arguments: str) -> str:
    """Run Python in a folder with a plugin; what it printed."""
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "NAS_ZOO_PLUGINS": plugin}
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_table_holds_the_space_and_a_search_finds_its_optimum(tmp_path: Path) -> None:
    (tmp_path / "depth.py").write_text(DEPTH)
    assert run(tmp_path, "depth", "-c", TABLE_AND_SEARCH, "t.safetensors") == "4-4-4\n"
    assert "depth, 64 architectures, such as 1-1-1" in run(tmp_path, "depth", "-m", "benchmark_api", "info", "t.safetensors")
    assert "architecture 63: 4-4-4" in run(tmp_path, "depth", "-m", "benchmark_api", "query", "t.safetensors", "4-4-4")


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_the_builder_trains_the_space_in_any_process(tmp_path: Path, jobs: str) -> None:
    (tmp_path / "kernels.py").write_text(KERNELS)
    options = "--space kernels --epochs 1 --stack 4 --trials 1 --batch 450"
    command = ("-m", "benchmark_api", "build", "--out", "t", *options.split())
    assert "digits kernels, 1 epochs, 1 trial" in run(tmp_path, "kernels", *command, "--jobs", jobs)
    assert "kernels, 8 architectures, such as 1x1,1x1,1x1" in run(tmp_path, "kernels", "-m", "benchmark_api", "info", "t")


def test_an_unknown_space_is_refused(tmp_path: Path) -> None:
    (tmp_path / "depth.py").write_text(DEPTH)
    with pytest.raises(AssertionError, match=r"unknown search space 'kernels'; expected one of size, topology, depth"):
        run(tmp_path, "depth", "-m", "benchmark_api", "build", "--out", "t", "--space", "kernels", "--epochs", "1")
    with pytest.raises(AssertionError, match="no network for"):
        run(tmp_path, "depth", "-m", "benchmark_api", "build", "--out", "t", "--space", "depth", "--epochs", "1")
    with pytest.raises(AssertionError, match="the depth space does not have these parameters"):
        run(tmp_path, "depth", "-m", "benchmark_api", "build", "--out", "t", "--space", "depth", "--epochs", "1", "--layers", "3")
