"""Flags of any value: each is used as it says, or refused by one line before any work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from benchmark_api.__main__ import main as benchmark_main
from experiments import store
from experiments.__main__ import main as experiments_main
from tests.helpers.hostile import Tries

Main = Callable[[Sequence[str]], int]
HUGE = ("100000000000000000000", "9" * 400)
NO_NUMBERS = ("1_000", "１２", "0x10", "nan", "inf", "-inf", "1e308", "", "x")
NO_COUNTS = ("0", "-1", *HUGE, *NO_NUMBERS)


def sweep(*more: str) -> list[str]:
    return ["run", "rea", "--table", "digits-topology", "--dataset", "digits", "--jobs", "1", *more]


def search(*more: str) -> list[str]:
    return ["run", "gdas", "--table", "digits-topology", "--jobs", "1", *more]


def build(*more: str) -> list[str]:
    usual = {"--space": "size", "--epochs": "1", "--jobs": "1"}
    given = dict(zip(more[::2], more[1::2], strict=True))
    return ["build", *(word for pair in {**usual, **given}.items() for word in pair)]


SWEEP_COUNTS = ("--seeds", "--max-queries", "--workers", "--population-size", "--jobs")
RATES = ("--rate", "--rate-min", "--decay", "--momentum", "--arch-rate", "--arch-decay", "--arch-eps", "--tau-max", "--tau-min")
CASES: list[tuple[Main, Callable[..., list[str]], str, tuple[str, ...]]] = [
    *(
        (experiments_main, sweep, flag, NO_COUNTS)
        for flag in ("--seeds", "--max-queries", "--workers", "--population-size", "--jobs")
    ),
    (experiments_main, sweep, "--first-seed", ("-1", *HUGE, "1_0", "x", str(2**63))),
    (experiments_main, sweep, "--budget", ("0", "-1", "nan", "inf", "1e308", "1_000", "x")),
    (experiments_main, sweep, "--noise", ("loud", *HUGE[:1])),
    (experiments_main, sweep, "--max", ("params=x", "params", "=1", "nothing=1", "params=1_0")),
    *((experiments_main, search, flag, NO_COUNTS) for flag in ("--seeds", "--epochs", "--batch", "--eval-batch", "--stack")),
    *(
        (experiments_main, search, flag, ("-1", "inf", "-inf", "nan", "1e308", "1_0", "x"))
        for flag in (
            "--rate",
            "--rate-min",
            "--decay",
            "--momentum",
            "--arch-rate",
            "--arch-decay",
            "--arch-eps",
            "--tau-max",
            "--tau-min",
        )
    ),
    (experiments_main, search, "--seed-list", ("-1", *HUGE, str(2**63), "1_0", "x")),
    *((benchmark_main, build, flag, NO_COUNTS) for flag in ("--epochs", "--trials", "--batch", "--sample", "--stack", "--jobs")),
    *((benchmark_main, build, flag, ("-1", "inf", "nan", "1e308", "x")) for flag in ("--learning-rate", "--noise")),
    (benchmark_main, build, "--layers", ("0", "1", "-1", "30", "70", "1000000000", *HUGE)),
    (benchmark_main, build, "--widths", ("0", "-1", "1000000000", *HUGE)),
    (benchmark_main, build, "--copies", ("-1", "1000000", *HUGE)),
]


def status_of(main: Main, command: Sequence[str]) -> tuple[int, bool]:
    """Return the exit status, and whether the parser of the command line took the arguments."""
    try:
        return main(command), True
    except SystemExit as end:  # the parser's, with its own explanation
        return int(end.code or 0), False


@pytest.mark.parametrize(("main", "command", "flag", "values"), CASES, ids=[f"{case[1].__name__}{case[2]}" for case in CASES])
def test_numbers_out_of_range_are_refused(
    main: Main,
    command: Callable[..., list[str]],
    flag: str,
    values: tuple[str, ...],
    tmp_path: Path,
    tries: Tries,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    where = ["--results", str(out)] if main is experiments_main else ["--out", str(out)]

    def run(value: str) -> None:
        status, parsed = status_of(main, [*command(flag, value), *where])
        if not parsed:
            return
        errors = capsys.readouterr().err
        assert (status, errors.count("\n")) == (2, 1), (status, errors[-500:])
        assert errors.startswith("error: ")

    for value in values:
        capsys.readouterr()
        tries.expect((flag, value), lambda value=value: run(value))  # type: ignore[misc]
        assert not list(out.rglob("*.parquet"))


@pytest.mark.parametrize("flag", ["--images", "--architectures", "--sample-seed"])
def test_options_of_rankings(flag: str, tmp_path: Path, tries: Tries, capsys: pytest.CaptureFixture[str]) -> None:
    for value in ("-1", *HUGE, "1_000", "x", *(("0",) if flag != "--sample-seed" else ())):
        capsys.readouterr()
        status, parsed = status_of(experiments_main, ["ranking", "--results", str(tmp_path), flag, value])
        assert status == 2
        if parsed:
            assert capsys.readouterr().err.startswith(f"error: {flag[2:].replace('-', '_')} must be")
        tries.inputs += 1


def test_a_seed_that_is_named_twice_is_run_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ("--epochs", "1", "--batch", "450", "--seed-list", "777", "777", "778", "--results", str(tmp_path))
    assert experiments_main(["run", "rsps", "--table", "digits-topology", "--jobs", "1", "--candidates", "2", *small]) == 0
    assert capsys.readouterr().out.startswith("2 new runs")
    (experiment,) = store.load(tmp_path, store.ONE_SHOT_RUNS)
    assert experiment.seeds.tolist() == [777, 778]
