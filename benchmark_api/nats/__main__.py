"""`python -m benchmark_api.nats script.py [arguments]`: run a script whose `nats_bench` is this package."""

import os
import runpy
import sys

from benchmark_api.nats import install

if len(sys.argv) < 2:
    sys.exit(__doc__)
del sys.argv[0]
sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
install()
runpy.run_path(sys.argv[0], run_name="__main__")
