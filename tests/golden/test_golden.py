"""Today's behaviour is that of the golden files; `tests.golden.make` says what they hold and how they are made.

A difference is either an error or a decision: for the latter, make the files again and commit their diff with the reason.
"""

from __future__ import annotations

import json
import math
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.golden import make

TRAJECTORIES, ONE_SHOT, IMPORTED = (json.loads(make.read(f"{name}.json")) for name in ("trajectories", "one_shot", "imported"))
TOLERANCE = 2e-5  # relative; instruction sets of one family of processors differ by up to 2e-6


def differences(found: Any, expected: Any, where: str = "") -> Iterator[str]:
    """Where two JSON values differ: floats by more than rounding, all else at all."""
    if isinstance(found, float) and isinstance(expected, float):
        if not math.isclose(found, expected, rel_tol=TOLERANCE, abs_tol=1e-9):
            yield f"{where}: {found!r}, was {expected!r}"
    elif isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted({*found, *expected}):
            yield from differences(found.get(key), expected.get(key), f"{where}.{key}".lstrip("."))
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        for number, pair in enumerate(zip(found, expected, strict=True)):
            yield from differences(*pair, f"{where}[{number}]")
    elif found != expected:
        yield f"{where}: {found!r}, was {expected!r}"


def rows(text: str) -> list[list[str]]:
    """The rows of a printed table in CSV, Markdown or LaTeX, without what is no row of values."""
    if text.startswith(("|", "#")):
        return [line.strip("| ").split("|") for line in text.splitlines() if line.startswith("|")]
    return [line.split("&") for line in text.splitlines() if "&" in line]


def numbers(text: str) -> list[list[str]]:
    """The numbers of each row of a printed table."""
    found = [re.findall(r"[-+]?\d[\d,.]*", " ".join(row)) for row in rows(text)]
    return [row for row in found if row]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A copy of the stored results folder."""
    return Path(shutil.copytree(make.RESULTS, tmp_path / "results"))


# -- what is computed ------------------------------------------------------------------------------------------------------------


def test_the_golden_files_hold_every_case() -> None:
    assert list(TRAJECTORIES) == make.SEARCHES
    assert list(ONE_SHOT) == list(make.ONE_SHOT)
    assert list(IMPORTED) == list(make.ARCHIVES)


@pytest.mark.parametrize("options", TRAJECTORIES)
def test_trajectories_bit_for_bit(options: str) -> None:
    assert make.trajectories(options) == TRAJECTORIES[options]


@pytest.mark.parametrize("case", ONE_SHOT)
def test_one_shot_searches(case: str) -> None:
    assert list(differences(json.loads(json.dumps(make.one_shot(case))), ONE_SHOT[case])) == []


@pytest.mark.parametrize("case", IMPORTED)
def test_fingerprints_of_imported_tables(case: str) -> None:
    assert make.imported(case) == IMPORTED[case]


# -- what is printed -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", make.PROGRAMS)
def test_commands_accept_the_same(program: str) -> None:
    """Options, arguments, defaults, choices and subcommands; the wording of the texts may change."""
    found, expected = make.options(make.help_texts(program)), make.options(make.read(f"help-{program}.txt"))
    assert sorted(found) == sorted(expected)
    assert all(accepted for command, accepted in found.items() if command != f"python -m {program} --help")
    for command, accepted in expected.items():
        assert found[command] == accepted, command


def test_list() -> None:
    """All entries of four lines each; their order is the registry's."""
    found, expected = (text.splitlines() for text in (make.listing(), make.read("list.txt")))
    entries, golden = ([tuple(lines[i : i + 4]) for i in range(0, len(lines), 4)] for lines in (found, expected))
    assert sorted(entries) == sorted(golden)


def test_csv() -> None:
    assert make.report("csv") == make.read("table.csv")


@pytest.mark.parametrize("end", ["md", "tex"])
def test_numbers_of_tables(end: str) -> None:
    assert numbers(make.report(make.FORMATS[end])) == numbers(make.read(f"table.{end}"))


