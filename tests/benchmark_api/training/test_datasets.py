"""Loading data sets by key, and pickles with arrays."""

from __future__ import annotations

import pickle
import random
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from benchmark_api import unpickle
from benchmark_api.training.datasets import Distortion, load_dataset
from tests.helpers.images import Python2Pickler


def test_wrong_requests_are_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown data set 'mnist'; expected one of digits, .* a file mnist.npz"):
        load_dataset("mnist")
    with pytest.raises(ValueError, match="digits has the splits train, x-valid, x-test; got ori-test"):
        load_dataset("digits", splits=["ori-test"])
    with pytest.raises(ValueError, match="got none"):
        load_dataset("digits", splits=[])
    with pytest.raises(ValueError, match="distortions are for digits, not for cifar10"):
        load_dataset("cifar10", ".", distortion=Distortion())


# -- pickles with arrays ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("dtype", ["u1", "<i4", "<i8", "<f4", "<f8"])
def test_arrays_come_back(protocol: int, dtype: str) -> None:
    values = np.random.default_rng(0).integers(0, 100, (3, 4, 2)).astype(dtype)
    data = pickle.dumps({"a": values, "b": values, "c": np.asfortranarray(values)}, protocol=protocol)
    if protocol == 2:  # bytes go through a codec there, in Python 3
        with pytest.raises(unpickle.UnsafePickleError, match=r"the global _codecs.encode; image files need only numpy.core"):
            unpickle.load_images(data)
        return
    content = unpickle.load_images(data)
    for array in content.values():
        assert array.dtype == values.dtype
        assert np.array_equal(array, values)
    assert content["b"] is content["a"]
    assert not content["a"].flags.writeable


def test_archives_still_admit_no_arrays() -> None:
    for values in (np.zeros(3), np.zeros((2, 2), dtype=np.uint8)):
        with pytest.raises(unpickle.UnsafePickleError, match="_reconstruct; official archives need only collections"):
            unpickle.loads(pickle.dumps(values, protocol=3))


def test_image_files_admit_nothing_else() -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return print, ("run",)

    for value in (Evil(), {"data": Evil()}, np.float64(1.0), np.array([Evil()]), random.Random(), np.ma.zeros(3)):
        with pytest.raises(unpickle.UnsafePickleError):
            unpickle.load_images(pickle.dumps(value, protocol=3))


def array_pickle(shape: bytes = b"K\x02\x85", dtype: bytes = b"U\x02u1", order: bytes = b"|", content: bytes = b"ab") -> bytes:
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    kind = b"cnumpy\ndtype\n" + dtype + b"K\x00K\x01\x87R(K\x03U\x01" + order + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    return b"\x80\x02}U\x01x" + empty + b"(K\x01" + shape + kind + b"\x89U" + bytes([len(content)]) + content + b"tbs."


def test_arrays_are_checked_before_they_are_made() -> None:
    assert unpickle.load_images(array_pickle())["x"].tolist() == [97, 98]
    nested = b")" + b"\x85" * 5000  # a tuple in a tuple in a tuple
    doubled = b")" + b"".join(b"q" + bytes([k]) + b"h" + bytes([k]) + b"\x86" for k in range(60))  # 2 to the 60 leaves
    for wrong in (
        array_pickle(shape=b"K\x03\x85"),
        array_pickle(shape=b"K\x00\x85", content=b""),
        array_pickle(shape=b"J\xff\xff\xff\xffJ\xfe\xff\xff\xff\x86"),
        array_pickle(shape=b"\x88K\x02\x86"),
        array_pickle(shape=b"(" + b"K\x01" * 64 + b"K\x02t"),
        array_pickle(shape=b"\x8a\x09" + b"\x01" * 9 + b"\x85"),
        array_pickle(shape=nested),
        array_pickle(shape=doubled),
        array_pickle(shape=b"]"),
        array_pickle(dtype=b"U\x01O"),
        array_pickle(dtype=b"U\x02O8"),
        array_pickle(dtype=b"U\x02V2"),
        array_pickle(dtype=b"K\x01"),
        array_pickle(order=b">"),
    ):
        with pytest.raises(ValueError, match=r"pickle: (damaged|refused): "):
            unpickle.load_images(wrong)


def test_an_array_is_no_function_and_no_number() -> None:
    array = array_pickle()[6:-2]
    for wrong in (array + b")R", b"cnumpy\ndtype\nU\x02u1" + array + b"K\x01\x87R", array + b"K\x01b", array + array + b"b"):
        with pytest.raises(ValueError, match=r"pickle: (damaged|refused): "):
            unpickle.load_images(b"\x80\x02" + wrong + b".")


def test_no_damage_does_more_than_a_value_error() -> None:
    data = Python2Pickler().dumps({"data": np.arange(12, dtype=np.uint8).reshape(3, 4), "labels": [1, 2, 300], "n": None})
    rng = random.Random(0)
    for _ in range(3000):
        damaged = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 5))):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        with suppress(ValueError):
            unpickle.load_images(bytes(damaged))
