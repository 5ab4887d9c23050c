"""Opening of a benchmark: a table, an archive folder, a single file, or a dict with the content of one."""

from __future__ import annotations

import copy
import os
from collections import OrderedDict
from typing import Any, NamedTuple

from benchmark_api.importers.official.read import META, read_meta
from benchmark_api.kind_of_file import is_safetensors, kind_of_file
from benchmark_api.nats.files import PICKLE_EXT, get_torch_home, pickle_load
from benchmark_api.nats.records import Latest, Record, StateRecord
from benchmark_api.nats.table_records import TableRecord, TableSource
from benchmark_api.tables.table import EMBEDDED, Table


class Opened(NamedTuple):
    """A benchmark."""

    given: str | Table | None  # what opens it again, also in a process with another working directory; None for a dict
    strings: list[str]  # of the architectures, in official order
    records: OrderedDict[int, Record]
    evaluated: set[int]  # indices of the architectures that are there from the start
    schedules: set[str]  # their schedules
    latest: Latest  # the records that share memory
    filename: str | None = None  # base name of the file or folder; None for a dict
    folder: str | None = None  # archive folder that more records are read from; None for none
    table: TableSource | None = None


def opened(given: Any, fast_mode: bool, space: str, base_name: str) -> Opened:
    """Open what `create` takes; `base_name` is that of the official archive, without its ending.

    Raises:
        ValueError: the path does not exist or does not fit `fast_mode`; a dict lacks a key; the table is of another space.
    """
    if given is None:
        base = os.path.join(get_torch_home(), base_name)
        given = f"{base}-simple" if fast_mode else f"{base}.{PICKLE_EXT}"
    if isinstance(given, dict):
        return _open_dict(copy.deepcopy(given))
    if isinstance(given, Table):
        return _open_table(given, space)
    if not isinstance(given, (str, os.PathLike)):
        raise ValueError(f"expected a path, a dict, a Table or None, got {type(given).__name__}")
    path = os.fspath(given)
    table = _table_path(path)
    if table is not None:
        return _open_table(Table(table), space)
    if not os.path.exists(path):
        raise ValueError(f"{path} is neither a file nor a folder, and no table {path.rstrip(os.sep)}.safetensors is there")
    if fast_mode and os.path.isfile(path):
        kind = kind_of_file(path) or "of no known kind"
        raise ValueError(f"fast_mode=True reads an archive folder, got the file {path}: {kind}")
    if not fast_mode and os.path.isdir(path):
        raise ValueError(f"fast_mode=False reads a single-file archive, got the folder {path}")
    name, absolute = os.path.basename(path), os.path.abspath(path)
    if fast_mode:
        strings = read_meta(os.path.join(path, META))["meta_archs"]
        return Opened(absolute, strings, OrderedDict(), set(), set(), Latest(), name, path)
    return _open_dict(pickle_load(path), absolute, name)


def _table_path(path: str) -> str | None:
    """Return the table that a path means, or None.

    It is the file itself, whatever its name; where there is neither file nor folder, an embedded table of that name, or the
    table beside it that was imported from the archive of that name. So scripts with the path of an archive run over its table.
    """
    if os.path.isfile(path):
        return path if path.endswith(".safetensors") or is_safetensors(path) else None
    if os.path.exists(path):
        return None
    if path in EMBEDDED:
        return path
    archive = path.rstrip(os.sep)
    stem = archive.removesuffix(f".{PICKLE_EXT}")
    beside = (f"{archive}.safetensors", f"{stem}.safetensors", f"{stem}-simple.safetensors")
    return next((table for table in beside if os.path.isfile(table)), None)


def _open_table(table: Table, space: str) -> Opened:
    if table.space.name != space:
        raise ValueError(f"{table} is of the {table.space.name} space, expected {space}")
    source, latest = TableSource(table), Latest()
    strings = [table.space.to_string(table.space.architecture(index)) for index in range(len(table))]
    records: OrderedDict[int, Record] = OrderedDict((index, TableRecord(source, index, latest)) for index in source.measured)
    schedules = {hp for hp, trained in source.trained.items() if trained.any()}
    return Opened(table, strings, records, set(source.measured), schedules, latest, table.path.name, table=source)


def _open_dict(content: dict[str, Any], path: str | None = None, filename: str | None = None) -> Opened:
    missing = {"meta_archs", "arch2infos", "evaluated_indexes"} - set(content)
    if missing:
        raise ValueError(f"the dict has no {', '.join(sorted(missing))}")
    records: OrderedDict[int, Record] = OrderedDict()
    schedules: set[str] = set()
    for index, state in sorted(content["arch2infos"].items()):
        record = StateRecord(path, index, state)
        schedules.update(record.load())
        records[index] = record
    return Opened(path, content["meta_archs"], records, set(content["evaluated_indexes"]), schedules, Latest(), filename)
