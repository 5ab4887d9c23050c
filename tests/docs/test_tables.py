"""The commands of docs/tables.md run as printed."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from benchmark_api.__main__ import main
from tests.helpers.documents import blocks, commands

PAGE = "docs/tables.md"


def test_metrics_are_attached_and_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (costs,) = blocks(PAGE, "csv")
    Path("costs.csv").write_text(costs)
    printed = []
    for command in commands(PAGE):
        if "$(" in command:  # the test of the importer makes that table
            continue
        assert main(shlex.split(command.removeprefix("python -m benchmark_api "))) == 0, command
        printed.append(capsys.readouterr().out)
    attached, info, query, best, front = printed
    assert "  latency@pixel3  ms    2 of 15,625\n  efficiency            2 of 15,625\n" in attached
    assert "  efficiency            more    2              all\n" in info
    assert "  latency@pixel3  all  7.5 ms\n" in query
    assert best.startswith("architecture 0: ")
    assert front.startswith("2 of 2 architectures: x-test of digits after 4 epochs against latency@pixel3\n")
