"""The size search space, with the names of `nats_bench.api_size`."""

from __future__ import annotations

from functools import partial

from benchmark_api.nats.api_utils import ArchResults, NASBenchMetaAPI
from benchmark_api.nats.results import Shown, describe

__all__ = ["ALL_BASE_NAMES", "ArchResults", "NATSsize", "print_information"]

ALL_BASE_NAMES = ["NATS-sss-v1_0-50262"]

_SHOWN: Shown = {"cifar10-valid": (("valid", "x-valid"), ("test", "ori-test")), "cifar10": (("test ", "ori-test"),)}

print_information = partial(describe, shown=_SHOWN)


class NATSsize(NASBenchMetaAPI):
    """The size search space; see `NASBenchMetaAPI` for arguments and methods."""

    search_space_name = "size"
    is_size = True
    full_train_epochs = full_epochs_in_paper = 90
    _all_base_names = ALL_BASE_NAMES
    _shown = _SHOWN
