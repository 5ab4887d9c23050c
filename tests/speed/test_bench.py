"""The bench: it measures all that it lists, keeps it, and compares what it kept."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from algorithms.black_box import BLACK_BOX
from algorithms.one_shot import ONE_SHOT
from benchmark_api.tables.table import Table
from experiments.bench.__main__ import main
from experiments.bench.history import History
from experiments.bench.rows import Figure, Row
from experiments.bench.tables import Subject, renamed
from experiments.settings import default_budget

MACHINE = {"platform": "Some OS", "cpu": "one", "cores": 2}


def figure(median: float) -> Figure:
    return Figure(median, 0.9 * median, 1.1 * median, 5)


ROWS = (
    Row("query", "µs", figure(2.0), figure(100.0), "the package"),
    Row("open", "ms", figure(3.0), figure(30.0), "the package"),
    Row("rea", "runs/s", figure(200.0), figure(10.0), "the package"),
    Row("peak memory", "MB", figure(80.0)),
)


def history(*rows: Row, day: int = 1, **facts: object) -> History:
    made = History(f"2026-01-{day:02d}T12:00:00+00:00", "0.1+abc", MACHINE, {"quick": False}, 0.0, rows)
    return replace(made, **facts)  # type: ignore[arg-type]


def slowed(row: Row, ours: float, other: float = 1.0) -> Row:
    """A row whose figures are so many times as large."""
    return replace(row, ours=figure(row.ours.median * ours), other=row.other and figure(row.other.median * other))


def checked(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The status of the command, and the lines of its table that say something."""
    status = main(["check", "--history", str(folder), *arguments])
    return status, capsys.readouterr().out


# -- measuring -----------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_everything_is_measured_and_kept(size_table: Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--quick", "--table", str(size_table.path), "--history", str(tmp_path)]) == 0
    said = capsys.readouterr()
    (path,) = tmp_path.iterdir()
    made = History.read(path)
    assert made.table() in said.out
    assert len({row.what for row in made.rows}) == len(made.rows)
    assert all(row.what in said.err for row in made.rows)
    named = {row.what: row for row in made.rows}
    for search in BLACK_BOX:
        assert named[search].unit == "runs/s"
    for search in ONE_SHOT:
        assert named[f"{search}, architecture included"].unit == "steps/s"
        assert named[f"{search}, peak memory"].ours.median > 50
    for row in made.rows:
        assert all(0 < of.low <= of.median <= of.high < float("inf") for of in (row.ours, row.other) if of is not None)
        assert bool(row.counterpart) is (row.other is not None)
    without = {what for what, row in named.items() if row.other is None}
    alone = (
        "bohb-reference",
        "its largest process, peak memory",
        "reading runs back",
        "a stored run",
        "625 candidates, each, with 3 splits, 1 trial, 1 epoch",
    )
    assert without == {*alone, *(f"{search}, checkpoint" for search in ONE_SHOT)}
    assert made.settings["fingerprint"] == size_table.fingerprint
    assert {"platform", "cpu", "cores", "torch", "nats-bench"} <= made.machine.keys()
    assert main(["check", "--history", str(tmp_path), str(path), str(path)]) == 0


