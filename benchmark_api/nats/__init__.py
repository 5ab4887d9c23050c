"""A drop-in for the `nats_bench` package (version 1.8): the same names, over a Table or an official archive.

    from benchmark_api.nats import create
    api = create("nats-tss.safetensors", "tss", verbose=False)
    api.get_more_info(1234, "cifar100", hp="200", is_random=False)["test-accuracy"]

Scripts that `import nats_bench` run unchanged after `install()`, or by `python -m benchmark_api.nats script.py`. Archives are
read without running anything in them. Numbers, return keys, printed text and draws from Python's global generator are the
package's; docstrings say where this differs. What the package's authors built records with is left out.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmark_api.nats.api_size import NATSsize
from benchmark_api.nats.api_topology import NATStopology
from benchmark_api.nats.files import pickle_load, pickle_save
from benchmark_api.nats.results import ArchResults, ResultsCount
from benchmark_api.spaces import NATS_WIDTHS, OPERATIONS

__all__ = [
    "ArchResults",
    "NATSsize",
    "NATStopology",
    "ResultsCount",
    "create",
    "install",
    "pickle_load",
    "pickle_save",
    "search_space_info",
    "version",
]

NATS_BENCH_SSS_NAMEs = ("sss", "size")
NATS_BENCH_TSS_NAMEs = ("tss", "topology")


def version() -> str:
    """Return the version of the package whose interface this is."""
    return "v1.8"


def create(file_path_or_dict: Any, search_space: str, fast_mode: bool = False, verbose: bool = True) -> NATStopology | NATSsize:
    """Open a benchmark of a search space, "tss" or "topology", "sss" or "size"; see `NASBenchMetaAPI` for the other arguments."""
    if search_space in NATS_BENCH_TSS_NAMEs:
        return NATStopology(file_path_or_dict, fast_mode, verbose)
    if search_space in NATS_BENCH_SSS_NAMEs:
        return NATSsize(file_path_or_dict, fast_mode, verbose)
    raise ValueError(f"search_space must be tss, topology, sss or size, got {search_space!r}")


def search_space_info(main_tag: str, aux_tag: str | None) -> dict[str, Any]:
    """Return the operations or widths of a search space, and its size.

    The tags are "nats-bench" and a name of `create`'s `search_space`, or "nas-bench-201" and None.
    """
    if (main_tag == "nats-bench" and aux_tag in NATS_BENCH_TSS_NAMEs) or (main_tag == "nas-bench-201" and aux_tag is None):
        return {"op_names": list(OPERATIONS), "num_nodes": 4}
    if main_tag == "nats-bench" and aux_tag in NATS_BENCH_SSS_NAMEs:
        return {"candidates": list(NATS_WIDTHS), "num_layers": 5}
    raise ValueError(f"expected nats-bench with tss or sss, or nas-bench-201 with None; got {main_tag!r} with {aux_tag!r}")


def install() -> None:
    """Make `import nats_bench` and imports of its modules mean this package, in this process and those started from now on.

    Children of multiprocessing (spawn and forkserver too), subprocesses, and workers of Ray and joblib on this machine get it
    by the folder `shim`, which is put first on `sys.path` and in the environment variable PYTHONPATH: it has a package of that
    name, and a `sitecustomize` that finds it before any other. Out of reach are processes that are started with an environment
    of their own, or told to ignore it (`python -I`), and workers that ran before.
    """
    for module in ("", ".api_size", ".api_topology", ".api_utils", ".genotype_utils"):
        sys.modules[f"nats_bench{module}"] = import_module(f"{__name__}{module}")
    folder = str(Path(__file__).parent / "shim")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    inherited = os.environ.get("PYTHONPATH")
    if folder not in (inherited or "").split(os.pathsep):
        os.environ["PYTHONPATH"] = f"{folder}{os.pathsep}{inherited}" if inherited else folder
