"""The reader of official pickles: equal to Python's own on plain data, and running nothing of anything else."""

from __future__ import annotations

import bz2
import io
import os
import pickle
import struct
import sys
import time
import weakref
from collections import OrderedDict
from contextlib import suppress
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark_api.importers.official import pickles
from benchmark_api.spaces import SizeSpace, TopologySpace
from tests.helpers import official

RECORDS = [(TopologySpace(), 3), (TopologySpace(), 14), (SizeSpace(), 1234)]


def in_chunks(data: bytes, size: int) -> Any:
    return pickles._Decoder(iter([data[at : at + size] for at in range(0, len(data), size)]), "chunks").run()


def shape(value: object) -> object:
    """Types, order and content of plain data: dicts and OrderedDicts are told apart, NaN equals NaN."""
    if isinstance(value, dict):
        return type(value).__name__, [(shape(k), shape(v)) for k, v in value.items()]
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
    assert shape(pickles.loads(data)) == shape(pickle.loads(data))


@pytest.mark.parametrize("chunk", [1, 7, 1000, 65536])
def test_chunks_may_end_anywhere(chunk: int) -> None:
    data = official.dumps(official.record(SizeSpace((8, 16), 2), 1))
    assert shape(in_chunks(data, chunk)) == shape(pickle.loads(data))


def test_the_fast_path_equals_the_slow_one(monkeypatch: pytest.MonkeyPatch) -> None:
    data = official.dumps(official.record(TopologySpace(), 5))
    fast = pickles.loads(data)
    monkeypatch.setattr(pickles, "_MAX_RUN", 0)
    assert shape(pickles.loads(data)) == shape(fast)


def test_meta(tmp_path: Path) -> None:
    meta = official.meta(SizeSpace())
    assert pickles.load(official.write(tmp_path / "meta", meta)) == meta


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


@given(data=st.recursive(scalars, nested, max_leaves=25), protocol=st.integers(2, 5), chunk=st.integers(1, 40))
@settings(max_examples=150, deadline=None)
def test_plain_data_read_like_pickle_does(data: Any, protocol: int, chunk: int) -> None:
    pickled = pickle.dumps([data, data], protocol)  # the second one comes from the memo
    assert shape(pickles.loads(pickled)) == shape([data, data])
    assert shape(in_chunks(pickled, chunk)) == shape([data, data])


@given(data=st.binary(max_size=400) | st.sets(keys), protocol=st.integers(4, 5))
@settings(max_examples=50, deadline=None)
def test_bytes_and_sets_read_like_pickle_does(data: Any, protocol: int) -> None:
    assert shape(pickles.loads(pickle.dumps(data, protocol))) == shape(data)


def test_shared_and_recursive_objects_stay_shared() -> None:
    inner: list[Any] = ["x"]
    outer: list[Any] = [inner, inner]
    outer.append(outer)
    found = pickles.loads(pickle.dumps(outer, 4))
    assert found[0] is found[1]
    assert found[2] is found


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_numpy_scalars_become_floats(protocol: int) -> None:
    data = pickle.dumps([np.float64(1.5), np.float64(-0.0), np.float64(np.nan)], protocol)
    for spelling in (b"numpy.core.multiarray", b"numpy._core.multiarray"):
        renamed = data.replace(b"\x8c\x16numpy._core.multiarray", bytes((0x8C, len(spelling))) + spelling)
        renamed = renamed.replace(b"cnumpy._core.multiarray", b"c" + spelling)
        first, second, third = pickles.loads(renamed)
        assert (type(first), first, str(second), third != third) == (float, 1.5, "-0.0", True)


