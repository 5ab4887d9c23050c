"""Over a thousand mutated and hostile archives: each is read or refused with a clear error, and nothing else happens.

"Nothing else": no code of the file runs (an audit hook watches for what running code would need), nothing takes long, and no
half-written table stays behind. Most files are read in this process, where the hook is; some by a whole import.
"""

from __future__ import annotations

import bz2
import faulthandler
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

import pytest

from benchmark_api import unpickle
from benchmark_api.__main__ import main
from benchmark_api.importers import import_table
from benchmark_api.importers.official import importer
from benchmark_api.importers.official.read import read_meta, recognise_space
from benchmark_api.importers.official.records import read_trials
from benchmark_api.importers.official.single_file import load_records
from benchmark_api.spaces import SizeSpace
from tests.helpers import official

SPACE = SizeSpace((6, 7, 8, 9), 1)
FILES = 1600
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
def hook() -> None:
    read_trials(unpickle.loads(RECORD), 3, "9")  # lazy imports
    sys.addaudithook(_watch)  # cannot be removed; outside `nothing_runs` it does nothing


# -- ways to spoil a file ------------------------------------------------------------------------------------------------

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


def outcome(read: Callable[[Path], object], path: Path) -> str:
    """Read a file, and return how it ended."""
    started = time.perf_counter()
    try:
        with nothing_runs():
            read(path)
    except ValueError as error:
        ended, message = type(error).__name__, str(error)
    else:
        ended, message = "read", ""
    assert len(message) < 2000
    assert message.isprintable()
    assert time.perf_counter() - started < SECONDS_PER_FILE
    assert os.listdir(path.parent) == [path.name]
    return ended


def read_record(path: Path) -> None:
    read_trials(unpickle.load(path), 3, "9")


def read_single_file(path: Path) -> None:
    with open(path, "rb") as file:
        load_records(file, str(path), lambda index, record: read_trials(record, index, None) and None)


def read_space(path: Path) -> None:
    recognise_space(read_meta(path)["meta_archs"])


@pytest.mark.parametrize("part", range(4))
def test_spoiled_records_are_read_or_refused(part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "000003.pickle.pbz2"
    ends: Counter[str] = Counter()
    for seed in range(part, FILES, 4):
        path.write_bytes(spoiled_file(random.Random(seed)))
        ends[outcome(read_record, path)] += 1
    assert min(ends["read"], ends["ValueError"], ends["UnsafePickleError"]) > 5  # the mutations reach every depth


def test_spoiled_single_files_and_meta_are_read_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    records = {index: official.record(SPACE, index, ["01"]) for index in (0, 1)}
    content = official.dumps({**official.meta(SPACE), "arch2infos": records})
    ways = [way for way, _ in UNPACKED if way not in (bomb, deep)]
    path = tmp_path / "file"
    for seed in range(120):
        rng = random.Random(seed)
        path.write_bytes(bz2.compress(rng.choice(ways)(rng, content), 1))
        outcome(read_single_file, path)
    for seed in range(80):
        rng = random.Random(seed)
        way = rng.choice((flip, flip_opcode, cut, splice, insert))
        path.write_bytes(bz2.compress(way(rng, OTHER), 1))
        outcome(read_space, path)


def test_an_import_of_spoiled_files_leaves_a_table_or_nothing(tmp_path: Path) -> None:
    folder = official.write_archive(tmp_path / "archive", SPACE, [2], ["01", "6"])
    ends: Counter[str] = Counter()
    for seed in range(40):
        (folder / "000003.pickle.pbz2").write_bytes(spoiled_file(random.Random(seed)))
        try:
            import_table(folder, tmp_path / "table", jobs=1, progress=False, partial=True).verify()
        except ValueError:
            assert os.listdir(tmp_path) == ["archive"]
            ends["refused"] += 1
        else:
            (tmp_path / "table").unlink()
            ends["read"] += 1
    assert len(ends) == 2


HASHED_FOR_EVER = b"\x80\x04})" + b"".join(b"\x94h%c\x86" % at for at in range(200)) + b"Ns."
HASHED_TOO_DEEP = b"\x80\x04})" + b"\x85" * 5_000_000 + b"Ns."


@pytest.fixture
def quiet_crashes() -> Iterator[None]:
    """Let a process that crashes print no traceback."""
    faulthandler.disable()
    yield
    faulthandler.enable(sys.__stderr__)


@pytest.mark.usefixtures("quiet_crashes")
@pytest.mark.parametrize("data", [HASHED_FOR_EVER, HASHED_TOO_DEEP], ids=["time", "stack"])
def test_a_file_that_exhausts_its_reader_is_named(data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importer, "SECONDS_LIMIT", 0.5)
    folder = official.write_archive(tmp_path / "archive", SPACE, [2], ["01"])
    for path in (folder / "000003.pickle.pbz2", tmp_path / "single"):
        path.write_bytes(bz2.compress(data, 1))
        with pytest.raises(RuntimeError, match=rf"a worker process died while reading {path}: "):
            import_table(path if path.name == "single" else folder, tmp_path / "table", jobs=1, progress=False, partial=True)
    assert sorted(os.listdir(tmp_path)) == ["archive", "single"]


def test_a_file_that_exhausts_memory_is_refused_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = official.write_archive(tmp_path / "archive", SPACE, [2], ["01"])
    path = folder / "000003.pickle.pbz2"
    path.write_bytes(bz2.compress(b"\x80\x04Nr\xff\xff\xff\xff."))
    assert main(["import", str(folder), str(tmp_path / "table"), "--jobs", "2", "--partial"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path}: refused: reading it takes more than")
    assert error.count("\n") == 1
    assert os.listdir(tmp_path) == ["archive"]


def test_the_watch_sees_what_it_should(tmp_path: Path) -> None:
    hostile = pickle.dumps({"a": 1}).replace(b"}", b"cos\ngetcwd\n)R0}", 1)
    with pytest.raises(AssertionError), nothing_runs():
        pickle.loads(hostile)
