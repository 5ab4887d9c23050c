"""Written files: their place, their columns, and what a failed write leaves."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments import store
from tests.helpers.stored import CONDITION, write


def test_every_fact_is_in_the_file(tmp_path: Path) -> None:
    table = pq.read_table(write(tmp_path, range(3)))
    kind = store.BLACK_BOX_RUNS
    columns = [name for name, column in kind.columns.items() if not column.optional]
    assert table.column_names == [*CONDITION.facts(), "seed", "code_version", "wall_seconds", *columns]
    manifest = table.schema.metadata[b"manifest"].decode()
    for fact in ("python", "platform", "cpu", "numpy", "schema_version", "table_path"):
        assert f'"{fact}"' in manifest


def test_files_lie_where_the_documentation_says(tmp_path: Path) -> None:
    path = write(tmp_path, range(25)).relative_to(tmp_path)
    assert path.parts[:2] == ("topology", "cifar10")
    assert path.parts[2].startswith("rea-")
    assert len(path.parts[2]) == len("rea-") + 8
    assert path.name == "seeds-00000-00024.parquet"


def test_optional_columns_are_those_that_runs_have(tmp_path: Path) -> None:
    write(tmp_path, range(2))
    (plain,) = store.load(tmp_path)
    assert (plain.curve, plain.costs, plain.cost_names, plain.incumbent) == (None, None, (), None)
    assert set(plain.columns) == {"seconds", "architecture", "epochs", "accuracy"}


def test_missing_pieces_are_aligned_blocks() -> None:
    assert store.missing_pieces([], range(60)) == [range(25), range(25, 50), range(50, 60)]
    assert store.missing_pieces(range(30), range(60)) == [range(30, 50), range(50, 60)]
    assert store.missing_pieces([3, 4, 26], range(30)) == [range(3), range(5, 25), range(25, 26), range(27, 30)]
    assert store.missing_pieces(range(60), range(60)) == []
    assert store.missing_pieces([], range(40, 60)) == [range(40, 50), range(50, 60)]


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(table: pa.Table, file: object, **options: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(pq, "write_table", full_disk)
    with pytest.raises(OSError, match="no space"):
        write(tmp_path, range(2))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_success_clears_the_note_of_a_failure(tmp_path: Path) -> None:
    note = store.failure_path(store.piece_path(tmp_path, CONDITION, range(5)))
    note.parent.mkdir(parents=True)
    note.write_text("Traceback ...")
    write(tmp_path, range(5))
    assert not note.exists()
