"""Restricted unpickling: equal to Python's own on plain data, running nothing of anything else, bounded in memory."""

from __future__ import annotations

import bz2
import io
import os
import pickle
import resource
import struct
import sys
import tracemalloc
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark_api import unpickle
from benchmark_api.importers.official import single_file
from benchmark_api.spaces import SizeSpace, TopologySpace
from tests.helpers import official

RECORDS = [(TopologySpace(), 3), (TopologySpace(), 14), (SizeSpace(), 1234)]


def streamed(data: bytes) -> Any:
    """What the reader of single files makes of a pickle; it must have no records."""
    return single_file.load_records(io.BytesIO(bz2.compress(data, 1)), "stream", lambda *_: None)


def shape(value: object) -> object:
    """Types, order and content of plain data: an OrderedDict counts as the dict that it is read as, NaN equals NaN."""
    if isinstance(value, dict):
        return "dict", [(shape(k), shape(v)) for k, v in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [shape(item) for item in value]
    if isinstance(value, set):
        return "set", sorted(map(repr, map(shape, value)))
    return ("float", struct.pack("<d", value)) if isinstance(value, float) else (type(value).__name__, value)


# -- equal to pickle.loads -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("space", "index"), RECORDS, ids=["topology", "topology-gaps", "size"])
def test_records_read_like_pickle_does(space: Any, index: int) -> None:
    data = official.dumps(official.record(space, index))
    assert b"numpy.core.multiarray" in data
    assert shape(unpickle.loads(data)) == shape(pickle.loads(data))


@pytest.mark.parametrize("chunk", [1, 7, 1000, 65536])
def test_chunks_may_end_anywhere(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpickle, "_CHUNK", chunk)
    data = official.dumps(official.record(SizeSpace((8, 16), 2), 1, ["01"]))
    assert shape(streamed(data)) == shape(pickle.loads(data))


def test_meta(tmp_path: Path) -> None:
    meta = official.meta(SizeSpace())
    assert unpickle.load(official.write(tmp_path / "meta", meta)) == meta


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 2000), 1 << 2000)
    | st.floats()
    | st.text(max_size=300)
    | st.sampled_from(["x-valid@0", "x-valid@1", "x-valid@2", "epoch", ""])
)
keys = st.text(max_size=8) | st.integers(-(1 << 31), (1 << 31) - 1)
keys = keys | st.tuples(keys, keys) | st.tuples(keys) | st.just(())


def nested(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        st.lists(values)
        | st.lists(values).map(tuple)
        | st.dictionaries(keys, values)
        | st.dictionaries(keys, values).map(OrderedDict)
        | st.dictionaries(st.integers(0, 255), st.floats())
        | st.dictionaries(st.sampled_from([f"x-test@{epoch}" for epoch in range(300)]), st.floats())
    )


@given(data=st.recursive(scalars, nested, max_leaves=25), protocol=st.integers(2, 5))
@settings(max_examples=100, deadline=None)
def test_plain_data_read_like_pickle_does(data: Any, protocol: int) -> None:
    pickled = pickle.dumps([data, data], protocol)  # the second one comes from the memo
    assert shape(unpickle.loads(pickled)) == shape([data, data])
    assert shape(streamed(pickled)) == shape([data, data])


@given(data=st.binary(max_size=400) | st.sets(keys), protocol=st.integers(4, 5))
@settings(max_examples=50, deadline=None)
def test_bytes_and_sets_read_like_pickle_does(data: Any, protocol: int) -> None:
    assert shape(unpickle.loads(pickle.dumps(data, protocol))) == shape(data)


def test_shared_and_recursive_objects_stay_shared() -> None:
    inner: list[Any] = ["x"]
    outer: list[Any] = [inner, inner]
    outer.append(outer)
    found = unpickle.loads(pickle.dumps(outer, 4))
    assert found[0] is found[1]
    assert found[2] is found


