"""Files of the package: its pickles, read without running anything, and its default folder."""

from __future__ import annotations

import bz2
import os
import pickle
from typing import Any

from benchmark_api.importers.official.single_file import load_records
from benchmark_api.jobs.files import regular

PICKLE_EXT = "pickle.pbz2"


def pickle_save(obj: object, file_path: str | os.PathLike[str], ext: str = ".pbz2", protocol: int = 4) -> None:
    """Write a bz2-compressed pickle to the path with `ext` appended."""
    with bz2.open(f"{os.fspath(file_path)}{ext}", "wb") as file:
        pickle.dump(obj, file, protocol=protocol)


def pickle_load(file_path: str | os.PathLike[str], ext: str = ".pbz2") -> Any:
    """Return the content of a bz2-compressed pickle of plain data, at the path or, if there is none, the path with `ext`.

    Nothing in the file is run, unlike in the package: a ValueError if it holds more than the plain data of official archives.
    """
    path = os.fspath(file_path)
    path = path if os.path.isfile(path) else path + ext
    records: dict[int, Any] = {}
    with open(regular(path), "rb") as file:
        content = load_records(file, path, records.__setitem__)
    if records:
        content["arch2infos"] = records
    return content


def get_torch_home() -> str:
    """Return the folder of the default paths: $TORCH_HOME, or .torch in the home folder; ValueError if neither is set."""
    if "TORCH_HOME" in os.environ:
        return os.environ["TORCH_HOME"]
    if "HOME" in os.environ:
        return os.path.join(os.environ["HOME"], ".torch")
    raise ValueError("set TORCH_HOME to the folder of the NATS-Bench files (HOME is not set either)")
