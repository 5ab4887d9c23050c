"""Headers of safetensors files: this reader takes and refuses what the safetensors package does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy

from benchmark_api.tables.safetensors import FormatError, Layout, map_safetensors

ARRAYS = {
    "a/accuracy": np.array([[1.5, 2.5], [3.5, 4.5]]),
    "b/accuracy": np.array([5.5, 6.5, 7.5, 8.5]).reshape(2, 2),
    "c/loss": np.array([0.25], dtype=np.float32),
    "d/empty": np.zeros((0, 3), dtype=np.int16),
}
Header = dict[str, Any]


def write(path: Path, header: bytes, data: bytes) -> Path:
    """Write a file of a header and data, whatever they hold."""
    header += b" " * (-len(header) % 8)
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    return path


@pytest.fixture
def parts(tmp_path: Path) -> tuple[Header, bytes]:
    """Header and data of a good file."""
    safetensors.numpy.save_file(ARRAYS, tmp_path / "good", {"about": "text"})
    content = (tmp_path / "good").read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:start]), content[start:]


def opens(path: Path) -> bool:
    """Whether the package opens a file."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            file.keys()
    except safetensors.SafetensorError:
        return False
    return True


def test_a_file_of_the_package_is_read(parts: tuple[Header, bytes], tmp_path: Path) -> None:
    header, data = parts
    tensors, metadata = map_safetensors(write(tmp_path / "t", json.dumps(header).encode(), data))
    assert metadata == {"about": "text"}
    assert tensors.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(tensors[name], array)
        assert tensors[name].dtype == array.dtype


def moved(name: str, begin: int, end: int) -> Callable[[Header], None]:
    """A change of a tensor's offsets by some bytes."""

    def change(header: Header) -> None:
        offsets = header[name]["data_offsets"]
        header[name]["data_offsets"] = [offsets[0] + begin, offsets[1] + end]

    return change


def replaced(name: str, field: str, value: Any) -> Callable[[Header], None]:
    """Another value of a tensor's field."""

    def change(header: Header) -> None:
        header[name][field] = value

    return change


def twin(header: Header) -> None:
    header["b/accuracy"]["data_offsets"] = header["a/accuracy"]["data_offsets"]


def without_a_tensor(header: Header) -> None:
    del header["a/accuracy"]


CHANGES: dict[str, tuple[Callable[[Header], object], str]] = {
    "two tensors in one place": (twin, "overlaps the tensor before"),
    "begins in the tensor before": (moved("b/accuracy", -8, -8), "overlaps the tensor before"),
    "a gap": (without_a_tensor, "leaves a gap|bytes follow the last tensor"),
    "past the end": (moved("c/loss", 4, 4), "leaves a gap"),
    "before the data": (moved("a/accuracy", -8, -8), "not whole numbers"),
    "longer than its shape": (moved("c/loss", 0, 4), "do not hold"),
    "text as a size": (replaced("c/loss", "shape", ["1"]), "not whole numbers"),
    "a fraction as a size": (replaced("c/loss", "shape", [1.0]), "not whole numbers"),
    "a truth value as a size": (replaced("c/loss", "shape", [True]), "not whole numbers"),
    "three offsets": (replaced("c/loss", "data_offsets", [0, 4, 8]), "damaged header entry for 'c/loss'"),
    "another dtype of other size": (replaced("c/loss", "dtype", "F64"), "do not hold"),
    "no such dtype": (replaced("c/loss", "dtype", "F99"), "damaged header entry for 'c/loss'"),
    "a number as metadata": (lambda header: header.update(__metadata__={"about": 3}), "metadata are not strings"),
    "no object as metadata": (lambda header: header.update(__metadata__=[]), "metadata are not strings"),
    "no object as an entry": (lambda header: header.update({"c/loss": 3}), "damaged header entry for 'c/loss'"),
}


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES.keys())
def test_headers_that_the_package_refuses(
    change: Callable[[Header], object], message: str, parts: tuple[Header, bytes], tmp_path: Path
) -> None:
    header, data = parts
    change(header)
    path = write(tmp_path / "t", json.dumps(header).encode(), data)
    assert not opens(path)
    with pytest.raises(FormatError, match=message):
        map_safetensors(path)


def test_what_follows_or_is_missing_is_refused(parts: tuple[Header, bytes], tmp_path: Path) -> None:
    header, data = json.dumps(parts[0]).encode(), parts[1]
    for content, message in ((data + b"junk", "4 bytes follow the last tensor"), (data[:-1], "truncated")):
        path = write(tmp_path / "t", header, content)
        assert not opens(path)
        with pytest.raises(FormatError, match=message):
            map_safetensors(path)


def test_a_name_given_twice_is_refused(parts: tuple[Header, bytes], tmp_path: Path) -> None:
    """The package takes the last; another reader may take the first."""
    header = json.dumps(parts[0])
    again = json.dumps({"c/loss": parts[0]["c/loss"]})[1:-1]
    path = write(tmp_path / "t", f"{header[:-1]}, {again}}}".encode(), parts[1])
    with pytest.raises(FormatError, match="'c/loss' twice"):
        map_safetensors(path)


def test_tensors_in_any_order_and_empty_ones_are_read(parts: tuple[Header, bytes], tmp_path: Path) -> None:
    header, data = parts
    path = write(tmp_path / "t", json.dumps(dict(reversed(header.items()))).encode(), data)
    assert opens(path)
    assert map_safetensors(path)[0].keys() == ARRAYS.keys()


def test_sizes_beyond_numpy_beside_a_zero_are_refused(parts: tuple[Header, bytes], tmp_path: Path) -> None:
    header, data = parts
    for shape in ([0, 1 << 70], [0, *[1 << 30] * 3], [0] * 65):
        header["d/empty"]["shape"] = shape
        with pytest.raises(FormatError, match="damaged header entry for 'd/empty'"):
            map_safetensors(write(tmp_path / "t", json.dumps(header).encode(), data))


def test_the_writer_covers_its_data(tmp_path: Path) -> None:
    layout = Layout({name: (array.dtype, array.shape) for name, array in ARRAYS.items()}, {})
    path = tmp_path / "t"
    path.write_bytes(layout.head + bytes(sum(array.nbytes for array in ARRAYS.values())))
    assert opens(path)
    assert map_safetensors(path)[0].keys() == ARRAYS.keys()
