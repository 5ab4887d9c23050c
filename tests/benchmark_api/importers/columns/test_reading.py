"""All formats give the same rows; damaged and oversized files are refused by name."""

from __future__ import annotations

import gzip
import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark_api import unpickle
from benchmark_api.importers import ColumnsImporter, import_table
from benchmark_api.importers.columns import parse_mapping, reading
from benchmark_api.importers.columns.mapping import tomllib
from benchmark_api.tables import Table

ROWS = [{"arch": "8:8", "acc": 10.5}, {"arch": "16:8", "acc": None}, {"arch": "16:16", "acc": 30.0}]
MAPPING = """
space = { name = "size", widths = [8, 16], layers = 2 }
dataset = "cifar10"
schedule = 3
split = "test"
accuracy = "acc"
[architecture]
widths = "arch"
"""
NAMED = MAPPING.replace('"arch"', '"@name"')


def imported(source: Path, mapping: str = MAPPING) -> Table:
    importer = ColumnsImporter(parse_mapping(tomllib.loads(mapping), "m"))
    return import_table(source, source.parent / "t.safetensors", importer=importer, partial=True, progress=False)


def columns() -> dict[str, list[Any]]:
    return {name: [row[name] for row in ROWS] for name in ("arch", "acc")}


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), sink)
    return sink.getvalue()


TEXT = "arch,acc\n8:8,10.5\n\n16:8,\n16:16,30\n"
FILES: dict[str, Callable[[], bytes]] = {
    "rows.csv": TEXT.encode,
    "mark.csv": lambda: b"\xef\xbb\xbf" + TEXT.encode(),
    "rows.csv.gz": lambda: gzip.compress(TEXT.encode(), mtime=0),
    "rows.tsv": lambda: TEXT.replace(",", "\t").encode(),
    "rows.parquet": parquet,
    "rows.jsonl": lambda: b"\n\n".join(json.dumps(row).encode() for row in ROWS),
    "rows.ndjson.gz": lambda: gzip.compress(b"\n".join(json.dumps(row).encode() for row in ROWS)),
    "rows.json": lambda: json.dumps(ROWS).encode(),
    "columns.json": lambda: json.dumps(columns()).encode(),
    "pandas.json": lambda: json.dumps({name: dict(zip("012", cells, strict=True)) for name, cells in columns().items()}).encode(),
    "rows.pkl": lambda: pickle.dumps(ROWS),
    "columns.pickle": lambda: pickle.dumps(columns(), protocol=2),
    "stream.p": lambda: b"".join(map(pickle.dumps, ROWS)),
    "floats.p": lambda: b"".join(pickle.dumps({**row, "acc": np.float64(row["acc"] or np.nan)}) for row in ROWS),
}


