"""Start of a Python process whose parent has the drop-in: `nats_bench` is found in this folder, whatever else is on the path.

Python imports the first module of this name when it starts. A later one on the path, which this one hides, is run as well.
"""

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec

FOLDER = os.path.dirname(os.path.abspath(__file__))


class Finder:
    """Finder that comes before the search of the path, where an installed `nats_bench` or one beside a script may lie."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return where `nats_bench` is; None for other modules. The other arguments are those of every finder."""
        return PathFinder.find_spec(name, [FOLDER]) if name == "nats_bench" else None


def run_next() -> None:
    """Run the `sitecustomize` that comes next on the path, in the place of this one."""
    rest = sys.path[sys.path.index(FOLDER) + 1 :] if FOLDER in sys.path else []
    spec = PathFinder.find_spec("sitecustomize", rest)
    if spec is not None and spec.loader is not None:
        sys.modules["sitecustomize"] = module = module_from_spec(spec)
        spec.loader.exec_module(module)


run_next()
sys.meta_path.insert(0, Finder)
