"""Checks of tables: statistics as NumPy and SciPy have them, and exit statuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from benchmark_api.__main__ import main
from benchmark_api.spaces import SizeSpace
from benchmark_api.tables import Table, TableWriter
from benchmark_api.tables.checks import CHECKS, Check, Statistic

SPACE = SizeSpace()


def write(path: Path, accuracy: np.ndarray) -> Table:
    """A table of accuracies [architecture] on the test images of cifar10 after 90 epochs."""
    stem = "cifar10/90"
    tensors = {
        f"{stem}/ori-test/accuracy": accuracy[:, None, None],
        f"{stem}/ori-test/epochs": np.array([89], dtype=np.int32),
        f"{stem}/seeds": np.where(np.isnan(accuracy), -1, 777).astype(np.int32)[:, None],
    }
    about = {"space": SPACE.spec(), "title": "size", "notice": "", "source": {}, "search_schedule": "90", "report_schedule": "90"}
    with TableWriter(path, {name: (tensor.dtype, tensor.shape) for name, tensor in tensors.items()}, about) as writer:
        for name, tensor in tensors.items():
            writer.write(name, tensor)
    return Table(path)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """All architectures; the accuracy grows with the last width, up to noise."""
    noise = np.random.default_rng(0).normal(size=len(SPACE))
    widths = np.array([SPACE.channels(SPACE.architecture(index))[-1] for index in range(len(SPACE))])
    return write(tmp_path_factory.mktemp("checks") / "size.safetensors", 80 + widths / 8 + noise)


def test_statistics_of_the_size_space(table: Table) -> None:
    found = {statistic.name: statistic for statistic in CHECKS.find("nats-size").statistics(table)}
    accuracy = table.mean_accuracy("cifar10", "90", "ori-test")
    widths = [sum(SPACE.channels(SPACE.architecture(index))) for index in range(len(SPACE))]
    assert found["architectures"].agrees
    assert found["mean"].found == np.mean(accuracy)
    assert found["standard deviation"].found == np.std(accuracy, ddof=1)
    assert found["median"].found == np.median(accuracy)
    assert (found["minimum"].found, found["maximum"].found) == (accuracy.min(), accuracy.max())
    assert found["ρ with the sum of widths"].found == spearmanr(accuracy, widths).statistic
    assert 0.3 < found["ρ with params"].found < 1.0
    assert [statistic.name for statistic in found.values() if statistic.agrees] == ["architectures"]


@pytest.mark.parametrize(("found", "agrees"), [(1.0, True), (1.04, True), (1.06, False), (0.94, False), (float("nan"), False)])
def test_agreement(found: float, agrees: bool) -> None:
    assert Statistic("s", found, 1.0, 0.05).agrees is agrees


def test_commands(table: Table, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert main(["info", str(table.path), "--check", "nats-size"]) == 2
    printed = capsys.readouterr()
    rows = [line.rsplit(maxsplit=3) for line in printed.out.splitlines()]
    assert printed.out.splitlines()[2].rsplit(maxsplit=2) == ["  architectures", "32768", "32768"]
    assert all(row[-1] == "differs" for row in rows[3:])
    assert "size.safetensors is not nats-size: it differs in mean, " in printed.err
    assert main(["info", str(table.path), "--check", "nats"]) == 2
    assert "unknown check 'nats'; expected one of nats-size" in capsys.readouterr().err

    def one(table: Table) -> Iterator[Statistic]:
        yield Statistic("architectures", 1, 1, 0)

    monkeypatch.setitem(CHECKS._entries, "one", Check("one", "One architecture", one))
    assert main(["info", str(table.path), "--check", "one"]) == 0
    assert capsys.readouterr().out == "One architecture\n  statistic      found  expected\n  architectures  1      1\n"
    (tmp_path / "a.csv").write_text("config,acc,arch\n0,80,8:8:8:8:8\n")
    words = ["import", str(tmp_path / "a.csv"), str(tmp_path / "t"), "--preset", "nats-size-csv", "--partial", "--check"]
    assert main([*words, "one"]) == 0
    assert main([*words, "nats-size"]) == 2
    assert "is not nats-size: it differs in architectures" in capsys.readouterr().err


def test_tables_that_cannot_be_compared(topology_table: Table, tmp_path: Path) -> None:
    check = CHECKS.find("nats-size")
    with pytest.raises(ValueError, match="not of the size space with eight widths and five layers"):
        list(check.statistics(topology_table))
    some = write(tmp_path / "t", np.where(np.arange(len(SPACE)) < 10, 80.0, np.nan))
    (count,) = check.statistics(some)
    assert (count.found, count.agrees) == (10, False)
