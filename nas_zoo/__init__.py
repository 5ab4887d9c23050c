"""NAS algorithms on tabular benchmarks, from Python.

    import nas_zoo

    results = nas_zoo.sweep(["random", "rea"], table="nats-topology", dataset="cifar10", seeds=20)
    results.summary()                            # a pandas frame, a row for each search
    results.plot.anytime()                       # accuracy over simulated time, on matplotlib axes
    results.found()[0].architecture              # the best architecture of the first search

`sweep` runs black-box searches, `train_one_shot` trains supernets, `load` opens what either has stored; `network` and `draw` take
an architecture of a table along. `BlackBoxSearch`, `Query` and `Evaluation` are what a search of your own is made of. The command
`nas-zoo` does the same from a shell.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from algorithms.black_box import BlackBoxSearch, Evaluation, Query
    from benchmark_api.tables.table import Table
    from benchmark_api.training.candidate import Candidate
    from experiments.report.found import Found
    from nas_zoo.architectures import draw, network
    from nas_zoo.results import Curve, Results, load
    from nas_zoo.runs import sweep, train_one_shot

__all__ = [
    "BlackBoxSearch", "Candidate", "Curve", "Evaluation", "Found", "Query", "Results", "Table", "__version__", "draw", "load",
    "network", "sweep", "train_one_shot",
]  # fmt: skip
__version__ = version("nas-zoo")

_MODULES = {
    **dict.fromkeys(("BlackBoxSearch", "Evaluation", "Query"), "algorithms.black_box"),
    **dict.fromkeys(("draw", "network"), "nas_zoo.architectures"),
    **dict.fromkeys(("Curve", "Results", "load"), "nas_zoo.results"),
    **dict.fromkeys(("sweep", "train_one_shot"), "nas_zoo.runs"),
    "Candidate": "benchmark_api.training.candidate",
    "Found": "experiments.report.found",
    "Table": "benchmark_api.tables.table",
}
_PACKAGES = ("algorithms", "benchmark_api", "experiments", "plots")


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `import nas_zoo` takes milliseconds."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__


def _find_packages() -> None:
    """Let imports find this project's packages, also in a folder that has others of their names.

    Worker processes inherit the path. It stays as it is where nothing hides the packages.

    Raises:
        ImportError: another package of such a name has been imported before.
    """
    home = Path(__file__).resolve().parents[1]
    for name in _PACKAGES:
        spec = find_spec(name)
        if spec is not None and spec.origin is not None and Path(spec.origin).resolve().parents[1] == home:
            continue
        if name in sys.modules:
            where = getattr(sys.modules[name], "__file__", None) or "a package without a file"
            raise ImportError(
                f"nas_zoo has a package {name!r}, but {where} was imported under this name: import nas_zoo before it"
            )
        if sys.path[0] != str(home):
            sys.path.insert(0, str(home))


_find_packages()