def test_numpy_scalars_become_floats() -> None:
    values = [np.float64(1.5), np.float64(-0.0), np.float64(np.nan)]
    old = pickle.dumps(values, 3).replace(b"cnumpy._core.multiarray", b"cnumpy.core.multiarray")
    for data in (old, official.dumps(values), *(pickle.dumps(values, protocol) for protocol in (3, 4, 5))):
        first, second, third = unpickle.loads(data)
        assert (type(first), first, str(second), third != third) == (float, 1.5, "-0.0", True)


# -- nothing runs --------------------------------------------------------------------------------------------------------


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


class Plain:
    def __init__(self) -> None:
        self.x = 1


class Slotted:
    __slots__ = ("x",)

    def __getnewargs_ex__(self) -> Any:
        return (), {"y": 1}

    def __new__(cls, **_: Any) -> Slotted:
        return super().__new__(cls)


def call(name: bytes, arguments: bytes, reduce: bytes = b"R") -> bytes:
    """A pickle that calls a global by name; module and name are separated by a blank."""
    return b"\x80\x04c" + name.replace(b" ", b"\n") + b"\n" + arguments + reduce + b"."


def text(value: str) -> bytes:
    return b"\x8c" + bytes((len(value),)) + value.encode()


TOUCH = text("touch canary") + b"\x85"
HOSTILE = {
    "os.system": call(b"os system", TOUCH),
    "posix.system": call(b"posix system", TOUCH),
    "builtins.eval": call(b"builtins eval", text("__import__('os').system('touch canary')") + b"\x85"),
    "builtins.exec": call(b"builtins exec", text("open('canary', 'w')") + b"\x85"),
    "builtins.getattr": call(b"builtins getattr", b"cnumpy\ndtype\n" + text("__class__") + b"\x86"),
    "builtins.set": pickle.dumps({1, 2}, 2),
    "codecs": pickle.dumps(b"bytes in protocol 2", 2),
    "importlib": call(b"importlib import_module", text("canary") + b"\x85"),
    "a module with a side effect": call(b"this antigravity", b")"),
    "numpy.load": call(b"numpy load", text("canary") + b"\x85"),
    "numpy.core.multiarray._reconstruct": pickle.dumps(np.zeros(2), 4),
    "numpy.ndarray": pickle.dumps(np.ndarray, 4),
    "dotted name": b"\x80\x04" + text("collections") + text("OrderedDict.fromkeys") + b"\x93.",
    "module attribute of a listed name": b"\x80\x04" + text("collections.OrderedDict") + text("__init__") + b"\x93.",
    "similar module": b"\x80\x04" + text("numpy.core") + text("multiarray.scalar.x") + b"\x93.",
    "copyreg": b"\x80\x04ccopyreg\n_reconstructor\n.",
    "a class": pickle.dumps(Plain(), 4),
    "a class, protocol 2": pickle.dumps(Plain(), 2),
    "NEWOBJ_EX": pickle.dumps(Slotted(), 4),
    "Fraction": pickle.dumps(Fraction(1, 2), 4),
    "date": pickle.dumps(date(2020, 1, 1), 4),
    "frozen call": pickle.dumps(Call(os.system, "touch canary"), 4),
    "call deep inside": pickle.dumps({"a": [(1, {"b": Call(os.system, "touch canary")})]}, 4),
    "INST": b"\x80\x04(" + text("touch canary") + b"ios\nsystem\n.",
    "OBJ": b"\x80\x04(cos\nsystem\n" + text("touch canary") + b"o.",
    "OrderedDict with arguments": call(b"collections OrderedDict", b"]\x85"),
    "dtype of another kind": call(b"numpy dtype", text("O") + b"\x89\x88\x87"),
    "dtype with an object": call(b"numpy dtype", text("f8") + b"}\x88\x87"),
    "scalar without a dtype": call(b"numpy.core.multiarray scalar", text("f8") + b"C\x0812345678\x86"),
    "scalar of the dtype function": call(b"numpy.core.multiarray scalar", b"cnumpy\ndtype\nC\x0812345678\x86"),
    "scalar of 4 bytes": call(b"numpy.core.multiarray scalar", b"cnumpy\ndtype\n" + text("f8") + b"\x89\x88\x87RC\x041234\x86"),
    "scalar of text": call(
        b"numpy.core.multiarray scalar", b"cnumpy\ndtype\n" + text("f8") + b"\x89\x88\x87R" + text("x" * 8) + b"\x86"
    ),
    "big-endian": pickle.dumps(np.array(1.0, dtype=">f8")[()], 4).replace(b"\x8c\x01<", b"\x8c\x01>"),
    "integer scalar": pickle.dumps(np.int64(3), 4),
    "BUILD with __setstate__": b"\x80\x04cnumpy\ndtype\n}" + text("__setstate__") + b"cos\nsystem\nsb.",
    "BUILD of a name": b"\x80\x04cnumpy\ndtype\n}b.",
    "BUILD of the dtype with another state": call(b"numpy dtype", text("f8") + b"\x89\x88\x87")[:-1] + b"}b.",
}


