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


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["u1", "<i4", "<i8", "<f4", "<f8"])
def test_arrays_come_back(protocol: int, dtype: str) -> None:
    values = np.random.default_rng(0).integers(0, 100, (3, 4, 2)).astype(dtype)
    data = pickle.dumps({"a": values, "b": values, "c": np.asfortranarray(values)}, protocol=protocol)
    former = data.replace(b"cnumpy._core.", b"cnumpy.core.")  # as before NumPy 2; from protocol 4 on names are written otherwise
    for pickled in (data, former):
        content = unpickle.load_images(pickled)
        for array in content.values():
            assert array.dtype == values.dtype
            assert np.array_equal(array, values)
            assert not array.flags.writeable
        assert content["b"] is content["a"]


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


U1 = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"


def buffer_pickle(
    content: bytes = b"C\x02ab", kind: bytes = U1, shape: bytes = b"K\x02\x85", order: bytes = b"X\x01\0\0\0C"
) -> bytes:
    """A pickle of protocol 5 with an array made of a buffer."""
    return b"\x80\x05}U\x01xcnumpy._core.numeric\n_frombuffer\n(" + content + kind + shape + order + b"tRs."


def test_buffers_are_checked_before_arrays_are_made() -> None:
    for content in (b"C\x02ab", b"\x96\x02\0\0\0\0\0\0\0ab"):
        assert unpickle.load_images(buffer_pickle(content))["x"].tolist() == [97, 98]
    for wrong in (
        buffer_pickle(content=b"X\x02\0\0\0ab"),
        buffer_pickle(content=b"K\x02"),
        buffer_pickle(content=b"\x97"),
        buffer_pickle(kind=b"X\x01\0\0\0O"),
        buffer_pickle(kind=b"cnumpy\ndtype\n"),
        buffer_pickle(shape=b"K\x03\x85"),
        buffer_pickle(shape=b"J\xff\xff\xff\xffJ\xfe\xff\xff\xff\x86"),
        buffer_pickle(shape=b"]K\x02a"),
        buffer_pickle(order=b"X\x01\0\0\0A"),
        buffer_pickle(order=b"C\x01C0"),
        buffer_pickle()[:-4] + b"K\x00tRs.",
    ):
        with pytest.raises(ValueError, match=r"pickle: (damaged|refused): "):
            unpickle.load_images(wrong)


def test_text_is_encoded_as_python_3_does_in_protocol_2_alone() -> None:
    def encoded(*texts: str) -> bytes:
        arguments = b"".join(b"X" + len(text.encode()).to_bytes(4, "little") + text.encode() for text in texts)
        return b"\x80\x02}U\x01xc_codecs\nencode\n" + arguments + b"\x86Rs."

    assert unpickle.load_images(encoded("\xe9a", "latin1")) == {"x": b"\xe9a"}
    for text, encoding in (("a", "rot13"), ("a", "zip"), ("a", "latin-1"), ("\u20ac", "latin1")):
        with pytest.raises(ValueError, match=r"pickle: (damaged|refused): "):
            unpickle.load_images(encoded(text, encoding))


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
