"""Files of costs: what is read, and what is refused with the row it is in."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from benchmark_api.importers import cost_files
from benchmark_api.importers.cost_files import read_costs
from tests.helpers.hand import SPACE

NAN = float("nan")
TEXT = "index,arch,energy,device,latency\n3,8:8,4.5,phone,-1\n0,4:4,1e0,phone,7\n1,4:8,,phone,nan\n"


def costs(folder: Path, text: str | bytes, name: str = "costs.csv") -> Path:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder / name


def test_columns_of_numbers_become_metrics(tmp_path: Path) -> None:
    found = read_costs(costs(tmp_path, TEXT), SPACE, missing=[-1.0])
    assert list(found.values) == ["energy", "latency"]
    np.testing.assert_array_equal(found.values["energy"], [1.0, NAN, NAN, 4.5])
    np.testing.assert_array_equal(found.values["latency"], [7.0, NAN, NAN, NAN])
    assert found.left_out == ("device",)
    assert found.source.startswith("costs.csv, SHA-256 ")


def test_chosen_columns_take_other_names(tmp_path: Path) -> None:
    found = read_costs(costs(tmp_path, TEXT), SPACE, {"latency": "latency@phone"})
    assert list(found.values) == ["latency@phone"]
    np.testing.assert_array_equal(found.values["latency@phone"], [7.0, NAN, NAN, -1.0])


@pytest.mark.parametrize("known", ["index", "arch"])
def test_one_of_the_columns_names_the_architecture(tmp_path: Path, known: str) -> None:
    text = {"index": "index,e\n2,5\n", "arch": "e,arch\n5, 8:4\n"}[known]
    np.testing.assert_array_equal(read_costs(costs(tmp_path, text), SPACE).values["e"], [NAN, NAN, 5.0, NAN])


def test_all_formats_say_the_same(tmp_path: Path) -> None:
    table = pyarrow.table({"arch": ["8:8", "4:4", "4:8"], "energy": [4.5, 1, None], "latency": pyarrow.array([-1, 7, None])})
    pyarrow.parquet.write_table(table, tmp_path / "costs.parquet")
    plain = read_costs(costs(tmp_path, TEXT), SPACE)
    for path in (
        tmp_path / "costs.parquet",
        costs(tmp_path, gzip.compress(TEXT.encode()), "costs.csv.gz"),
        costs(tmp_path, b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode(), "dos.csv"),
    ):
        found = read_costs(path, SPACE)
        assert list(found.values) == list(plain.values)
        for name, values in plain.values.items():
            np.testing.assert_array_equal(found.values[name], values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("energy\n1\n", "costs.csv has no column 'index' or 'arch' that names the architecture; it has energy"),
        ("index,e\n0,1\n4,2\n", "row 2: index '4'; expected a whole number from 0 to 3"),
        ("index,e\n1.0,1\n", "row 1: index '1.0'; expected a whole number"),
        ("index,e\n-1,1\n", "row 1: index '-1'; expected a whole number"),
        ("arch,e\n4:4,1\n4:5,1\n", "row 2: not a size string"),
        ("index,arch,e\n0,4:8,1\n", "row 1: index 0, but arch is that of 1; expected the same"),
        ("index,e\n0,1\n1,1\n0,2\n", "rows 1 and 3 are both of architecture 0; expected one"),
        ("index,e\n0,1\n1,x\n2,y\n", "row 2 and 1 more, column 'e': 'x' is not a finite number"),
        ("index,e\n0,1\n1,inf\n", "row 2, column 'e': 'inf' is not a finite number"),
        ("index,e\n0,1\n1,1_0\n", "row 2, column 'e': '1_0' is not a finite number"),
        ("index,e\n0,1\n1\n", "row 2: 1 cells; expected 2, as in the header"),
        ("index,e,e\n0,1,1\n", "more than one column 'e'"),
        ("index,\n0,1\n", "column 2 has no name"),
        ("index,device\n0,phone\n", "no numbers but those of the architectures"),
        ("index,e\n", "0 rows; expected one for each architecture, of which the space has 4"),
        ("index,e\n" + "0,1\n" * 9, "rows; expected one for each architecture, of which the space has 4"),
        ("", "0 rows"),
        (b"index,e\n0,\xff\n", "neither Parquet nor CSV in UTF-8"),
        (b'index,e\n0,"1\n', "neither Parquet nor CSV"),
        (gzip.compress(TEXT.encode())[:-9], "neither Parquet nor CSV"),
        (b"PAR1 and no more", "damaged Parquet file"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ValueError) as error:
        read_costs(costs(tmp_path, text), SPACE)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"power": "power"}, "no column 'power' of a metric; it has energy, device, latency"),
        ({"arch": "arch"}, "no column 'arch' of a metric"),
        ({"device": "device"}, "row 1 and 2 more, column 'device': 'phone' is not a finite number"),
        ({"energy": "cost", "latency": "cost"}, "two columns become one metric, of cost, cost"),
    ],
)
def test_chosen_columns_must_hold_metrics(tmp_path: Path, columns: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_costs(costs(tmp_path, TEXT), SPACE, columns)


def test_a_chosen_column_without_any_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"costs\.csv: column 'e' has no number"):
        read_costs(costs(tmp_path, "index,e\n0,\n1,-1\n"), SPACE, {"e": "e"}, [-1.0])


def test_a_parquet_file_of_other_types_is_refused(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"index": [0, 1], "e": [[1.0], [2.0]]}), tmp_path / "costs")
    with pytest.raises(ValueError, match=r"column 'e': \[1\.0\] is not a finite number"):
        read_costs(tmp_path / "costs", SPACE, {"e": "e"})
    pyarrow.parquet.write_table(pyarrow.table({"index": [0, 1] * 9, "e": [1.0] * 18}), tmp_path / "costs")
    with pytest.raises(ValueError, match="18 rows; expected one for each architecture"):
        read_costs(tmp_path / "costs", SPACE)


def test_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost_files, "MAX_BYTES", 2000)
    with pytest.raises(ValueError, match="neither Parquet nor CSV in UTF-8: more than 2,000 bytes of text"):
        read_costs(costs(tmp_path, gzip.compress(b"index,e\n" + b" " * 5000)), SPACE)
    with pytest.raises(ValueError, match="has 5,000 bytes; expected at most 2,000"):
        read_costs(costs(tmp_path, b" " * 5000), SPACE)
    with pytest.raises(FileNotFoundError, match="no file"):
        read_costs(tmp_path / "nowhere", SPACE)
