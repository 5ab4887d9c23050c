"""An importer of a user: one file on the Python path, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmark_api.spaces import SizeSpace
from benchmark_api.tables import Table

ROOT = Path(__file__).resolve().parents[3]

CSV_IMPORTER = '''
"""Importer of CSV files with the columns widths, epochs, seed, split, accuracy, seconds, params, flops."""

import csv
import hashlib
from collections import defaultdict
from pathlib import Path

import numpy as np

from benchmark_api.importers import IMPORTERS, Description, Importer, Trial
from benchmark_api.spaces import SizeSpace


@IMPORTERS.register
class CsvImporter(Importer):
    name = "csv"
    refusal = "it has no name that ends in .csv"

    def recognises(self, source: Path) -> bool:
        return source.suffix == ".csv"

    def read(self, source, spool, *, jobs, progress) -> Description:
        data = source.read_bytes()
        space = SizeSpace((4, 8), 2)
        rows = defaultdict(list)
        for row in csv.DictReader(data.decode().splitlines()):
            rows[space.index(space.from_string(row["widths"]))].append(row)
        for index, of_architecture in rows.items():
            trials = defaultdict(list)
            for row in of_architecture:
                curve = np.full((2, int(row["epochs"])), np.nan)
                curve[:, -1] = float(row["accuracy"]), float("nan")
                costs = float(row["params"]), float(row["flops"]), float("nan")
                seconds = {row["split"]: float(row["seconds"])}
                trials["digits", row["epochs"]].append(Trial(int(row["seed"]), *costs, {row["split"]: curve}, seconds))
            spool.add(index, trials)
        return Description(space, source.stem, f"Measurements ({source.stem})", hashlib.sha256(data).hexdigest())
'''

CSV = """widths,epochs,seed,split,accuracy,seconds,params,flops
4:4,3,0,x-valid,60.5,0.5,0.1,2.0
4:4,3,1,x-valid,61.5,0.5,0.1,2.0
8:4,3,0,x-valid,70.25,0.75,0.2,3.0
"""


def test_an_importer_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "csv_importer.py").write_text(CSV_IMPORTER)
    (tmp_path / "small.csv").write_text(CSV)
    environment = {**os.environ, "NAS_ZOO_PLUGINS": "csv_importer", "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "benchmark_api", "import", "small.csv", "table.safetensors", "--partial"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.startswith("table.safetensors: Measurements (small), 2 records (2 of 4 architectures missing)")
    table = Table(tmp_path / "table.safetensors")
    table.verify()
    assert table.space == SizeSpace((4, 8), 2)
    assert table.keys == ("digits",)
    assert table.accuracy(0, "digits", "3", "x-valid") == 61.0
    assert table.accuracy(2, "digits", "3", "x-valid", seed=0) == 70.25
    assert table.seeds("digits", "3").tolist() == [[0, 1], [-1, -1], [0, -1], [-1, -1]]
    np.testing.assert_array_equal(table.flops("digits"), [2.0, np.nan, 3.0, np.nan])
    refused = subprocess.run(
        [*command[:4], "csv_importer.py", "t"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert refused.returncode == 2
    assert "for nats-bench, it has no meta.pickle.pbz2" in refused.stderr
    assert "for csv, it has no name that ends in .csv" in refused.stderr
