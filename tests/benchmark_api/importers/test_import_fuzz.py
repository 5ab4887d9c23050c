"""A thousand mutated and hostile archives: each is read or refused with a clear error, and nothing else happens.

"Nothing else": no code of the file runs (an audit hook watches for what running code would need), nothing takes long, and no
half-written table stays behind.
"""

from __future__ import annotations

import bz2
import os
import pickle
import random
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from benchmark_api.importers import import_table
from benchmark_api.importers.official import records
from benchmark_api.spaces import SizeSpace
from tests.helpers import official

SPACE = SizeSpace((6, 7, 8, 9), 1)  # all records have the same form: reading one relies on what was learned from others
FILES = 1000
SECONDS_PER_FILE = 20.0  # a file takes some milliseconds; this is for hanging, on a machine with other things to do

_FORBIDDEN = (
    "exec",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "subprocess.Popen",
    "pickle.find_class",
    "ctypes.dlopen",
)
_watching = False
_seen: list[str] = []


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if _watching and event in _FORBIDDEN:
        _seen.append(event)


@contextmanager
def nothing_runs() -> Iterator[None]:
    global _watching
    _seen.clear()
    _watching = True
    try:
        yield
    finally:
        _watching = False
    assert _seen == []


@pytest.fixture(scope="module", autouse=True)
def hook(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("first")
    import_table(official.write_archive(folder / "archive", SPACE, [0], ["01"]), folder / "table", jobs=1)  # lazy imports
    sys.addaudithook(_watch)  # cannot be removed; outside `nothing_runs` it does nothing


# -- ways to spoil a file ------------------------------------------------------------------------------------------------

FIRST_RECORD = official.dumps(official.record(SPACE, 2, ["01", "6"]))
RECORD = official.dumps(official.record(SPACE, 3, ["01", "6"]))
OTHER = official.dumps(official.meta(SPACE))
OPCODES = b"".join(
    value for name, value in vars(pickle).items() if name.isupper() and isinstance(value, bytes) and len(value) == 1
)
TOKENS = [
    b"\x80\x04",
    b"cos\nsystem\n",
    b"cbuiltins\nexec\n",
    b"cnumpy\ndtype\n",
    b"cnumpy.core.multiarray\nscalar\n",
    b"ccollections\nOrderedDict\n",
    b"\x8c\x02os\x8c\x06system\x93",
    b"\x8c\x10touch fuzz-canary",
    b"\x8c\x0212",
    b"\x8c\x0aarch_index",
    b"K\x00",
    b"C\x08" + struct.pack("<d", 1.0),
    b"G" + struct.pack(">d", 50.0),
    b"r\xff\xff\xff\xff",
    b"X\xff\xff\xff\xff",
    b"\x8a\xff" + b"\xff" * 255,
    b"\x95" + b"\xff" * 8,
    *(bytes((opcode,)) for opcode in OPCODES),
]


def flip(rng: random.Random, data: bytes) -> bytes:
    spoiled = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 30))):
        spoiled[rng.randrange(len(spoiled))] = rng.randrange(256)
    return bytes(spoiled)


def flip_opcode(rng: random.Random, data: bytes) -> bytes:
    spoiled = bytearray(data)
    spoiled[rng.randrange(min(len(spoiled), 600))] = rng.choice(OPCODES)  # the first bytes decide the structure
    return bytes(spoiled)


def cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def splice(rng: random.Random, data: bytes) -> bytes:
    source = rng.choice((data, data, OTHER))
    start, at = rng.randrange(len(source)), rng.randrange(len(data))
    piece = source[start : start + rng.randrange(1, 400)]
    return data[:at] + piece + data[at + rng.choice((0, len(piece))) :]


