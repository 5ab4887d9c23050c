"""Files that are not what is expected: named for what they are wherever one is opened."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch

from benchmark_api import nats
from benchmark_api.importers import import_table
from benchmark_api.importers.official.read import read_meta, read_record
from benchmark_api.kind_of_file import kind_of_file
from benchmark_api.spaces import SizeSpace
from benchmark_api.tables.table import Table, TableError
from tests.helpers import official

SMALL = SizeSpace((8, 16), 2)


def tar() -> bytes:
    """An unpacked official download."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("NATS-tss-v1_0-3ffb9-simple/meta.pickle.pbz2")
        entry.size = 4
        archive.addfile(entry, io.BytesIO(b"BZh9"))
    return buffer.getvalue()


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("figures.csv", "a,b")
    return buffer.getvalue()


def of_torch(new: bool) -> bytes:
    """A PyTorch file, as NAS-Bench-201 has, of the format since PyTorch 1.6 or the one before."""
    buffer = io.BytesIO()
    torch.save({"meta_archs": []}, buffer, _use_new_zipfile_serialization=new)
    return buffer.getvalue()


KINDS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "an empty file"),
    "tar": (tar(), r"a tar archive: unpack it \(tar xf wrong\.pickle\.pbz2\), and give the folder"),
    "zip": (zipped(), "a zip archive: unpack it"),
    "pth": (of_torch(True), r"a PyTorch file, which is not supported; .*NATS-tss-v1_0-3ffb9-simple\.tar"),
    "old pth": (of_torch(False), r"a PyTorch file, which is not supported; .*NATS-tss-v1_0-3ffb9-simple\.tar"),
    "web page": (b"\n<!DOCTYPE html><html><title>Quota exceeded</title></html>", "a web page instead of the file"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "a pointer of Git LFS"),
    "gzip": (gzip.compress(b"content", mtime=0), "a gzip file: unpack it"),
    "xz": (lzma.compress(b"content"), "an xz file: unpack it"),
    "Parquet": (b"PAR1\x15\x04\x15\x10", "a Parquet file"),
    "pickle": (pickle.dumps({"meta_archs": []}), "a pickle that is not compressed"),
    "table": (safetensors.numpy.save({"a": np.zeros(2)}), "a safetensors file: a table of this project needs no import"),
}
every_kind = pytest.mark.parametrize(("content", "kind"), KINDS.values(), ids=KINDS.keys())


@pytest.fixture
def wrong(content: bytes, tmp_path: Path) -> Path:
    """A file of another kind under the name of a single-file archive."""
    path = tmp_path / "wrong.pickle.pbz2"
    path.write_bytes(content)
    return path


@every_kind
def test_a_source_is_named(wrong: Path, kind: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"no importer recognises .*wrong\.pickle\.pbz2: it is {kind}"):
        import_table(wrong, tmp_path / "t", progress=False)
    assert not (tmp_path / "t").exists()


@every_kind
@pytest.mark.parametrize(
    ("opening", "fault"),
    [
        (lambda path: nats.create(path, "sss", fast_mode=True), "reads an archive folder, got the file .*: "),
        (lambda path: nats.create(path, "sss", fast_mode=False), "not a bz2 file but "),
        (read_meta, "not a bz2 file but "),
    ],
    ids=["as a folder", "as a single file", "as meta data"],
)
def test_the_drop_in_names_it(wrong: Path, kind: str, opening: Callable[[Path], Any], fault: str) -> None:
    if opening is not read_meta and kind.startswith("a safetensors file"):
        kind = fault = "a safetensors file, but not a table"  # the drop-in opens tables of any name
    with pytest.raises(ValueError, match=rf"wrong\.pickle\.pbz2.*{kind}") as caught:
        opening(wrong)
    caught.match(fault)


@every_kind
def test_a_record_is_named(wrong: Path, kind: str, tmp_path: Path) -> None:
    folder = official.write_archive(tmp_path / "archive", SMALL, [0], ["12"])
    wrong.rename(folder / "000001.pickle.pbz2")
    kind = kind.replace("wrong", "000001")
    with pytest.raises(ValueError, match=rf"000001\.pickle\.pbz2: not a bz2 file but {kind}"):
        read_record(folder, 1)
    with pytest.raises(ValueError, match=rf"000001\.pickle\.pbz2: not a bz2 file but {kind}"):
        import_table(folder, tmp_path / "t", jobs=1, progress=False, partial=True)


@pytest.mark.parametrize(("content", "kind"), [KINDS[name] for name in ("tar", "pth", "web page", "pointer", "gzip", "pickle")])
def test_what_is_opened_as_a_table_is_named(wrong: Path, kind: str) -> None:
    with pytest.raises(TableError, match=rf"wrong\.pickle\.pbz2: not a table: {kind}"):
        Table(wrong)


@pytest.mark.parametrize(("content", "kind"), [(bz2.compress(b"text"), "a bz2 file"), (b"op,accuracy\n1,2\n", None)])
def test_what_is_known(wrong: Path, kind: str | None) -> None:
    assert kind_of_file(wrong) == kind
