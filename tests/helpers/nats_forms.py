"""A few records of a small size space in every form that the drop-in opens: folder, single file, dict and table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_api.importers import import_table
from benchmark_api.spaces import SizeSpace
from tests.helpers import official

SPACE = SizeSpace(widths=(8, 16, 24), layers=5)
INDICES = (0, 3, 11, 42, 100, 242)


@dataclass
class Forms:
    """Where the same measurements are."""

    folder: Path
    file: Path
    content: dict[str, Any]  # of the file
    table: Path

    def arguments(self, form: str) -> tuple[Any, str, bool, bool]:
        """Those of `create`, which prints nothing then."""
        given = {"folder": str(self.folder), "file": str(self.file), "dict": self.content, "table": str(self.table)}[form]
        return given, "sss", form in ("folder", "table"), False


def make_forms(home: Path) -> Forms:
    """Write all forms into a folder."""
    folder = official.write_archive(home / official.archive_name(SPACE), SPACE, INDICES)
    records = {index: official.record(SPACE, index) for index in INDICES}
    content = {**official.meta(SPACE), "arch2infos": records, "evaluated_indexes": set(records)}
    table = import_table(folder, home / "table.safetensors", partial=True, progress=False)
    return Forms(folder, official.write(home / "all.pickle.pbz2", content), content, table.path)