def test_a_table_of_other_data_is_measured_under_a_name_that_the_package_knows(
    digits_table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = renamed(digits_table, "digits", "cifar100", tmp_path / "copy")
    copy.verify()
    assert copy.datasets == ("cifar100",)
    assert copy.accuracy(7, "cifar100", "3", "x-test") == digits_table.accuracy(7, "digits", "3", "x-test")
    with pytest.raises(ValueError, match="not on digits; leave the archive out"):
        Subject.of(digits_table, tmp_path, tmp_path)
    exported: list[str] = []
    monkeypatch.setattr(
        "experiments.bench.tables.export_archive", lambda table, out, progress: exported.extend(table.datasets) or out
    )
    subject = Subject.of(digits_table, None, tmp_path)
    assert exported == ["cifar100"]
    assert (subject.dataset, subject.archive) == ("cifar100", tmp_path / "archive")
    assert subject.budget == default_budget("topology", "digits")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--archive", "somewhere"], "name also the table"),
        (["--jobs", "1", "--table", "t"], "at least 2, .*got 1"),
        (["--table", "nowhere"], "no table file nowhere"),
    ],
)
def test_what_cannot_be_measured(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.match(f"error: .*{complaint}", line)


# -- comparing -----------------------------------------------------------------------------------------------------------------


def test_a_history_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = history(*ROWS)
    path = made.write(tmp_path)
    assert path.name == "20260101T120000000000.json"
    assert History.read(path) == made
    assert "| query | 2 µs ± 10 % | 100 µs ± 10 % | 50.00× | the package |" in made.table()
    assert "| rea | 200 runs/s ± 10 % | 10 runs/s ± 10 % | 20.00× | the package |" in made.table()


def test_the_last_two_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history(slowed(ROWS[0], 9.0), day=1).write(tmp_path)
    history(*ROWS, day=2).write(tmp_path)
    history(slowed(ROWS[0], 0.5), slowed(ROWS[1], 2.0), slowed(ROWS[2], 0.5), slowed(ROWS[3], 1.1), day=3).write(tmp_path)
    status, said = checked(tmp_path, capsys)
    assert status == 1
    assert "| query | 2 µs ± 10 % | 1 µs ± 10 % | 2.00× | 1.00× |  |" in said
    assert "| open | 3 ms ± 10 % | 6 ms ± 10 % | 0.50× | 1.00× | SLOWER |" in said
    assert "| rea | 200 runs/s ± 10 % | 100 runs/s ± 10 % | 0.50× | 1.00× | SLOWER |" in said
    assert "| peak memory | 80 MB ± 10 % | 88 MB ± 10 % | 0.91× |  |  |" in said
    assert "changed" not in said
    assert checked(tmp_path, capsys, "--threshold", "2.5")[0] == 0


def test_a_slower_machine_is_no_slower_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = history(*ROWS).write(tmp_path)
    twice = [slowed(ROWS[0], 2.0, 2.0), slowed(ROWS[1], 6.0, 2.0), slowed(ROWS[2], 0.5, 0.5), slowed(ROWS[3], 2.0)]
    new = history(*twice, day=2, machine={**MACHINE, "cpu": "another"}).write(tmp_path)
    status, said = checked(tmp_path, capsys, str(old), str(new))
    assert status == 1
    assert "the machine changed: cpu was one, is another" in said
    assert "counterparts are 0.50× as fast as they were (median)" in said
    slower = [line.split(" | ")[0] for line in said.splitlines() if "SLOWER" in line]
    assert slower == ["| open", "| peak memory"]  # more than the machine; memory does not depend on it
    assert checked(tmp_path, capsys, str(new), str(old))[0] == 0


def test_a_busy_moment_is_no_slower_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The median took thrice as long, the best repeat as long as before."""
    history(*ROWS).write(tmp_path)
    opened, rea = (replace(row, ours=slowed(row, factor).ours) for row, factor in ((ROWS[1], 3.0), (ROWS[2], 1 / 3)))
    opened = replace(opened, ours=replace(opened.ours, low=ROWS[1].ours.low))
    rea = replace(rea, ours=replace(rea.ours, high=ROWS[2].ours.high))
    history(ROWS[0], opened, rea, ROWS[3], day=2).write(tmp_path)
    status, said = checked(tmp_path, capsys)
    assert status == 0
    assert "| 0.33× | 1.00× |  |" in said


def test_rows_come_and_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history(*ROWS[:2]).write(tmp_path)
    history(*ROWS[1:3], day=2, settings={"quick": True}).write(tmp_path)
    status, said = checked(tmp_path, capsys)
    assert status == 0
    assert "| query | 2 µs ± 10 % |  |  |  | no longer measured |" in said
    assert "| rea |  | 200 runs/s ± 10 % |  |  | new |" in said
    assert "the settings changed: quick was False, is True" in said


def test_what_cannot_be_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = history(*ROWS).write(tmp_path)
    assert main(["check", "--history", str(tmp_path)]) == 2
    assert "has 1 runs of the bench, expected two" in capsys.readouterr().err
    assert main(["check", "--history", str(tmp_path), str(path), str(path), "--threshold", "1"]) == 2
    assert "threshold must be above 1, got 1.0" in capsys.readouterr().err
    facts = json.loads(path.read_text())
    for number, damaged in enumerate(("", "[]", "{}", json.dumps({**facts, "format": 9}), json.dumps({**facts, "rows": [{}]}))):
        other = tmp_path / f"damaged-{number}"
        other.write_text(damaged)
        assert main(["check", "--history", str(tmp_path), str(path), str(other)]) == 2
        assert f"{other}: not a history of the bench" in capsys.readouterr().err
