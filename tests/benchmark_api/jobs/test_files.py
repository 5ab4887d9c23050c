"""Only regular files are read or replaced, and what killed processes left is removed."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmark_api.__main__ import main
from benchmark_api.importers.official import exporter
from benchmark_api.jobs.files import WriteError, discard_parts, scratch_folder, whole_file
from benchmark_api.kind_of_file import kind_of_file
from benchmark_api.spaces import SizeSpace
from benchmark_api.tables.table import Table
from experiments.__main__ import main as experiments_main
from plots.files import save
from tests.helpers import official
from tests.helpers.hand import group, write
from tests.helpers.hostile import Tries

Make = Callable[[Path], object]


def make_socket(path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(path.parent)  # the name of a socket is short
    try:
        listener.bind(path.name)
    finally:
        os.chdir(here)
        listener.close()


NO_FILES: dict[str, Make] = {
    "a FIFO": os.mkfifo,
    "a folder": Path.mkdir,
    "a socket": make_socket,
    "a device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file_is_not_read(kind: str, tmp_path: Path, tries: Tries) -> None:
    path = tmp_path / "x.csv"
    NO_FILES[kind](path)
    tries.refused("its kind", lambda: kind_of_file(path), path)
    tries.refused("as a table", lambda: Table(path), path)
    table = write(tmp_path / "t.safetensors", group("digits/4"))
    out = str(tmp_path / "out")
    commands = [
        (main, ["import", str(path), out, "--jobs", "1"]),
        (main, ["import", str(path), out, "--preset", "nats-size-csv"]),
        (main, ["import", str(table.path), out, "--columns", str(path)]),
        (main, ["attach", str(table.path), str(path)]),
        (main, ["info", str(path)]),
        (main, ["merge", str(table.path), str(path), out]),
        (experiments_main, ["run", "rea", "--table", str(path), "--results", out]),
    ]
    for run, command in commands:
        tries.expect(command, lambda run=run, command=command: run(command))  # type: ignore[misc]
        assert not os.path.lexists(out), command


@pytest.mark.parametrize("kind", [*NO_FILES, "a symbolic link"])
def test_what_is_no_file_is_not_replaced(kind: str, tmp_path: Path, tries: Tries) -> None:
    path = tmp_path / "x"
    if kind == "a symbolic link":
        (tmp_path / "elsewhere").write_bytes(b"mine")
        path.symlink_to(tmp_path / "elsewhere")
    else:
        NO_FILES[kind](path)
    before = os.lstat(path)

    def put() -> None:
        with whole_file(path) as file:
            file.write(b"theirs")

    archive = official.write_archive(tmp_path / "archive", SizeSpace((8, 16), 2), range(4), ["12"])
    tries.refused("a file", put, path)
    assert main(["import", str(archive), str(path), "--jobs", "1"]) == 2
    assert main(["export", "digits-size", str(path)]) == 2
    table = write(tmp_path / "t.safetensors", group("digits/4"))
    assert main(["merge", str(table.path), str(table.path), str(path)]) == 2
    assert (os.lstat(path).st_ino, os.lstat(path).st_mode) == (before.st_ino, before.st_mode)
    if kind == "a symbolic link":
        assert (tmp_path / "elsewhere").read_bytes() == b"mine"
    tries.inputs += 3


def test_a_device_is_not_replaced(tries: Tries, tmp_path: Path) -> None:
    import matplotlib.figure

    null = Path("/dev/null")
    before = os.lstat(null)
    with pytest.raises(WriteError, match="/dev/null is a device"), whole_file(null):
        pytest.fail("it was opened")
    os.symlink(null, tmp_path / "f.png")
    tries.refused("a figure", lambda: save(matplotlib.figure.Figure(), tmp_path / "f"), "f.png is a symbolic link")
    assert os.lstat(null).st_rdev == before.st_rdev


# -- what killed processes left ----------------------------------------------------------------------------------------------


def leave(folder: Path) -> list[Path]:
    """Make what a killed import, export and writer leave."""
    left = [folder / ".t.abcd0123.spool", folder / ".out.zyxw_987.part", folder / ".f.parquet.abcdefgh.part"]
    for path in left[:2]:
        path.mkdir()
        (path / "000000.npz").write_bytes(b"x" * 100)
    left[2].write_bytes(b"x")
    return left


def test_what_killed_commands_left_is_removed_by_the_next(tmp_path: Path) -> None:
    archive = official.write_archive(tmp_path / "archive", SizeSpace((8, 16), 2), range(4), ["12"])
    home = tmp_path / "home"
    home.mkdir()
    for number, command in enumerate((["import", str(archive), str(home / "t")], ["export", str(home / "t"), str(home / "out")])):
        left = leave(home)
        assert main([*command, "--jobs", "1"]) == 0, number
        assert not any(map(os.path.lexists, left))
    assert sorted(path.name for path in home.iterdir()) == ["out", "t"]


def test_what_is_in_use_or_not_ours_stays(tmp_path: Path) -> None:
    mine = [tmp_path / ".config", tmp_path / ".d.part", tmp_path / "a.part", tmp_path / ".my.long-name-of-mine.spool"]
    for path in mine:
        path.mkdir()
        (path / "x").touch()
    (tmp_path / "target").mkdir()
    (tmp_path / ".l.abcd0123.part").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / ".q.abcd0123.part")
    with scratch_folder(tmp_path, "t", ".spool") as used:
        discard_parts(tmp_path)
        assert used.is_dir()
        with scratch_folder(tmp_path, "t", ".spool") as other:
            assert other != used
            assert used.is_dir()
    assert not used.exists()
    assert all((path / "x").exists() for path in mine)
    assert (tmp_path / "target").is_dir()


def test_a_scratch_folder_is_locked_while_it_is_used(tmp_path: Path) -> None:
    with scratch_folder(tmp_path, "t", ".part") as folder:
        descriptor = os.open(folder, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)


def test_an_interrupted_export_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> Iterator[int]:
        raise KeyboardInterrupt
        yield 0

    monkeypatch.setattr(exporter, "in_parallel", interrupted)
    with pytest.raises(KeyboardInterrupt):
        exporter.export_archive(Table("digits-size"), tmp_path / "out", jobs=1, progress=False)
    assert list(tmp_path.iterdir()) == []