HARMLESS = {
    "OBJ of a listed name": b"\x80\x04(ccollections\nOrderedDict\no.",
    "NEWOBJ of a listed name": b"\x80\x04ccollections\nOrderedDict\n)\x81.",
    "EXT1": b"\x80\x04\x82\x01.",
    "EXT2": b"\x80\x04\x83\x01\x00.",
    "EXT4": b"\x80\x04\x84\x01\x00\x00\x00.",
    "PERSID": b"\x80\x04Pcanary\n.",
    "BINPERSID": b"\x80\x04" + text("canary") + b"Q.",
    "call of a call": call(b"collections OrderedDict", b")R)"),
    "call of text": b"\x80\x04" + text("os.system") + TOUCH + b"R.",
    "BUILD of a dict": b"\x80\x04}}" + text("__class__") + b"Nsb.",
    "BUILD of a dict's slots": b"\x80\x04}N}" + text("keys") + b"Ns\x86b.",
    "BUILD of an OrderedDict": call(b"collections OrderedDict", b")R}" + text("__dict__") + b"}s", b"b"),
    "out-of-band buffer": b"\x80\x05\x97.",
}
"""Instructions that have nothing to work on where every name stands for a function of ours."""


def read_or_refused(data: bytes, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a file in both ways; whatever comes of it, no code of it runs."""
    monkeypatch.chdir(folder)
    path = folder / "000000.pickle.pbz2"
    path.write_bytes(bz2.compress(data))
    for read in (lambda: unpickle.load(path), lambda: streamed(data)):
        with suppress(ValueError):
            assert read() == {}
    assert not (folder / "canary").exists()
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_more_than_data_is_refused(data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_or_refused(data, tmp_path, monkeypatch)
    with pytest.raises(unpickle.UnsafePickleError, match=r"000000\.pickle\.pbz2: refused: it asks for.*Nothing of it was run"):
        unpickle.load(tmp_path / "000000.pickle.pbz2")
    with pytest.raises(unpickle.UnsafePickleError, match=r"stream: refused"):
        streamed(data)


@pytest.mark.parametrize("data", HARMLESS.values(), ids=HARMLESS.keys())
def test_instructions_without_a_name_run_nothing(data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_or_refused(data, tmp_path, monkeypatch)


def test_a_pickle_leaves_no_trace_in_what_its_names_stand_for() -> None:
    for state in (b"}" + text("__defaults__") + b")s", b"N}" + text("_function") + b"Ns\x86"):
        with pytest.raises(unpickle.UnsafePickleError, match=r"a state of collections\.OrderedDict"):
            unpickle.loads(b"\x80\x04ccollections\nOrderedDict\n" + state + b"b.")
    assert unpickle.loads(pickle.dumps(OrderedDict(a=1))) == {"a": 1}


def test_the_refused_name_is_in_the_message() -> None:
    with pytest.raises(unpickle.UnsafePickleError, match=r"the global os\.system;"):
        unpickle.loads(HOSTILE["os.system"])
    with pytest.raises(unpickle.UnsafePickleError, match=r"the global numpy\.core\.multiarray\._reconstruct"):
        unpickle.loads(official.dumps(np.zeros(2)))


def test_a_name_in_a_message_cannot_reach_the_terminal() -> None:
    with pytest.raises(unpickle.UnsafePickleError) as caught:
        unpickle.loads(b"\x80\x04" + text("os\x1b[2J\n") + text("x" * 250) + b"\x93.")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


# -- nothing takes much memory -------------------------------------------------------------------------------------------

BOMBS = {
    "far memo index": b"\x80\x04Nr\xff\xff\xff\xff.",
    "long bytes": b"\x80\x04B\xff\xff\xff\x7f.",
    "long text": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 40) + b"x.",
    "long bytearray": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"x.",
    "long frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 40) + b"N.",
    "long line": b"\x80\x04c" + b"x" * (9 << 20),
    "long file": b"\x80\x04B\xff\xff\xff\x0f" + bytes(1 << 26),
    "many instructions": b"\x80\x04" + b"N" * (9 << 17),
}


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS.keys())
def test_memory_bombs_are_refused(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpickle, "SIZE_LIMIT", 1 << 20)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    compressed = bz2.compress(data, 1)
    tracemalloc.start()
    try:
        for read in (single_file.load_records, lambda file, name, _: unpickle.loads(unpickle.unpack_whole(file, name), name)):
            with pytest.raises(ValueError, match=r"^file: [^\n]*$"):
                read(io.BytesIO(compressed), "file", lambda *_: None)
            assert resource.getrlimit(resource.RLIMIT_AS) == limits
        assert tracemalloc.get_traced_memory()[1] < 256 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces a limit of memory")
def test_small_instructions_that_make_large_objects_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"\x80\x04" + b"\x8f" * (3 << 20) + b"."  # a set takes 216 bytes
    monkeypatch.setattr(unpickle, "MEMORY_LIMIT", 100 << 20)
    with pytest.raises(ValueError, match=r"^file: refused: reading it takes more than 100 MiB of memory"):
        unpickle.loads(data, "file")
    assert unpickle.loads(pickle.dumps({"a": 1}), "next") == {"a": 1}


def test_deep_nesting_is_read() -> None:
    value = unpickle.loads(b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b".")
    for _ in range(99_999):
        (value,) = value
    assert value == []


# -- damage --------------------------------------------------------------------------------------------------------------

SMALL = official.dumps({"a": [1, 2.5, ("b", 777)], "numpy": np.float64(2.0), "more": OrderedDict({0: 1.0, 1: 2.0, 300: None})})


def test_every_truncation_is_noticed() -> None:
    for size in range(len(SMALL)):
        with pytest.raises(ValueError, match="file: damaged"):
            unpickle.loads(SMALL[:size], "file")


def test_every_changed_byte_is_read_or_refused() -> None:
    for position in range(len(SMALL)):
        for value in {0, 1, 0x28, 0x2E, 0x52, 0x80, 0x94, 0xFF, SMALL[position] ^ 1}:
            with suppress(ValueError):
                unpickle.loads(SMALL[:position] + bytes((value,)) + SMALL[position + 1 :])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "truncated"),
        (b"\x80\x04", "EOFError|ran out of input"),
        (b"(I1\n.", "protocol 2 to 5"),
        (b"\x80\x09N.", "protocol 2 to 5"),
        (b"\x80\x04.", "underflow|IndexError"),
        (b"\x80\x04N.N", "bytes follow"),
        (b"\x80\x04N\x00.", "invalid load key"),
        (b"\x80\x04X\x02\x00\x00\x00\xff\xff.", "can't decode"),
        (b"\x80\x04K\x01K\x02\x93.", "str"),
    ],
)
def test_damage_is_described(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=f"(?i)name: damaged: .*({message})"):
        unpickle.loads(data, "name")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda packed: b"", "an empty file"),
        (lambda packed: packed[:-1], "truncated"),
        (lambda packed: packed[: len(packed) // 2], "truncated"),
        (lambda packed: b"not bz2 at all", "corrupt bz2"),
        (lambda packed: packed[:20] + bytes((packed[20] ^ 255,)) + packed[21:], "corrupt bz2"),
        (lambda packed: packed + b"x", "bytes follow the end"),
        (lambda packed: packed + packed, "bytes follow the end"),
    ],
)
def test_damaged_bz2_is_described(change: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "000007.pickle.pbz2"
    path.write_bytes(change(bz2.compress(SMALL)))
    with pytest.raises(ValueError, match=rf"000007\.pickle\.pbz2: .*{message}"):
        unpickle.load(path)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        unpickle.load(tmp_path / "none")


# -- single files --------------------------------------------------------------------------------------------------------


def load_records(path: Path, consume: Callable[[int, Any], None]) -> Any:
    with open(path, "rb") as file:
        return single_file.load_records(file, str(path), consume)


@pytest.mark.parametrize("indices", [[], [2], [3, 0, 1]])
def test_records_of_a_single_file_are_handed_over(indices: list[int], tmp_path: Path) -> None:
    space = SizeSpace((8, 16), 2)
    path = official.write_single_file(tmp_path / "single", space, indices)
    records: dict[int, Any] = {}
    content = load_records(path, records.__setitem__)
    assert list(records) == indices
    assert shape(records) == shape({index: official.record(space, index) for index in indices})
    assert content == {**official.meta(space), "arch2infos": {}, "evaluated_indexes": set(indices)}


def test_records_without_schedules_and_of_one_schedule_are_handed_over(tmp_path: Path) -> None:
    one = official.record(SizeSpace((8, 16), 2), 1, ["12"])
    for content in ({0: OrderedDict(), 1: one}, {1: one}, {1: dict(one)}):
        records: dict[int, Any] = {}
        load_records(official.write(tmp_path / "single", {"arch2infos": content, "x": 1}), records.__setitem__)
        assert shape(dict(sorted(records.items()))) == shape(content)


def test_only_one_record_is_alive_at_a_time(tmp_path: Path) -> None:
    path = official.write_single_file(tmp_path / "single", SizeSpace((8, 16), 2), range(4))
    taken: list[int] = []  # bytes that are in use as each record arrives
    tracemalloc.start()
    load_records(path, lambda *_: taken.append(tracemalloc.get_traced_memory()[0]))
    tracemalloc.stop()
    assert len(taken) == 4
    assert max(taken) < 1.3 * taken[0]


def test_a_record_may_not_be_larger_than_others_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    big = {"arch2infos": {index: OrderedDict(a=index, b=list(range(100_000 * index))) for index in (1, 9)}, "x": 1}
    path = official.write(tmp_path / "single", big)
    records: dict[int, Any] = {}
    load_records(path, records.__setitem__)
    assert len(records[9]["b"]) == 900_000
    monkeypatch.setattr(unpickle, "SIZE_LIMIT", 1 << 20)
    with pytest.raises(ValueError, match="MiB unpacked"):
        load_records(path, records.__setitem__)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces a limit of memory")
def test_the_limit_of_memory_is_one_for_each_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = {"arch2infos": {index: OrderedDict(a=index, b=[0.5] * 60_000) for index in range(30)}, "x": 1}
    path = official.write(tmp_path / "single", content)
    monkeypatch.setattr(unpickle, "MEMORY_LIMIT", 32 << 20)
    kept: list[bytes] = []
    load_records(path, lambda *_: kept.append(bytes(4 << 20)))
    assert sum(map(len, kept)) > 3 * unpickle.MEMORY_LIMIT


def test_records_may_share_text_but_no_objects(tmp_path: Path) -> None:
    label, shared = "a text of two records", [1.0]
    for value, good in ((label, True), (shared, False)):
        content = {"arch2infos": {index: OrderedDict(a=value, b=index) for index in range(3)}, "rest": None}
        path = official.write(tmp_path / "single", content)
        records: dict[int, Any] = {}
        if good:
            load_records(path, records.__setitem__)
            assert records == content["arch2infos"]
        else:
            with pytest.raises(ValueError, match="from one record to an object of another"):
                load_records(path, records.__setitem__)