@pytest.mark.parametrize(("space", "index"), RECORDS, ids=["topology", "topology-gaps", "size"])
def test_a_trace_tells_where_the_numbers_stand(space: Any, index: int) -> None:
    data = official.dumps(official.record(space, index))
    found = pickles.trace(data)
    places = np.frombuffer(data, dtype=np.uint8)[found.float_bytes]  # [float, 8]
    floats = places.view(">f8").ravel().tolist()

    def resolved(content: Any) -> Any:
        """The content with every number of a float replaced by the float at its place."""
        if isinstance(content, dict):
            return type(content)((key, resolved(value)) for key, value in content.items())
        if isinstance(content, list):
            return [resolved(value) for value in content]
        return floats[int(content)] if type(content) is float else content

    assert shape(resolved(found.content)) == shape(pickles.loads(data))
    assert index in [value for value, _, _ in found.ints]
    for value, at, size in found.ints:
        assert int.from_bytes(data[at : at + size], "little", signed=size == 4) == value
    for text_, at in found.texts:
        assert data[at:].startswith(text_.encode())


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
    "OBJ of a listed name": b"\x80\x04(ccollections\nOrderedDict\no.",
    "NEWOBJ of a listed name": b"\x80\x04ccollections\nOrderedDict\n)\x81.",
    "EXT1": b"\x80\x04\x82\x01.",
    "EXT2": b"\x80\x04\x83\x01\x00.",
    "EXT4": b"\x80\x04\x84\x01\x00\x00\x00.",
    "PERSID": b"\x80\x04Pcanary\n.",
    "BINPERSID": b"\x80\x04" + text("canary") + b"Q.",
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
    "call of a call": call(b"collections OrderedDict", b")R)"),
    "call of text": b"\x80\x04" + text("os.system") + TOUCH + b"R.",
    "BUILD of a dict": b"\x80\x04}}" + text("__class__") + b"Nsb.",
    "BUILD of an OrderedDict": call(b"collections OrderedDict", b")R}" + text("__dict__") + b"}s", b"b"),
    "BUILD with __setstate__": b"\x80\x04cnumpy\ndtype\n}" + text("__setstate__") + b"cos\nsystem\nsb.",
    "BUILD of a name": b"\x80\x04cnumpy\ndtype\n}b.",
    "BUILD of the dtype with another state": call(b"numpy dtype", text("f8") + b"\x89\x88\x87")[:-1] + b"}b.",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_more_than_data_is_refused(data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "000000.pickle.pbz2"
    path.write_bytes(bz2.compress(data))
    with pytest.raises(pickles.UnsafePickleError, match=r"000000\.pickle\.pbz2.*asks for.*Nothing of it was run"):
        pickles.load(path)
    assert not (tmp_path / "canary").exists()
    assert "antigravity" not in sys.modules


def test_the_refused_name_is_in_the_message() -> None:
    with pytest.raises(pickles.UnsafePickleError, match=r"the global os\.system;"):
        pickles.loads(HOSTILE["os.system"])
    with pytest.raises(pickles.UnsafePickleError, match=r"the global numpy\.core\.multiarray\._reconstruct"):
        pickles.loads(HOSTILE["numpy.core.multiarray._reconstruct"].replace(b"\x16numpy._core", b"\x15numpy.core"))


def test_a_name_in_a_message_cannot_reach_the_terminal() -> None:
    with pytest.raises(pickles.UnsafePickleError) as caught:
        pickles.loads(b"\x80\x04" + text("os\x1b[2J\n") + text("x" * 250) + b"\x93.")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


# -- nothing takes long, or much memory ----------------------------------------------------------------------------------

EXPENSIVE = {
    "far memo index": b"\x80\x04Nr\xff\xff\xff\xff.",
    "far memo reference": b"\x80\x04Nj\xff\xff\xff\xff.",
    "long text": b"\x80\x04X\xff\xff\xff\xff.",
    "long bytes": b"\x80\x04B\xff\xff\xff\x7f.",
    "long frame": b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f",
    "nested tuples as a key": b"\x80\x04}" + b")" + b"\x85" * 1000 + b"Ns.",
    "doubled tuples as a key": b"\x80\x04})" + b"".join(b"\x94h%c\x86" % at for at in range(200)) + b"Ns.",
    "colliding integers": b"\x80\x04}("
    + b"".join(b"\x8a\x09" + (at * ((1 << 61) - 1)).to_bytes(9, "little") + b"N" for at in range(9))
    + b"u.",
    "colliding set": b"\x80\x04\x8f("
    + b"".join(b"\x8a\x09" + (at * ((1 << 61) - 1)).to_bytes(9, "little") for at in range(9))
    + b"\x90.",
    "a float as a key": b"\x80\x04}G" + bytes(8) + b"Ns.",
    "None as a key": b"\x80\x04}NNs.",
    "a list as a key": b"\x80\x04}]Ns.",
    "a triple as a key": b"\x80\x04}K\x01K\x02K\x03\x87Ns.",
    "an endless line": b"\x80\x04c" + b"x" * (9 << 20),
    "marks": b"\x80\x04" + b"(" * 300_000,
}


@pytest.mark.parametrize("data", EXPENSIVE.values(), ids=EXPENSIVE.keys())
def test_costly_constructions_are_refused_at_once(data: bytes) -> None:
    started = time.perf_counter()
    with pytest.raises(ValueError, match=r"damaged at byte|more than 8 MiB"):
        pickles.load_file(io.BytesIO(bz2.compress(data, 1)), "file")
    assert time.perf_counter() - started < 10.0  # milliseconds for most, seconds for megabytes of instructions


def test_the_number_of_instructions_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickles, "SIZE_LIMIT", 1 << 20)
    with pytest.raises(ValueError, match="MiB unpacked"):
        pickles.load_file(io.BytesIO(bz2.compress(b"\x80\x04" + b"N" * (3 << 20), 1)), "file")


def test_deep_nesting_is_read() -> None:
    value = pickles.loads(b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b".")
    for _ in range(99_999):
        (value,) = value
    assert value == []


def test_a_decompression_bomb_is_cut_short() -> None:
    bomb = io.BytesIO(bz2.compress(b"\x80\x04B\xff\xff\xff\x0f" + bytes(1 << 26), 9))
    assert len(bomb.getvalue()) < 1000
    with pytest.raises(ValueError, match="more than 8 MiB"):
        pickles.load_file(bomb, "bomb")


