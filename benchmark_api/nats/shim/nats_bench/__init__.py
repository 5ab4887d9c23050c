"""The package `nats_bench` in processes that a process with the drop-in starts: its `install` puts this folder on their path."""

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

if find_spec("benchmark_api") is None:  # not installed: the project is the folder that this file lies in
    sys.path.append(str(Path(__file__).parents[4]))
import_module("benchmark_api.nats").install()
