"""Data sets of one's own from anybody: each file is read as what it is, or refused by one line that names it."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from benchmark_api.training.datasets import load_dataset
from tests.helpers.hostile import Tries, many

Members = dict[str, bytes]


def arrays(**changes: Any) -> dict[str, Any]:
    draw = np.random.default_rng(0)
    found: dict[str, Any] = {}
    for split, count in (("train", 12), ("x-valid", 6), ("x-test", 4)):
        found[f"{split}/images"] = draw.integers(0, 256, (count, 1, 8, 8), dtype=np.uint8)
        found[f"{split}/labels"] = np.arange(count, dtype=np.int64) % 3
    return {**found, "flip": np.array(True), "padding": np.array(2), **changes}


def members(**changes: Any) -> Members:
    found = {}
    for name, value in arrays(**changes).items():
        buffer = io.BytesIO()
        np.save(buffer, value, allow_pickle=True)
        found[f"{name}.npy"] = buffer.getvalue()
    return found


def pack(path: Path, content: Members, method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def headed(header: str | bytes, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    """An array file with any header."""
    text = header.encode("latin1") if isinstance(header, str) else header
    form = "<H" if version == b"\x01\x00" else "<I"
    return b"\x93NUMPY" + version + struct.pack(form, len(text)) + text + data


def described(descr: str, shape: str) -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n"


IMAGES = {
    "10^12 images declared": headed(described("'|u1'", "(1000000000000, 1, 8, 8)")),
    "a void type of 10^9 bytes": headed(described("'|V1000000000'", "(12, 1, 8, 8)")),
    "a text type of 10^9 characters": headed(described("'<U1000000000'", "(12, 1, 8, 8)")),
    "a negative size": headed(described("'|u1'", "(-12, -1, 8, 8)"), bytes(768)),
    "a size of a float": headed(described("'|u1'", "(12.0, 1, 8, 8)"), bytes(768)),
    "fewer bytes than declared": headed(described("'|u1'", "(12, 1, 8, 8)"), bytes(767)),
    "more bytes than declared": headed(described("'|u1'", "(12, 1, 8, 8)"), bytes(769)),
    "a deep header": headed("(" * 9000),
    "a header of 60 kB": headed(described("'|u1'", "(12, 1, 8, 8)") + " " * 60_000, bytes(768)),
    "a header of 4 GB": b"\x93NUMPY\x02\x00\xff\xff\xff\xff{",
    "a header that is code": headed("__import__('os').system('true')"),
    "another version": headed(described("'|u1'", "(12, 1, 8, 8)"), bytes(768), b"\x09\x00"),
    "no array": b"nothing",
    "empty": b"",
}
CHANGES: dict[str, dict[str, Any]] = {
    **{f"padding {value}": {"padding": np.array(value)} for value in (1.7, np.inf, 10**6, 2**62, -1, True, "2", [1, 2], 9)},
    **{f"flip {value}": {"flip": np.array(value)} for value in ("no", 1, 1.0, [True], "")},
    **{f"labels up to {value}": {"train/labels": np.array([0] * 11 + [value])} for value in (12, 10**6, 10**9, 2**62, -1)},
    "labels of floats": {"train/labels": np.zeros(12)},
    "labels of truth values": {"train/labels": np.zeros(12, dtype=bool)},
    "labels of two axes": {"train/labels": np.zeros((12, 1), dtype=int)},
    "one label": {"train/labels": np.zeros((), dtype=int)},
    "objects": {"train/images": np.array([{}] * 12)},
    "no image": {"train/images": np.zeros((0, 1, 8, 8), dtype=np.uint8), "train/labels": np.zeros(0, dtype=int)},
    "infinite pixels": {"train/images": np.full((12, 1, 8, 8), np.inf, dtype=np.float32)},
}


def load(path: Path) -> None:
    load_dataset(path.stem, path.parent).batch("train")


def test_a_good_one_is_read(tmp_path: Path) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        load(pack(tmp_path / "own.npz", members(), method))
    column_major = np.asfortranarray(arrays()["train/images"])
    pack(tmp_path / "own.npz", members(**{"train/images": column_major}))
    assert np.array_equal(load_dataset("own", tmp_path).split("train").images.numpy(), column_major)


def test_hostile_arrays_are_refused_before_they_are_allocated(tmp_path: Path, tries: Tries) -> None:
    tracemalloc.start()
    try:
        for what, content in IMAGES.items():
            path = pack(tmp_path / "own.npz", {**members(), "train/images.npy": content})
            tries.refused(what, lambda path=path: load(path), path)  # type: ignore[misc]
        for what, change in CHANGES.items():
            path = pack(tmp_path / "own.npz", members(**change))
            tries.refused(what, lambda path=path: load(path), path)  # type: ignore[misc]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 50e6


def test_hostile_archives_are_refused(tmp_path: Path, tries: Tries) -> None:
    path = tmp_path / "own.npz"
    good = pack(path, members()).read_bytes()
    local, central = good.index(b"PK\x03\x04"), good.index(b"PK\x01\x02")
    encrypted = bytearray(good)
    encrypted[local + 6] |= 1
    encrypted[central + 8] |= 1
    unsupported = bytearray(good)
    unsupported[local + 8] = unsupported[central + 10] = 99
    for what, content in {"encrypted": encrypted, "compressed by nobody": unsupported, "half": good[: len(good) // 2]}.items():
        path.write_bytes(content)
        tries.refused(what, lambda: load(path), path)
    path.write_bytes(good)
    with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that is there twice
        archive.writestr("train/labels.npy", members()["train/labels.npy"])
    tries.refused("an array twice", lambda: load(path), path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members().items():
            if name != "train/images.npy":
                archive.writestr(name, data)
        with archive.open("train/images.npy", "w", force_zip64=True) as file:
            file.write(headed(described("'|u1'", "(18000000, 1, 8, 8)")))
            for _ in range(1152):
                file.write(bytes(1_000_000))
    tries.refused("1.1 GB of zeros in 1 MB", lambda: load(path), path)
    path.unlink()
    os.mkfifo(path)
    tries.refused("a FIFO", lambda: load(path), path)


def test_mutated_bytes(tmp_path: Path, tries: Tries) -> None:
    path = tmp_path / "own.npz"
    good = [pack(path, members(), method).read_bytes() for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)]

    @many(250)
    @given(st.sampled_from(good), st.integers(0, 1 << 30), st.binary(min_size=1, max_size=8), st.booleans())
    def attempt(content: bytes, place: int, inserted: bytes, cut: bool) -> None:
        start = place % len(content)
        path.write_bytes(content[:start] + inserted + (b"" if cut else content[start + len(inserted) :]))
        tries.expect((start, inserted, cut), lambda: load(path), path)

    attempt()


def test_mutated_headers(tmp_path: Path, tries: Tries) -> None:
    path, good = tmp_path / "own.npz", members()
    name = "train/images.npy"

    @many(150)
    @given(st.integers(10, 100), st.text("0123456789(){}[]',:.ufVOb<>|-e ", min_size=1, max_size=6))
    def attempt(start: int, inserted: str) -> None:
        content = good[name]
        spoiled = content[:start] + inserted.encode() + content[start + len(inserted) :]
        pack(path, {**good, name: spoiled})
        tries.expect((start, inserted), lambda: load(path), path)

    attempt()