# -- results of an earlier version -----------------------------------------------------------------------------------------------

STORED = Counter(
    {
        ("topology", "digits", 5): 3,
        ("topology", "digits", 10): 2,
        ("size", "digits", 5): 4,
        ("topology", "digits", 2): 1,
        ("topology", "digits", 1): 1,
        ("size", "digits", 1): 1,
    }
)
"""Number of experiments with so many runs."""


def test_status_counts_all_runs(results: Path) -> None:
    printed = make.output("experiments", "status", "--results", results)
    found = re.findall(r"^(\w+) (\w+) .*: (\d+) runs, (?:missing|seeds) ", printed, re.MULTILINE)
    assert Counter((space, dataset, int(runs)) for space, dataset, runs in found) == STORED
    assert len(found) == len(printed.splitlines())


def test_runs_can_be_made_again(results: Path) -> None:
    """All black-box runs, bit for bit; that other code made them is the only other finding."""
    status, printed, _ = make.command("experiments", "verify", "--results", results, "--sample", 10)
    good = re.findall(r": ok \((\d+) runs read, (\d+) made again\)$", printed, re.MULTILINE)
    assert Counter(int(runs) for runs, _ in good) == Counter(runs for _, _, runs in STORED.elements())
    assert sum(int(again) for _, again in good) == sum(runs for _, _, runs in STORED.elements() if runs >= 5)
    other = [line for line in printed.splitlines() if ": ok (" not in line]
    assert all("made by other code" in line for line in other), printed
    assert status == bool(other)


def test_an_experiment_is_extended(results: Path) -> None:
    """The same command with more seeds: the new runs join the stored ones, which are not made again."""
    before = {path: path.read_bytes() for path in results.rglob("*.parquet")}
    command = make.RUNS[0].replace("--seeds 5", "--seeds 7").split()
    printed = make.output("experiments", "run", *command, "--jobs", 1, "--results", results)
    assert printed.startswith("2 new runs ")
    after = set(results.rglob("*.parquet"))
    (new,) = after - set(before)
    assert all(path.read_bytes() == data for path, data in before.items())
    (folder,) = {path.parent for path in before if path.parent == new.parent}
    assert [row["seed"] for row in make.stored_rows(folder)] == list(range(7))
    assert re.search(r"^topology digits rea: 7 runs, ", make.output("experiments", "status", "--results", results), re.MULTILINE)


def test_a_one_shot_experiment_is_extended(results: Path) -> None:
    command = next(run for run in make.RUNS if run.startswith("gdas")).replace("--seeds 1", "--seeds 2").split()
    command += ["--stack", "1"]  # as it was made, before the default was chosen by the network's size
    printed = make.output("experiments", "run", *command, "--jobs", 1, "--results", results)
    assert printed.startswith("1 new runs ")
    (folder,) = results.glob("topology/digits/gdas-*")
    assert [row["seed"] for row in make.stored_rows(folder)] == [777, 888]


def test_rankings_are_printed_and_made_with_the_stored_supernet(results: Path) -> None:
    """A stored ranking is not made again; without it the stored supernet makes the same, but for rounding."""
    stored = make.output("experiments", "ranking", "--results", results, "--jobs", 1, *make.RANKING)
    assert stored.startswith("0 new runs ")
    (piece,) = results.glob("topology/digits/rsps-ranking-*/seeds-00777-*.parquet")
    (before,) = make.stored_rows(piece.parent)[:1]
    piece.unlink()
    again = make.output("experiments", "ranking", "--results", results, "--jobs", 1, *make.RANKING)
    assert again.startswith("1 new runs ")
    (after,) = make.stored_rows(piece.parent)[:1]
    assert after["architecture"] == before["architecture"]
    assert after["accuracy"] == pytest.approx(before["accuracy"], abs=0.51)  # one of 200 images


@pytest.mark.slow
def test_figures_and_page(results: Path) -> None:
    assert make.figure_names(results) == make.read("figures.txt")