def insert(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + b"".join(rng.choices(TOKENS, k=rng.randrange(1, 5))) + data[at:]


def number(rng: random.Random, data: bytes) -> bytes:
    """Put another float in the place of one."""
    places = [at for at in range(len(data) - 9) if data[at : at + 1] == b"G"]
    at = rng.choice(places)
    value = rng.choice((float("nan"), float("inf"), -1.0, 1e300, 100.0, 100.0001, 5e-324))
    return data[: at + 1] + struct.pack(">d", value) + data[at + 9 :]


def program(rng: random.Random, data: bytes) -> bytes:
    """A random program of pickle instructions."""
    return b"\x80\x04" + b"".join(rng.choices(TOKENS, k=rng.randrange(1, 60))) + b"."


def bomb(rng: random.Random, data: bytes) -> bytes:
    size = rng.choice((1 << 16, 1 << 20, 20 << 20))
    return rng.choice((data[:-1], b"\x80\x04")) + rng.choice((b"B" + struct.pack("<I", size), b"(", b"N", b"]")) * 3 + bytes(size)


def deep(rng: random.Random, data: bytes) -> bytes:
    size = rng.randrange(1000, 20000)
    body, end = rng.choice(((b"]", b"a"), (b")\x85", b"\x86"), (b"}K\x00", b"s"), (b"(", b"t"), (b"}", b"\x94")))
    return b"\x80\x04" + body * size + end * size + rng.choice((b"", b"h\x00" * size)) + b"."


UNPACKED: list[tuple[Callable[[random.Random, bytes], bytes], int]] = [
    (flip, 25),
    (flip_opcode, 20),
    (cut, 5),
    (splice, 15),
    (insert, 15),
    (number, 5),
    (program, 20),
    (bomb, 1),
    (deep, 4),
]
PACKED: list[tuple[Callable[[random.Random, bytes], bytes], int]] = [(flip, 4), (cut, 3), (splice, 3)]


def spoiled_file(rng: random.Random) -> bytes:
    """The bytes of a record's file, one way or another not what they should be."""
    if rng.random() < 0.25:
        (spoil,) = rng.choices([way for way, _ in PACKED], [weight for _, weight in PACKED])
        return spoil(rng, PACKED_RECORD)
    (spoil,) = rng.choices([way for way, _ in UNPACKED], [weight for _, weight in UNPACKED])
    return bz2.compress(spoil(rng, RECORD), 1)


PACKED_RECORD = bz2.compress(RECORD, 1)


# -- the tests -----------------------------------------------------------------------------------------------------------


def outcome(source: Path, out: Path) -> str:
    """Import, check what is left behind, and tell how it ended."""
    started = time.perf_counter()
    try:
        with nothing_runs():
            table = import_table(source, out, jobs=1, progress=False)
    except ValueError as error:
        ended, message = type(error).__name__, str(error)
    else:
        table.verify()
        out.unlink()
        ended, message = "read", source.name
    assert source.name in message
    assert len(message) < 2000
    assert time.perf_counter() - started < SECONDS_PER_FILE
    assert os.listdir(out.parent) == [source.name]
    return ended


@pytest.mark.parametrize("part", range(4))
def test_spoiled_records_are_read_or_refused(part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = official.write_archive(tmp_path / "archive", SPACE, [2], ["01", "6"])
    ends: Counter[str] = Counter()
    for seed in range(part, FILES, 4):
        (folder / "000003.pickle.pbz2").write_bytes(spoiled_file(random.Random(seed)))
        ends[outcome(folder, tmp_path / "table")] += 1
    assert min(ends["read"], ends["ValueError"], ends["UnsafePickleError"]) > 5  # the mutations reach every depth


def test_spoiled_single_files_and_meta_are_read_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    records = {index: official.record(SPACE, index, ["01"]) for index in (0, 1)}
    content = official.dumps({**official.meta(SPACE), "arch2infos": records})
    ways = [way for way, _ in UNPACKED if way not in (bomb, deep)]
    for seed in range(120):
        rng = random.Random(seed)
        single = tmp_path / "single"
        single.write_bytes(bz2.compress(rng.choice(ways)(rng, content), 1))
        outcome(single, tmp_path / "table")
    single.unlink()
    folder = official.write_archive(tmp_path / "archive", SPACE, [1], ["01"])
    for seed in range(80):
        rng = random.Random(seed)
        way = rng.choice((flip, flip_opcode, cut, splice, insert))
        (folder / "meta.pickle.pbz2").write_bytes(bz2.compress(way(rng, OTHER), 1))
        outcome(folder, tmp_path / "table")


def test_records_of_a_known_form_are_read_like_others() -> None:
    """What was learned from one record never changes what is read from another."""
    warm = records.RecordReader()
    warm.read(FIRST_RECORD, 2, "8", "first")

    def reading(reader: records.RecordReader, data: bytes) -> str:
        with np.printoptions(threshold=10**6):
            try:
                return repr(reader.read(data, 3, "9", "record"))
            except ValueError as error:
                return f"{type(error).__name__}: {error}"

    assert reading(warm, RECORD) == reading(records.RecordReader(), RECORD)
    assert sum(map(len, warm._forms.values())) == 1
    same = 0
    for seed in range(300):
        rng = random.Random(seed)
        spoiled = rng.choice((flip, flip, number, splice))(rng, RECORD)
        found = reading(warm, spoiled)
        assert found == reading(records.RecordReader(), spoiled)
        same += found.startswith("{")
    assert 20 < same < 280


def test_the_watch_sees_what_it_should(tmp_path: Path) -> None:
    hostile = pickle.dumps({"a": 1}).replace(b"}", b"cos\ngetcwd\n)R0}", 1)
    with pytest.raises(AssertionError), nothing_runs():
        pickle.loads(hostile)