@pytest.mark.parametrize("name", FILES)
def test_every_format(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(FILES[name]())
    table = imported(tmp_path / name)
    np.testing.assert_array_equal(table.mean_accuracy("cifar10", "3", "ori-test"), [10.5, np.nan, np.nan, 30.0])


@pytest.mark.parametrize("dump", [lambda rows: json.dumps(rows).encode(), pickle.dumps])
def test_objects_of_rows_and_paths(tmp_path: Path, dump: Callable[[Any], bytes]) -> None:
    """Rows may be named; a column may be a path of names and positions."""
    name = "rows.json" if dump is not pickle.dumps else "rows.pkl"
    (tmp_path / name).write_bytes(dump({row["arch"]: {"90": {"acc": [row["acc"]], "a.b": 1}} for row in ROWS}))
    table = imported(tmp_path / name, NAMED.replace('"acc"', '"90.acc.0"'))
    assert table.accuracy(3, "cifar10", "3", "ori-test") == 30.0
    with pytest.raises(ValueError, match=r"no column '90.acc.1'; it has @name, 90"):
        imported(tmp_path / name, NAMED.replace('"acc"', '"90.acc.1"'))
    assert imported(tmp_path / name, NAMED.replace('"acc"', '"90.a.b"')).accuracy(0, "cifar10", "3", "ori-test") == 1.0


def test_numbers_as_names(tmp_path: Path) -> None:
    (tmp_path / "rows.pkl").write_bytes(pickle.dumps({0: {90: {0: 12.5}}}))
    table = imported(tmp_path / "rows.pkl", NAMED.replace('"acc"', '"90.0"').replace("\nwidths", "\nindex"))
    assert table.accuracy(0, "cifar10", "3", "ori-test") == 12.5


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"arch,acc\n8:8,\xff\n", "damaged: 'utf-8' codec can't decode"),
        ("a.csv.gz", gzip.compress(TEXT.encode(), mtime=0)[:-9], "damaged: Compressed file ended"),
        ("a.csv.gz", TEXT.encode(), "damaged: Not a gzipped file"),
        ("a.csv", b"arch,acc\n8:8," + b"1" * 200_000, "damaged: field larger than field limit"),
        ("a.csv", b"arch,acc\n" + b"1," * (1 << 20), "a line of more than 1,048,576 characters"),
        ("a.parquet", b"PAR1 and no more", "damaged: "),
        ("a.json", b"[" * 200_000, "damaged: maximum recursion depth"),
        ("a.json", b'{"acc": 1', "Expecting ',' delimiter"),
        ("a.json", b'{"8:8": {"acc": 1}, "8:8": {"acc": 2}}', "an object has the name '8:8' twice"),
        ("a.json", b'{"arch": ["8:8"], "acc": [1, 2]}', "columns of different lengths: arch 1, acc 2"),
        ("a.json", b'[{"arch": "8:8", "acc": 1}, 5]', "row 2: expected an object, got int"),
        ("a.json", b'"text"', "expected an object or a list, got str"),
        ("a.json", b'[{"arch": "8:8"}]', "no column 'acc'; it has arch"),
        ("a.json", b'[{"arch": ["8", {}], "acc": 1}]', "row 1: arch ['8', {}]: expected widths"),
        ("a.json", b'[{"arch": "8:8", "acc": true}]', "row 1: acc True: expected a finite number from 0 to 100"),
        ("a.json", b'[{"arch": "8:8", "acc": 1e999}]', "row 1: acc inf: expected a finite number from 0 to 100"),
        ("a.jsonl", b'{"arch": "8:8", "acc": 1}\n{', "line 2: Expecting property name"),
        ("a.pkl", b"", "damaged: truncated: it is empty"),
        ("a.pkl", pickle.dumps(ROWS)[:-3], "damaged: "),
        ("a.pkl", pickle.dumps(ROWS[0]) + b"text", "not a pickle of protocol 2 to 5"),
        ("a.pkl", pickle.dumps(ROWS[0]) + pickle.dumps(Path("x")), "refused: it asks for the global pathlib"),
        ("a.pkl", pickle.dumps([print]), "Nothing of it was run."),
    ],
)
def test_wrong_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as error:
        imported(tmp_path / name)
    assert str(error.value).startswith(f"{tmp_path / name}: ")
    assert message in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_documents_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "DOCUMENT_LIMIT", 60)
    (tmp_path / "a.json").write_bytes(FILES["rows.json"]())
    with pytest.raises(ValueError, match="more than 0 MiB of JSON"):
        imported(tmp_path / "a.json")
    (tmp_path / "a.p").write_bytes(FILES["stream.p"]())
    with pytest.raises(ValueError, match=r"bytes of pickles, expected at most 60"):
        list(unpickle.load_stream(tmp_path / "a.p", 60))


def test_a_pickle_that_exhausts_the_stack(tmp_path: Path) -> None:
    """The process that reads it ends, not the import; nothing stays behind."""
    depth = 2_000_000
    content = b"\x80\x04}" + b")" + b"\x85" * depth + b"K\x01s."  # a dict with a deeply nested tuple as a key
    (tmp_path / "a.pkl").write_bytes(content)
    with pytest.raises((RuntimeError, ValueError), match=r"a\.pkl"):
        imported(tmp_path / "a.pkl")
    assert [path.name for path in tmp_path.iterdir()] == ["a.pkl"]
