"""Opening of a benchmark: a table, an archive folder, a single file, or a dict with the content of one."""

from __future__ import annotations

import copy
import os
from typing import Any, NamedTuple

from benchmark_api.importers.official.read import META, read_meta
from benchmark_api.kind_of_file import kind_of_file
from benchmark_api.nats.files import PICKLE_EXT, get_torch_home, pickle_load
from benchmark_api.nats.sources import Records, TableRecords, results_of
from benchmark_api.tables.table import Table


class Opened(NamedTuple):
    """A benchmark."""

    strings: list[str]  # of the architectures, in official order
    records: Records
    evaluated: set[int]  # indices of the architectures that are there from the start
    schedules: set[str]  # their schedules
    filename: str | None = None  # base name of the file or folder; None for a dict
    folder: str | None = None  # archive folder that more records are read from; None for none


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
    if not os.path.exists(path):
        raise ValueError(f"{path} is neither a file nor a folder")
    if path.endswith(".safetensors"):
        return _open_table(Table(path), space)
    if fast_mode and os.path.isfile(path):
        raise ValueError(
            f"fast_mode=True reads an archive folder, got the file {path}: {kind_of_file(path) or 'of no known kind'}"
        )
    if not fast_mode and os.path.isdir(path):
        raise ValueError(f"fast_mode=False reads a single-file archive, got the folder {path}")
    name = os.path.basename(path)
    if fast_mode:
        return Opened(read_meta(os.path.join(path, META))["meta_archs"], Records({}), set(), set(), name, path)
    return _open_dict(pickle_load(path), name)


def _open_table(table: Table, space: str) -> Opened:
    if table.space.name != space:
        raise ValueError(f"{table} is of the {table.space.name} space, expected {space}")
    records = TableRecords(table)
    strings = [table.space.to_string(table.space.architecture(index)) for index in range(len(table))]
    schedules = {hp for hp, trained in records.trained.items() if trained.any()}
    return Opened(strings, records, set(records), schedules, table.path.name)


def _open_dict(content: dict[str, Any], filename: str | None = None) -> Opened:
    missing = {"meta_archs", "arch2infos", "evaluated_indexes"} - set(content)
    if missing:
        raise ValueError(f"the dict has no {', '.join(sorted(missing))}")
    read = {index: results_of(state) for index, state in sorted(content["arch2infos"].items())}
    schedules = {hp for record in read.values() for hp in record}
    records = Records(dict.fromkeys(read, read.__getitem__))
    return Opened(content["meta_archs"], records, set(content["evaluated_indexes"]), schedules, filename)