# -- damage --------------------------------------------------------------------------------------------------------------

SMALL = official.dumps({"a": [1, 2.5, ("b", 777)], "numpy": np.float64(2.0), "more": OrderedDict({0: 1.0, 1: 2.0, 300: None})})


def test_every_truncation_is_noticed() -> None:
    for size in range(len(SMALL)):
        with pytest.raises(ValueError, match="file: damaged at byte"):
            pickles.loads(SMALL[:size], "file")


def test_every_changed_byte_is_read_or_refused() -> None:
    for position in range(len(SMALL)):
        for value in {0, 1, 0x28, 0x2E, 0x52, 0x80, 0x94, 0xFF, SMALL[position] ^ 1}:
            with suppress(ValueError):
                pickles.loads(SMALL[:position] + bytes((value,)) + SMALL[position + 1 :])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "truncated"),
        (b"\x80\x04", "truncated"),
        (b"(I1\n.", "protocol 2 to 5"),
        (b"\x80\x09N.", "protocol 2 to 5"),
        (b"\x80\x04.", "stops with 0 objects"),
        (b"\x80\x04NN.", "stops with 2 objects"),
        (b"\x80\x04N(.", "open marks"),
        (b"\x80\x04N.N", "bytes follow"),
        (b"\x80\x04N\x00.", "unknown instruction 0x00"),
        (b"\x80\x04t.", "no mark"),
        (b"\x80\x04K\x01\x86.", "the stack holds 1"),
        (b"\x80\x04}(Nu.", "a key without a value"),
        (b"\x80\x04N(Ne.", "expected a list"),
        (b"\x80\x04](K\x01Nu.", "expected a dict"),
        (b"\x80\x04](K\x01\x90.", "expected a set"),
        (b"\x80\x04N\x94h\x05.", "index out of range"),
        (b"\x80\x04X\x02\x00\x00\x00\xff\xff.", "can't decode"),
        (b"\x80\x04K\x01K\x02\x93.", "not text"),
    ],
)
def test_damage_is_described(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=f"name: damaged at byte .*{message}"):
        pickles.loads(data, "name")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda packed: b"", "truncated"),
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
        pickles.load(path)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        pickles.load(tmp_path / "none")


# -- single files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("indices", [[], [2], [3, 0, 1]])
def test_records_of_a_single_file_are_handed_over(indices: list[int], tmp_path: Path) -> None:
    space = SizeSpace((8, 16), 2)
    path = official.write_single_file(tmp_path / "single", space, indices)
    records: dict[int, Any] = {}
    content = pickles.load_records(path, records.__setitem__)
    assert list(records) == indices
    assert shape(records) == shape({index: official.record(space, index) for index in indices})
    assert content == {**official.meta(space), "arch2infos": {}, "evaluated_indexes": set(indices)}


def test_records_without_schedules_and_of_one_schedule_are_handed_over(tmp_path: Path) -> None:
    one = official.record(SizeSpace((8, 16), 2), 1, ["12"])
    for content in ({0: OrderedDict(), 1: one}, {1: one}, {1: dict(one)}):
        records: dict[int, Any] = {}
        pickles.load_records(official.write(tmp_path / "single", {"arch2infos": content, "x": 1}), records.__setitem__)
        assert shape(dict(sorted(records.items()))) == shape(content)


def test_only_one_record_is_alive_at_a_time(tmp_path: Path) -> None:
    path = official.write_single_file(tmp_path / "single", SizeSpace((8, 16), 2), range(4))
    seen: list[weakref.ref[OrderedDict[str, Any]]] = []

    def consume(index: int, record: OrderedDict[str, Any]) -> None:
        assert all(previous() is None for previous in seen)
        seen.append(weakref.ref(record))

    pickles.load_records(path, consume)
    assert len(seen) == 4


def test_a_record_may_not_be_larger_than_others_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    big = {"arch2infos": {index: OrderedDict(a=index, b=list(range(100_000 * index))) for index in (1, 9)}, "x": 1}
    path = official.write(tmp_path / "single", big)
    records: dict[int, Any] = {}
    pickles.load_records(path, records.__setitem__)
    assert len(records[9]["b"]) == 900_000
    monkeypatch.setattr(pickles, "SIZE_LIMIT", 1 << 20)
    with pytest.raises(ValueError, match="MiB unpacked"):
        pickles.load_records(path, records.__setitem__)


def test_records_may_share_text_but_no_objects(tmp_path: Path) -> None:
    label, shared = "a text of two records", [1.0]
    for value, good in ((label, True), (shared, False)):
        content = {"arch2infos": {index: OrderedDict(a=value, b=index) for index in range(3)}, "rest": None}
        path = official.write(tmp_path / "single", content)
        records: dict[int, Any] = {}
        if good:
            pickles.load_records(path, records.__setitem__)
            assert records == content["arch2infos"]
        else:
            with pytest.raises(ValueError, match="from one record to an object of another"):
                pickles.load_records(path, records.__setitem__)
