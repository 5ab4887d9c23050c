"""Run a script whose `nats_bench` is this project, also in the processes that it starts.

python -m benchmark_api.nats SCRIPT [ARGUMENT ...]
python -m benchmark_api.nats -m MODULE [ARGUMENT ...]
"""

import os
import runpy
import sys
from importlib.util import find_spec
from typing import NoReturn

from benchmark_api.nats import install


def main() -> None:
    """Run what `sys.argv` names, as `python` would."""
    match sys.argv[1:]:
        case ["-h" | "--help", *_]:
            print(__doc__)
        case ["-m", module, *arguments]:
            sys.argv = [module, *arguments]  # runpy puts the module's path in the first place
            install()
            if not _is_module(module):
                _refuse(f"error: no module {module}")
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case [script, *arguments] if not script.startswith("-"):
            if not os.path.exists(script):
                _refuse(f"error: no script {script}")
            sys.argv = [script, *arguments]
            sys.path.insert(0, os.path.dirname(os.path.abspath(script)))
            install()
            runpy.run_path(script, run_name="__main__")
        case _:
            _refuse(f"error: expected a script or -m and a module\n{__doc__}")


def _refuse(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(2)


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError as error:
        if name.startswith(f"{error.name}."):  # a package above it is not there
            return False
        raise


if __name__ == "__main__":
    main()
