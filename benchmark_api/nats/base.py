"""An open benchmark: its architectures and records, how they are loaded, and how it is copied."""

from __future__ import annotations

import operator
import os
import random
import time
import warnings
from collections.abc import MutableMapping
from typing import Any, ClassVar, SupportsIndex

from benchmark_api.importers.official.read import record_path
from benchmark_api.nats.files import get_torch_home
from benchmark_api.nats.genotype_utils import InvalidArgument
from benchmark_api.nats.opening import opened
from benchmark_api.nats.records import FolderRecord, Record, StoredRecord, results_under
from benchmark_api.nats.results import Results, Shown
from benchmark_api.nats.table_records import TableRecord


def time_string() -> str:
    """Return the current time (UTC) in brackets."""
    return time.strftime("[%Y-%m-%d %X]", time.gmtime())


_MADE_BY_OPENING = frozenset(
    (
        *("_opened_on", "_table", "_latest", "_evaluated_when_opened"),
        *("meta_archs", "archstr2index", "arch2infos_dict", "evaluated_indexes"),
    )
)
"""Attributes that opening the same benchmark makes again."""


class Benchmark:
    """What `NASBenchMetaAPI` knows of a benchmark, and the loading of it.

    It is pickled and copied as what it was opened on (the path of a table, a folder or a file; the content of a dict) and its
    attributes, with the records that a client has changed or put in; where it arrives, it is opened again. A record that a
    client has dropped is there again. An `arch2infos_dict` of another class becomes an OrderedDict.
    """

    search_space_name: ClassVar[str]
    is_topology: ClassVar[bool] = False
    is_size: ClassVar[bool] = False
    full_train_epochs: ClassVar[int]
    full_epochs_in_paper: ClassVar[int]
    _all_base_names: ClassVar[list[str]]
    _shown: ClassVar[Shown]

    def __init__(self, file_path_or_dict: Any = None, fast_mode: bool = False, verbose: bool = True) -> None:
        self.verbose = verbose
        source = opened(file_path_or_dict, fast_mode, self.search_space_name, self._all_base_names[-1])
        self._opened_on = source.given, fast_mode
        self._table = source.table
        self._latest = source.latest
        self._evaluated_when_opened = frozenset(source.evaluated)
        self.meta_archs = source.strings
        self.arch2infos_dict: MutableMapping[int, Record] = source.records
        self.evaluated_indexes = source.evaluated
        self.filename = source.filename
        self.archive_dir = source.folder
        self._avaliable_hps = source.schedules
        self.fast_mode = fast_mode
        self.used_time = 0.0
        self.archstr2index = {text: index for index, text in enumerate(self.meta_archs)}
        if len(self.archstr2index) < len(self.meta_archs):
            twice = next(text for index, text in enumerate(self.meta_archs) if self.archstr2index[text] != index)
            raise ValueError(f"architecture {twice} is listed twice")
        self._log(f"{self!r} is ready")

    def __reduce__(self) -> tuple[Any, ...]:
        given, fast_mode = self._opened_on
        source = given if self._table is None else self._table
        attributes = {name: value for name, value in vars(self).items() if name not in _MADE_BY_OPENING}
        if self.archive_dir is not None:
            attributes["archive_dir"] = os.path.abspath(self.archive_dir)
        records = {
            index: record
            for index, record in self.arch2infos_dict.items()
            if given is None or not (isinstance(record, StoredRecord) and record.is_of(source, index))
        }
        evaluated = None if self.evaluated_indexes == self._evaluated_when_opened else self.evaluated_indexes
        empty = {"meta_archs": self.meta_archs, "arch2infos": {}, "evaluated_indexes": self._evaluated_when_opened}
        return type(self), (empty if given is None else given, fast_mode, False), (attributes, records, evaluated)

    def __setstate__(self, state: tuple[dict[str, Any], dict[int, Record], set[int] | None]) -> None:
        attributes, records, evaluated = state
        vars(self).update(attributes)
        self.arch2infos_dict.update(records)
        if evaluated is not None:
            self.evaluated_indexes = set(evaluated)

    def _log(self, message: str) -> None:
        if self.verbose:
            print(f"{time_string()} {message}")

    def __len__(self) -> int:
        return len(self.meta_archs)

    def __getitem__(self, index: int) -> str:
        return self.meta_archs[index]

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self.evaluated_indexes)}/{len(self)} architectures, fast_mode={self.fast_mode}, "
            f"file={self.filename})"
        )

    @property
    def avaliable_hps(self) -> list[str]:
        """Schedules of the loaded architectures, shortest first (sic)."""
        return sorted(self._avaliable_hps, key=int)

    def reset_time(self) -> None:
        """Set the simulated clock to 0."""
        self.used_time = 0.0

    # -- architectures -----------------------------------------------------------------------------------------------

    def arch(self, index: int) -> str:
        """Return the string of an architecture; ValueError if the index is out of range."""
        self._log(f"arch: index={index}")
        return self.meta_archs[self._checked(index)]

    def _checked(self, index: SupportsIndex) -> int:
        """Return an index, of NumPy's types too, as an int."""
        at = operator.index(index)
        if not 0 <= at < len(self):
            raise ValueError(f"architecture index must be 0 to {len(self) - 1}, got {at}")
        return at

    def random(self) -> int:
        """Return a uniformly random index, from Python's global generator as in the package."""
        return random.randint(0, len(self) - 1)

    def query_index_by_arch(self, arch: Any) -> int:
        """Return the official index of an index, a string, or an object with `tostr()`; -1 if it is not in the space.

        Raises a ValueError for an index that is out of range.
        """
        self._log(f"query_index_by_arch: arch={arch}")
        if isinstance(arch, int):
            return self._checked(arch)
        text = arch.tostr() if hasattr(arch, "tostr") else arch
        if isinstance(text, str):
            return self.archstr2index.get(text, -1)
        return self._checked(arch) if isinstance(arch, SupportsIndex) else -1

    def _index_of(self, arch: Any) -> int:
        """Return `query_index_by_arch`; ValueError if the architecture is not in the space."""
        index = self.query_index_by_arch(arch)
        if index < 0:
            raise ValueError(f"{arch!r} is not an architecture of the {self.search_space_name} space")
        return index

    # -- records -----------------------------------------------------------------------------------------------------

    def _prepare_info(self, index: int) -> None:
        """Load an architecture unless it is loaded: from the table, or in fast mode from the archive folder."""
        if index in self.arch2infos_dict:
            if index not in self.evaluated_indexes:
                raise ValueError(f"there is a record of architecture {index}, but evaluated_indexes does not list it")
        elif self._table is not None and index in self._evaluated_when_opened:
            at = operator.index(index)
            self.arch2infos_dict[at] = TableRecord(self._table, at, self._latest)
            self.evaluated_indexes.add(at)
        elif self.fast_mode:
            if self.archive_dir is None:
                raise ValueError(f"architecture {index} is not there, and there is no archive folder to read it from")
            self.reload(self.archive_dir, index)

    def _record(self, index: int) -> Record:
        """Return the record of an architecture. ValueError if it cannot be loaded."""
        self._prepare_info(index)
        if index not in self.arch2infos_dict:
            raise ValueError(f"architecture {index} is not among the {len(self.arch2infos_dict)} that are loaded")
        return self.arch2infos_dict[index]

    def _results(self, index: int, hp: str | int) -> Results:
        """Return the trainings of an architecture. ValueError if it cannot be loaded, KeyError if not under the schedule."""
        record = self._record(index)
        try:
            return results_under(record, str(hp))
        except KeyError:
            raise KeyError(f"architecture {index} was not trained under schedule {hp!r}; it has {', '.join(record)}") from None

    def reload(self, archive_root: str | None = None, index: int | None = None) -> None:
        """Read the record of an architecture (None: of all) again, over what is loaded.

        The folder is `archive_root`; by default the official full archive in `get_torch_home()` or, if it is not there,
        `archive_dir`. (The package needs TORCH_HOME to be set here.)

        Raises:
            ValueError: there is no such folder; a table or a single file has none by default.
            InvalidArgument: the folder has no record of the architecture.
        """
        self._log(f"reload: archive_root={archive_root}, index={index}")
        root = self._default_root() if archive_root is None else archive_root
        if not os.path.isdir(root):
            raise ValueError(f"no archive folder {root}")
        for each in map(self._checked, range(len(self)) if index is None else (index,)):
            if not (path := record_path(root, each)).is_file():
                raise InvalidArgument(f"architecture {each} has no record {path}")
            record = FolderRecord(os.path.abspath(root), each, self._latest)
            schedules = record.load().keys()
            self.arch2infos_dict[each] = record
            self.evaluated_indexes.add(each)
            self._avaliable_hps.update(schedules)

    def _default_root(self) -> str:
        full = os.path.join(get_torch_home(), f"{self._all_base_names[-1]}-full")
        if os.path.isdir(full):
            return full
        if self.archive_dir is None:
            opened_on = "a dict" if self.filename is None else self.filename
            raise ValueError(f"nothing to reload: {opened_on} is not an archive folder, and there is no {full}; name one")
        warnings.warn(f"there is no {full}; reading {self.archive_dir}", stacklevel=3)
        return self.archive_dir
