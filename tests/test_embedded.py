"""Tables that come with the project are known by their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark_api.__main__ import main
from benchmark_api.table import EMBEDDED, Table


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


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_tables_are_whole_and_say_what_they_are(name: str) -> None:
    table = Table(name)
    table.verify()
    assert table.path.stat().st_size < 12e6
    assert "trained by this project" in table.notice
    for fact in ("command", "machine", "total_seconds", "settings"):
        assert table.metadata["source"][fact]
